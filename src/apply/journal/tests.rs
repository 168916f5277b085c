use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::apply::{Cancel, Outcome, apply};
use crate::event::{Event, StepOutcome};
use crate::host::sim::SimHost;
use crate::host::{Host, Inspect as _, Want};
use crate::manifest::{self, LoadRequest, LowerContext};
use crate::model::Policy;
use crate::plan::{self, PlanOptions};

const TWO: &str = "\
apiVersion: vboxmcp/v1
kind: VirtualMachine
metadata: {name: web}
spec:
  replicas: 2
  osType: Debian_64
  memory: 64MiB
  disks: {root: {size: 16MiB}}
  state: running
";

fn planned(host: &SimHost, text: &str) -> Plan {
    let loaded = manifest::load(&LoadRequest {
        paths: vec!["-".into()],
        stdin: Some(text.as_bytes().to_vec()),
        cwd: "/lab".into(),
    });
    let (desired, _) = manifest::lower(&loaded, &LowerContext::default()).unwrap();
    let inventory = host.inventory(&Want::default()).unwrap();
    let changes = crate::diff::diff(&desired, &inventory);
    plan::plan(&changes, &desired, &inventory, &Policy::default(), &PlanOptions::default())
}

/// A medium that others can look at, with room for so many bytes.
#[derive(Clone)]
struct Paper {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
    /// Bytes that were there at each wait for the disk.
    synced: Arc<Mutex<Vec<usize>>>,
}

impl Paper {
    fn with_room(room: usize) -> Self {
        Self { bytes: Arc::default(), room, synced: Arc::default() }
    }

    fn record(&self) -> Record {
        read::parse(&self.bytes.lock().unwrap())
    }
}

impl Medium for Paper {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut there = self.bytes.lock().unwrap();
        let room = self.room.saturating_sub(there.len()).min(bytes.len());
        there.extend_from_slice(&bytes[..room]);
        if room < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.synced.lock().unwrap().push(self.bytes.lock().unwrap().len());
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        Medium::truncate(&mut *self.bytes.lock().unwrap(), length)
    }
}

fn run(host: &SimHost, plan: &Plan, paper: &Paper) -> Outcome {
    let host: Arc<dyn Host> = Arc::new(host.with_faults(crate::host::sim::FaultPlan::none()));
    let inventory = host.inventory(&Want::default()).unwrap();
    let mut journal = Journal::on("r1".to_owned(), "r1.jsonl".into(), Box::new(paper.clone()));
    journal.begin(plan, Origin::default(), Who::default()).unwrap();
    apply(plan, &inventory, &host, &mut journal, &Cancel::default(), &|_| {}).unwrap()
}

/// The lines of a run that went well.
fn lines() -> Vec<String> {
    let host = SimHost::in_memory();
    let paper = Paper::with_room(usize::MAX);
    run(&host, &planned(&host, TWO), &paper);
    let bytes = paper.bytes.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

fn chain(lines: &[String]) -> Chain {
    read::parse((lines.join("\n") + "\n").as_bytes()).chain
}

#[test]
fn a_run_is_written_down_whole() {
    let host = SimHost::in_memory();
    let plan = planned(&host, TWO);
    let paper = Paper::with_room(usize::MAX);
    let outcome = run(&host, &plan, &paper);
    assert_eq!(outcome.journal, None);
    let record = paper.record();
    assert_eq!(record.chain, Chain::Whole);
    let header = record.header.as_ref().unwrap();
    assert_eq!((header.version, header.run.as_str(), &header.plan), (1, "r1", &plan.hash));
    assert_eq!(record.plan.as_ref(), Some(&plan));
    assert_eq!(record.end.as_ref().unwrap().outcome, outcome);
    assert_eq!(record.steps.len(), plan.steps.len());
    assert!(record.unknown().is_empty());
    assert!(record.steps.values().all(|trail| trail.announced.is_some()));
    // What a running machine was before its start.
    let start = plan.steps.iter().find(|step| step.action.label() == "start").unwrap();
    assert_eq!(record.steps[&start.id].before, BTreeMap::from([("state".to_owned(), "poweroff".into())]));
    assert_eq!(record.made.len(), 4, "two machines and their disks: {:?}", record.made);
}

#[test]
fn before_values_are_those_of_the_fields_that_change() {
    let host = SimHost::in_memory();
    let off = TWO.replace("state: running", "state: poweroff");
    run(&host, &planned(&host, &off), &Paper::with_room(usize::MAX));
    let paper = Paper::with_room(usize::MAX);
    run(&host, &planned(&host, &off.replace("64MiB", "96MiB")), &paper);
    let record = paper.record();
    let before: Vec<_> = record.steps.values().map(|trail| trail.before.clone()).collect();
    assert_eq!(before, vec![BTreeMap::from([("memory".to_owned(), 64.into())]); 2]);
}

#[test]
fn a_step_begins_when_its_intent_is_on_the_disk() {
    let host = SimHost::in_memory();
    let plan = planned(&host, TWO);
    let paper = Paper::with_room(usize::MAX);
    let shared: Arc<dyn Host> = Arc::new(host.with_faults(crate::host::sim::FaultPlan::none()));
    let inventory = shared.inventory(&Want::default()).unwrap();
    let mut journal = Journal::on("r1".to_owned(), "r1.jsonl".into(), Box::new(paper.clone()));
    journal.begin(&plan, Origin::default(), Who::default()).unwrap();
    let unannounced = Mutex::new(Vec::new());
    let sink = |event: Event| {
        if let Event::StepStarted { step } = event {
            let synced = *paper.synced.lock().unwrap().last().unwrap();
            let record = read::parse(&paper.bytes.lock().unwrap()[..synced]);
            if record.steps.get(&step).is_none_or(|trail| trail.announced.is_none()) {
                unannounced.lock().unwrap().push(step);
            }
        }
    };
    apply(&plan, &inventory, &shared, &mut journal, &Cancel::default(), &sink).unwrap();
    assert_eq!(*unannounced.lock().unwrap(), Vec::<u32>::new());
    // One wait for each birth, not one for each of its steps.
    assert!(paper.synced.lock().unwrap().len() < plan.steps.len());
}

#[test]
fn a_full_disk_stops_the_run_and_leaves_a_journal_that_reads() {
    let host = SimHost::in_memory();
    let plan = planned(&host, TWO);
    let whole = Paper::with_room(usize::MAX);
    run(&SimHost::in_memory(), &plan, &whole);
    let (whole, second_line) = {
        let bytes = whole.bytes.lock().unwrap();
        let ends: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
        (bytes.len(), ends[1] + 1)
    };
    for room in (second_line..whole).step_by(97) {
        let (host, paper) = (SimHost::in_memory(), Paper::with_room(room));
        let shared: Arc<dyn Host> = Arc::new(host.with_faults(crate::host::sim::FaultPlan::none()));
        let inventory = shared.inventory(&Want::default()).unwrap();
        let mut journal = Journal::on("r1".to_owned(), "r1.jsonl".into(), Box::new(paper.clone()));
        journal.begin(&plan, Origin::default(), Who::default()).unwrap();
        let result = apply(&plan, &inventory, &shared, &mut journal, &Cancel::default(), &|_| {});
        let after = shared.inventory(&Want::default()).unwrap();
        match result {
            Ok(outcome) => {
                assert!(
                    outcome.cancelled && outcome.journal.is_some() && outcome.failed.is_empty(),
                    "{room}"
                );
                // Everything that was done is registered: the next run goes on from there.
                for machine in after.machines.values() {
                    assert!(after.entry_with_uuid(machine.uuid).is_some(), "{room}");
                }
            }
            Err(error) => {
                assert!(error.to_string().contains("journal"), "{error}");
                assert!(after.machines.is_empty(), "{room}");
            }
        }
        assert!(!matches!(paper.record().chain, Chain::Broken { .. }), "{room}: {:?}", paper.record().chain);
    }
}

#[test]
fn an_edited_line_is_found() {
    let lines = lines();
    for number in 0..lines.len() {
        let mut edited = lines.clone();
        edited[number] = edited[number].replacen("\"time\":\"2", "\"time\":\"3", 1);
        match chain(&edited) {
            Chain::Broken { line, reason } => {
                assert_eq!(line, number + 1);
                assert!(reason.contains("hash"), "{reason}");
            }
            other => panic!("line {} of {}: {other:?}", number + 1, lines.len()),
        }
    }
}

#[test]
fn a_line_that_was_edited_with_its_own_hash_breaks_the_next_one() {
    let mut lines = lines();
    let opened = line::open(&lines[3]).unwrap();
    lines[3] = line::seal(opened.previous.as_deref(), "2001-01-01T00:00:00Z", &opened.line).unwrap();
    assert!(matches!(chain(&lines), Chain::Broken { line: 5, .. }));
}

#[test]
fn a_removed_line_is_found() {
    let lines = lines();
    for number in 0..lines.len() - 1 {
        let mut removed = lines.clone();
        removed.remove(number);
        match chain(&removed) {
            Chain::Broken { line, reason } => {
                assert_eq!(line, number + 1);
                assert!(reason.contains("follow"), "{reason}");
            }
            other => panic!("line {}: {other:?}", number + 1),
        }
    }
    // Without its end a run looks like one that died.
    assert_eq!(chain(&lines[..lines.len() - 1]), Chain::CutShort { bytes: 0 });
}

#[test]
fn moved_and_repeated_lines_are_found() {
    let lines = lines();
    for number in 0..lines.len() - 1 {
        let mut moved = lines.clone();
        moved.swap(number, number + 1);
        assert!(matches!(chain(&moved), Chain::Broken { line, .. } if line == number + 1));
        let mut repeated = lines.clone();
        repeated.insert(number + 1, lines[number].clone());
        assert!(matches!(chain(&repeated), Chain::Broken { line, .. } if line == number + 2));
    }
    let mut added = lines.clone();
    added.push(lines[lines.len() - 1].clone());
    assert!(matches!(chain(&added), Chain::Broken { .. }));
}

#[test]
fn a_cut_anywhere_is_a_cut_and_not_tampering() {
    let lines = lines();
    let whole = lines.join("\n") + "\n";
    for cut in (0..whole.len()).step_by(211).chain(whole.len() - 20..whole.len()) {
        let record = read::parse(&whole.as_bytes()[..cut]);
        assert!(matches!(record.chain, Chain::CutShort { .. }), "{cut}: {:?}", record.chain);
        assert_eq!(record.end, None);
    }
    assert_eq!(read::parse(whole.as_bytes()).chain, Chain::Whole);
    // Blocks that the file system had promised and not yet written.
    let zeros = [&whole.as_bytes()[..whole.len() - 60], &[0; 60]].concat();
    assert!(matches!(read::parse(&zeros).chain, Chain::CutShort { .. }));
}

#[test]
fn a_line_of_a_later_version_is_not_guessed_at() {
    let lines = lines();
    let Line::Header(mut header) = line::open(&lines[0]).unwrap().line else { panic!("no header") };
    header.version = 9;
    let later = line::seal(None, "2026-01-01T00:00:00Z", &Line::Header(header)).unwrap();
    match chain(&[later]) {
        Chain::Broken { line: 1, reason } => assert!(reason.contains("later vboxmcp"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_journal_is_for_the_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("a/b/runs");
    let plan = planned(&SimHost::in_memory(), TWO);
    let origin = Origin { directory: "/lab".into(), ..Origin::default() };
    let one = Journal::create(&runs, &plan, origin.clone(), Who { user: "ann".into(), pid: 7, agent: None })
        .unwrap();
    let other = Journal::create(&runs, &plan, origin.clone(), Who::default()).unwrap();
    assert_ne!(one.run(), other.run(), "two runs in one second");
    let record = read(&runs.join(format!("{}.jsonl", one.run()))).unwrap();
    assert_eq!(record.header.unwrap().origin, origin);
    assert_eq!(record.chain, Chain::CutShort { bytes: 0 });
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&runs), 0o700);
        assert_eq!(mode(&one.path), 0o600);
    }
}

#[test]
fn runs_of_one_moment_sort_as_they_began() {
    let folder = tempfile::tempdir().unwrap();
    let plan = planned(&SimHost::in_memory(), TWO);
    let begin = || Journal::create(folder.path(), &plan, Origin::default(), Who::default()).unwrap();
    let ids: Vec<String> = (0..20).map(|_| begin().run().to_owned()).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(ids, sorted);
}

#[test]
fn a_journal_that_cannot_be_begun_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("runs");
    std::fs::write(&in_the_way, "").unwrap();
    let plan = planned(&SimHost::in_memory(), TWO);
    let error = Journal::create(&in_the_way, &plan, Origin::default(), Who::default()).unwrap_err();
    assert!(error.to_text().contains(in_the_way.to_str().unwrap()), "{}", error.to_text());
}

#[test]
fn steps_that_end_badly_are_told_with_their_errors() {
    use crate::host::sim::{Fault, FaultPlan};
    let host = SimHost::in_memory();
    let plan = planned(&host, TWO);
    let shared: Arc<dyn Host> = Arc::new(host.with_faults(FaultPlan::at(1, Fault::Refused)));
    let inventory = shared.inventory(&Want::default()).unwrap();
    let paper = Paper::with_room(usize::MAX);
    let mut journal = Journal::on("r1".to_owned(), "r1.jsonl".into(), Box::new(paper.clone()));
    journal.begin(&plan, Origin::default(), Who::default()).unwrap();
    let outcome = apply(&plan, &inventory, &shared, &mut journal, &Cancel::default(), &|_| {}).unwrap();
    assert_eq!(outcome.failed.len(), 1);
    let record = paper.record();
    let trail = &record.steps[&outcome.failed[0].step];
    assert!(matches!(&trail.outcome, Some(StepOutcome::Failed { errors, .. }) if !errors.is_empty()));
    assert_eq!(record.end.unwrap().outcome.skipped.len(), outcome.skipped.len());
}
