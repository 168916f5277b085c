//! What somebody else does to the simulated host, behind the program's back.
//!
//! `create NAME`, `set NAME FIELD VALUE`, `unset NAME FIELD`, `start NAME`, `off NAME`, `delete NAME`, `mark NAME KEY [VALUE]` (extradata),
//! `hand YAML` for all else that somebody may do with VBoxManage.

use std::path::Path;

use uuid::Uuid;
use vboxmcp::host::sim::{ByHand, SimHost};
use vboxmcp::host::{Inspect as _, Operate as _, Want};
use vboxmcp::model::PowerState;
use vboxmcp::plan::{Action, Assignment, Target};

/// Does one thing to the host that is kept in a folder.
pub fn behind(folder: &Path, words: &[&str]) {
    let host = SimHost::open(folder).unwrap();
    if let ["hand", text @ ..] = words {
        let hand: ByHand = serde_saphyr::from_str(&text.join(" ")).unwrap();
        return host.by_hand(&hand).unwrap();
    }
    let inventory = host.inventory(&Want::default()).unwrap();
    let named = |name: &str| {
        let machine = inventory.machines_named(name).next().unwrap_or_else(|| panic!("no machine {name}"));
        (Target::Existing(machine.uuid), machine.state == Some(PowerState::Running))
    };
    let change = |name: &str, assignment: Assignment| {
        let (machine, runs) = named(name);
        let set = vec![assignment];
        if runs {
            Action::ModifyLive { machine, set, save: None }
        } else {
            Action::ModifyMachine { machine, set }
        }
    };
    let action = match words {
        ["create", name] => Action::CreateMachine {
            uuid: Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())),
            name: (*name).to_owned(),
            os_type: "Debian_64".to_owned(),
            groups: Vec::new(),
            folder: inventory.host.machine_folder.clone(),
        },
        ["set", name, path, value] => {
            let value = value.parse::<u64>().map_or_else(|_| (*value).into(), serde_json::Value::from);
            change(name, Assignment::set(path.parse().unwrap(), value))
        }
        ["unset", name, path] => change(name, Assignment::remove(path.parse().unwrap())),
        ["start", name] => Action::Start { machine: named(name).0 },
        ["off", name] => Action::PowerCut { machine: named(name).0 },
        ["delete", name] => Action::Unregister { machine: named(name).0, delete: true },
        ["mark", name, key, value @ ..] => Action::SetExtraData {
            machine: named(name).0,
            key: (*key).to_owned(),
            value: value.first().map(|value| (*value).to_owned()),
        },
        other => panic!("cannot do {other:?}"),
    };
    host.perform(&action, &|_| {}).unwrap();
}
