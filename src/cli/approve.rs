//! `vboxmcp approve`

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

use clap::Args;

use super::session::Session;
use crate::failure::{Exit, Failure, Kind};
use crate::ops::kept::{self, KeptPlan, Shelf};
use crate::render::plan::write_plan;
use crate::render::text::printable;

/// Let an agent apply a plan that it made.
///
/// Shows the plan and asks for the first eight digits of its hash, typed at this terminal: neither a pipe nor a flag can give them. The agent
/// that made the plan can apply it once, within ten minutes. An agent that can type at a terminal of yours can approve its own plans.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  vboxmcp approve                  the plans that wait
  vboxmcp approve 7870ab16         this plan")]
pub struct Arguments {
    /// The hash of the plan, or its first eight digits or more; none lists what waits
    #[arg(value_name = "HASH")]
    pub hash: Option<String>,
    /// The client that made it, where several made the same one
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
}

pub fn run(session: &Session, arguments: &Arguments) -> Result<Exit, Failure> {
    let context = session.context()?;
    let shelf = Shelf::of(&context)?.ok_or_else(|| {
        Failure::new(Kind::Usage, "plans are kept neither of a simulated host without a directory nor where no state directory is known")
    })?;
    let Some(hash) = &arguments.hash else {
        list(session, &shelf.list()?)?;
        return Ok(Exit::Done);
    };
    let kept = shelf.find(hash, arguments.client.as_deref())?;
    let mut terminal = terminal()?;
    let digits = kept.plan.hash.get(..kept::DIGITS).unwrap_or(&kept.plan.hash);
    let answer = ask(session, &kept, &mut terminal)?;
    if answer.trim() != digits {
        return Err(Failure::new(Kind::Cancelled, "not approved: the digits are others"));
    }
    shelf.approve(&kept, session.environment.user().unwrap_or("unknown user"))?;
    session.status(&format!("{} can apply plan {digits} once, within ten minutes", printable(&kept.client)));
    Ok(Exit::Done)
}

fn list(session: &Session, kept: &[KeptPlan]) -> Result<(), Failure> {
    session.print(|out, _| {
        if kept.is_empty() {
            return writeln!(out, "No plan waits for approval.");
        }
        for one in kept {
            let digits = one.plan.hash.get(..kept::DIGITS).unwrap_or(&one.plan.hash);
            let (client, version) = (printable(&one.client), printable(&one.version));
            let steps = crate::render::text::count(one.plan.steps.len(), "step");
            let what = format!("{} of stack {}", one.plan.verb.word(), one.plan.stack);
            writeln!(out, "{digits}  {what}, {steps}, for {client} {version}, {}", one.made)?;
        }
        Ok(())
    })
}

/// Shows the plan and asks, on the terminal itself: what standard input and output are does not matter.
fn ask(session: &Session, kept: &KeptPlan, terminal: &mut Terminal) -> Result<String, Failure> {
    let mut shown = Vec::new();
    write_plan(&mut shown, &kept.plan, &session.err)?;
    let (client, version) = (printable(&kept.client), printable(&kept.version));
    let out = &mut terminal.write;
    writeln!(out, "{client} {version} made this plan at {}:\n", kept.made)?;
    out.write_all(&shown)?;
    write!(out, "\nType the first {} digits of the hash to approve it: ", kept::DIGITS)?;
    out.flush()?;
    let mut answer = String::new();
    BufReader::new(&terminal.read).read_line(&mut answer)?;
    Ok(answer)
}

/// Both ends of the terminal that controls this program.
struct Terminal {
    read: File,
    write: File,
}

#[cfg(unix)]
const NAMES: (&str, &str) = ("/dev/tty", "/dev/tty");

#[cfg(windows)]
const NAMES: (&str, &str) = ("CONIN$", "CONOUT$");

fn terminal() -> Result<Terminal, Failure> {
    let open = || -> std::io::Result<Terminal> {
        let read = File::options().read(true).write(cfg!(windows)).open(NAMES.0)?;
        let write = File::options().read(cfg!(windows)).write(true).open(NAMES.1)?;
        Ok(Terminal { read, write })
    };
    open().map_err(|error| {
        Failure::new(Kind::Refused, format!("not approved: there is no terminal to type at ({error})"))
            .hint("a person runs `vboxmcp approve` in a terminal; it cannot be scripted")
    })
}
