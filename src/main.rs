//! The program `vboxmcp`: the command line of the library.

fn main() -> std::process::ExitCode {
    vboxmcp::cli::main(std::env::args_os())
}
