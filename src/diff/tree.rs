//! Declared and live values as JSON trees, and their comparison. A tree knows nothing of machines.

use serde_json::{Map, Value};

use crate::model::FieldPath;
pub use crate::model::field::{each_leaf, each_leaf_beside, leaves};

/// The value at a path.
pub fn get<'a>(tree: &'a Value, path: &FieldPath) -> Option<&'a Value> {
    path.keys().iter().try_fold(tree, |value, key| value.get(key))
}

/// The value at the place that some keys name.
pub fn at<'a>(tree: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().try_fold(tree, |value, key| value.get(key))
}

/// Puts a value at a path, making objects on the way.
pub fn set(tree: &mut Value, path: &FieldPath, value: Value) {
    let mut place = tree;
    for key in path.keys() {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(key.clone()).or_insert(Value::Null);
    }
    *place = value;
}

/// Takes the value at a path away.
pub fn remove(tree: &mut Value, path: &FieldPath) {
    let Some((last, parents)) = path.keys().split_last() else { return };
    let parent = parents.iter().try_fold(tree, |value, key| value.get_mut(key));
    if let Some(Value::Object(map)) = parent {
        map.remove(last);
    }
}

/// Lays `over` upon `under`: objects are merged, everything else is replaced.
pub fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match under.get_mut(key) {
                    Some(place) => merge(place, value),
                    None => {
                        under.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// One place where two trees differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The place.
    pub path: FieldPath,
    /// `None` where a member must go.
    pub declared: Option<Value>,
    /// `None` where there is nothing.
    pub live: Option<Value>,
}

/// Maps whose members are all the manifest's once the map is written. Every other map is managed key by key.
///
/// `nics`, `nics.N.nat.portForwards`, `sharedFolders`, `controllers`, `disks`, `dvds`, `floppies`, `cpuidOverrides`,
/// `serialPorts`, `parallelPorts`, `bandwidthGroups`, `usb.filters`, `nics.N.properties`; of networks the rules, loopback mappings and
/// DHCP options. The options of a NAT network's server are not: VirtualBox sets some of them itself when the network starts.
pub fn is_authoritative(path: &FieldPath) -> bool {
    let mut keys = [""; 4];
    let Some(keys) = keys.get_mut(..path.keys().len()) else { return false };
    for (place, key) in keys.iter_mut().zip(path.keys()) {
        *place = key;
    }
    is_written_whole(keys)
}

/// [`is_authoritative`] by the keys.
pub fn is_written_whole(keys: &[&str]) -> bool {
    matches!(
        keys,
        ["nics"
            | "sharedFolders"
            | "controllers"
            | "disks"
            | "dvds"
            | "floppies"
            | "cpuidOverrides"
            | "serialPorts"
            | "parallelPorts"
            | "bandwidthGroups",]
            | ["usb", "filters"]
            | ["nics", _, "nat", "portForwards"]
            | ["nics", _, "properties"]
            | ["nat", "portForwards" | "portForwards6" | "loopback"]
            | ["internal" | "hostOnly", "dhcp", "options"]
    )
}

/// Where `live` is not as `declared`. What is not declared is not compared. `equal` is asked about values that are not the same.
pub fn compare(
    declared: &Value,
    live: &Value,
    equal: &dyn Fn(&FieldPath, &Value, &Value) -> bool,
) -> Vec<Difference> {
    let mut walk = Walk { keys: Vec::new(), equal, found: Vec::new() };
    walk.compare(declared, live);
    walk.found
}

/// A comparison on its way through two trees.
struct Walk<'t> {
    /// Where it is. It becomes a path only where something differs.
    keys: Vec<&'t str>,
    equal: &'t dyn Fn(&FieldPath, &Value, &Value) -> bool,
    found: Vec<Difference>,
}

impl<'t> Walk<'t> {
    fn compare(&mut self, declared: &'t Value, live: &'t Value) {
        let (Value::Object(wanted), Value::Object(there)) = (declared, live) else {
            if declared != live {
                let path = self.path();
                if !(self.equal)(&path, declared, live) {
                    let (declared, live) = (Some(declared.clone()), Some(live.clone()));
                    self.found.push(Difference { path, declared, live });
                }
            }
            return;
        };
        for (key, value) in wanted {
            self.keys.push(key);
            match (there.get(key), value) {
                (Some(live), value) => self.compare(value, live),
                // `null` asks for absence, and an empty map for no members.
                (None, Value::Null) => {}
                (None, Value::Object(map)) if map.is_empty() => {}
                (None, value) => {
                    let path = self.path();
                    self.found.push(Difference { path, declared: Some(value.clone()), live: None });
                }
            }
            self.keys.pop();
        }
        if is_written_whole(&self.keys) {
            for (key, value) in there.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                let path = self.path().join(key);
                self.found.push(Difference { path, declared: None, live: Some(value.clone()) });
            }
        }
    }

    fn path(&self) -> FieldPath {
        FieldPath::of(self.keys.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(declared: &Value, live: &Value) -> Vec<String> {
        compare(declared, live, &|_, a, b| a == b)
            .into_iter()
            .map(|d| {
                format!(
                    "{} {:?} {:?}",
                    d.path,
                    d.live.map(|v| v.to_string()),
                    d.declared.map(|v| v.to_string())
                )
            })
            .collect()
    }

    #[test]
    fn what_is_not_declared_is_not_compared() {
        assert!(differences(&json!({"cpus": 2}), &json!({"cpus": 2, "memory": 64})).is_empty());
    }

    #[test]
    fn members_of_a_written_map_are_authoritative_and_other_maps_are_not() {
        let found = differences(
            &json!({"sharedFolders": {}, "extraData": {"a": "1", "gone": null}}),
            &json!({"sharedFolders": {"x": {"hostPath": "/x"}}, "extraData": {"b": "2"}}),
        );
        assert_eq!(
            found,
            [r#"extraData.a None Some("\"1\"")"#, r#"sharedFolders.x Some("{\"hostPath\":\"/x\"}") None"#]
        );
    }

    #[test]
    fn a_null_asks_for_absence() {
        let found = differences(&json!({"extraData": {"a": null}}), &json!({"extraData": {"a": "1"}}));
        assert_eq!(found, [r#"extraData.a Some("\"1\"") Some("null")"#]);
    }

    #[test]
    fn leaves_put_back_make_the_tree() {
        let tree = json!({"nics": {"1": {"nat": {}}}, "cpus": 2});
        let mut back = Value::Null;
        for (path, value) in leaves(&tree) {
            set(&mut back, &path, value.clone());
        }
        assert_eq!(back, tree);
    }
}
