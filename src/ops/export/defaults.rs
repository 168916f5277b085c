//! What a new machine gets where its manifest is silent.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diff::machine::{DEFAULT_OS_TYPE, settings_tree};
use crate::diff::tree;
use crate::inventory::Machine;
use crate::model::os_type;

/// What new machines get, by their operating systems: of many machines few are different.
pub struct Defaults<'a>(BTreeMap<Option<&'a str>, Option<Value>>);

impl<'a> Defaults<'a> {
    /// Of the operating systems of some machines.
    pub fn of(machines: &[&'a Machine]) -> Self {
        let mut all = BTreeMap::new();
        for machine in machines {
            let os_type = machine.settings.os_type.as_deref();
            all.entry(os_type).or_insert_with(|| of(os_type));
        }
        Self(all)
    }

    /// What a new machine of one of them gets.
    pub fn get(&self, os_type: Option<&str>) -> Option<&Value> {
        self.0.iter().find(|(of, _)| **of == os_type)?.1.as_ref()
    }
}

/// The settings of a new machine of an operating system, as a tree; nothing where VirtualBox's recommendation is not known.
pub fn of(os_type: Option<&str>) -> Option<Value> {
    let row = os_type::lookup(os_type.unwrap_or(DEFAULT_OS_TYPE))?;
    let mut defaults = os_type::lookup(DEFAULT_OS_TYPE).map(|other| settings_tree(&other.plain))?;
    tree::merge(&mut defaults, &settings_tree(&row.plain));
    tree::merge(&mut defaults, &settings_tree(&row.settings));
    Some(defaults)
}
