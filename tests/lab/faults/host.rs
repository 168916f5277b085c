//! Disks that are full or may not be written, files that are gone or in the way, ports that somebody else has.

use std::fs;
use std::net::TcpListener;

use super::meddler::meddler;
use super::mounts::Mount;
use super::{ONE, apply, converges, expect, is_settled, write};
use crate::Test;
use crate::home::path;
use crate::lab::Lab;

pub const TESTS: &[Test] = &[
    ("a_taken_host_port_is_told_before_the_first_action", a_taken_host_port_is_told_before_the_first_action),
    (
        "a_disk_without_room_is_told_before_the_first_action",
        a_disk_without_room_is_told_before_the_first_action,
    ),
    ("a_disk_that_fills_up_stops_the_run", a_disk_that_fills_up_stops_the_run),
    ("a_folder_that_may_not_be_written", a_folder_that_may_not_be_written),
    ("a_disk_file_that_is_gone", a_disk_file_that_is_gone),
    ("files_and_folders_in_the_way_stay", files_and_folders_in_the_way_stay),
];

fn a_taken_host_port_is_told_before_the_first_action(lab: &Lab) {
    let home = lab.home();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let running =
        format!("{ONE}  nics: [{{nat: {{portForwards: {{ssh: \"{port}:22\"}}}}}}]\n  state: running\n");
    let off = write(&home, &running.replace("state: running", "state: poweroff"));
    let taken = format!("vm/one: host port 127.0.0.1:{port} (nics.1.nat.portForwards.ssh) is taken by ");
    let who = format!("(process {})", std::process::id());
    // A machine that stays off does not listen: a note.
    let said = expect(home.vboxmcp(&["plan", path(&off)]), 0, &[&taken, &who]);
    assert!(!said.stdout.contains("apply will refuse"), "{said:?}");
    expect(apply(&home, &off), 0, &[&taken]);

    let file = write(&home, &running);
    expect(home.vboxmcp(&["plan", path(&file)]), 0, &["apply will refuse", &taken, &who]);
    let said =
        expect(apply(&home, &file), 1, &["nothing was done", &taken, &who, "declare another host port"]);
    assert!(!said.stderr.contains("start"), "{said:?}");
    assert_ne!(home.state("one"), "running");
    drop(listener);
    converges(&home, &file);
    std::net::TcpStream::connect(("127.0.0.1", port)).expect("the forwarded port listens");
    // Its own port is no reason to refuse what comes next.
    let file = write(&home, &running.replace("32MiB", "36MiB"));
    expect(home.vboxmcp(&["apply", path(&file), "--yes", "--allow", "downtime,power-cut"]), 0, &[]);
    is_settled(&home, &file);
}

fn a_disk_without_room_is_told_before_the_first_action(lab: &Lab) {
    if !lab.is_driverless() {
        return;
    }
    let home = lab.home();
    let file = write(&home, ONE);
    let full = ["nothing was done", "left: the plan writes 2MiB and 64MiB must stay free", "make room first"];
    {
        let mount = Mount::small(&home, lab, &home.machines(), 60);
        expect(
            mount.vboxmcp(&home, &["plan", path(&file)]),
            0,
            &["apply will refuse", "64MiB must stay free"],
        );
        expect(mount.vboxmcp(&home, &["apply", path(&file), "--yes"]), 1, &full);
        assert_eq!(mount.run(&["ls", path(&home.machines())]), "");
    }
    {
        // Fixed disks are written whole.
        let fixed = write(&home, &ONE.replace("size: 8MiB", "size: 40MiB, variant: fixed"));
        let mount = Mount::small(&home, lab, &home.machines(), 100);
        let said = ["the plan writes 40MiB and 64MiB must stay free"];
        expect(mount.vboxmcp(&home, &["apply", path(&fixed), "--yes"]), 1, &said);
    }
    {
        let copy = home.scratch().join("VirtualBox.xml");
        fs::copy(home.virtualbox().join("VirtualBox.xml"), &copy).expect("the registry");
        let mount = Mount::small(&home, lab, &home.virtualbox(), 30);
        mount.run(&["cp", path(&copy), path(&home.virtualbox())]);
        let folder = home.virtualbox();
        let said = ["nothing was done", path(&folder), "64MiB must be free"];
        let file = write(&home, ONE);
        expect(mount.vboxmcp(&home, &["apply", path(&file), "--yes"]), 1, &said);
    }
    converges(&home, &file);
}

/// Room for the check, and then none: VirtualBox leaves an empty settings file and says that all is well.
fn a_disk_that_fills_up_stops_the_run(lab: &Lab) {
    if !lab.is_driverless() {
        return;
    }
    let home = lab.home();
    let two = format!("{ONE}---\n{}", ONE.split("---\n").nth(1).expect("a machine").replace("one", "two"));
    let file = write(&home, &two);
    let mount = Mount::small(&home, lab, &home.machines(), 90);
    let filler = home.machines().join("filler");
    let script = format!("cat /dev/zero >'{}' 2>/dev/null", path(&filler));
    let program = meddler(&home, &mount.vboxmanage(), "modifyvm", &script);
    let arguments = ["apply", path(&file), "--yes", "--route=vboxmanage", "--vboxmanage", path(&program)];
    let said = expect(
        mount.vboxmcp(&home, &arguments),
        6,
        &["one.vbox: the file is empty. VirtualBox could not write it", "VirtualBox's files are broken"],
    );
    assert!(!said.stderr.contains("two: create machine: done"), "{said:?}");
    mount.run(&["rm", path(&filler)]);
    expect(mount.vboxmcp(&home, &["apply", path(&file), "--yes"]), 0, &[]);
    expect(mount.vboxmcp(&home, &["plan", path(&file), "--detailed-exitcode"]), 0, &[]);
    let destroy = ["destroy", path(&file), "--confirm", "faults", "--allow", "destroy-data"];
    expect(mount.vboxmcp(&home, &destroy), 0, &[]);
    assert_eq!(mount.run(&["ls", path(&home.machines())]), "");
}

fn a_folder_that_may_not_be_written(lab: &Lab) {
    if !lab.is_driverless() {
        return;
    }
    let home = lab.home();
    let file = write(&home, ONE);
    {
        let mount = Mount::read_only(&home, lab, &home.machines());
        expect(mount.vboxmcp(&home, &["apply", path(&file), "--yes"]), 6, &["VERR_WRITE_PROTECT"]);
        assert_eq!(home.vbox(&["list", "vms"]).ok(), "");
    }
    converges(&home, &file);
}

fn a_disk_file_that_is_gone(lab: &Lab) {
    let home = lab.home();
    let file = write(&home, ONE);
    converges(&home, &file);
    home.wait_no_server();
    let disk = home.machines().join("one/root.vdi");
    let kept = home.scratch().join("root.vdi");
    fs::rename(&disk, &kept).expect("the disk");
    // It is not made again: an empty disk in place of a lost one would hide the loss.
    let grown = write(&home, &ONE.replace("8MiB", "16MiB"));
    expect(apply(&home, &grown), 11, &["disks.root"]);
    assert!(!disk.exists());
    fs::rename(&kept, &disk).expect("the disk");
    converges(&home, &grown);
}

fn files_and_folders_in_the_way_stay(lab: &Lab) {
    let home = lab.home();
    let file = write(&home, ONE);
    let folder = home.machines().join("one");
    // An empty folder is in nobody's way.
    fs::create_dir(&folder).expect("a folder");
    let settings = folder.join("one.vbox");
    fs::write(&settings, "somebody's").expect("a file");
    expect(apply(&home, &file), 11, &["is in the way of its settings file"]);
    fs::remove_file(&settings).expect("the file");
    let disk = folder.join("root.vdi");
    fs::write(&disk, "somebody's").expect("a file");
    expect(apply(&home, &file), 11, &["root.vdi exists and is not ours"]);
    assert_eq!(fs::read_to_string(&disk).expect("the file"), "somebody's");
    fs::remove_file(&disk).expect("the file");
    fs::create_dir(&disk).expect("a folder");
    expect(apply(&home, &file), 11, &["root.vdi is a directory"]);
    fs::remove_dir(&disk).expect("the folder");
    converges(&home, &file);
}
