//! `doctor --fix FILE`: a file that a registered disk stands in the way of gets another UUID. Nothing else of it changes.

use std::path::PathBuf;

use serde_json::Value;
use uuid::Uuid;

use super::action::{Action, Target};
use super::draft::Draft;
use super::imperative;
use super::types::{ObjectPlan, Operation, Plan, PlannedField, Verb};
use crate::inventory::Inventory;
use crate::model::{Address, Dangers, Desired, FieldPath, Policy};

/// A file of a disk, and why VirtualBox does not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The file, absolute.
    pub file: PathBuf,
    /// The UUID in it.
    pub uuid: Uuid,
    /// The disk that is registered there, whose UUID is another one; none where the UUID in it is one that is registered elsewhere.
    pub place_of: Option<Uuid>,
    /// Files elsewhere that hold the disk that is registered there.
    pub found: Vec<PathBuf>,
}

impl Copied {
    /// What a file is, by the UUID in it.
    ///
    /// # Errors
    /// Why nothing is to be done about it.
    pub fn of(file: PathBuf, uuid: Uuid, inventory: &Inventory) -> Result<Self, String> {
        let shown = file.display();
        let place_of = inventory.medium_at(&file).map(|medium| medium.uuid);
        if place_of == Some(uuid) {
            return Err(format!("{shown} is the disk that is registered there"));
        }
        if place_of.is_none() && !inventory.media.contains_key(&uuid) {
            return Err(format!("nothing is in the way of {shown}: no other disk has its UUID"));
        }
        Ok(Self { file, uuid, place_of, found: Vec::new() })
    }
}

/// Plans what makes of a copied file a disk of its own, or the one that is registered where it lies.
pub fn renew(copied: &Copied, desired: &Desired, inventory: &Inventory, policy: &Policy) -> Plan {
    let name = copied.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let address = Address::Disk(name);
    // It stands for the file, which has no UUID that it could be known by.
    let mut draft = Draft::new(address.clone(), Target::Planned(address.clone()), policy.allow.clone());
    let to = copied.place_of.unwrap_or_else(|| of_its_own(copied, inventory));
    if let Some((reason, hint)) = hindrance(copied, inventory) {
        draft.block(vec![path()], reason, vec![hint]);
    } else {
        let action = Action::RenewDisk { file: copied.file.clone(), from: copied.uuid, to };
        draft.push(action, [path()], []);
        draft.effects.push(format!("{}: its content stays as it is", copied.file.display()));
        draft.effects.push(match copied.place_of {
            Some(_) => "it becomes the disk that is registered there".to_owned(),
            None => "VirtualBox takes it beside the disk that it is a copy of".to_owned(),
        });
    }
    let is_blocked = draft.steps.is_empty();
    let text = |uuid: Uuid| Value::from(uuid.to_string());
    let object = ObjectPlan {
        address,
        operation: if is_blocked { Operation::Blocked } else { Operation::Change },
        uuid: None,
        fields: vec![PlannedField::asked(path(), Some(text(copied.uuid)), text(to), is_blocked)],
        effects: draft.effects.clone(),
        blocked: draft.blocked.clone(),
        danger: Dangers::new(),
    };
    imperative::sealed(Verb::Repair, vec![object], &[draft], Vec::new(), desired, inventory, policy)
}

fn path() -> FieldPath {
    FieldPath::of(["uuid"])
}

/// The same each time, so that a second plan is the first one.
fn of_its_own(copied: &Copied, inventory: &Inventory) -> Uuid {
    let mut uuid = copied.uuid;
    loop {
        uuid = Uuid::new_v5(&uuid, copied.file.as_os_str().as_encoded_bytes());
        if !inventory.media.contains_key(&uuid) {
            return uuid;
        }
    }
}

/// Why the file is left as it is, and what to do instead.
fn hindrance(copied: &Copied, inventory: &Inventory) -> Option<(String, String)> {
    if let Some(file) = copied.found.first() {
        let reason = format!("the disk that is registered there is {}", file.display());
        return Some((reason, "`vboxmcp doctor --fix` tells VirtualBox where it is".to_owned()));
    }
    let origin = inventory.media.get(&copied.uuid).filter(|_| copied.place_of.is_none())?;
    origin.is_inaccessible().then(|| {
        let reason =
            format!("it is most likely the disk itself: {} cannot be read", origin.location.display());
        (reason, "`vboxmcp doctor --fix` without a file looks for what was moved".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Medium, MediumHealth, MediumKind, Registry};

    fn medium(number: u128, location: &str, health: MediumHealth) -> Medium {
        Medium {
            uuid: Uuid::from_u128(number),
            kind: MediumKind::Disk,
            location: location.into(),
            format: "vdi".to_owned(),
            medium_type: "normal".to_owned(),
            parent: None,
            registry: Registry::Global,
            size: None,
            variant: None,
            health,
            auto_reset: false,
            description: String::new(),
        }
    }

    fn inventory(media: Vec<Medium>) -> Inventory {
        Inventory { media: media.into_iter().map(|one| (one.uuid, one)).collect(), ..Inventory::default() }
    }

    fn planned(file: &str, uuid: u128, inventory: &Inventory) -> Plan {
        let copied = Copied::of(file.into(), Uuid::from_u128(uuid), inventory).unwrap();
        let desired = Desired::nothing(crate::model::StackName::default_stack());
        renew(&copied, &desired, inventory, &Policy::default())
    }

    #[test]
    fn a_copy_gets_a_uuid_that_no_disk_has_and_the_same_each_time() {
        let there = inventory(vec![medium(1, "/a.vdi", MediumHealth::Good)]);
        let plan = planned("/copy.vdi", 1, &there);
        let [step] = plan.steps.as_slice() else { panic!("{plan:?}") };
        let Action::RenewDisk { from, to, .. } = &step.action else { panic!("{step:?}") };
        assert_eq!(*from, Uuid::from_u128(1));
        assert_eq!(planned("/copy.vdi", 1, &there).hash, plan.hash);
        let more = inventory(vec![
            medium(1, "/a.vdi", MediumHealth::Good),
            medium(to.as_u128(), "/b.vdi", MediumHealth::Good),
        ]);
        let Action::RenewDisk { to: other, .. } = &planned("/copy.vdi", 1, &more).steps[0].action else {
            panic!()
        };
        assert_ne!(other, to);
    }

    #[test]
    fn a_file_in_the_place_of_another_disk_becomes_that_disk() {
        let lost = MediumHealth::Inaccessible("its file holds another".to_owned());
        let there = inventory(vec![medium(1, "/a.vdi", lost)]);
        let plan = planned("/a.vdi", 2, &there);
        let Action::RenewDisk { to, .. } = &plan.steps[0].action else { panic!() };
        assert_eq!(*to, Uuid::from_u128(1));
    }

    #[test]
    fn the_disk_itself_stays_what_it_is() {
        let lost = MediumHealth::Inaccessible("its file does not exist".to_owned());
        let there = inventory(vec![medium(1, "/a.vdi", lost)]);
        let plan = planned("/moved.vdi", 1, &there);
        assert!(plan.steps.is_empty() && !plan.objects[0].blocked.is_empty(), "{plan:?}");
        let good = inventory(vec![medium(1, "/a.vdi", MediumHealth::Good)]);
        assert!(Copied::of("/a.vdi".into(), Uuid::from_u128(1), &good).is_err());
        assert!(Copied::of("/b.vdi".into(), Uuid::from_u128(2), &good).is_err());
    }
}
