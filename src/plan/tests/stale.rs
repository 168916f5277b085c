//! When a saved plan is stale: whatever would have made other steps is in its read-set, and nothing else is.

use super::*;
use crate::inventory::{
    AttachedMedium, Attachment, DeviceKind, Medium, MediumHealth, MediumKind, Moved, PathFact, Registry,
};
use crate::model::settings::{Bus, ControllerType};
use crate::model::{Bytes, Controller, DesiredDisk, DiskSource, PortForward};

/// Every declared machine has what a plan can depend on, and so has every machine of the host.
fn furnished(desired: &mut Desired, inventory: &mut Inventory, taste: u8) {
    let is = |bit: u8| taste & (1 << bit) != 0;
    for (number, machine) in (1..).zip(desired.machines.values_mut()) {
        if is(0) {
            let rule = if is(1) { format!("{}:22", 20_000 + number) } else { "auto:22".to_owned() };
            machine.settings.nics =
                Some(BTreeMap::from([(1, nat([("ssh", rule.as_str())], is(2).then_some(number)))]));
        }
        if is(3) {
            machine.disks =
                Some(BTreeMap::from([("root".to_owned(), disk(if is(4) { 64 } else { 32 }).into())]));
        }
        if is(5) {
            machine.settings.extra_data = Some(BTreeMap::from([("k".to_owned(), Some("v".to_owned()))]));
        }
    }
    let uuids: Vec<Uuid> = inventory.machines.keys().copied().collect();
    for (number, uuid) in (1..).zip(&uuids) {
        if is(6) {
            attach(inventory, *uuid, u128::from(number) * 100);
        }
        let machine = inventory.machines.get_mut(uuid).unwrap();
        if is(7) {
            machine.settings.nics = Some(BTreeMap::from([(
                1,
                nat([("ssh", format!("{}:22", 20_001 + number).as_str())], Some(number)),
            )]));
        }
    }
    for path in diff::probes(desired, inventory) {
        inventory.paths.insert(path, PathFact::Missing);
    }
}

fn nat<const N: usize>(rules: [(&str, &str); N], mac: Option<u16>) -> Box<Nic> {
    let rules = rules.into_iter().map(|(name, rule)| (name.to_owned(), rule.parse::<PortForward>().unwrap()));
    Box::new(Nic {
        mode: Some(NicMode::Nat),
        nat: Some(Nat { port_forwards: Some(rules.collect()), ..Nat::default() }),
        mac: mac.map(|number| format!("08002700{number:04X}")),
        ..Nic::default()
    })
}

fn disk(mebibytes: u64) -> DesiredDisk {
    DesiredDisk {
        disk: DiskSource::Inline {
            size: Some(Bytes(mebibytes << 20)),
            format: None,
            variant: None,
            location: None,
            image: None,
        },
        at: None,
        ssd: None,
        discard: None,
        hot_pluggable: None,
        bandwidth_group: None,
    }
}

fn medium(number: u128, location: PathBuf, parent: Option<Uuid>) -> Medium {
    Medium {
        uuid: Uuid::from_u128(number),
        kind: MediumKind::Disk,
        location,
        format: "vdi".to_owned(),
        medium_type: "normal".to_owned(),
        parent,
        registry: Registry::Global,
        size: Some(Bytes(32 << 20)),
        variant: Some("dynamic".to_owned()),
        health: MediumHealth::Good,
        auto_reset: false,
        description: String::new(),
    }
}

/// Attaches `root`, a difference to a base, which the register knows where the machine is ours.
fn attach(inventory: &mut Inventory, uuid: Uuid, number: u128) {
    let machine = inventory.machines.get_mut(&uuid).unwrap();
    let folder = machine.folder();
    let base = medium(number, folder.join("root.vdi"), None);
    let leaf = medium(number + 1, folder.join("Snapshots/leaf.vdi"), Some(base.uuid));
    let controller = Controller {
        bus: Some(Bus::Sata),
        r#type: Some(ControllerType::Ahci),
        ports: Some(2),
        host_io_cache: Some(false),
        bootable: Some(true),
    };
    machine.settings.controllers = Some(BTreeMap::from([("SATA".to_owned(), controller)]));
    machine.attachments.push(Attachment {
        controller: "SATA".to_owned(),
        port: 0,
        device: 0,
        kind: DeviceKind::Disk,
        medium: AttachedMedium::Image(leaf.uuid),
        hot_pluggable: false,
        non_rotational: false,
        discard: false,
        passthrough: false,
        temp_eject: false,
        bandwidth_group: None,
    });
    let name = crate::model::MachineName::new(machine.name.clone().unwrap());
    if let Some(register) = inventory.registers.get_mut(&stack())
        && register
            .entries
            .get(&Address::Machine(name.clone()))
            .is_some_and(|e| e.identity == Identity::Uuid(uuid))
    {
        let mut entry = Entry::pending(Identity::Uuid(base.uuid));
        entry.status = Status::Confirmed;
        register.entries.insert(Address::InlineDisk(name, "root".to_owned()), entry);
    }
    inventory.media.insert(base.uuid, base);
    inventory.media.insert(leaf.uuid, leaf);
}

/// One thing that somebody does to the host. Machines, media and names are counted round.
#[derive(Clone, Debug)]
enum Change {
    Memory(usize, u64),
    Power(usize, PowerState),
    Rename(usize, u8),
    Forward(usize, u16),
    Mac(usize, u16),
    ExtraData(usize),
    Property(usize),
    Mark(usize, Option<bool>),
    Unregister(usize),
    Register(u8, u16, u16),
    Detach(usize),
    Resize(usize),
    Difference(usize),
    Attach(usize),
    Forget(usize),
    Pending(usize),
    Protect(usize),
    Keep(usize),
    Path(usize, bool),
    Medium(usize),
    Unreadable(usize),
    Moved(usize),
    Stage(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..8_usize;
    prop_oneof![
        (at.clone(), 32..40_u64).prop_map(|(at, v)| Change::Memory(at, v)),
        (at.clone(), state()).prop_map(|(at, v)| Change::Power(at, v)),
        (at.clone(), 0..5_u8).prop_map(|(at, v)| Change::Rename(at, v)),
        (at.clone(), 20_000..20_010_u16).prop_map(|(at, v)| Change::Forward(at, v)),
        (at.clone(), 1..6_u16).prop_map(|(at, v)| Change::Mac(at, v)),
        at.clone().prop_map(Change::ExtraData),
        at.clone().prop_map(Change::Property),
        (at.clone(), any::<Option<bool>>()).prop_map(|(at, v)| Change::Mark(at, v)),
        at.clone().prop_map(Change::Unregister),
        (0..7_u8, 20_000..20_010_u16, 1..6_u16)
            .prop_map(|(name, port, mac)| Change::Register(name, port, mac)),
        at.clone().prop_map(Change::Detach),
        at.clone().prop_map(Change::Resize),
        at.clone().prop_map(Change::Difference),
        at.clone().prop_map(Change::Attach),
        at.clone().prop_map(Change::Forget),
        at.clone().prop_map(Change::Pending),
        at.clone().prop_map(Change::Protect),
        at.clone().prop_map(Change::Keep),
        (at.clone(), any::<bool>()).prop_map(|(at, v)| Change::Path(at, v)),
        at.clone().prop_map(Change::Medium),
        at.clone().prop_map(Change::Unreadable),
        at.clone().prop_map(Change::Moved),
        at.prop_map(Change::Stage),
    ]
}

impl Change {
    fn to(&self, inventory: &mut Inventory) {
        fn nth<T>(mut all: Vec<T>, at: usize) -> Option<T> {
            let at = at.checked_rem(all.len())?;
            Some(all.swap_remove(at))
        }
        let machine = |inventory: &mut Inventory, at: usize, change: &dyn Fn(&mut Machine)| {
            if let Some(machine) = nth(inventory.machines.values_mut().collect(), at) {
                change(machine);
            }
        };
        let entry = |inventory: &mut Inventory, at: usize, change: &dyn Fn(&mut Entry)| {
            let entries = inventory.registers.get_mut(&stack()).map(|register| &mut register.entries);
            if let Some(entry) =
                nth(entries.into_iter().flat_map(|entries| entries.values_mut()).collect(), at)
            {
                change(entry);
            }
        };
        match self {
            Self::Memory(at, memory) => {
                machine(inventory, *at, &|machine| machine.settings.memory = Some(Mebibytes(*memory)));
            }
            Self::Power(at, state) => machine(inventory, *at, &|machine| machine.state = Some(state.clone())),
            Self::Rename(at, name) => {
                machine(inventory, *at, &|machine| machine.name = Some(format!("m{name}")));
            }
            Self::Forward(at, port) => machine(inventory, *at, &|machine| {
                machine.settings.nics =
                    Some(BTreeMap::from([(1, nat([("x", format!("{port}:9").as_str())], None))]));
            }),
            Self::Mac(at, mac) => machine(inventory, *at, &|machine| {
                machine.settings.nics.get_or_insert_default().insert(2, nat([], Some(*mac)));
            }),
            Self::ExtraData(at) => machine(inventory, *at, &|machine| {
                machine
                    .settings
                    .extra_data
                    .get_or_insert_default()
                    .insert("k".to_owned(), Some("w".to_owned()));
            }),
            Self::Property(at) => machine(inventory, *at, &|machine| {
                let properties = machine.settings.guest_properties.get_or_insert_default();
                properties
                    .insert("/VirtualBox/GuestInfo/Net/0/V4/IP".to_owned(), Some("10.0.2.15".to_owned()));
            }),
            Self::Mark(at, whose) => machine(inventory, *at, &|machine| {
                let address = Address::machine(machine.name.clone().unwrap_or_default());
                machine.mark = match whose {
                    None => MarkState::None,
                    Some(true) => MarkState::Valid(Mark::new(stack(), address, machine.uuid)),
                    Some(false) => {
                        MarkState::Valid(Mark::new(StackName::new("other").unwrap(), address, machine.uuid))
                    }
                };
            }),
            Self::Unregister(at) => {
                if let Some(uuid) = nth(inventory.machines.keys().copied().collect(), *at) {
                    inventory.machines.remove(&uuid);
                }
            }
            Self::Register(name, port, mac) => {
                let mut machine = live(77, &format!("m{name}"), PowerState::Running);
                machine.settings.nics =
                    Some(BTreeMap::from([(1, nat([("x", format!("{port}:9").as_str())], Some(*mac)))]));
                inventory.machines.insert(machine.uuid, machine);
            }
            Self::Detach(at) => machine(inventory, *at, &|machine| machine.attachments.clear()),
            Self::Resize(at) => {
                if let Some(medium) = nth(inventory.media.values_mut().collect(), *at) {
                    medium.size = Some(Bytes(48 << 20));
                }
            }
            Self::Difference(at) => {
                if let Some(parent) = nth(inventory.media.keys().copied().collect(), *at) {
                    let child = medium(7_777, PathBuf::from("/elsewhere/child.vdi"), Some(parent));
                    inventory.media.insert(child.uuid, child);
                }
            }
            Self::Attach(at) => {
                if let Some(uuid) = nth(inventory.machines.keys().copied().collect(), *at) {
                    attach(inventory, uuid, 8_800);
                }
            }
            Self::Forget(at) => {
                if let Some(register) = inventory.registers.get_mut(&stack())
                    && let Some(address) = nth(register.entries.keys().cloned().collect(), *at)
                {
                    register.entries.remove(&address);
                }
            }
            Self::Pending(at) => entry(inventory, *at, &|entry| entry.status = Status::Pending),
            Self::Protect(at) => entry(inventory, *at, &|entry| entry.protect = !entry.protect),
            Self::Keep(at) => entry(inventory, *at, &|entry| entry.on_remove = OnRemove::Keep),
            Self::Path(at, is_file) => {
                if let Some(fact) = nth(inventory.paths.values_mut().collect(), *at) {
                    *fact = if *is_file { PathFact::File } else { PathFact::Directory };
                }
            }
            Self::Medium(at) => {
                if let Some(path) = nth(inventory.paths.keys().cloned().collect(), *at) {
                    let disk = medium(6_666, path, None);
                    inventory.media.insert(disk.uuid, disk);
                }
            }
            Self::Unreadable(at) => machine(inventory, *at, &|machine| {
                machine.access = Access::Unreadable { reason: "broken".to_owned() };
                machine.settings = crate::model::Shared::default();
            }),
            Self::Moved(at) => machine(inventory, *at, &|machine| {
                machine.settings_file = PathBuf::from("/elsewhere/x/x.vbox");
            }),
            Self::Stage(at) => machine(inventory, *at, &|machine| {
                machine.snapshots = Some(crate::inventory::Snapshot {
                    uuid: Uuid::from_u128(5_555),
                    name: "by hand".to_owned(),
                    description: String::new(),
                    taken: "2026-01-31T12:00:00Z".to_owned(),
                    online: false,
                    media: Vec::new(),
                    children: Vec::new(),
                });
            }),
        }
    }
}

fn made(desired: &Desired, inventory: &Inventory, prune: bool) -> Plan {
    let policy = Policy { allow: Danger::ALL.into_iter().collect(), prune, ..Policy::default() };
    plan(
        &diff::diff(desired, inventory),
        desired,
        inventory,
        &policy,
        &PlanOptions { stack_typed: true, is_partial: false, ..PlanOptions::default() },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_would_have_made_other_steps_makes_a_plan_stale(
        (mut desired, mut inventory) in world(), taste: u8, change in change(), prune: bool
    ) {
        furnished(&mut desired, &mut inventory, taste);
        let before = made(&desired, &inventory, prune);
        prop_assert_eq!(&reads::moved(&before.reads, &inventory), &[], "stale where nothing moved");
        // A copy: what was asked is indexed.
        let mut inventory = inventory.clone();
        change.to(&mut inventory);
        let after = made(&desired, &inventory, prune);
        let moved = reads::moved(&before.reads, &inventory);
        let is_other = before.steps != after.steps || before.refusals != after.refusals;
        prop_assert!(!is_other || !moved.is_empty(), "{change:?} makes other steps:\n{:#?}\n{:#?}", before.steps, after.steps);
        for Moved { object, then, now, .. } in moved {
            prop_assert!(!object.is_empty() && then != now);
        }
    }

    #[test]
    fn what_a_plan_did_not_use_leaves_it_fresh(
        (mut desired, mut inventory) in world(), taste: u8, at in 0..8_usize
    ) {
        furnished(&mut desired, &mut inventory, taste);
        let before = made(&desired, &inventory, false);
        let mut inventory = inventory.clone();
        for change in [Change::Property(at), Change::Register(6, 30_000, 9)] {
            change.to(&mut inventory);
        }
        // A stranger that nothing declared collides with does what it wants.
        let mut stranger = inventory.machines.remove(&Uuid::from_u128(77)).unwrap();
        stranger.state = Some(PowerState::PowerOff);
        stranger.settings.memory = Some(Mebibytes(4_096));
        inventory.machines.insert(stranger.uuid, stranger);
        attach(&mut inventory, Uuid::from_u128(77), 9_900);
        inventory.problems.push(crate::inventory::Problem { what: "a".to_owned(), reason: "b".to_owned() });
        prop_assert_eq!(reads::moved(&before.reads, &inventory), []);
    }
}

/// A machine under a former name whose entry is pending is still being born.
#[test]
fn whether_a_machine_that_is_to_be_renamed_was_born_is_read() {
    let mut there = inventory([live(1, "a", PowerState::PowerOff)]);
    let entries =
        BTreeMap::from([(Address::machine("a"), Entry::pending(Identity::Uuid(Uuid::from_u128(1))))]);
    there
        .registers
        .insert(stack(), crate::inventory::Register { entries: entries.into(), ..Default::default() });
    let mut machine = declared("b");
    machine.lifecycle.renamed_from = vec![(None, crate::model::MachineName::new("a"))];
    let plan = plan_of(&desired([machine]), &there, &Danger::ALL);
    let mut born = there.clone();
    let live = born.machines.values_mut().next().unwrap();
    live.mark = MarkState::Valid(Mark::new(stack(), Address::machine("a"), live.uuid));
    assert_eq!(reads::moved(&plan.reads, &born), []);
    born.registers.get_mut(&stack()).unwrap().entries.get_mut(&Address::machine("a")).unwrap().status =
        Status::Confirmed;
    let said: Vec<String> = reads::moved(&plan.reads, &born).iter().map(ToString::to_string).collect();
    assert_eq!(said, ["vm/a of stack lab birth: was not finished, is finished now"]);
}

#[test]
fn the_object_the_field_then_and_now_are_named() {
    let there = inventory([owned(live(1, "a", PowerState::Running))]);
    let mut machine = declared("a");
    machine.settings.memory = Some(Mebibytes(128));
    let plan = plan_of(&desired([machine]), &there, &Danger::ALL);
    let mut inventory = there.clone();
    inventory.machines.values_mut().next().unwrap().settings.memory = Some(Mebibytes(96));
    let said: Vec<String> = reads::moved(&plan.reads, &inventory).iter().map(ToString::to_string).collect();
    assert_eq!(said, ["vm/a memory: was 64, is 96 now"]);
}

#[test]
fn ports_and_addresses_of_strangers_are_noted_and_watched() {
    let mut stranger = live(7, "theirs", PowerState::PowerOff);
    stranger.settings.nics = Some(BTreeMap::from([(1, nat([("web", "2201:80")], Some(1)))]));
    let mut machine = declared("a");
    machine.settings.nics = Some(BTreeMap::from([(1, nat([("ssh", "2201:22")], Some(1)))]));
    let desired = desired([machine]);
    let there = inventory([stranger.clone()]);
    let notes: Vec<String> = plan_of(&desired, &there, &[]).notes.into_iter().map(|note| note.text).collect();
    let name = format!("machine \"theirs\" {{{}}}", stranger.uuid);
    assert_eq!(
        notes,
        [
            format!(
                "vm/a: host port 2201 is forwarded by {name} too: whichever starts second has no such forward"
            ),
            format!("vm/a: {name} has the MAC address 080027000001 too: they must not share a network"),
        ]
    );
    let plan = plan_of(&desired, &inventory([]), &[]);
    let said: Vec<String> = reads::moved(&plan.reads, &there).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            format!("host port 2201: was free, is held by {{{}}} now", stranger.uuid),
            format!("MAC address 080027000001: was free, is held by {{{}}} now", stranger.uuid),
        ]
    );
}

#[test]
fn where_a_field_is_written_does_not_count() {
    let mut machine = declared("a");
    machine.settings.memory = Some(Mebibytes(128));
    let inventory = inventory([owned(live(1, "a", PowerState::PowerOff))]);
    let one = plan_of(&desired([machine.clone()]), &inventory, &[]);
    machine.source.file = "elsewhere/lab.yaml".to_owned();
    let two = plan_of(&desired([machine]), &inventory, &[]);
    assert_ne!(one.objects, two.objects);
    assert_eq!(one.hash, two.hash);
}
