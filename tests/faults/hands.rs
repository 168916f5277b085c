//! What other people do: before vboxmcp comes, between its runs, and while it works.

use std::collections::BTreeMap;

use serde_json::json;
use vboxmcp::host::sim::ByHand;
use vboxmcp::model::{Controller, Location};

use super::dice::Dice;
use super::lab::NAMES;

/// Machines that nobody declares.
const STRANGERS: [&str; 2] = ["stranger", "guest"];

fn any_name(dice: &mut Dice) -> String {
    let all = ["a", "b", "c", "d", "e", "a-1", "b-1", "c-2"];
    (*dice.one(&all)).to_owned()
}

/// Makes a machine that is not ours: sometimes under a name that manifests declare.
pub fn stranger(dice: &mut Dice) -> Vec<ByHand> {
    let name =
        if dice.percent(25) { (*dice.one(&NAMES)).to_owned() } else { (*dice.one(&STRANGERS)).to_owned() };
    let machine = || name.clone();
    let mut hands =
        vec![ByHand::Create { name: name.clone(), os_type: "Other".to_owned(), groups: Vec::new() }];
    if dice.percent(60) {
        let controller: Controller = serde_json::from_value(json!({"bus": "sata", "ports": 4})).unwrap();
        hands.push(ByHand::AddController { machine: machine(), name: "SATA".to_owned(), controller });
        let at = Some(Location { controller: "SATA".to_owned(), port: 0, device: 0 });
        hands.push(ByHand::AddDisk { machine: machine(), file: "own.vdi".into(), size: 8 << 20, at });
    }
    if dice.percent(30) {
        hands.push(ByHand::TakeSnapshot { machine: machine(), name: "s".to_owned() });
    }
    if dice.percent(30) {
        hands.push(ByHand::Start(machine()));
    }
    if dice.percent(20) {
        hands.push(ByHand::Clone { machine: machine(), name: "clone".to_owned() });
    }
    hands
}

/// Changes something of a machine that may be ours.
pub fn drift(dice: &mut Dice) -> ByHand {
    let machine = any_name(dice);
    let at = Location { controller: "SATA".to_owned(), port: 3, device: 0 };
    match dice.below(20) {
        0 | 1 => set(machine, "memory", json!(32 + dice.below(4))),
        2 => set(machine, "description", json!("by hand")),
        3 => set(machine, "cpus", json!(1)),
        4 => ByHand::ExtraData {
            machine: Some(machine),
            key: "x/one".to_owned(),
            value: Some("hand".to_owned()),
        },
        5 => ByHand::GuestProperty { machine, key: "/x/two".to_owned(), value: Some("hand".to_owned()) },
        6 | 7 => ByHand::TakeSnapshot { machine, name: "s".to_owned() },
        8 => ByHand::RestoreSnapshot { machine, name: "s".to_owned() },
        9 => ByHand::Clone { machine, name: "clone".to_owned() },
        10 => ByHand::DeleteFile { machine, file: "root.vdi".into() },
        11 => ByHand::RemoveMark(machine),
        12 => ByHand::Start(machine),
        13 => ByHand::PowerOff(machine),
        14 => ByHand::SaveState(machine),
        15 => ByHand::Kill(machine),
        16 => ByHand::Detach { machine, at: Location { port: 0, ..at } },
        17 => ByHand::AddDisk { machine, file: "foreign.vdi".into(), size: 8 << 20, at: Some(at) },
        18 => ByHand::Unregister { machine, delete: dice.percent(60) },
        _ => ByHand::RemoveSharedFolder { machine, name: "site".to_owned() },
    }
}

/// Something that does not matter to vboxmcp, or that it puts right: whenever it is done, the end is the same.
pub fn meanwhile(dice: &mut Dice) -> ByHand {
    let machine = any_name(dice);
    match dice.below(5) {
        0 => set(machine, "memory", json!(33)),
        1 => {
            ByHand::ExtraData { machine: Some(machine), key: "hand".to_owned(), value: Some("1".to_owned()) }
        }
        2 => ByHand::GuestProperty { machine, key: "/x/one".to_owned(), value: Some("hand".to_owned()) },
        3 => ByHand::ExtraData { machine: None, key: "GUI/x".to_owned(), value: Some("1".to_owned()) },
        _ => ByHand::Create { name: "meanwhile".to_owned(), os_type: "Other".to_owned(), groups: Vec::new() },
    }
}

fn set(machine: String, path: &str, value: serde_json::Value) -> ByHand {
    ByHand::Set { machine, set: BTreeMap::from([(path.to_owned(), value)]) }
}
