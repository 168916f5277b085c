use super::*;
use crate::plan::{HostId, RegisterPlan};

fn plan(stack: &str) -> Plan {
    let mut plan: Plan = serde_json::from_value(serde_json::json!({
        "formatVersion": Plan::FORMAT_VERSION,
        "toolVersion": "0",
        "verb": "apply",
        "host": HostId::default(),
        "stack": stack,
        "desiredDigest": "",
        "policy": crate::model::Policy::default(),
        "objects": [],
        "steps": [],
        "register": RegisterPlan::default(),
        "hash": "",
    }))
    .unwrap();
    plan.hash = plan.sealed_hash();
    plan
}

fn shelf() -> (tempfile::TempDir, Shelf) {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::at(folder.path().join("deep/plans"));
    (folder, shelf)
}

/// Sets back the clock of every file of a kind.
fn age(shelf: &Shelf, extension: &str) {
    for path in shelf.files(extension).unwrap() {
        let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        value["expires"] = 1.into();
        fs::write(&path, value.to_string()).unwrap();
    }
}

#[test]
fn a_plan_is_found_by_its_first_digits_until_it_is_taken() {
    let (_folder, shelf) = shelf();
    let kept = shelf.keep(&plan("shop"), "claude", "1").unwrap();
    let hash = &kept.plan.hash;
    assert_eq!(shelf.find(&hash[..8], None).unwrap(), kept);
    assert_eq!(shelf.find(&hash.to_uppercase(), Some("claude")).unwrap(), kept);
    assert_eq!(shelf.find(hash, Some("other")).unwrap_err().kind, Kind::Stale);
    for wrong in ["", "1234567", "../../etc/passwd", "zzzzzzzzzz"] {
        assert_eq!(shelf.find(wrong, None).unwrap_err().kind, Kind::Usage, "{wrong}");
    }
    shelf.keep(&plan("shop"), "other", "1").unwrap();
    assert!(shelf.find(hash, None).unwrap_err().to_string().contains("2 plans begin with"));
    assert!(shelf.take(&kept).unwrap());
    assert!(!shelf.take(&kept).unwrap());
    assert_eq!(shelf.find(hash, None).unwrap().client, "other");
}

#[test]
fn what_was_altered_or_has_expired_is_not_there() {
    let (_folder, shelf) = shelf();
    let kept = shelf.keep(&plan("shop"), "claude", "1").unwrap();
    let file = shelf.plan_file(&kept.plan.hash, "claude");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"stack\":\"shop\"", "\"stack\":\"bank\"")).unwrap();
    assert!(shelf.list().unwrap().is_empty());
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert!(shelf.list().unwrap().is_empty());
    fs::write(&file, &text).unwrap();
    assert_eq!(shelf.list().unwrap(), [kept]);
    age(&shelf, PLAN);
    assert!(shelf.list().unwrap().is_empty());
    shelf.keep(&plan("bank"), "claude", "1").unwrap();
    assert_eq!(shelf.files(PLAN).unwrap().len(), 1);
}

#[test]
fn an_approval_counts_once_for_its_plan_and_client_and_not_for_long() {
    let (_folder, shelf) = shelf();
    let kept = shelf.keep(&plan("shop"), "claude", "1").unwrap();
    let others = shelf.keep(&plan("shop"), "other", "1").unwrap();
    let another = shelf.keep(&plan("bank"), "claude", "1").unwrap();
    assert_eq!(shelf.redeem_approval(&kept).unwrap(), None);
    shelf.approve(&kept, "ann").unwrap();
    assert_eq!(shelf.redeem_approval(&others).unwrap(), None);
    assert_eq!(shelf.redeem_approval(&another).unwrap(), None);
    assert_eq!(shelf.redeem_approval(&kept).unwrap().as_deref(), Some("ann"));
    assert_eq!(shelf.redeem_approval(&kept).unwrap(), None);
    shelf.approve(&kept, "ann").unwrap();
    age(&shelf, APPROVAL);
    assert_eq!(shelf.redeem_approval(&kept).unwrap(), None);
    // One that was put under the name of another plan's.
    shelf.approve(&another, "ann").unwrap();
    fs::rename(shelf.approval_file(&another), shelf.approval_file(&kept)).unwrap();
    assert_eq!(shelf.redeem_approval(&kept).unwrap(), None);
}

#[test]
fn a_question_is_answered_once() {
    let (_folder, shelf) = shelf();
    let kept = shelf.keep(&plan("shop"), "claude", "1").unwrap();
    let another = shelf.keep(&plan("bank"), "claude", "1").unwrap();
    let question = shelf.ask(&kept).unwrap();
    assert!(shelf.redeem_question(&question, &kept).unwrap());
    assert!(!shelf.redeem_question(&question, &kept).unwrap());
    let question = shelf.ask(&kept).unwrap();
    assert!(!shelf.redeem_question(&question, &another).unwrap());
    let question = shelf.ask(&kept).unwrap();
    age(&shelf, QUESTION);
    assert!(!shelf.redeem_question(&question, &kept).unwrap());
    for wrong in ["", "../x", &"0".repeat(32)] {
        assert!(!shelf.redeem_question(wrong, &kept).unwrap());
    }
}

#[test]
fn the_shelf_never_grows_without_end_and_only_the_user_sees_it() {
    let (_folder, shelf) = shelf();
    for number in 0..MOST_PLANS + 5 {
        shelf.keep(&plan(&format!("s{number}")), "claude", "1").unwrap();
    }
    assert_eq!(shelf.list().unwrap().len(), MOST_PLANS);
    let key = shelf.key().unwrap();
    assert_eq!(shelf.key().unwrap(), key);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&shelf.folder), 0o700);
        for path in shelf.files(PLAN).unwrap().iter().chain([&shelf.folder.join("key")]) {
            assert_eq!(mode(path), 0o600);
        }
    }
    assert!(shelf.files("draft").unwrap().is_empty());
}
