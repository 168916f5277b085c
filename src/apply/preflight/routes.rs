//! NAT networks whose addresses the host reaches some other way. Their machines could not reach those hosts, and VirtualBox says nothing.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::Lack;
use crate::host::Route;
use crate::model::network::{network_of, prefixed};
use crate::plan::{Action, NetworkChange, Plan, Step};

/// Whether the plan gives a NAT network its addresses.
pub fn asks(plan: &Plan) -> bool {
    networks(plan).next().is_some()
}

fn networks(plan: &Plan) -> impl Iterator<Item = (&Step, (Ipv4Addr, u32))> {
    plan.steps.iter().filter_map(|step| {
        let cidr = match &step.action {
            Action::Network { change: NetworkChange::AddNat { settings, .. } } => settings.cidr.clone(),
            Action::Network { change: NetworkChange::ModifyNat { set, .. } } => {
                let cidr = set.iter().find(|assignment| assignment.path.parts() == ["nat", "cidr"]);
                cidr.and_then(|assignment| assignment.value.as_ref())
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            }
            _ => None,
        };
        Some((step, prefixed(&cidr?)?))
    })
}

/// Networks that overlap with a route of the host.
pub fn judge(plan: &Plan, routes: &[Route]) -> Vec<Lack> {
    let lack = |(step, (ip, prefix)): (&Step, (Ipv4Addr, u32))| {
        let own = network_of(ip, prefix);
        let route = routes.iter().find(|route| {
            let other = network_of(route.to, u32::from(route.prefix));
            own.0 <= other.1 && other.0 <= own.1
        })?;
        Some(Lack {
            address: Some(step.address.clone()),
            text: format!(
                "{}: its addresses overlap with {}/{}, which this host reaches by {}",
                step.address, route.to, route.prefix, route.interface
            ),
            hint: "its machines would not reach those hosts: declare another `cidr`".to_owned(),
            stops: false,
        })
    };
    networks(plan).filter_map(lack).collect()
}
