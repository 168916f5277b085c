//! What machines that a plan starts need of the host: memory, VirtualBox's kernel driver for all adapters but NAT ones, an extension
//! pack for remote display. VirtualBox would say so at the start, or not at all; it is told in the plan and stops nothing.

use serde_json::Value;

use super::Lack;
use super::after::After;
use crate::model::Bytes;
use crate::model::state::StateClass;

/// Machines whose guest comes up with the plan.
fn starting<'a>(machines: &'a [After<'a>]) -> impl Iterator<Item = &'a After<'a>> {
    machines.iter().filter(|after| after.starts)
}

/// Whether any is started.
pub fn asks(machines: &[After<'_>]) -> bool {
    starting(machines).next().is_some()
}

/// Whether a machine has its display served.
pub fn asks_for_display(machines: &[After<'_>]) -> bool {
    machines.iter().any(serves)
}

fn serves(after: &After<'_>) -> bool {
    let is_on = after.settings.pointer("/vrde/enabled").and_then(Value::as_bool) == Some(true);
    is_on && (after.starts || after.changed.iter().any(|path| path.parts().first() == Some(&"vrde")))
}

/// Memory of the machines that come up, against what is free. `free` is `None` where nobody knows.
pub fn memory(machines: &[After<'_>], free: Option<Bytes>) -> Option<Lack> {
    let free = free?;
    let needs: Vec<(&After<'_>, u64)> = starting(machines)
        .filter(|after| {
            // One that is stopped first gives its own back.
            let class =
                after.machine.and_then(|machine| machine.state.as_ref()).map(crate::model::PowerState::class);
            !matches!(class, Some(StateClass::Running | StateClass::Paused))
        })
        .filter_map(|after| Some((after, after.settings.get("memory").and_then(Value::as_u64)? << 20)))
        .collect();
    let all: u64 = needs.iter().map(|(_, bytes)| bytes).sum();
    let (first, _) = needs.first().filter(|_| all > free.0)?;
    let who = if needs.len() == 1 {
        format!("{} starts and takes", first.address)
    } else {
        format!("{} machines start and take", needs.len())
    };
    Some(Lack {
        address: (needs.len() == 1).then(|| first.address.clone()),
        text: format!("{who} {} of memory, and {} are free", Bytes(all), Bytes(free.0 >> 20 << 20)),
        hint: "start fewer of them, or declare less `memory`".to_owned(),
        stops: false,
    })
}

/// Adapters that need VirtualBox's kernel driver, where that is known to be missing.
pub fn driver(machines: &[After<'_>], driver: Option<bool>) -> Vec<Lack> {
    if driver != Some(false) {
        return Vec::new();
    }
    let lack = |after: &After<'_>| {
        let nics = after.settings.get("nics").and_then(Value::as_object)?;
        let (slot, mode) = nics.iter().find_map(|(slot, nic)| {
            let mode = nic.get("mode").and_then(Value::as_str)?;
            matches!(mode, "natnetwork" | "intnet" | "hostonly" | "bridged").then_some((slot, mode))
        })?;
        Some(Lack {
            address: Some(after.address.clone()),
            text: format!(
                "{}: VirtualBox's kernel driver is not loaded, and without it no machine starts with an adapter like nics.{slot} ({mode})",
                after.address
            ),
            hint: "load it (`vboxmcp doctor` says how), or use `nat`".to_owned(),
            stops: false,
        })
    };
    starting(machines).filter_map(lack).collect()
}

/// Remote displays that nobody serves. `packs` are the extension packs that VirtualBox can use; `None` where nobody knows.
pub fn display(machines: &[After<'_>], packs: Option<&[String]>) -> Vec<Lack> {
    let Some([]) = packs else { return Vec::new() };
    let lack = |after: &After<'_>| Lack {
        address: Some(after.address.clone()),
        text: format!(
            "{}: `vrde` is enabled, and no Extension Pack is installed that serves it",
            after.address
        ),
        hint:
            "install Oracle's Extension Pack, which has its own licence (`VBoxManage extpack install FILE`)"
                .to_owned(),
        stops: false,
    };
    machines.iter().filter(|after| serves(after)).map(lack).collect()
}
