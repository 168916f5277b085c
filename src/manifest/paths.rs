//! Paths as the manifest writes them, made absolute without asking the file system.

use std::path::{Path, PathBuf};

pub use crate::model::lexical;

/// A path of a manifest: `~` is `home`, relative ones start at `base`.
///
/// # Errors
/// A sentence, where `~` is written and no home is known, or another user's home is meant.
pub fn resolve(written: &str, base: &Path, home: Option<&Path>) -> Result<PathBuf, String> {
    let Some(rest) = written.strip_prefix('~') else { return Ok(lexical(&base.join(written))) };
    let rest = if rest.is_empty() {
        rest
    } else {
        rest.strip_prefix(std::path::is_separator).ok_or_else(|| {
            "only `~/`, the home of the owner of the VirtualBox home, is understood".to_owned()
        })?
    };
    let home = home.ok_or_else(|| "`~` cannot be used here: no home directory is known".to_owned())?;
    Ok(lexical(&home.join(rest)))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_by_their_letters() {
        let base = Path::new("/lab/site");
        let home = Some(Path::new("/home/ada"));
        let resolved = |written| resolve(written, base, home).unwrap().display().to_string();
        assert_eq!(resolved("./a/../b.iso"), "/lab/site/b.iso");
        assert_eq!(resolved("../../../x"), "/x");
        assert_eq!(resolved("~/vms/"), "/home/ada/vms");
        assert_eq!(resolved("~"), "/home/ada");
        assert_eq!(resolved("/srv//vms/."), "/srv/vms");
        assert!(resolve("~bob/x", base, home).is_err());
        assert!(resolve("~/x", base, None).is_err());
    }
}

#[cfg(all(test, windows))]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_by_their_letters() {
        let base = Path::new(r"C:\lab\site");
        let home = Some(Path::new(r"C:\Users\ada"));
        let resolved = |written| resolve(written, base, home).unwrap().display().to_string();
        assert_eq!(resolved("./a/../b.iso"), r"C:\lab\site\b.iso");
        assert_eq!(resolved(r"..\x"), r"C:\lab\x");
        assert_eq!(resolved(r"D:\vms"), r"D:\vms");
        assert_eq!(resolved(r"\\server\share\x"), r"\\server\share\x");
        assert_eq!(resolved("~/vms"), r"C:\Users\ada\vms");
    }
}
