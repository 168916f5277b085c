//! What has become of a simulated host: the difference of two states, to be written down and taken in by another process.

use std::path::PathBuf;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tree::{Content, Tree};
use super::world::{SimMachine, SimMedium, World};
use crate::model::Shared;

/// One thing that is another than before; nothing where it is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// A machine.
    Machine(Uuid, Option<Shared<SimMachine>>),
    /// A medium.
    Medium(Uuid, Option<Shared<SimMedium>>),
    /// A key of the global extra data.
    Extra(String, Option<String>),
    /// A file.
    File(PathBuf, Option<Content>),
    /// A folder, and whether it is there.
    Folder(PathBuf, bool),
    /// All that there is one of; what there may be many of is left out.
    Rest(Box<World>),
}

impl World {
    /// What has changed since the world was as `before`.
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let rest = self.rest();
        if rest != before.rest() {
            changes.push(Change::Rest(Box::new(rest)));
        }
        let (new, old) = (&self.tree, &before.tree);
        for change in new_values(&old.files, &new.files) {
            changes.push(Change::File(change.0, change.1));
        }
        changes.extend(old.folders.diff(&new.folders).map(|change| match change {
            imbl::ordset::DiffItem::Add(folder) => Change::Folder(folder.clone(), true),
            imbl::ordset::DiffItem::Remove(folder) => Change::Folder(folder.clone(), false),
        }));
        changes.extend(new_values(&before.extra, &self.extra).map(|(key, value)| Change::Extra(key, value)));
        changes.extend(new_values(&before.media, &self.media).map(|(key, value)| Change::Medium(key, value)));
        let machines = new_values(&before.machines, &self.machines);
        changes.extend(machines.map(|(key, value)| Change::Machine(key, value)));
        changes
    }

    /// Lets a change happen that another process has made.
    pub fn take_in(&mut self, change: Change) {
        match change {
            Change::Machine(uuid, value) => put(&mut self.machines, uuid, value),
            Change::Medium(uuid, value) => put(&mut self.media, uuid, value),
            Change::Extra(key, value) => put(&mut self.extra, key, value),
            Change::File(path, value) => put(&mut self.tree.files, path, value),
            Change::Folder(path, true) => drop(self.tree.folders.insert(path)),
            Change::Folder(path, false) => drop(self.tree.folders.remove(&path)),
            Change::Rest(rest) => {
                let before = std::mem::take(self);
                let World { machines, media, extra, tree, .. } = before;
                *self = Self { machines, media, extra, tree, ..*rest };
            }
        }
    }

    fn rest(&self) -> Self {
        Self {
            machines: OrdMap::new(),
            media: OrdMap::new(),
            extra: OrdMap::new(),
            tree: Tree::default(),
            ..self.clone()
        }
    }
}

fn new_values<'a, K: Ord + Clone, V: PartialEq + Clone>(
    before: &'a OrdMap<K, V>,
    after: &'a OrdMap<K, V>,
) -> impl Iterator<Item = (K, Option<V>)> {
    before.diff(after).map(|change| match change {
        DiffItem::Add(key, value) | DiffItem::Update { new: (key, value), .. } => {
            (key.clone(), Some(value.clone()))
        }
        DiffItem::Remove(key, _) => (key.clone(), None),
    })
}

fn put<K: Ord + Clone, V: Clone>(map: &mut OrdMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_a_large_host_are_all_told() {
        let (mut world, mut other) = (World::default(), World::default());
        let mut dice = 1_u64;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        for round in 0..1_500 {
            let before = world.clone();
            for _ in 0..=roll(8) {
                let (number, keep) = (roll(600), roll(3) > 0);
                let key = format!("key {number}");
                let path = PathBuf::from(format!("/vms/{}/{number}", number % 7));
                put(&mut world.extra, key, keep.then(|| round.to_string()));
                put(&mut world.tree.files, path.clone(), keep.then_some(Content::Other));
                if keep {
                    world.tree.folders.insert(path);
                } else {
                    world.tree.folders.remove(&path);
                }
            }
            for change in world.changes_since(&before) {
                let text = serde_json::to_string(&change).unwrap();
                other.take_in(serde_json::from_str(&text).unwrap());
            }
            assert_eq!(other.extra.len(), world.extra.len(), "{round}");
        }
        assert!(world.extra.iter().eq(other.extra.iter()) && world.extra.len() > 200);
        assert!(world.tree.files.iter().eq(other.tree.files.iter()));
        assert!(world.tree.folders.iter().eq(other.tree.folders.iter()));
    }
}
