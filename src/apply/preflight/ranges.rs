//! The addresses that host-only interfaces may have. On Linux, macOS and Solaris VirtualBox 6.1.28 and later refuse others, with a
//! message of its helper program only (VirtualBox manual, section "Host-Only Networking").

use std::net::IpAddr;

use super::Lack;
use crate::host::Range;
use crate::plan::{Action, NetworkChange, Plan};

/// The file that allows more.
const FILE: &str = "/etc/vbox/networks.conf";

/// Whether the plan gives an interface an address.
pub fn asks(plan: &Plan) -> bool {
    addresses(plan).next().is_some()
}

fn addresses(plan: &Plan) -> impl Iterator<Item = (&crate::plan::Step, &str)> {
    plan.steps.iter().filter_map(|step| match &step.action {
        Action::Network { change: NetworkChange::SetInterface { address, .. } } => {
            Some((step, address.as_str()))
        }
        _ => None,
    })
}

/// Addresses that VirtualBox would refuse. `allowed` is `None` where it refuses none.
pub fn judge(plan: &Plan, allowed: Option<&[Range]>) -> Vec<Lack> {
    let Some(allowed) = allowed else { return Vec::new() };
    let lack = |(step, text): (&crate::plan::Step, &str)| {
        let address: IpAddr = text.split('/').next()?.parse().ok()?;
        if allowed.iter().any(|range| range.contains(address)) {
            return None;
        }
        let ranges: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let wider = text.parse::<Range>().map_or_else(|_| text.to_owned(), |range| range.to_string());
        Some(Lack {
            address: Some(step.address.clone()),
            text: format!(
                "{}: VirtualBox refuses the address {text} of a host-only interface: this host allows {}",
                step.address,
                if ranges.is_empty() { "none".to_owned() } else { ranges.join(", ") }
            ),
            hint: format!("take one of those, or let root add the line `* {wider}` to {FILE}"),
            stops: true,
        })
    };
    addresses(plan).filter_map(lack).collect()
}
