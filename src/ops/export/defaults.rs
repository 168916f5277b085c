//! What a new machine gets where its manifest is silent.

use serde_json::Value;

use crate::diff::machine::{DEFAULT_OS_TYPE, settings_tree};
use crate::diff::tree;
use crate::model::os_type;

/// The settings of a new machine of an operating system, as a tree; nothing where VirtualBox's recommendation is not known.
pub fn of(os_type: Option<&str>) -> Option<Value> {
    let row = os_type::lookup(os_type.unwrap_or(DEFAULT_OS_TYPE))?;
    let mut defaults = os_type::lookup(DEFAULT_OS_TYPE).map(|other| settings_tree(&other.plain))?;
    tree::merge(&mut defaults, &settings_tree(&row.plain));
    tree::merge(&mut defaults, &settings_tree(&row.settings));
    Some(defaults)
}
