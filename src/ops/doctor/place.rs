//! Folders that an apply writes to: whether it may, and whether there is room.

use std::io;
use std::path::Path;

use super::{DoctorReport, Verdict};
use crate::host::checkup::{free_space, writable};
use crate::model::Bytes;

/// Less room than this in a folder is too little: a full disk leaves empty settings files behind (`vbox-semantics` 8.2).
const LEAST: Bytes = Bytes(64 << 20);

/// Adds the row of a folder. One that is not there yet will be made: what counts is the nearest that is.
pub fn check(report: &mut DoctorReport, what: &'static str, folder: &Path, text: String) {
    let there = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok()).unwrap_or(folder);
    let (verdict, finding) = if there.is_dir() {
        judge(writable(there), free_space(there))
    } else {
        (Verdict::Bad, format!(": {} is no folder", there.display()))
    };
    let text = if there == folder { text } else { format!("{text} (not there yet)") };
    let hint = match verdict {
        Verdict::Bad => Some(format!("make it writable for you, and keep {} MiB free", LEAST.0 >> 20)),
        Verdict::Good | Verdict::Warning => None,
    };
    report.add(what, verdict, text + &finding).hint = hint;
}

fn judge(writable: io::Result<()>, free: io::Result<Option<Bytes>>) -> (Verdict, String) {
    // A full disk cannot be written either: room is looked at first.
    match (free, writable) {
        (Ok(Some(free)), _) if free < LEAST => (Verdict::Bad, format!(": only {} are free", readable(free))),
        (_, Err(error)) => (Verdict::Bad, format!(" cannot be written: {error}")),
        (Err(error), Ok(())) => (Verdict::Warning, format!(": how much is free is not known: {error}")),
        (Ok(Some(free)), Ok(())) => (Verdict::Good, format!(", {} free", readable(free))),
        (Ok(None), Ok(())) => (Verdict::Good, String::new()),
    }
}

/// `12.3 GiB`, `63 MiB`
fn readable(size: Bytes) -> String {
    let mebibytes = size.0 >> 20;
    if mebibytes < 1024 {
        format!("{mebibytes} MiB")
    } else {
        format!("{}.{} GiB", mebibytes >> 10, (mebibytes % 1024) * 10 / 1024)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{LEAST, check, judge};
    use crate::model::Bytes;
    use crate::ops::{DoctorReport, Verdict};

    #[test]
    fn room_and_rights_are_judged() {
        let denied = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let free = |bytes| Ok(Some(Bytes(bytes)));
        assert_eq!(judge(Ok(()), free(LEAST.0)), (Verdict::Good, ", 64 MiB free".to_owned()));
        assert_eq!(judge(Ok(()), free(LEAST.0 - 1)), (Verdict::Bad, ": only 63 MiB are free".to_owned()));
        assert_eq!(judge(denied(), free(0)).1, ": only 0 MiB are free");
        assert_eq!(judge(denied(), free(5 << 30)).1, " cannot be written: permission denied");
        assert_eq!(judge(Ok(()), free(5 << 29)), (Verdict::Good, ", 2.5 GiB free".to_owned()));
        assert_eq!(judge(Ok(()), Ok(None)), (Verdict::Good, String::new()));
        assert_eq!(judge(Ok(()), Err(io::Error::other("x"))).0, Verdict::Warning);
    }

    #[test]
    fn a_folder_that_is_not_there_is_judged_by_the_one_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut report = DoctorReport::default();
        check(&mut report, "home", &folder.path().join("a/b"), "HOME".to_owned());
        check(&mut report, "home", &file.join("below"), "HOME".to_owned());
        assert_eq!(report.checks[0].verdict, Verdict::Good);
        assert!(report.checks[0].text.starts_with("HOME (not there yet)"), "{:?}", report.checks);
        assert_eq!(report.checks[1].verdict, Verdict::Bad);
        assert!(report.checks[1].text.ends_with("file is no folder"), "{:?}", report.checks);
    }
}
