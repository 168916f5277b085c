//! What a declaration leaves to the machine that vboxmcp runs on: what pictures hold, which interfaces are meant, what stands for
//! secrets.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::declare::Declared;
use super::{Context, runs};
use crate::apply::journal::{private_file, private_folder};
use crate::config::HostChoice;
use crate::failure::{Failure, Kind};
use crate::inventory::Inventory;
use crate::model::digest::{hex, sha256};
use crate::model::{Address, Desired, DesiredMachine, FieldPath};

/// Settles all of it.
pub fn settle(context: &Context, declared: &mut Declared, inventory: &Inventory) -> Result<(), Failure> {
    let desired = &mut declared.desired;
    pictures(desired)?;
    bridges(context, desired, inventory)?;
    secrets(context, desired)
}

/// A failure that points at the line of a field.
fn at(machine: &DesiredMachine, path: &FieldPath, text: &str) -> Failure {
    Failure::new(Kind::Manifest, format!("{}: {path}: {text}", machine.source_of(path)))
}

/// The largest picture that VirtualBox takes, in bytes (measured).
const LARGEST_ICON: u64 = 256 << 10;

/// Puts the digest of each machine's icon behind the path of its file: what is compared is the content.
fn pictures(desired: &mut Desired) -> Result<(), Failure> {
    for machine in desired.machines.values_mut() {
        let Some(icon) = machine.settings.icon.clone() else { continue };
        let path = FieldPath::of(["icon"]);
        let read = std::fs::File::open(&icon).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(LARGEST_ICON + 1).read_to_end(&mut bytes).map(|_| bytes)
        });
        let bytes = read.map_err(|error| at(machine, &path, &format!("{icon} cannot be read: {error}")))?;
        if bytes.len() as u64 > LARGEST_ICON {
            return Err(at(
                machine,
                &path,
                &format!("{icon} is larger than the 256 KiB that VirtualBox takes"),
            ));
        }
        machine.settings.icon = Some(format!("{icon} sha256:{}", sha256(&bytes)));
    }
    Ok(())
}

/// Finds the interfaces of bridged adapters that are not named. One that is in use stays as long as it fits.
fn bridges(context: &Context, desired: &mut Desired, inventory: &Inventory) -> Result<(), Failure> {
    if desired.machines.values().all(|machine| machine.bridges.is_empty()) {
        return Ok(());
    }
    let interfaces = context.host.interfaces()?;
    let stack = desired.stack.clone();
    for (address, machine) in &mut desired.machines {
        let live = inventory.owned_machine(&stack, address).and_then(|live| live.settings.nics.as_ref());
        for (slot, bridge) in machine.bridges.clone() {
            let now = live.and_then(|nics| nics.get(&slot)?.network.as_deref());
            let path = FieldPath::of(["nics"]).join(slot).join("bridged");
            let found = bridge.find(&interfaces, now).map_err(|why| {
                at(machine, &path, &why).hint("write the name of one: `bridged: {interface: NAME}`")
            })?;
            let name = found.name.clone();
            if let Some(nic) = machine.settings.nics.as_mut().and_then(|nics| nics.get_mut(&slot)) {
                nic.network = Some(name);
            }
        }
    }
    Ok(())
}

/// Puts keyed digests where secrets are declared, and hands the secrets to the host.
fn secrets(context: &Context, desired: &mut Desired) -> Result<(), Failure> {
    if desired.machines.values().all(|machine| machine.secrets.is_empty()) {
        return Ok(());
    }
    let key = match (&context.settings.host, runs::state_folder(context)?) {
        (_, Some(folder)) => digest_key(&folder)?,
        // A simulated host that is gone when the program ends keeps nothing that could be compared.
        (HostChoice::Sim(_), None) => [0; 32],
        (HostChoice::Recorded(_), None) => {
            return Err(Failure::new(
                Kind::Usage,
                "secrets cannot be compared with a host that was read from a file: the key of their digests stays on the host",
            )
            .hint("plan on the host itself"));
        }
        (HostChoice::Local, None) => {
            return Err(Failure::new(
                Kind::Other,
                "there is no place for the key of secrets' digests: no state directory is known",
            )
            .hint("set HOME or XDG_STATE_HOME (LOCALAPPDATA on Windows)"));
        }
    };
    let stack = desired.stack.clone();
    let mut entrusted = BTreeMap::new();
    for (address, machine) in &mut desired.machines {
        for (path, secret) in &mut machine.secrets {
            let digest = secret.digest_with(&key, &context_of(stack.as_str(), address, path));
            secret.digest = Some(digest.clone());
            entrusted.insert(digest, secret.clone());
        }
    }
    context.host.entrust(entrusted);
    Ok(())
}

fn context_of(stack: &str, address: &Address, path: &FieldPath) -> String {
    format!("{stack}\n{address}\n{path}")
}

/// The name of the file that holds the key of secrets' digests, in the state directory of a VirtualBox home.
const KEY_FILE: &str = "digest.key";

/// The key, which is made when it is first needed: 64 hexadecimal digits in a file that only its owner may read.
fn digest_key(folder: &Path) -> Result<[u8; 32], Failure> {
    let file = folder.join(KEY_FILE);
    let failed = |error: &std::io::Error| {
        Failure::new(Kind::Other, format!("the key of secrets' digests, {}: {error}", file.display()))
    };
    if let Some(key) = read_key(&file).map_err(|error| failed(&error))? {
        return Ok(key);
    }
    private_folder(folder).map_err(|error| failed(&error))?;
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|error| failed(&std::io::Error::other(error)))?;
    let fresh = hex(&fresh);
    match private_file(&file)
        .and_then(|mut file| file.write_all(fresh.as_bytes()).and_then(|()| file.sync_all()))
    {
        // Somebody else was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => other.map_err(|error| failed(&error))?,
    }
    let key = read_key(&file).map_err(|error| failed(&error))?;
    key.ok_or_else(|| failed(&std::io::Error::other("it is not there")))
}

fn read_key(file: &Path) -> std::io::Result<Option<[u8; 32]>> {
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let text = text.trim();
    let mut key = [0; 32];
    if text.len() != 64 {
        return Err(std::io::Error::other(
            "it is no key of 64 hexadecimal digits; remove it, and secrets are set again",
        ));
    }
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(std::io::Error::other)?;
        *byte = u8::from_str_radix(digits, 16).map_err(std::io::Error::other)?;
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("state");
        let key = digest_key(&place).unwrap();
        assert_ne!(key, [0; 32]);
        assert_eq!(digest_key(&place).unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&place), mode(&place.join(KEY_FILE))), (0o700, 0o600));
        }
        std::fs::write(place.join(KEY_FILE), "short").unwrap();
        assert!(digest_key(&place).is_err());
    }
}
