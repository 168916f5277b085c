//! Networks and disks of their own, recorded.

use super::{DONE, Recorder, UNKNOWN, WRONG_INPUT, WRONG_STATE};

pub fn networks(r: &mut Recorder) {
    r.record("natnetwork-add", DONE, "natnetwork add --netname=edge --network=10.10.0.0/24 --dhcp=on --port-forward-4=web:tcp:[127.0.0.1]:{port}:[10.10.0.11]:80");
    r.record("natnetwork-add-exists", WRONG_STATE, "natnetwork add --netname=edge --network=10.10.0.0/24");
    // Refused, and made all the same.
    r.record("natnetwork-add-cidr", UNKNOWN, "natnetwork add --netname=half --network=nonsense");
    r.record("natnetwork-remove", DONE, "natnetwork remove --netname half");
    r.record("natnetwork-add-cidr-long", UNKNOWN, "natnetwork add --netname=half --network=10.11.0.7/24");
    r.set_up("natnetwork remove --netname half");
    r.record("natnetwork-modify-missing", WRONG_STATE, "natnetwork modify --netname=half --enable");
    r.record("natnetwork-remove-missing", WRONG_STATE, "natnetwork remove --netname half");
    r.record("natnetwork-remove-one-word", WRONG_INPUT, "natnetwork remove --netname=edge");
    // One thing after the other: what is before the refusal is done.
    r.record(
        "natnetwork-rule-name-exists",
        UNKNOWN,
        "natnetwork modify --netname=edge --ipv6=on --port-forward-4=web:tcp:[]:40023:[10.10.0.11]:80",
    );
    r.record(
        "natnetwork-rule-port-exists",
        UNKNOWN,
        "natnetwork modify --netname=edge --port-forward-4=other:tcp:[127.0.0.1]:{port}:[10.10.0.12]:80",
    );
    r.record(
        "natnetwork-rule-unknown",
        UNKNOWN,
        "natnetwork modify --netname=edge --port-forward-4 delete nonesuch",
    );
    r.record("natnetwork-loopback", DONE, "natnetwork modify --netname=edge --loopback-4=127.0.0.2=3");
    r.record(
        "natnetwork-loopback-taken",
        UNKNOWN,
        "natnetwork modify --netname=edge --loopback-4=127.0.0.4=3",
    );
    // Said to be done, and it stays.
    r.record(
        "natnetwork-loopback-delete",
        DONE,
        "natnetwork modify --netname=edge --loopback-4 delete 127.0.0.2=3",
    );
    let dhcp = "--server-ip=10.20.0.1 --netmask=255.255.255.0 --lower-ip=10.20.0.100 --upper-ip=10.20.0.199 --enable";
    r.record("dhcpserver-add", DONE, &format!("dhcpserver add --network=core {dhcp} --set-opt=6 10.20.0.1"));
    r.record("dhcpserver-add-exists", WRONG_STATE, &format!("dhcpserver add --network=core {dhcp}"));
    // Refused, and made all the same.
    r.record(
        "dhcpserver-add-range",
        UNKNOWN,
        "dhcpserver add --network=half --server-ip=10.20.0.1 --netmask=255.255.255.0 --lower-ip=10.21.0.100 --upper-ip=10.20.0.199 --enable",
    );
    r.record(
        "dhcpserver-add-option",
        UNKNOWN,
        &format!("dhcpserver add --network=half2 {dhcp} --set-opt=6 nonsense"),
    );
    r.record("dhcpserver-modify-missing", WRONG_STATE, "dhcpserver modify --network=nonesuch --enable");
    r.record("dhcpserver-modify", DONE, "dhcpserver modify --network=core --disable --del-opt=6");
    r.record("dhcpserver-option-missing", WRONG_STATE, "dhcpserver modify --network=core --del-opt=66");
    r.record("dhcpserver-remove", DONE, "dhcpserver remove --network=half");
    r.record("dhcpserver-remove-missing", WRONG_STATE, "dhcpserver remove --network=nonesuch");
    r.record("hostonlyif-missing", WRONG_STATE, "hostonlyif remove vboxnet7");
    r.machine("attached", 0xb1);
    r.set_up("startvm {attached} --type=headless");
    r.record("controlvm-natnetwork", DONE, "controlvm {attached} nic1 natnetwork edge");
    r.record(
        "natnetwork-modify-running",
        WRONG_STATE,
        "natnetwork modify --netname=edge --network=10.12.0.0/24",
    );
    r.record("natnetwork-ipv6-running", WRONG_STATE, "natnetwork modify --netname=edge --ipv6=off");
    r.record("natnetwork-dhcp-running", DONE, "natnetwork modify --netname=edge --dhcp=off --disable");
    r.record(
        "natnetwork-rule-running",
        DONE,
        "natnetwork modify --netname=edge --port-forward-4=late:udp:[]:40024:[10.10.0.11]:53",
    );
    r.record("natnetwork-remove-running", UNKNOWN, "natnetwork remove --netname edge");
    r.set_up("controlvm {attached} poweroff");
    r.set_up("natnetwork remove --netname edge");
    // It stays behind.
    r.set_up("dhcpserver remove --network=edge");
}

pub fn changed_disks(r: &mut Recorder) {
    r.machine("holder", 0xb2);
    r.disk("moved", 0xe1, "--format=VDI --sizebyte=8388608");
    r.disk("sharing", 0xe2, "--format=VDI --sizebyte=8388608 --variant=Fixed");
    let attach = "storageattach {holder} --storagectl=SATA --port=0 --device=0 --type=hdd --medium={moved}";
    r.record("modifymedium-description", DONE, "modifymedium disk {moved} --description=text");
    r.record("modifymedium-type", DONE, "modifymedium disk {moved} --type=writethrough");
    r.record("modifymedium-type-shareable", WRONG_STATE, "modifymedium disk {moved} --type=shareable");
    r.record("modifymedium-type-readonly", WRONG_STATE, "modifymedium disk {moved} --type=readonly");
    r.record("modifymedium-type-multiattach", WRONG_STATE, "modifymedium disk {moved} --type=multiattach");
    r.record("modifymedium-autoreset-base", WRONG_INPUT, "modifymedium disk {moved} --autoreset=off");
    r.record("modifymedium-shareable", DONE, "modifymedium disk {sharing} --type=shareable");
    r.record("modifymedium-move", DONE, "modifymedium disk {moved} --move={machines}/new/moved.vdi");
    // Said to be done, with the reason why not beside it.
    r.record(
        "modifymedium-move-exists",
        WRONG_STATE,
        "modifymedium disk {moved} --move={machines}/new/moved.vdi",
    );
    r.set_up(attach);
    r.record("modifymedium-type-attached", WRONG_STATE, "modifymedium disk {moved} --type=immutable");
    r.record("modifymedium-type-attached-normal", DONE, "modifymedium disk {moved} --type=normal");
    r.set_up("startvm {holder} --type=headless");
    r.record(
        "modifymedium-description-running",
        WRONG_STATE,
        "modifymedium disk {moved} --description=other",
    );
    r.record("modifymedium-type-running", WRONG_STATE, "modifymedium disk {moved} --type=writethrough");
    r.record("modifymedium-move-running", UNKNOWN, "modifymedium disk {moved} --move={machines}/newer.vdi");
    r.set_up("controlvm {holder} poweroff");
    r.set_up("storageattach {holder} --storagectl=SATA --port=0 --device=0 --medium=none");
}
