//! What VBoxManage's exit status and error text say about the outcome.
//!
//! Source of every rule: `vbox-semantics` sections 1 (rules 1, 2, 14), 2.5 and 10, measured on VirtualBox 7.2.22. The number of a
//! result code decides, because its name differs between platforms and its text between languages; texts are looked at
//! only where VirtualBox prints no number, or the same number for two things.

use super::command::CommandLine;
use crate::host::{ErrorClass, HostError};

/// What a command printed that VirtualBox says was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error: progress and warnings.
    pub stderr: String,
}

impl Output {
    /// VirtualBox's warnings, without their prefix.
    pub fn warnings(&self) -> Vec<String> {
        self.stderr.lines().filter_map(|line| after_prefix(line, "warning")).map(str::to_owned).collect()
    }
}

/// VirtualBox's result codes by number; the names are those of its documentation.
const CODES: &[(u32, &str, ErrorClass)] = &[
    (0x8000_4001, "E_NOTIMPL", ErrorClass::WrongInput),
    (0x8000_4004, "E_ABORT", ErrorClass::Unknown),
    (0x8000_4005, "E_FAIL", ErrorClass::Unknown),
    (0x8000_ffff, "E_UNEXPECTED", ErrorClass::Unknown),
    (0x8004_0154, "REGDB_E_CLASSNOTREG", ErrorClass::Unknown),
    (0x8007_0005, "E_ACCESSDENIED", ErrorClass::Unknown),
    (0x8007_0057, "E_INVALIDARG", ErrorClass::WrongInput),
    (0x80bb_0001, "VBOX_E_OBJECT_NOT_FOUND", ErrorClass::WrongState),
    (0x80bb_0002, "VBOX_E_INVALID_VM_STATE", ErrorClass::WrongState),
    (0x80bb_0003, "VBOX_E_VM_ERROR", ErrorClass::Unknown),
    (0x80bb_0004, "VBOX_E_FILE_ERROR", ErrorClass::HostBroken),
    (0x80bb_0005, "VBOX_E_IPRT_ERROR", ErrorClass::HostBroken),
    (0x80bb_0006, "VBOX_E_PDM_ERROR", ErrorClass::WrongInput),
    (0x80bb_0007, "VBOX_E_INVALID_OBJECT_STATE", ErrorClass::WrongState),
    (0x80bb_0008, "VBOX_E_HOST_ERROR", ErrorClass::HostBroken),
    (0x80bb_0009, "VBOX_E_NOT_SUPPORTED", ErrorClass::WrongInput),
    (0x80bb_000a, "VBOX_E_XML_ERROR", ErrorClass::HostBroken),
    (0x80bb_000b, "VBOX_E_INVALID_SESSION_STATE", ErrorClass::Unknown),
    (0x80bb_000c, "VBOX_E_OBJECT_IN_USE", ErrorClass::WrongInput),
    (0x80bb_000d, "VBOX_E_PASSWORD_INCORRECT", ErrorClass::WrongInput),
    (0x80bb_000e, "VBOX_E_MAXIMUM_REACHED", ErrorClass::WrongInput),
    (0x80bb_000f, "VBOX_E_GSTCTL_GUEST_ERROR", ErrorClass::WrongState),
    (0x80bb_0010, "VBOX_E_TIMEOUT", ErrorClass::Unknown),
];

/// Texts that decide also where the exit status is 0: nothing else was to be done by the same command.
const TEXTS: &[(&str, ErrorClass)] = &[
    ("RTR3Init: VERR_NO_TRANSLATION", ErrorClass::Unreachable),
    ("The object functionality is limited", ErrorClass::WrongState),
    ("is not currently running", ErrorClass::WrongState),
    ("as the machine is not in the Saved or Aborted-Saved state", ErrorClass::WrongState),
    ("No DVD/Floppy Drive attached", ErrorClass::WrongState),
    ("cannot be created while the VM is running", ErrorClass::WrongState),
    ("cannot be deleted while the VM is running", ErrorClass::WrongState),
    ("cannot be created/deleted while the VM is running", ErrorClass::WrongState),
    ("cannot be changed while the VM is running", ErrorClass::WrongState),
    ("while NATNetwork instance is running", ErrorClass::WrongState),
    ("autostart database is not set", ErrorClass::WrongInput),
    ("is an existing file. Delete or rename this file", ErrorClass::WrongState),
];

/// Texts that say more than the code beside them: a thing that is there or is gone is a world that moved, not a broken host.
const REASONS: &[(&str, ErrorClass)] = &[
    // The machine is gone then, and some of its disks are.
    ("Machine delete failed", ErrorClass::Unknown),
    // `natnetwork` has done what it was told before this, and made the network or server (measured).
    ("Failed to add pf", ErrorClass::Unknown),
    ("Failed to delete pf", ErrorClass::Unknown),
    ("Failed to set configuration", ErrorClass::Unknown),
    ("Malformed option", ErrorClass::Unknown),
    ("AddLocalMapping", ErrorClass::Unknown),
    ("Failed to remove nat network", ErrorClass::Unknown),
    ("server does not exist", ErrorClass::WrongState),
    ("Failed to find DHCP server", ErrorClass::WrongState),
    ("The host network interface named", ErrorClass::WrongState),
    ("already exists", ErrorClass::WrongState),
    ("VERR_ALREADY_EXISTS", ErrorClass::WrongState),
    ("Could not find ", ErrorClass::WrongState),
    ("VERR_FILE_NOT_FOUND", ErrorClass::WrongState),
    ("VERR_PATH_NOT_FOUND", ErrorClass::WrongState),
    // Media are addressed by UUID: VirtualBox takes one that it does not know for a path.
    ("is not fully qualified", ErrorClass::WrongState),
    ("does not have any snapshots", ErrorClass::WrongState),
    ("No storage device attached to device slot", ErrorClass::WrongState),
    ("VERR_VD_INVALID_SIZE", ErrorClass::WrongInput),
    ("VERR_INVALID_PARAMETER", ErrorClass::WrongInput),
];

/// Turns what VBoxManage left behind into an answer. `status` is `None` where a signal ended it.
pub fn judge(command: &CommandLine, status: Option<i32>, output: Output) -> Result<Output, HostError> {
    let failed = message(&output.stderr);
    if status == Some(0) && failed.is_none() {
        return Ok(output);
    }
    let code = result_code(&output.stderr);
    let message = match (failed, status) {
        (Some(message), _) => message,
        (None, None) => "ended by a signal".to_owned(),
        (None, Some(status)) => {
            let line =
                output.stderr.lines().chain(output.stdout.lines()).find(|line| !line.trim().is_empty());
            line.map_or_else(|| format!("exit status {status}, no message"), |line| line.trim().to_owned())
        }
    };
    Err(HostError::Refused {
        command: command.to_string(),
        message,
        code: code.map(code_name),
        status,
        class: class_of(status, code, &output.stderr),
        stderr: output.stderr,
    })
}

/// What VirtualBox told the native helper, as VBoxManage would have printed it: it means the same. `half_deleted` is a machine
/// that is no longer registered, and some of whose files are left.
pub fn told(what: &str, code: u32, text: &str, component: &str, half_deleted: bool) -> HostError {
    let name = code_name(code);
    let details = format!("Details: code {name} ({code:#010x}), component {component}");
    let first = if half_deleted { Some("Machine delete failed") } else { None };
    let lines = first.into_iter().chain(text.lines()).chain([details.as_str()]);
    let stderr: String = lines.flat_map(|line| ["VBoxManage: error: ", line, "\n"]).collect();
    let message = message(&stderr).filter(|message| !message.starts_with("Details: "));
    HostError::Refused {
        command: what.to_owned(),
        message: message.unwrap_or_else(|| format!("{name} ({code:#010x})")),
        code: Some(name),
        status: None,
        class: class_of(Some(1), Some(code), &stderr),
        stderr,
    }
}

/// The meaning of a failure.
fn class_of(status: Option<i32>, code: Option<u32>, stderr: &str) -> ErrorClass {
    if stderr.contains("Failed to create the VirtualBox object!") {
        // With these two the registry itself cannot be loaded: the same again will not help.
        let broken = code == Some(0x8007_0057) || stderr.contains("Document is empty");
        return if broken { ErrorClass::HostBroken } else { ErrorClass::NotExecuted };
    }
    let Some(status) = status else { return ErrorClass::Unknown };
    if let Some((_, class)) = TEXTS.iter().find(|(text, _)| stderr.contains(text)) {
        return *class;
    }
    if status <= 0 {
        // Zero: the other effects of the same command were saved. Negative: VBoxManage crashed (Windows).
        return ErrorClass::Unknown;
    }
    if let Some((_, class)) = REASONS.iter().find(|(text, _)| stderr.contains(text)) {
        return *class;
    }
    match code {
        Some(code) => CODES.iter().find(|row| row.0 == code).map_or(ErrorClass::Unknown, |row| row.2),
        // VBoxManage's own check of its arguments, before anything else.
        None if stderr.lines().any(|line| error_text(line).is_some()) => ErrorClass::WrongInput,
        None => ErrorClass::Unknown,
    }
}

/// The error lines up to the one with the code, without those that only say that a command failed.
fn message(stderr: &str) -> Option<String> {
    let lines: Vec<&str> = stderr.lines().filter_map(error_text).collect();
    let is_reason = |line: &&str| {
        let said_by_the_command =
            ["Failed to create medium", "Failed to resize medium", "Machine delete failed"].contains(line);
        !said_by_the_command && !line.is_empty()
    };
    let reasons = lines
        .iter()
        .copied()
        .take_while(|line| !line.starts_with("Details: ") && !line.starts_with("Context: "));
    let reasons: Vec<&str> = reasons.filter(is_reason).collect();
    if reasons.is_empty() { lines.first().map(|line| (*line).to_owned()) } else { Some(reasons.join(" ")) }
}

/// Whether another client holds the machine for a moment, or it runs: the caller looks which.
pub fn is_locked(error: &HostError) -> bool {
    let HostError::Refused { stderr, .. } = error else { return false };
    result_code(stderr) == Some(0x80bb_0007)
        && ["is already locked", "already has a lock request pending"]
            .iter()
            .any(|text| stderr.contains(text))
}

/// Text of an error line: `VBoxManage: error: TEXT`, on Windows `VBoxManage.exe: error: TEXT`; progress may stand before it.
fn error_text(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '%' || c == '.');
    after_prefix(line, "error").or_else(|| after_prefix(line, "fatal error"))
}

fn after_prefix<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("VBoxManage")?;
    let rest = rest.strip_prefix(".exe").unwrap_or(rest);
    rest.strip_prefix(": ")?.strip_prefix(kind)?.strip_prefix(": ").map(str::trim_end)
}

/// The first result code in VirtualBox's own lines: `code VBOX_E_FILE_ERROR (0x80bb0004)`.
fn result_code(stderr: &str) -> Option<u32> {
    let lines = stderr.lines().filter_map(error_text);
    lines.filter(|line| line.contains("ode ")).find_map(|line| {
        let (_, rest) = line.split_once("(0x")?;
        let digits = rest.get(..8)?;
        (rest.as_bytes().get(8) == Some(&b')')).then_some(())?;
        u32::from_str_radix(digits, 16).ok()
    })
}

fn code_name(code: u32) -> String {
    CODES.iter().find(|row| row.0 == code).map_or_else(|| format!("0x{code:08x}"), |row| row.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Output, judge};
    use crate::host::virtualbox::command::CommandLine;
    use crate::host::{ErrorClass, HostError};

    fn class(status: Option<i32>, stderr: &str) -> (String, Option<String>, ErrorClass) {
        let output = Output { stdout: String::new(), stderr: stderr.to_owned() };
        match judge(&CommandLine::of(["modifyvm"]), status, output).unwrap_err() {
            HostError::Refused { message, code, class, .. } => (message, code, class),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn progress_and_warnings_are_no_failure() {
        let stderr =
            "0%...10%...100%\nVBoxManage: warning: Interface \"x\" doesn't seem to exist\n".to_owned();
        let output = judge(&CommandLine::default(), Some(0), Output { stdout: "a".into(), stderr }).unwrap();
        assert_eq!(output.warnings(), ["Interface \"x\" doesn't seem to exist"]);
    }

    #[test]
    fn exit_status_0_with_an_error_line_is_a_failure_of_unknown_extent() {
        let (message, code, class) = class(Some(0), "VBoxManage: error: Invalid NIC number 9\n");
        assert_eq!((message.as_str(), code, class), ("Invalid NIC number 9", None, ErrorClass::Unknown));
    }

    #[test]
    fn a_server_that_was_leaving_did_nothing() {
        let text = "VBoxManage: error: Failed to create the VirtualBox object!\n\
                    VBoxManage: error: Code NS_ERROR_FAILURE (0x80004005) - Operation failed (extended info not available)\n";
        assert_eq!(class(Some(1), text).2, ErrorClass::NotExecuted);
        let broken = text.replace("NS_ERROR_FAILURE (0x80004005)", "NS_ERROR_INVALID_ARG (0x80070057)");
        assert_eq!(class(Some(1), &broken).2, ErrorClass::HostBroken);
    }

    #[test]
    fn signals_and_crashes_say_nothing() {
        assert_eq!(class(None, "!!Assertion Failed!!\n").2, ErrorClass::Unknown);
        assert_eq!(class(Some(-1_073_741_819), "").2, ErrorClass::Unknown);
        assert_eq!(class(Some(7), "").0, "exit status 7, no message");
    }

    #[test]
    fn codes_are_read_by_number_also_from_windows() {
        let text = "VBoxManage.exe: error: The machine is not mutable (state is Saved)\r\n\
                    VBoxManage.exe: error: Details: code ANYTHING (0x80bb0002), component SessionMachine\r\n";
        let (message, code, class) = class(Some(1), text);
        assert_eq!(message, "The machine is not mutable (state is Saved)");
        assert_eq!((code.as_deref(), class), (Some("VBOX_E_INVALID_VM_STATE"), ErrorClass::WrongState));
    }

    #[derive(serde::Deserialize)]
    struct Transcript {
        argv: Vec<String>,
        status: i32,
        stdout: String,
        stderr: String,
        class: String,
    }

    /// What the executor makes of an answer, in the words of the transcripts.
    fn word(answer: &Result<Output, HostError>) -> &'static str {
        match answer.as_ref().map_err(HostError::class) {
            Ok(_) => "done",
            Err(ErrorClass::NotExecuted) => "notExecuted",
            Err(ErrorClass::Unknown) => "unknown",
            Err(ErrorClass::WrongState) => "wrongState",
            Err(ErrorClass::WrongInput) => "wrongInput",
            Err(ErrorClass::HostBroken) => "hostBroken",
            Err(ErrorClass::Unreachable) => "unreachable",
        }
    }

    #[test]
    fn recorded_answers_are_classified_as_they_say() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/7.2.22");
        let mut wrong = Vec::new();
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            let told: Transcript = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let output = Output { stdout: told.stdout, stderr: told.stderr };
            let answer = judge(&CommandLine::of(told.argv), Some(told.status), output);
            if word(&answer) != told.class {
                wrong.push(format!("{}: {}, not {}: {answer:?}", file.display(), word(&answer), told.class));
            }
            count += 1;
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count > 150, "{count} transcripts");
    }

    #[test]
    fn a_message_says_why_and_not_only_that() {
        let text = "0%...VBOX_E_FILE_ERROR\nVBoxManage: error: Failed to create medium\n\
                    VBoxManage: error: Could not create the medium storage unit '/a.vdi'.\n\
                    VBoxManage: error: VDI: cannot create image '/a.vdi' (VERR_ALREADY_EXISTS)\n\
                    VBoxManage: error: Details: code VBOX_E_FILE_ERROR (0x80bb0004), component MediumWrap\n";
        let (message, code, class) = class(Some(1), text);
        assert_eq!(
            message,
            "Could not create the medium storage unit '/a.vdi'. VDI: cannot create image '/a.vdi' (VERR_ALREADY_EXISTS)"
        );
        assert_eq!((code.as_deref(), class), (Some("VBOX_E_FILE_ERROR"), ErrorClass::WrongState));
    }
}
