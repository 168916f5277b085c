//! Host-only: interfaces that VirtualBox makes on the host, and the networks that it has in their place on macOS.

use super::NetworkScene;
use crate::diff::FieldDifference;
use crate::model::network::{is_in, last_of, pool, prefixed};
use crate::model::{FieldPath, NetworkKind, NetworkSettings};
use crate::plan::action::{Action, NetworkChange};
use crate::plan::draft::Draft;

impl NetworkScene<'_> {
    /// Makes an interface, and gives it its address.
    pub(super) fn add_interface(&self, draft: &mut Draft, settings: &NetworkSettings) {
        let name = &self.network.name;
        let cause = || [FieldPath::of(["hostOnly"])];
        let change = NetworkChange::AddInterface { name: name.clone() };
        draft.push(Action::Network { change }, cause(), []);
        if let Some(address) = settings.address.clone() {
            let change = NetworkChange::SetInterface { name: name.clone(), address };
            draft.push(Action::Network { change }, cause(), []);
        }
        draft.effects.push(format!("VirtualBox names the interface {name}"));
    }

    /// Gives an interface another address.
    pub(super) fn change_interface(&self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let address = fields.iter().find(|field| field.path.parts() == ["hostOnly", "address"]);
        if let Some(field) = address
            && let Some(address) = &self.network.settings.address
        {
            let change =
                NetworkChange::SetInterface { name: self.network.name.clone(), address: address.clone() };
            draft.push(Action::Network { change }, [field.path.clone()], []);
        }
    }

    /// Makes a host-only network.
    pub(super) fn add_host_only_network(&self, draft: &mut Draft) {
        let Some(address) = self.network.settings.address.clone() else { return };
        let Some(last) = self.network.settings.last_given_out().or_else(|| last_of(&address)) else { return };
        let change = NetworkChange::AddHostOnlyNetwork { name: self.network.name.clone(), address, last };
        draft.push(Action::Network { change }, [FieldPath::of(["hostOnly"])], []);
        self.left_to_macos(draft);
    }

    /// Gives a host-only network other addresses, and switches it on.
    pub(super) fn change_host_only_network(&self, draft: &mut Draft, fields: &[&FieldDifference]) {
        let live = self.inventory.networks.find(self.network.kind, &self.network.name).unwrap_or_default();
        let declared = &self.network.settings;
        let Some(address) = declared.address.as_ref().or(live.address.as_ref()).cloned() else { return };
        let kept = live
            .last_given_out()
            .filter(|last| prefixed(&address).is_some_and(|network| is_in(*last, network)));
        let Some(last) = declared.last_given_out().or(kept).or_else(|| last_of(&address)) else { return };
        if fields.is_empty() {
            return;
        }
        let change = NetworkChange::SetHostOnlyNetwork { name: self.network.name.clone(), address, last };
        draft.push(Action::Network { change }, fields.iter().map(|field| field.path.clone()), []);
        self.left_to_macos(draft);
    }

    /// What a host-only network of macOS cannot be: the field, the reason, and the way out.
    pub(super) fn impossible(&self) -> Option<(FieldPath, String, &'static str)> {
        if self.network.kind != NetworkKind::HostOnlyNetwork {
            return None;
        }
        let settings = &self.network.settings;
        let path = |keys: &[&str]| FieldPath::of(["hostOnly"].iter().chain(keys).copied());
        let Some(address) = &settings.address else {
            let reason = "hostOnly.address is missing: on macOS VirtualBox gives a host-only network none of its own accord";
            return Some((
                path(&["address"]),
                reason.to_owned(),
                "write `hostOnly: {address: 192.168.56.1/24}`",
            ));
        };
        if settings.dhcp.as_ref().is_some_and(|dhcp| dhcp.enabled == Some(false)) {
            let reason = "hostOnly.dhcp.enabled: macOS gives out addresses in every host-only network";
            return Some((
                path(&["dhcp", "enabled"]),
                reason.to_owned(),
                "leave `enabled` out, and give guests with addresses of their own ones after the range",
            ));
        }
        let last = settings.last_given_out()?;
        if pool(address, last).is_some() {
            return None;
        }
        let reason =
            format!("hostOnly.dhcp.range: macOS gives out the addresses after the host's own, {address}");
        Some((path(&["dhcp", "range"]), reason, "give the host the first address of the network"))
    }

    /// Says what of the DHCP server is not as it is written.
    fn left_to_macos(&self, draft: &mut Draft) {
        let settings = &self.network.settings;
        let (Some(dhcp), Some(address)) = (&settings.dhcp, &settings.address) else { return };
        let Some(pool) = settings.last_given_out().and_then(|last| pool(address, last)) else { return };
        let mut idle = vec!["`dhcp.server`"];
        if dhcp.range.as_deref() != Some(pool.as_str()) {
            idle.push("the range's beginning");
        }
        if dhcp.options.as_ref().is_some_and(|options| !options.is_empty()) {
            idle.push("`dhcp.options`");
        }
        draft.effects.push(format!("macOS gives out {pool} itself, without {}", idle.join(" and ")));
    }
}
