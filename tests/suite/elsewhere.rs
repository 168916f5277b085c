//! Plans that are made where the host is not: the same hash in another checkout, and byte for byte the same plan.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const LAB: &str = "\
apiVersion: vboxmcp/v1
kind: Stack
metadata: {name: shop}
---
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  osType: Debian_64
  memory: 1GiB
  disks:
    root: {size: 16MiB}
    data: {size: 16MiB, location: disks/data.vdi}
  sharedFolders:
    src: {hostPath: src}
  nics:
    - nat: {portForwards: {ssh: \"auto:22\"}}
";

const OTHER: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: db}
spec: {osType: Debian_64, memory: 512MiB}
";

/// A simulated host, a checkout beside it, and another one that stands for a CI job's.
struct Place {
    _folder: tempfile::TempDir,
    root: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for checkout in ["srv/lab", "ci/job/7/lab"] {
            let checkout = root.join(checkout);
            fs::create_dir_all(checkout.join("src")).unwrap();
            fs::write(checkout.join("web.yaml"), LAB).unwrap();
            fs::write(checkout.join("db.yaml"), OTHER).unwrap();
        }
        Self { _folder: folder, root }
    }

    fn on_host(&self) -> PathBuf {
        self.root.join("srv/lab")
    }

    fn in_ci(&self) -> PathBuf {
        self.root.join("ci/job/7/lab")
    }

    fn host(&self) -> String {
        format!("sim:{}", self.root.join("host").display())
    }

    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    fn run(&self, directory: &Path, words: &[&str], code: i32) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_vboxmcp"))
            .args(words)
            .current_dir(directory)
            .env_clear()
            .env("HOME", &self.root)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        output
    }

    /// Writes the host down, for a checkout of the host.
    fn write_down(&self) -> Vec<u8> {
        let root = self.on_host();
        let words = ["inventory", "--host", &self.host(), "--root", root.to_str().unwrap()];
        let bytes = self.run(&root, &words, 0).stdout;
        fs::write(self.in_ci().join("host.json"), &bytes).unwrap();
        bytes
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

const IN_CI: &[&str] = &["--inventory", "host.json", "-o", "json"];

#[test]
fn a_checkout_elsewhere_plans_the_same_bytes() {
    let place = Place::new();
    assert_eq!(place.write_down(), place.write_down(), "the same host, the same bytes");
    let host = place.host();
    let on_host =
        place.run(&place.on_host(), &["plan", "web.yaml", "db.yaml", "--host", &host, "-o", "json"], 0);
    let words = [&["plan", "web.yaml", "db.yaml"], IN_CI].concat();
    let in_ci = place.run(&place.in_ci(), &words, 0);
    assert_eq!(String::from_utf8(on_host.stdout).unwrap(), String::from_utf8(in_ci.stdout.clone()).unwrap());
    // Nor does the order matter in which the files are named.
    let words = [&["plan", "db.yaml", "web.yaml"], IN_CI].concat();
    assert_eq!(place.run(&place.in_ci(), &words, 0).stdout, in_ci.stdout);
    // Where the same files are looked at from is no part of what is approved.
    let words = ["plan", "srv/lab/web.yaml", "srv/lab/db.yaml", "--host", &host, "-o", "json"];
    let from_above = place.run(&place.root, &words, 0);
    assert_eq!(json(&from_above)["hash"], json(&in_ci)["hash"]);

    let hash = json(&in_ci)["hash"].as_str().unwrap().to_owned();
    place.run(&place.on_host(), &["apply", "web.yaml", "db.yaml", "--host", &host, "--plan-hash", &hash], 0);
    place.write_down();
    let words = [&["plan", "web.yaml", "db.yaml", "--detailed-exitcode"], IN_CI].concat();
    place.run(&place.in_ci(), &words, 0);
}

#[test]
fn a_host_that_was_written_down_is_looked_at_and_not_changed() {
    let place = Place::new();
    let host = place.host();
    place.run(&place.on_host(), &["apply", "web.yaml", "--host", &host, "--yes"], 0);
    place.write_down();
    let machines = json(&place.run(&place.in_ci(), &[&["get"], IN_CI].concat(), 0));
    assert_eq!(machines["machines"][0]["name"], "web");
    place.run(&place.in_ci(), &[&["drift", "web.yaml"], IN_CI].concat(), 0);
    let exported = place.run(&place.in_ci(), &["export", "web", "--inventory", "host.json"], 0);
    assert!(String::from_utf8(exported.stdout).unwrap().contains("memory: 1GiB"));
    // A plan that was made elsewhere runs on the host.
    let edited = LAB.replace("1GiB", "2GiB");
    for checkout in [place.in_ci(), place.on_host()] {
        fs::write(checkout.join("web.yaml"), &edited).unwrap();
    }
    let words = ["plan", "web.yaml", "--inventory", "host.json", "--out", "web.plan"];
    place.run(&place.in_ci(), &words, 0);
    let file = place.in_ci().join("web.plan");
    let file = file.to_str().unwrap();
    place.run(&place.on_host(), &["apply", "--plan", file, "--host", &host], 0);
    place.run(&place.on_host(), &["plan", "web.yaml", "--host", &host, "--detailed-exitcode"], 0);
    // And is stale once it has.
    place.run(&place.on_host(), &["apply", "--plan", file, "--host", &host], 4);
}

#[test]
fn what_is_no_inventory_says_so() {
    let place = Place::new();
    fs::write(place.in_ci().join("host.json"), "{}").unwrap();
    let said = place.run(&place.in_ci(), &["plan", "web.yaml", "--inventory", "host.json"], 64);
    assert!(
        String::from_utf8(said.stderr).unwrap().contains("this is no inventory: it has no formatVersion")
    );
    place.run(&place.in_ci(), &["plan", "web.yaml", "--inventory", "none.json"], 64);
    place.run(&place.in_ci(), &["plan", "web.yaml", "--inventory", "host.json", "--host", "local"], 64);
}

#[test]
fn what_the_inventory_does_not_tell_is_noted() {
    let place = Place::new();
    place.write_down();
    let words = [&["plan", "web.yaml"], IN_CI].concat();
    let notes = json(&place.run(&place.in_ci(), &words, 0))["notes"].to_string();
    assert!(!notes.contains("the inventory does not say"), "{notes}");
    fs::write(place.in_ci().join("web.yaml"), LAB.replace("disks/data", "/srv/disks/data")).unwrap();
    let notes = json(&place.run(&place.in_ci(), &words, 0))["notes"].to_string();
    assert!(notes.contains("the inventory does not say what lies at /srv/disks/data.vdi"), "{notes}");
}
