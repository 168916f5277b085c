//! What manifests mean: from YAML to what the planner sees.

use std::path::PathBuf;

use vboxmcp::manifest::{self, LoadRequest, LowerContext, VariableValue};
use vboxmcp::model::nic::Bridge;
use vboxmcp::model::{
    Address, Bytes, Danger, Desired, DesiredMachine, DesiredState, DiskSource, DvdSource, FieldPath,
    HostPort, Mebibytes, NicMode, OnRemove, StackName,
};

use super::{context, root};

fn try_lower(text: &str, context: &LowerContext) -> Result<Desired, String> {
    let request = LoadRequest {
        paths: vec!["-".into()],
        stdin: Some(text.as_bytes().to_vec()),
        cwd: root().join("lab"),
    };
    let lowered = manifest::lower(&manifest::load(&request), context);
    lowered.map(|(desired, _)| desired).map_err(|diagnostics| super::render(&diagnostics))
}

fn lower(text: &str) -> Desired {
    try_lower(text, &context()).unwrap_or_else(|rendered| panic!("{rendered}"))
}

fn example(name: &str, variables: &[(&str, &str)]) -> Desired {
    let variables = variables
        .iter()
        .map(|(name, value)| VariableValue {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            origin: "--var".to_owned(),
            base: root(),
        })
        .collect();
    let context = LowerContext { variables, ..context() };
    match super::lower(&root().join("examples"), &[name], &context) {
        Ok((desired, _)) => desired,
        Err(diagnostics) => panic!("{}", super::render(&diagnostics)),
    }
}

fn machine<'a>(desired: &'a Desired, name: &str) -> &'a DesiredMachine {
    &desired.machines[&Address::machine(name)]
}

/// A machine with this `spec`.
fn vm(spec: &str) -> DesiredMachine {
    let text =
        format!("apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: web}}\nspec: {spec}\n");
    let desired = lower(&text);
    assert_eq!(desired.unsupported, []);
    machine(&desired, "web").clone()
}

#[test]
fn fleet_is_a_hundred_machines() {
    let desired = example("fleet.yaml", &[]);
    assert_eq!(desired.stack.as_str(), "fleet");
    assert_eq!(desired.machines.len(), 100);
    assert_eq!(desired.unsupported, []);
    let node = machine(&desired, "node-7");
    assert_eq!(node.settings.memory, Some(Mebibytes(64)));
    assert_eq!(node.settings.os_type.as_deref(), Some("Debian_64"));
    assert_eq!(node.state, Some(DesiredState::PowerOff));
    assert_eq!(node.lifecycle.on_remove, OnRemove::Delete);
    let nics = node.settings.nics.as_ref().unwrap();
    let rule = &nics[&1].nat.as_ref().unwrap().port_forwards.as_ref().unwrap()["ssh"];
    assert_eq!((rule.host_port, rule.guest_port), (HostPort::Fixed(20007), 22));
    assert_eq!(nics[&2].mode, Some(NicMode::Nat));
    assert_eq!(nics[&2].nat.as_ref().unwrap().port_forwards, None);

    let desired = example("fleet.yaml", &[("count", "3"), ("state", "running")]);
    assert_eq!(desired.machines.len(), 3);
    assert_eq!(machine(&desired, "node-1").state, Some(DesiredState::Running));
    assert_eq!(example("fleet.yaml", &[("count", "0")]).machines.len(), 0);
}

#[test]
fn dev_has_a_disk_from_an_image() {
    let desired = example("dev.yaml", &[]);
    assert!(desired.stack.is_default());
    assert!(desired.unsupported.is_empty(), "{:?}", desired.unsupported);
    let disks = machine(&desired, "dev").disks.as_ref().unwrap();
    assert!(matches!(&disks["root"].disk, DiskSource::Inline { image: Some(_), .. }), "{disks:?}");
}

#[test]
fn shop_takes_defaults_and_has_networks_and_a_disk_of_their_own() {
    let desired = example("shop.yaml", &[("state", "poweroff")]);
    let names: Vec<String> = desired.machines.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["vm/app", "vm/db", "vm/web-1", "vm/web-2", "vm/web-3"]);
    let db = machine(&desired, "db");
    assert_eq!((db.settings.cpus, db.settings.memory), (Some(1), Some(Mebibytes(4096))));
    assert_eq!(db.state, Some(DesiredState::PowerOff));
    let web = machine(&desired, "web-2");
    assert_eq!(web.settings.memory, Some(Mebibytes(1024)));
    assert_eq!(web.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>(), ["vm/app"]);
    assert!(web.lifecycle.allow.contains(&Danger::Downtime));
    let folder = &web.settings.shared_folders.as_ref().unwrap()["site"];
    assert_eq!(folder.host_path.as_deref(), Some(root().join("examples/site").to_str().unwrap()));
    assert!(desired.unsupported.is_empty(), "{:?}", desired.unsupported);
    assert_eq!(
        desired.networks.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["net/core", "net/edge"]
    );
    assert_eq!(desired.disks.keys().map(ToString::to_string).collect::<Vec<_>>(), ["disk/db-data"]);
}

#[test]
fn vocabulary_lowers() {
    let desired = example("vocabulary.yaml", &[]);
    let all = machine(&desired, "all-1");
    assert_eq!(all.labels["tier"], "web");
    assert!(all.lifecycle.protect);
    let former: Vec<&str> = all.lifecycle.renamed_from.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(former, ["old-name-1", "old-name"]);
    assert_eq!(all.location, Some(PathBuf::from("/srv/vms")));
    assert_eq!(all.stop_timeout, 60);
    let audio = all.settings.audio.as_ref().unwrap();
    assert_eq!((audio.controller.as_deref(), audio.out), (Some("hda"), Some(true)));
    assert_eq!(all.bridges[&3], Bridge::DefaultRoute);
    // A secret without a value is nothing yet.
    assert!(all.secrets.is_empty());
    assert_eq!(all.settings.teleporter.as_ref().unwrap().port, Some(6000));
    println!("{:#?}", desired.unsupported.iter().map(|u| &u.what).collect::<Vec<_>>());
}

#[test]
fn every_field_knows_its_line() {
    let desired = example("fleet.yaml", &[]);
    let node = machine(&desired, "node-3");
    let line = |path: &[&str]| node.source_of(&FieldPath::of(path.iter().copied())).to_string();
    let text = std::fs::read_to_string(root().join("examples/fleet.yaml")).unwrap();
    let find = |what: &str| 1 + text.lines().position(|line| line.contains(what)).unwrap();
    assert_eq!(line(&["memory"]), format!("fleet.yaml:{}", find("memory:")));
    assert_eq!(line(&["nics", "1", "nat", "portForwards", "ssh"]), format!("fleet.yaml:{}", find("ssh:")));
    assert_eq!(line(&["nics", "2"]), format!("fleet.yaml:{}", find("- nat: {}")));
    assert_eq!(line(&["disks", "root", "size"]), format!("fleet.yaml:{}", find("root:")));
    assert_eq!(line(&["lifecycle", "onRemove"]), format!("fleet.yaml:{}", find("onRemove")));
    // The state's value is a variable of the stack; its line is where the machine says so.
    assert_eq!(line(&["state"]), format!("fleet.yaml:{}", find("state: ${var.state}")));

    let shop = example("shop.yaml", &[]);
    let text = std::fs::read_to_string(root().join("examples/shop.yaml")).unwrap();
    let default = 1 + text.lines().position(|line| line.contains("osType")).unwrap();
    let place = machine(&shop, "db").source_of(&FieldPath::of(["osType"]));
    assert_eq!((place.file.as_str(), place.line as usize), ("shop.yaml", default));
}

#[test]
fn slots_are_positions_or_what_slot_says() {
    let nics = vm("{nics: [{nat: {}}, {unattached: {}, slot: 5}, {nat: {cidr: 10.7.0.0/24}, cable: false}]}")
        .settings
        .nics
        .clone();
    let nics = nics.unwrap();
    assert_eq!(nics.keys().copied().collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(nics[&5].mode, Some(NicMode::Unattached));
    assert_eq!(nics[&5].nat, None);
    assert_eq!(nics[&3].nat.as_ref().unwrap().cidr.as_deref(), Some("10.7.0.0/24"));
    assert_eq!(nics[&3].cable, Some(false));
    assert_eq!(vm("{nics: []}").settings.nics.as_ref().map(std::collections::BTreeMap::len), Some(0));
    assert_eq!(vm("{}").settings.nics, None);
}

#[test]
fn port_forwards_are_lowered_to_addresses() {
    let rules = vm(
        r#"{nics: [{nat: {portForwards: {a: "2222:22", b: "*:80:80", c: "auto:443", d: "10.0.0.1:53:10.0.2.15:53/udp", e: "[::1]:81:81"}}}]}"#,
    );
    let nics = rules.settings.nics.clone().unwrap();
    let rules = nics[&1].nat.as_ref().unwrap().port_forwards.as_ref().unwrap();
    let ip = |name: &str| rules[name].host_ip.clone();
    assert_eq!(ip("a").as_deref(), Some("127.0.0.1"));
    assert_eq!(ip("b"), None);
    assert_eq!(rules["c"].host_port, HostPort::Auto);
    assert_eq!(rules["d"].guest_ip.as_deref(), Some("10.0.2.15"));
    assert_eq!(ip("e").as_deref(), Some("::1"));
}

#[test]
fn disks_and_drives() {
    let machine = vm(
        "{disks: {root: {size: 20GiB}, data: {size: 1.5GiB, format: vmdk, variant: split2g, location: ./d.vmdk, at: 'SATA:3'}, own: {size: 1MiB, location: x.vdi}}, \
          dvds: [{image: ~/a.iso}, {hostDrive: /dev/sr0, passthrough: true}, {empty: true, at: 'SATA:7'}]}",
    );
    let disks = machine.disks.unwrap();
    let DiskSource::Inline { size, format, variant, location, .. } = &disks["data"].disk else { panic!() };
    assert_eq!(*size, Some(Bytes(3 << 29)));
    assert_eq!((format.as_deref(), variant.as_deref()), (Some("vmdk"), Some("split2g")));
    assert_eq!(*location, Some(root().join("lab/d.vmdk")));
    assert_eq!(disks["data"].at.as_ref().map(ToString::to_string).as_deref(), Some("SATA:3"));
    let DiskSource::Inline { location, .. } = &disks["own"].disk else { panic!() };
    assert_eq!(*location, Some(PathBuf::from("x.vdi")));
    let dvds = machine.dvds.unwrap();
    assert_eq!(dvds[0].medium, DvdSource::Image(PathBuf::from("/home/ada/a.iso")));
    assert_eq!(
        (&dvds[1].medium, dvds[1].passthrough),
        (&DvdSource::HostDrive("/dev/sr0".into()), Some(true))
    );
    assert_eq!(dvds[2].medium, DvdSource::Empty);
    assert_eq!((vm("{}").disks, vm("{}").dvds), (None, None));
}

#[test]
fn controllers_of_every_bus() {
    let machine = vm(
        "{chipset: ich9, controllers: {a: {bus: ide, type: ich6}, b: {bus: sata, ports: 4, hostIoCache: true, bootable: false}, c: {bus: scsi, type: buslogic}, \
          d: {bus: sas}, e: {bus: pcie}, f: {bus: virtio}, g: {bus: floppy}, h: {bus: usb}}}",
    );
    let controllers = machine.settings.controllers.clone().unwrap();
    assert_eq!(controllers.len(), 8);
    assert_eq!((controllers["b"].ports, controllers["b"].host_io_cache), (Some(4), Some(true)));
    assert_eq!(controllers["c"].r#type.as_ref().map(ToString::to_string).as_deref(), Some("buslogic"));
}

#[test]
fn settings_of_this_version_reach_the_model() {
    let settings = vm(
        "{groups: [/a, /b/c], osType: Debian_64, description: \"x: y\", cpus: 2, cpuExecutionCap: 80, memory: 2GiB, \
          graphics: {controller: vmsvga, vram: 16MiB, monitors: 2, accelerate3d: false}, firmware: efi, chipset: ich9, \
          bootOrder: [disk, none], rtcUseUtc: true, acpi: true, ioapic: true, pae: false, \
          extraData: {a/b: 1, c: null, d: yes}, guestProperties: {/x: \"\"}, state: paused, stopTimeout: 2m}",
    );
    let json = serde_json::to_value(&settings.settings).unwrap();
    let expected = serde_json::json!({
        "groups": ["/a", "/b/c"], "osType": "Debian_64", "description": "x: y", "cpus": 2, "cpuExecutionCap": 80,
        "memory": 2048, "graphics": {"controller": "vmsvga", "vram": 16, "monitors": 2, "accelerate3d": false},
        "firmware": "efi", "chipset": "ich9", "bootOrder": ["disk", "none"], "rtcUseUtc": true, "acpi": true,
        "ioapic": true, "pae": false, "extraData": {"a/b": "1", "c": null, "d": "yes"}, "guestProperties": {"/x": ""},
    });
    assert_eq!(json, expected);
    assert_eq!(settings.stop_timeout, 120);
    assert_eq!(settings.state, Some(DesiredState::Paused));
}

#[test]
fn variables_are_typed_by_the_field_and_the_strongest_wins() {
    let text = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: s}\nspec: {variables: {n: {default: 2}, dir: {default: ./a}, t: {default: '3'}}}\n---\n\
        apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: \"web-${var.n}\"}\n\
        spec: {cpus: \"${var.n * 2}\", memory: \"${var.n}GiB\", description: \"${var.t} $${var.n} $x\", location: \"${var.dir}\"}\n";
    let value = |value: &str, origin: &str| VariableValue {
        name: "n".into(),
        value: value.into(),
        origin: origin.into(),
        base: root(),
    };
    let context =
        LowerContext { variables: vec![value("4", "--var"), value("9", "VBOXMCP_VAR_n")], ..context() };
    let desired = try_lower(text, &context).unwrap();
    let web = machine(&desired, "web-4");
    assert_eq!(web.settings.cpus, Some(8));
    assert_eq!(web.settings.memory, Some(Mebibytes(4096)));
    assert_eq!(web.settings.description.as_deref(), Some("3 ${var.n} $x"));
    assert_eq!(web.location, Some(root().join("lab/a")));
    // A default in quotes is text, also where the expression stands alone.
    let quoted = text.replace("cpus: \"${var.n * 2}\"", "cpus: \"${var.t}\"");
    assert!(try_lower(&quoted, &context).unwrap_err().contains("is a text, not a number"));
}

#[test]
fn a_secret_without_a_value_is_a_placeholder_only_where_that_is_enough() {
    let text = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: s}\nspec: {variables: {p: {sensitive: true}}}\n---\n\
        apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: web}\nspec: {teleporter: {password: \"${var.p}\"}}\n";
    assert!(try_lower(text, &context()).is_ok());
    let strict = LowerContext { placeholders: false, ..context() };
    assert!(try_lower(text, &strict).unwrap_err().contains("has no value"));
}

#[test]
fn a_secret_is_never_shown() {
    let text = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: s}\nspec: {variables: {p: {sensitive: true}}}\n---\n\
        apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: web}\n\
        spec: {description: \"${var.p}\", memory: \"${var.p}\", cpus: \"${var.p + 1}\", teleporter: {password: \"${var.p}\", port: \"${var.p}\"}}\n";
    let value = |name: &str| VariableValue {
        name: name.into(),
        value: "hunter2".into(),
        origin: "--var".into(),
        base: root(),
    };
    let context = LowerContext { variables: vec![value("p"), value("q")], ..context() };
    let rendered = try_lower(text, &context).unwrap_err();
    assert!(!rendered.contains("hunter2"), "{rendered}");
}

#[test]
fn the_stack_is_named_by_the_flag_the_document_or_not_at_all() {
    let document = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: shop}\n";
    assert_eq!(lower(document).stack.as_str(), "shop");
    let flag = LowerContext { stack: StackName::new("other").ok(), ..context() };
    assert_eq!(try_lower(document, &flag).unwrap().stack.as_str(), "other");
}

#[test]
fn lists_and_values_replace_defaults_and_mappings_merge() {
    let desired = lower(
        "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: s}\nspec: {defaults: {VirtualMachine: {memory: 1GiB, bootOrder: [net], \
         graphics: {vram: 16MiB, monitors: 1}, nics: [{nat: {}}, {nat: {}}], extraData: {a: \"${index}\", b: x}}}}\n---\n\
         apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: web}\n\
         spec: {replicas: 2, graphics: {monitors: 2}, bootOrder: [disk], nics: [{unattached: {}}], extraData: {b: null}}\n",
    );
    let settings = &machine(&desired, "web-2").settings;
    let graphics = settings.graphics.as_ref().unwrap();
    assert_eq!((graphics.vram, graphics.monitors), (Some(Mebibytes(16)), Some(2)));
    assert_eq!(settings.boot_order.as_ref().unwrap().len(), 1);
    assert_eq!(settings.nics.as_ref().unwrap().len(), 1);
    let data = settings.extra_data.as_ref().unwrap();
    assert_eq!((data["a"].as_deref(), data["b"].as_deref()), (Some("2"), None));
}

#[test]
fn relative_paths_can_be_lowered_for_another_host() {
    let text = "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: web}\nspec: {sharedFolders: {a: {hostPath: ./a/../b}, c: {hostPath: /abs}}}\n";
    let moved = LowerContext { rebase: Some((root(), PathBuf::from("/srv/checkout"))), ..context() };
    let desired = try_lower(text, &moved).unwrap();
    let folders = machine(&desired, "web").settings.shared_folders.as_ref().unwrap();
    assert_eq!(folders["a"].host_path.as_deref(), Some("/srv/checkout/lab/b"));
    assert_eq!(folders["c"].host_path.as_deref(), Some("/abs"));
}
