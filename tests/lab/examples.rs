//! The examples of the repository on a real VirtualBox.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Test;
use crate::guest::Guest;
use crate::home::{Home, Output, path};
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("three_tiers_that_are_off", three_tiers_that_are_off),
    ("a_machine_from_an_image", a_machine_from_an_image),
];

/// An example in the scratch folder, changed.
fn example(home: &Home, name: &str, change: impl Fn(&str) -> String) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let file = home.scratch().join(name);
    fs::write(&file, change(&fs::read_to_string(from).expect("the example"))).expect("a manifest");
    file
}

fn expect(said: Output, code: i32) -> Output {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

/// Networks, a disk of its own and five machines: no machine on such a network starts in the laboratory.
fn three_tiers_that_are_off(lab: &Lab) {
    let home = lab.home();
    for folder in ["src", "site"] {
        fs::create_dir_all(home.scratch().join(folder)).expect("a folder to share");
    }
    let shop = example(&home, "shop.yaml", str::to_owned);
    let file = path(&shop);
    let off = ["--var", "state=poweroff"];
    let with = |words: &[&'static str]| -> Vec<String> {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.push(file.to_owned());
        all.extend(off.map(str::to_owned));
        all
    };
    let run = |words: &[&'static str]| {
        let words = with(words);
        home.vboxmcp(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let disks_before = home.vbox(&["list", "hdds"]).ok();
    expect(run(&["apply", "--yes"]), 0);
    expect(run(&["plan", "--detailed-exitcode"]), 0);
    let networks = home.vbox(&["natnetwork", "list"]).ok();
    assert!(
        networks.contains("10.10.0.0/24") && networks.contains("web:tcp:[127.0.0.1]:8080:[10.10.0.11]:80"),
        "{networks}"
    );
    assert!(home.vbox(&["list", "dhcpservers"]).ok().contains("core"));
    assert_eq!(home.info("web-3", "nic1").as_deref(), Some("natnetwork"));
    assert_eq!(home.info("web-3", "intnet2").as_deref(), Some("core"));
    let data = home.machines().join("shop.disks/db-data.vdi");
    assert!(data.is_file(), "{}", data.display());

    put_right(&home, &run);
    and_back(&home, &shop, &run);

    // The data is protected: nothing is removed at all.
    let all = ["destroy", "--all", "--confirm", "shop", "--allow", "destroy-data", "--yes"];
    let refused = expect(run(&all), 5);
    assert!(refused.stderr.contains("disk/db-data is protected"), "{refused:?}");
    assert_eq!(home.info("db", "VMState").as_deref(), Some("poweroff"));
    let text =
        fs::read_to_string(&shop).expect("the manifest").replace("{protect: true}", "{protect: false}");
    fs::write(&shop, text).expect("the manifest");
    expect(run(&["apply", "--yes"]), 0);
    expect(run(&all), 0);
    assert_eq!(home.vbox(&["list", "vms"]).ok().trim(), "");
    assert_eq!(home.vbox(&["list", "hdds"]).ok(), disks_before);
    assert!(home.vbox(&["natnetwork", "list"]).ok().contains("0 networks found"));
    assert!(!home.vbox(&["list", "dhcpservers"]).ok().contains("core"));
    assert!(!data.exists());
}

/// Ten and more things are changed by hand: the report names them, the next apply puts them right.
fn put_right(home: &Home, run: &dyn Fn(&[&'static str]) -> Output) {
    let by_hand: &[&[&str]] = &[
        &["modifyvm", "db", "--memory=512"],
        &["modifyvm", "app", "--cpus=1"],
        &["modifyvm", "web-1", "--nic1=nat"],
        &["modifyvm", "web-2", "--intnet2=other"],
        &["modifyvm", "web-3", "--ostype=Other"],
        &["modifyvm", "app", "--name=renamed"],
        &["storageattach", "web-1", "--storagectl=SATA", "--port=0", "--medium=none"],
        &["storageattach", "db", "--storagectl=SATA", "--port=1", "--medium=none"],
        &["sharedfolder", "remove", "web-2", "--name=site"],
        &["sharedfolder", "add", "web-3", "--name=more", "--hostpath=/tmp"],
        &["natnetwork", "modify", "--netname=edge", "--port-forward-4=delete", "web"],
        &["dhcpserver", "modify", "--network=core", "--upper-ip=10.20.0.150"],
    ];
    for words in by_hand {
        home.vbox(words).ok();
    }
    let drift = expect(run(&["drift"]), 3);
    for told in [
        "vm/db",
        "memory",
        "vm/app",
        "cpus",
        "name",
        "vm/web-1",
        "nics.1",
        "vm/web-2",
        "nics.2",
        "vm/web-3",
        "osType",
        "disks.root",
        "disks.data",
        "sharedFolders.site",
        "sharedFolders.more",
        "net/edge",
        "net/core",
    ] {
        assert!(drift.stdout.contains(told), "{told}: {}", drift.stdout);
    }
    expect(run(&["apply", "--yes"]), 0);
    expect(run(&["plan", "--detailed-exitcode"]), 0);
    expect(run(&["drift"]), 0);
    assert_eq!(home.info("app", "memory").as_deref(), Some("2048"), "it has its name again");
    assert!(home.vbox(&["natnetwork", "list"]).ok().contains("web:tcp:[127.0.0.1]:8080:[10.10.0.11]:80"));
}

/// A snapshot of the whole lab, changes by hand and in the manifest, and back: what is declared by then is applied again.
fn and_back(home: &Home, shop: &Path, run: &dyn Fn(&[&'static str]) -> Output) {
    let lab = ["db", "app", "web-*"];
    expect(home.vboxmcp(&[&["snapshot", "before"], &lab[..], &["--yes"]].concat()), 0);
    let text = fs::read_to_string(shop).expect("the manifest");
    fs::write(shop, text.replace("memory: 2GiB", "memory: 3GiB")).expect("the manifest");
    expect(run(&["apply", "--yes"]), 0);
    home.vbox(&["modifyvm", "web-1", "--cpus=4", "--nic2=none"]).ok();
    home.vbox(&["storageattach", "web-2", "--storagectl=SATA", "--port=0", "--medium=none"]).ok();
    let file = path(shop);
    let revert = ["revert", "before", "-f", file, "--var", "state=poweroff", "--yes"];
    let blocked = expect(home.vboxmcp(&revert), 11);
    assert!(blocked.stdout.contains("--allow revert"), "{blocked:?}");
    expect(home.vboxmcp(&[&revert[..], &["--allow", "revert"]].concat()), 0);
    assert_eq!(home.info("web-1", "cpus").as_deref(), Some("1"));
    assert_eq!(home.info("web-1", "intnet2").as_deref(), Some("core"));
    assert_eq!(
        home.info("app", "memory").as_deref(),
        Some("3072"),
        "the snapshot has 2048, the manifest 3072"
    );
    expect(run(&["plan", "--detailed-exitcode"]), 0);
}

/// A disk that is a copy of a QCOW image, larger than it, and a machine that starts from it.
fn a_machine_from_an_image(lab: &Lab) {
    let home = lab.home();
    let images = home.scratch().join("images");
    fs::create_dir_all(&images).expect("a folder");
    let (raw, image) = (images.join("guest.vdi"), images.join("debian-12.qcow2"));
    Guest::ObeysAcpi.write_disk(&home, &raw);
    home.vbox(&["clonemedium", "disk", path(&raw), path(&image), "--format=QCOW"]).ok();
    for file in [&raw, &image] {
        home.vbox(&["closemedium", "disk", path(file)]);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let dev = example(&home, "dev.yaml", |text| {
        text.replace("2222:22", &format!("{port}:22")).replace("memory: 2GiB", "memory: 64MiB")
    });
    let file = path(&dev);
    expect(home.vboxmcp(&["apply", file, "--yes"]), 0);
    assert_eq!(home.state("dev"), "running");
    expect(home.vboxmcp(&["plan", file, "--detailed-exitcode"]), 0);
    let disks = home.vbox(&["list", "hdds"]).ok();
    assert!(disks.contains("dev/root.vdi"), "{disks}");
    // The server goes on telling the size that the disk had when it was copied; the file has the one that the guest sees.
    let header = fs::read(home.machines().join("dev/root.vdi")).expect("the disk");
    let size = u64::from_le_bytes(header[0x170..0x178].try_into().expect("eight bytes"));
    assert_eq!(size, 20 << 30);
    // The image is a file as before: VirtualBox does not go on knowing it.
    assert!(!disks.contains("debian-12.qcow2"), "{disks}");

    // Another checksum is another image: the disk would be made anew, which nobody has permitted.
    let text = fs::read_to_string(&dev).expect("the manifest");
    let wrong = text.replace("size: 20GiB", &format!("size: 20GiB, sha256: {}", "0".repeat(64)));
    fs::write(&dev, wrong.replace("name: dev", "name: dev2").replace(&format!("{port}:22"), "auto:22"))
        .expect("the manifest");
    let failed = expect(home.vboxmcp(&["apply", file, "--yes", "--stack", "second"]), 6);
    assert!(failed.stderr.contains("SHA-256"), "{failed:?}");
    assert!(!home.machines().join("dev2/root.vdi").exists());
}
