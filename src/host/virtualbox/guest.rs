//! What only VirtualBox can tell of a guest: its screen, and what it says of itself while it runs.

use uuid::Uuid;

use super::VirtualBox;
use crate::host::HostError;

/// What `guestproperty get` prints where there is no such property.
const NO_VALUE: &str = "No value set!";

impl VirtualBox {
    /// A picture of the first screen, as PNG.
    pub(super) fn take_screenshot(&self, machine: Uuid) -> Result<Vec<u8>, HostError> {
        let folder =
            tempfile::tempdir().map_err(|source| HostError::Write { path: std::env::temp_dir(), source })?;
        let file = folder.path().join("screen.png");
        let machine = machine.to_string();
        let path = file.display().to_string();
        self.runner()?.read(["controlvm", &machine, "screenshotpng", &path])?;
        std::fs::read(&file).map_err(|source| HostError::Read { path: file, source })
    }

    /// A guest property as it is now, transient ones included.
    pub(super) fn read_guest_property(&self, machine: Uuid, name: &str) -> Result<Option<String>, HostError> {
        let output = self.runner()?.read(["guestproperty", "get", &machine.to_string(), name])?;
        Ok(property(&output.stdout))
    }
}

/// Reads `Value: TEXT`.
fn property(text: &str) -> Option<String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    (text != NO_VALUE).then(|| text.strip_prefix("Value: ").map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::property;

    #[test]
    fn a_property_has_a_value_or_none() {
        assert_eq!(property("Value: 10.0.2.15\n"), Some("10.0.2.15".to_owned()));
        assert_eq!(property("Value: \n"), Some(String::new()));
        assert_eq!(property("No value set!\n"), None);
    }
}
