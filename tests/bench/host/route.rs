//! The ways in which vboxmcp changes VirtualBox, as far as the program knows them.

use std::process::Command;

use crate::home::Home;
use crate::measure::{Bound, Run, STALL, process};

/// One way; without a name the one that the program takes by itself.
#[derive(Clone, Debug)]
pub struct Route(Option<String>);

impl Route {
    /// One effect a call of VBoxManage; whole machines by VBoxManage; VirtualBox's own interface; what the program chooses.
    const NAMED: [&str; 4] = ["vboxmanage", "born", "native", "auto"];

    /// Those that are asked for, or all; of them those that the program knows.
    pub fn all(asked: Option<&[String]>) -> Vec<Self> {
        let all: Vec<String> =
            asked.map_or_else(|| Self::NAMED.map(str::to_owned).to_vec(), <[String]>::to_vec);
        let named = all.into_iter().map(|name| Self(Some(name)));
        let known: Vec<Self> = named.filter(|route| !route.flags("apply").is_empty()).collect();
        if known.is_empty() { vec![Self(None)] } else { known }
    }

    /// For people.
    pub fn name(&self) -> &str {
        self.0.as_deref().unwrap_or("the only one")
    }

    /// The bound of VBoxManage's way, or of the other.
    pub fn bound(&self, by_vboxmanage: Bound, natively: Bound) -> Bound {
        if matches!(self.0.as_deref(), Some("native")) { natively } else { by_vboxmanage }
    }

    /// Whether new machines are made one effect after another: that is kept for comparison.
    pub fn is_stepwise(&self) -> bool {
        matches!(self.0.as_deref(), Some("vboxmanage"))
    }

    /// What chooses it, where this verb of the program knows of it.
    fn flags(&self, verb: &str) -> Vec<String> {
        let Some(name) = &self.0 else { return Vec::new() };
        let flags = vec!["--route".to_owned(), name.clone()];
        let asked = Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
            .arg(verb)
            .args(&flags)
            .arg("--help")
            .output()
            .unwrap();
        if asked.status.success() { flags } else { Vec::new() }
    }

    /// A verb of vboxmcp on a home.
    pub fn vboxmcp(&self, home: &Home<'_>, verb: &str, arguments: &[&str]) -> Command {
        let mut command = home.command(env!("CARGO_BIN_EXE_vboxmcp"));
        command.arg(verb).args(self.flags(verb)).args(arguments);
        command
    }

    /// Runs a verb that only reads.
    pub fn read(&self, home: &Home<'_>, verb: &str, arguments: &[&str]) -> Run {
        Run::of(process(&mut self.vboxmcp(home, verb, arguments)).0)
    }

    /// Runs a verb that changes something, counting the steps that stalled.
    pub fn change(&self, home: &Home<'_>, verb: &str, arguments: &[&str]) -> Run {
        let (time, said) = process(self.vboxmcp(home, verb, arguments).args(["-o", "json"]));
        let events = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let took =
            events.filter_map(|event| event["milliseconds"].as_u64().filter(|_| event["step"].is_u64()));
        let steps: Vec<u64> = took.collect();
        assert!(!steps.is_empty(), "{verb} had nothing to do");
        let stalls = steps.iter().filter(|took| u128::from(**took) > STALL.as_millis()).count();
        Run { time, stalls }
    }
}
