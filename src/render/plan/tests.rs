use serde_json::{Value, json};

use super::*;
use crate::render::style::Styles;

fn plan(objects: &Value, more: &Value) -> Plan {
    let mut plan = json!({
        "formatVersion": 1, "toolVersion": "0.1.0", "verb": "apply",
        "host": {"kind": "sim", "home": "/sim"}, "stack": "shop", "desiredDigest": "d",
        "policy": Policy::default(),
        "objects": objects,
        "steps": [{"id": 1, "address": "vm/db", "action": {"do": "start", "machine": {"existing": uuid::Uuid::nil()}}}],
        "register": RegisterPlan::default(),
        "hash": "8d0f",
    });
    for (key, value) in more.as_object().unwrap() {
        plan[key] = value.clone();
    }
    serde_json::from_value(plan).unwrap()
}

use crate::model::Policy;
use crate::plan::RegisterPlan;

fn shown(plan: &Plan, verbose: bool) -> String {
    let mut out = Vec::new();
    write_plan(&mut out, plan, &View { styles: Styles::plain(), verbose, ..View::default() }).unwrap();
    String::from_utf8(out).unwrap()
}

fn new(path: &str, value: &Value, line: u32) -> Value {
    json!({"difference": {"path": path, "kind": "change", "declared": value, "source": format!("lab.yaml:{line}")}})
}

#[test]
fn fields_show_before_after_and_why() {
    let objects = json!([
        {"address": "vm/db", "operation": "change", "danger": ["downtime"], "fields": [
            {"difference": {"path": "memory", "kind": "change", "declared": 4096, "live": 2048, "last": 2048, "source": "lab.yaml:12"}},
            {"difference": {"path": "cpus", "kind": "drift", "declared": 2, "live": 1, "last": 2, "source": "lab.yaml:11"}},
            {"difference": {"path": "nics.1.nat.portForwards.ssh", "kind": "drift-overridden", "declared": "2222:22", "live": "2223:22", "last": "2200:22", "source": "lab.yaml:14"}},
            {"difference": {"path": "nics.1.nat.portForwards.old", "kind": "change", "live": "8080:80", "last": "8080:80"}},
            {"difference": {"path": "sharedFolders.src", "kind": "change", "declared": {"hostPath": "/srv", "readOnly": true}, "source": "lab.yaml:20"}},
            {"difference": {"path": "description", "kind": "change", "declared": "one\ntwo\n", "live": "one\n2\n", "last": "one\n2\n", "source": "lab.yaml:9"}},
            {"difference": {"path": "cpuHotplug", "kind": "change", "declared": true, "unknown": "showvminfo omits it", "source": "lab.yaml:10"}, "blocked": true}
        ], "effects": ["restarts the guest"], "blocked": [
            {"fields": ["cpuHotplug"], "reason": "cpuHotplug is declared and its live value is not known"}
        ]}
    ]);
    let more = json!({"notes": [{"text": "machine \"x\u{1b}[2J\" is a clone"}]});
    assert_eq!(
        shown(&plan(&objects, &more), false),
        "\
~ vm/db (downtime)
    ~ description  lab.yaml:9
            one
          - 2
          + two
    ~ cpus                         1 -> 2  (drift: as declared at the last apply)  lab.yaml:11
    ~ memory                       2GiB -> 4GiB  lab.yaml:12
    ! cpuHotplug                   unknown (showvminfo omits it) -> true  lab.yaml:10
    ~ nics.1.nat.portForwards.ssh  2223:22 -> 2222:22  (drift overridden: 2200:22 at the last apply)  lab.yaml:14
    - nics.1.nat.portForwards.old  8080:80
    + sharedFolders.src.hostPath   /srv  lab.yaml:20
    + sharedFolders.src.readOnly   true  lab.yaml:20
    > restarts the guest
    blocked: cpuHotplug is declared and its live value is not known

note: machine \"x\\u{1b}[2J\" is a clone

Plan: 0 to add, 1 to change, 0 to remove.
Danger: 1 downtime (db). No data loss.
Blocked: 1 object, the rest runs.
Hash: 8d0f
"
    );
}

#[test]
fn a_new_machine_folds_what_virtualbox_recommends() {
    let objects = json!([{"address": "vm/dev", "operation": "create", "fields": [
        new("memory", &json!(1024), 8),
        {"difference": {"path": "chipset", "kind": "change", "declared": "piix3", "source": "lab.yaml:1"}, "recommended": true},
        {"difference": {"path": "pae", "kind": "change", "declared": false, "source": "lab.yaml:1"}, "recommended": true}
    ]}]);
    let plan = plan(&objects, &json!({}));
    let short = shown(&plan, false);
    assert!(short.starts_with(
        "+ vm/dev  lab.yaml:1\n      memory  1GiB\n      and 2 settings that VirtualBox recommends (-v shows them)\n"
    ));
    assert!(
        short
            .contains("Plan: 1 to add, 0 to change, 0 to remove.\nDanger: none. No data loss.\nHash: 8d0f\n")
    );
    assert!(shown(&plan, true).contains("      chipset  piix3  (recommended)  lab.yaml:1\n"));
}

#[test]
fn members_that_fare_alike_are_told_once() {
    let member = |index: u32| {
        json!({"address": format!("vm/node-{index}"), "operation": "create", "fields": [
            new("memory", &json!(64), 20),
            new("nics.1.nat.portForwards.ssh", &json!(format!("{}:22", 20_000 + index)), 25),
        ], "effects": [format!("makes the folder /vms/node-{index}")]})
    };
    // The order of a plan is that of letters.
    let mut objects: Vec<Value> = (1..=100).map(member).collect();
    objects.sort_by_key(|object| object["address"].to_string());
    let odd = objects.iter().position(|object| object["address"] == "vm/node-50").unwrap();
    objects[odd]["fields"][0]["difference"]["path"] = "cpus".into();
    let text = shown(&plan(&json!(objects), &json!({})), false);
    assert_eq!(
        text.lines().take(9).collect::<Vec<_>>(),
        [
            "+ vm/node-1 … vm/node-49, vm/node-51 … vm/node-100 (99 like this)  lab.yaml:20",
            "      memory                       64MiB",
            "      nics.1.nat.portForwards.ssh  20001:22 … 20100:22",
            "    > makes the folder /vms/node-*",
            "",
            "+ vm/node-50  lab.yaml:20",
            "      cpus                         64",
            "      nics.1.nat.portForwards.ssh  20050:22",
            "    > makes the folder /vms/node-50",
        ]
    );
    assert_eq!(shown(&plan(&json!(objects), &json!({})), true).matches("\n+ vm/node-").count(), 99);
}

#[test]
fn uuids_of_machines_that_fare_alike_are_left_out() {
    let member = |index: u128| {
        let uuid = uuid::Uuid::from_u128(index);
        json!({"address": format!("vm/node-{index}"), "operation": "blocked", "uuid": uuid, "blocked": [
            {"reason": format!("machine \"node-{index}\" {{{uuid}}} is vm/node-{index} of stack fleet"), "hints": []}
        ]})
    };
    let blocked = |members: &[Value]| {
        let text = shown(&plan(&json!(members), &json!({"steps": []})), false);
        text.lines().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let all: Vec<Value> = (1..=3).map(member).collect();
    assert_eq!(
        blocked(&all),
        [
            "! vm/node-1 … vm/node-3 (3 like this)",
            "    blocked: machine \"node-*\" {…} is vm/node-* of stack fleet",
        ]
    );
    assert_eq!(
        blocked(&all[..1])[1],
        "    blocked: machine \"node-1\" {00000000-0000-0000-0000-000000000001} is vm/node-1 of stack fleet"
    );
}

#[test]
fn what_is_blocked_says_how_to_lift_it() {
    let objects = json!([{"address": "vm/db", "operation": "blocked", "fields": [
        {"difference": {"path": "memory", "kind": "change", "declared": 4096, "live": 2048, "source": "lab.yaml:12"}, "blocked": true}
    ], "blocked": [{"fields": ["memory"], "reason": "memory can be changed only while it is off",
        "missing": ["downtime", "power-cut"], "hints": ["--allow downtime,power-cut", "switch it off by hand"]}]}]);
    assert_eq!(
        shown(&plan(&objects, &json!({"steps": []})), false),
        "\
! vm/db
    ! memory  2GiB -> 4GiB  lab.yaml:12
    blocked: memory can be changed only while it is off
      - --allow downtime,power-cut
      - switch it off by hand

Plan: 0 to add, 0 to change, 0 to remove.
Danger: none. No data loss.
Blocked: 1 object, nothing can be done. To permit: --allow downtime,power-cut.
"
    );
}

#[test]
fn an_empty_plan_says_so() {
    let member =
        |address: &str| (address.to_owned(), json!({"declared": null, "protect": false, "onRemove": "keep"}));
    let members: serde_json::Map<String, Value> =
        [member("vm/a"), member("vm/b"), member("disk/a.root")].into_iter().collect();
    let more = json!({"steps": [], "register": {"members": members}});
    assert_eq!(shown(&plan(&json!([]), &more), false), "No changes. 2 machines are as declared.\n");
}

#[test]
fn colours_are_only_colours() {
    let objects = json!([{"address": "vm/db", "operation": "remove", "danger": ["destroy-data"]}]);
    let plan = plan(&objects, &json!({}));
    let mut out = Vec::new();
    write_plan(&mut out, &plan, &View { styles: Styles::colored(), ..View::default() }).unwrap();
    let colored = String::from_utf8(out).unwrap();
    assert!(colored.contains("\u{1b}["));
    let mut bare = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    assert_eq!(bare, shown(&plan, false));
    assert!(bare.contains("Danger: 1 destroy-data (db). Data is lost."));
}
