//! By which of its doors VirtualBox is changed.

/// Which door a run takes to VirtualBox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// What is fastest of what this host has.
    #[default]
    Auto,
    /// VBoxManage alone, one effect a call.
    VBoxManage,
    /// VBoxManage, and new machines from settings files that are written whole.
    Born,
    /// The native helper for all that it can do; a host that has none is refused.
    Native,
}

impl Route {
    /// The word of flags and files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::VBoxManage => "vboxmanage",
            Self::Born => "born",
            Self::Native => "native",
        }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl std::str::FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::VBoxManage, Self::Born, Self::Native]
            .into_iter()
            .find(|route| route.word() == text)
            .ok_or_else(|| format!("`{text}` is not a route: write `auto`, `vboxmanage`, `born` or `native`"))
    }
}
