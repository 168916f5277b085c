//! DHCP servers, which are objects beside their networks.

use super::NetworkScene;
use crate::diff::FieldDifference;
use crate::inventory::Networks;
use crate::model::{Dhcp, FieldPath, NetworkKind};
use crate::plan::action::{Action, NetworkChange};
use crate::plan::draft::Draft;

impl NetworkScene<'_> {
    /// The DHCP server of a network that is about to be made; one that a former network of ours left is brought up to date.
    pub(super) fn server(&self, draft: &mut Draft, declared: Option<&Dhcp>, cause: Vec<FieldPath>) {
        let network = Networks::dhcp_name(self.network.kind, &self.network.name);
        let there = self.inventory.networks.dhcp.get(&network);
        let wanted = declared.filter(|dhcp| dhcp.server.is_some() && dhcp.range.is_some());
        let change = match (there, wanted) {
            (None, None) => return,
            (None, Some(dhcp)) => NetworkChange::AddDhcp { network, dhcp: dhcp.clone() },
            (Some(there), Some(dhcp)) => {
                NetworkChange::ChangeDhcp { network, dhcp: dhcp.clone(), forget: surplus(there, dhcp) }
            }
            // VirtualBox keeps one for its first interface from the beginning.
            (Some(_), None) if self.network.kind == NetworkKind::HostOnly => return,
            (Some(_), None) => {
                draft.effects.push("removes the DHCP server that the former network left".to_owned());
                NetworkChange::RemoveDhcp { network }
            }
        };
        draft.push(Action::Network { change }, cause, []);
    }

    pub(super) fn change_dhcp(&self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let kind = self.network.kind;
        let network = Networks::dhcp_name(kind, &self.network.name);
        let there = self.inventory.networks.dhcp.get(&network);
        let dhcp_path = FieldPath::of([kind.key(), "dhcp"]);
        let of_it: Vec<&&FieldDifference> =
            fields.iter().filter(|field| field.path.starts_with(&dhcp_path)).collect();
        let moves =
            kind == NetworkKind::Nat && fields.iter().any(|field| field.path.parts() == ["nat", "cidr"]);
        let declared = self.network.settings.dhcp.as_ref();
        let cause: Vec<FieldPath> = of_it.iter().map(|field| field.path.clone()).collect();
        let Some(there) = there else {
            if let Some(dhcp) = declared.filter(|dhcp| dhcp.server.is_some() && dhcp.range.is_some())
                && !of_it.is_empty()
            {
                let change = NetworkChange::AddDhcp { network, dhcp: dhcp.clone() };
                draft.push(Action::Network { change }, cause, []);
            }
            return;
        };
        if moves && declared.is_none_or(|dhcp| dhcp.server.is_none()) {
            draft.effects.push(
                "removes its DHCP server, which would give out the former addresses: VirtualBox makes a new one when the network is used"
                    .to_owned(),
            );
            let change = NetworkChange::RemoveDhcp { network };
            draft.push(Action::Network { change }, [FieldPath::of(["nat", "cidr"])], []);
            return;
        }
        let (Some(dhcp), false) = (declared, of_it.is_empty()) else { return };
        let differs = |key: &str| of_it.iter().any(|field| field.path.parts().get(2) == Some(&key));
        let addresses = differs("server") || differs("range");
        let options = dhcp.options.as_ref().filter(|_| differs("options")).map(|options| {
            let is_new = |(name, value): &(&String, &String)| {
                there.options.as_ref().and_then(|known| known.get(*name)) != Some(*value)
            };
            options.iter().filter(is_new).map(|(name, value)| (name.clone(), value.clone())).collect()
        });
        let change = NetworkChange::ChangeDhcp {
            network,
            dhcp: Dhcp {
                enabled: dhcp.enabled.filter(|wanted| there.enabled != Some(*wanted)),
                server: dhcp.server.clone().or_else(|| there.server.clone()).filter(|_| addresses),
                range: dhcp.range.clone().or_else(|| there.range.clone()).filter(|_| addresses),
                options,
            },
            forget: if kind == NetworkKind::Nat { Vec::new() } else { surplus(there, dhcp) },
        };
        if !matches!(&change, NetworkChange::ChangeDhcp { dhcp, forget, .. } if *dhcp == Dhcp::default() && forget.is_empty())
        {
            draft.push(Action::Network { change }, cause, []);
        }
    }
}

/// Whether a NAT network has a DHCP server; the server itself is another object.
pub(super) fn nat_dhcp(declared: Option<&Dhcp>) -> Option<Dhcp> {
    declared.map(|dhcp| Dhcp { enabled: dhcp.enabled, ..Dhcp::default() })
}

/// Options of a server that a declaration of all of them leaves out.
fn surplus(there: &Dhcp, declared: &Dhcp) -> Vec<String> {
    let Some(wanted) = &declared.options else { return Vec::new() };
    there
        .options
        .iter()
        .flat_map(|options| options.keys())
        .filter(|name| !wanted.contains_key(*name))
        .cloned()
        .collect()
}
