//! One scenario: a world, manifests, edits; the same once without and once with something that goes wrong, and the ends compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use vboxmcp::failure::Kind;
use vboxmcp::host::sim::{ByHand, Fault, FaultPlan, SimHost};
use vboxmcp::model::Danger;

use super::bench::{Ask, Bench, Press, Ran, failure_text};
use super::dice::Dice;
use super::hands;
use super::lab::Lab;
use super::picture::{self, Damage};

/// What goes wrong in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// One action goes wrong.
    One(Fault),
    /// Every action of a run does.
    Every(Fault),
    /// Several actions do, in several runs.
    Several,
    /// The program dies while the register is written.
    Register,
    /// The program dies after each step, again and again.
    Stepwise,
    /// The program dies, and its run is resumed.
    Resumed,
    /// Ctrl-C, once.
    Cancelled,
    /// Ctrl-C, twice, while an action hangs.
    Ended,
    /// Somebody else changes something right before an action.
    CompetitorBefore,
    /// Somebody else changes something right after an action.
    CompetitorAfter,
}

impl Trouble {
    /// All kinds.
    pub fn all() -> Vec<Self> {
        let one = Fault::ALL.into_iter().filter(|fault| !fault.waits()).map(Self::One);
        let every = [
            Fault::NotExecuted,
            Fault::FailedAfterwards,
            Fault::Twice,
            Fault::ReplyLost,
            Fault::FalseSuccess,
        ];
        one.chain(every.map(Self::Every))
            .chain([
                Self::Several,
                Self::Register,
                Self::Stepwise,
                Self::Resumed,
                Self::Cancelled,
                Self::Ended,
                Self::CompetitorBefore,
                Self::CompetitorAfter,
            ])
            .collect()
    }

    /// For the report.
    pub fn words(self) -> String {
        let of = |fault: Fault| match fault {
            Fault::NotExecuted => "the server was leaving, nothing done",
            Fault::Refused => "refused: locked by another client",
            Fault::RefusedValue => "refused: a wrong value",
            Fault::HostBroken => "refused: the disk is full",
            Fault::NoProgram => "VBoxManage cannot be started",
            Fault::FailedAfterwards => "done, reported as failed",
            Fault::FailedHalfway => "half done, reported as failed",
            Fault::FalseSuccess => "not done, reported as done",
            Fault::Twice => "done twice",
            Fault::Hangs => "hangs",
            Fault::HangsAfterwards => "done, hangs",
            Fault::NoReply => "hangs until its deadline, not done",
            Fault::ReplyLost => "hangs until its deadline, done",
            Fault::ServerGone => "the server dies, not done",
            Fault::ServerGoneAfterwards => "the server dies, done",
            Fault::DiesBefore => "vboxmcp dies before an action",
            Fault::DiesHalfway => "vboxmcp dies in the middle of an action",
            Fault::DiesAfterwards => "vboxmcp dies after an action",
        };
        match self {
            Self::One(fault) => of(fault).to_owned(),
            Self::Every(fault) => format!("every action: {}", of(fault)),
            Self::Several => "several of these, in up to three runs".to_owned(),
            Self::Register => "vboxmcp dies while it writes the register".to_owned(),
            Self::Stepwise => "vboxmcp dies after every step, one a run".to_owned(),
            Self::Resumed => "vboxmcp dies, and `runs resume` goes on".to_owned(),
            Self::Cancelled => "Ctrl-C".to_owned(),
            Self::Ended => "Ctrl-C twice while an action hangs".to_owned(),
            Self::CompetitorBefore => "somebody changes something before an action".to_owned(),
            Self::CompetitorAfter => "somebody changes something after an action".to_owned(),
        }
    }
}

/// What a scenario showed.
#[derive(Debug, Default)]
pub struct Shown {
    /// What was wrong at the end.
    pub damage: Damage,
    /// It never came to an end, or a run ended in a way that it must not.
    pub stuck: Vec<String>,
    /// The two hosts cannot be the same any more.
    pub over: bool,
    /// Manifests that the generator made and vboxmcp refused.
    pub refused: usize,
    /// Actions that were performed without faults: what could go wrong.
    pub actions: u64,
    /// The story, for a failure's message.
    pub story: Vec<String>,
}

impl Shown {
    /// Whether nothing was wrong.
    pub fn is_well(&self) -> bool {
        self.damage.is_none() && self.stuck.is_empty()
    }
}

/// Runs that fault-free convergence may take after whatever went wrong.
const MOST: usize = 4;

/// Plays the scenario of a seed.
pub fn play(bench: &mut Bench, seed: u64, trouble: Trouble) -> Shown {
    let mut dice = Dice::new(seed);
    let mut shown = Shown::default();
    bench.forget_journals();
    bench.permit(if dice.percent(15) { &[Danger::Downtime] } else { &Danger::ALL });
    // On some hosts machines are born whole, so many at a time.
    let births = dice.below(4);
    let births = usize::try_from(births).unwrap_or(0);
    let host = Arc::new(bench.host().with_births(births).with_pipeline(seed.is_multiple_of(2)));
    let mut lab = Lab::roll(&mut dice);
    start(bench, &host, &mut lab, &mut dice, &mut shown);
    let mut should = Arc::new(host.copy().unwrap());
    let mut is = Arc::new(host.copy().unwrap());
    for stage in 0..=dice.below(3) {
        let ask = ask(stage, &mut dice);
        if stage > 0 {
            lab.edit(&mut dice);
        }
        let Some(text) = accepted(bench, &should, &mut lab, &ask, &mut dice, &mut shown) else { continue };
        shown.story.push(format!("== {ask:?}\n{text}"));
        one(bench, &mut should, &mut is, &text, &ask, trouble, &mut dice, &mut shown);
        if !shown.is_well() || shown.over {
            break;
        }
    }
    shown
}

/// What is there before the scenario begins: strangers, another stack, an older declaration whole or half applied, drift.
fn start(bench: &Bench, host: &Arc<SimHost>, lab: &mut Lab, dice: &mut Dice, shown: &mut Shown) {
    let mut hands: Vec<ByHand> = Vec::new();
    for _ in 0..dice.below(3) {
        hands.extend(hands::stranger(dice));
    }
    let by_hand = |hands: &[ByHand], shown: &mut Shown| {
        for hand in hands {
            if host.by_hand(hand).is_ok() {
                shown.story.push(format!("by hand: {hand:?}"));
            }
        }
    };
    by_hand(&hands, shown);
    if dice.percent(25) {
        let other = "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {name: other}\n---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {name: other}\nspec: {disks: {root: {size: 8MiB}}, state: running}\n";
        bench.converge(host, other, &Ask::Apply { prune: false }, 2).unwrap();
    }
    if dice.percent(60) {
        let ask = Ask::Apply { prune: false };
        let Some(text) = accepted(bench, host, lab, &ask, dice, shown) else { return };
        if dice.percent(30) {
            let at = dice.below(20);
            let fault = *dice.one(&[Fault::DiesBefore, Fault::DiesAfterwards]);
            shown.story.push(format!("== dies ({fault:?}) at action {at}\n{text}"));
            let dying = Arc::new(host.with_faults(FaultPlan::at(at, fault)));
            let _ = bench.run(&dying, &text, &ask, Press::Never, false);
        } else {
            shown.story.push(format!("== before\n{text}"));
            let _ = bench.converge(host, &text, &ask, 2);
        }
        let drift: Vec<ByHand> = (0..dice.below(4)).map(|_| hands::drift(dice)).collect();
        by_hand(&drift, shown);
        if dice.percent(50) {
            lab.edit(dice);
        }
    }
}

fn ask(stage: u64, dice: &mut Dice) -> Ask {
    match dice.below(10) {
        0 if stage > 0 => Ask::Destroy { all: true },
        1 if stage > 0 => Ask::Destroy { all: false },
        2 => Ask::Adopt((*dice.one(&super::lab::NAMES)).to_owned()),
        3..=5 => Ask::Apply { prune: true },
        _ => Ask::Apply { prune: false },
    }
}

/// The manifests' text, edited until vboxmcp takes them; `None` where it refuses the plan.
fn accepted(
    bench: &Bench,
    host: &Arc<SimHost>,
    lab: &mut Lab,
    ask: &Ask,
    dice: &mut Dice,
    shown: &mut Shown,
) -> Option<String> {
    let context = bench.context(host, matches!(ask, Ask::Apply { prune: true }), false);
    for _ in 0..20 {
        let text = lab.text();
        match bench.plan(&context, &text, ask) {
            Ok(response) if response.plan.refusals.is_empty() => return Some(text),
            Ok(_) => return None,
            Err(failure) if failure.kind == Kind::Manifest => {
                shown.refused += 1;
                *lab = Lab::roll(dice);
            }
            Err(failure) => {
                shown.stuck.push(format!("it cannot be planned: {}", failure_text(&failure)));
                return None;
            }
        }
    }
    None
}

/// One request, on both hosts.
#[expect(clippy::too_many_arguments, reason = "two hosts, what is asked of both, and what goes wrong on one")]
fn one(
    bench: &Bench,
    should: &mut Arc<SimHost>,
    is: &mut Arc<SimHost>,
    text: &str,
    ask: &Ask,
    trouble: Trouble,
    dice: &mut Dice,
    shown: &mut Shown,
) {
    // Without faults.
    *should = Arc::new(should.with_faults(FaultPlan::none()));
    let first = match bench.run(should, text, ask, Press::Never, false) {
        Ok(ran) => ran,
        Err(failure) => {
            shown.stuck.push(format!("without faults: {}", failure_text(&failure)));
            return;
        }
    };
    let actions = should.asked();
    shown.actions += actions;
    if matches!(&first.outcome, Some(Ok(outcome)) if outcome.failed.is_empty() && outcome.blocked == 0) {
        let next = bench.left(should, text, ask);
        if !next.is_empty() {
            shown
                .stuck
                .push("without faults: everything was done, and the next plan is not empty".to_owned());
            shown.stuck.extend(next);
        }
    } else if let Err(why) = bench.converge(should, text, ask, MOST) {
        shown.stuck.push(format!("without faults: {why}"));
    }
    if !shown.stuck.is_empty() || first.outcome.is_none() {
        return;
    }
    // With faults, on the same host as it was.
    let mut hands = Vec::new();
    let strangers = picture::strangers(is);
    disturb(bench, is, text, ask, trouble, &first, actions, dice, shown, &mut hands);
    *is = Arc::new(is.with_faults(FaultPlan::none()));
    unowned(&strangers, is, &hands, ask, shown);
    if let Err(why) = bench.converge(is, text, ask, MOST) {
        shown.stuck.push(why);
        return;
    }
    unowned(&strangers, is, &hands, ask, shown);
    // What somebody else did meanwhile happens to the other host, too.
    for hand in &hands {
        // What was possible while the machine was off for a moment is not possible any more: there is nothing to compare with.
        if should.by_hand(hand).is_err() {
            shown.over = true;
            return;
        }
        let _ = bench.converge(should, text, ask, MOST);
    }
    for hand in &hands {
        if is.by_hand(hand).is_ok() {
            let _ = bench.converge(is, text, ask, MOST);
        }
    }
    let damage = Damage::between(&picture::of(should, bench.root()), &picture::of(is, bench.root()));
    shown.damage.lost.extend(damage.lost);
    shown.damage.orphaned.extend(damage.orphaned);
    shown.damage.duplicated.extend(damage.duplicated);
}

/// Nothing that was not ours may have changed, but by the hands that changed it.
fn unowned(before: &BTreeMap<String, Value>, host: &SimHost, hands: &[ByHand], ask: &Ask, shown: &mut Shown) {
    if !hands.is_empty() {
        return;
    }
    let now = picture::strangers(host);
    for (key, value) in before {
        let adopted = matches!(ask, Ask::Adopt(_));
        match now.get(key) {
            Some(there) if there == value => {}
            None if adopted => {}
            _ => shown.damage.unowned.push(format!("{key} is not as it was")),
        }
    }
}

/// Runs in which something goes wrong.
#[expect(clippy::too_many_arguments, reason = "a host, what is asked of it, and what goes wrong")]
fn disturb(
    bench: &Bench,
    is: &mut Arc<SimHost>,
    text: &str,
    ask: &Ask,
    trouble: Trouble,
    first: &Ran,
    actions: u64,
    dice: &mut Dice,
    shown: &mut Shown,
    hands: &mut Vec<ByHand>,
) {
    let mut run = |plan: FaultPlan, press: Press, journal: bool, shown: &mut Shown| {
        shown.story.push(format!("-- {plan:?} {press:?}"));
        *is = Arc::new(is.with_faults(plan));
        match bench.run(is, text, ask, press, journal) {
            Err(failure) => shown.story.push(format!("   failed: {}", failure_text(&failure))),
            Ok(ran) => {
                let steps =
                    ran.plan.steps.iter().map(|step| format!("{} {}", step.address, step.action.label()));
                shown.story.push(format!("   plan: {}", steps.collect::<Vec<_>>().join(", ")));
                match ran.outcome {
                    Some(Err(failure)) => shown.story.push(format!("   ended: {}", failure_text(&failure))),
                    Some(Ok(outcome)) => shown.story.push(format!(
                        "   done {}, failed {:?}, skipped {}",
                        outcome.done,
                        outcome
                            .failed
                            .iter()
                            .map(|step| (step.step, &step.label, &step.errors))
                            .collect::<Vec<_>>(),
                        outcome.skipped.len()
                    )),
                    None => shown.story.push("   nothing to do".to_owned()),
                }
            }
        }
    };
    let at = dice.below(actions);
    let before = first.begins.first().copied().unwrap_or(actions);
    let deaths = [Fault::DiesBefore, Fault::DiesHalfway, Fault::DiesAfterwards];
    match trouble {
        Trouble::One(fault) => run(FaultPlan::at(at, fault), Press::Never, false, shown),
        Trouble::Every(fault) => run(FaultPlan::every(fault), Press::Never, false, shown),
        Trouble::Several => {
            for _ in 0..=dice.below(3) {
                let mut plan = FaultPlan::none();
                for _ in 0..=dice.below(3) {
                    let faults: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| !fault.waits()).collect();
                    plan = plan.and_at(dice.below(actions), *dice.one(&faults));
                }
                run(plan, Press::Never, false, shown);
            }
        }
        Trouble::Register => {
            let end = dice.percent(50) || before == 0;
            let at = if end { actions - 1 - dice.below(3).min(actions - 1) } else { dice.below(before) };
            run(FaultPlan::at(at, *dice.one(&deaths)), Press::Never, false, shown);
        }
        Trouble::Stepwise => {
            for _ in 0..first.begins.len().min(40) {
                let writes = dice.below(3);
                run(FaultPlan::at(writes, Fault::DiesAfterwards), Press::Never, false, shown);
            }
        }
        Trouble::Resumed => {
            run(FaultPlan::at(at, *dice.one(&deaths)), Press::Never, true, shown);
            resume(bench, is, text, dice, shown);
        }
        Trouble::Cancelled => {
            let steps = first.begins.len() as u64;
            run(FaultPlan::none(), Press::Once(dice.below(steps)), false, shown);
        }
        Trouble::Ended => {
            let Some(number) = (!first.begins.is_empty()).then(|| dice.below(first.begins.len() as u64))
            else {
                return;
            };
            let action = first.begins[usize::try_from(number).unwrap()];
            let fault = *dice.one(&[Fault::Hangs, Fault::HangsAfterwards]);
            // A step that has nothing to do asks for no action, and the register is written before anybody could press: a hang there
            // would wait for ever.
            if first.begins.contains(&(action + 1)) {
                run(FaultPlan::at(action, fault), Press::Twice(number), false, shown);
            }
        }
        Trouble::CompetitorBefore | Trouble::CompetitorAfter => {
            let hand = hands::meanwhile(dice);
            hands.push(hand.clone());
            let plan = FaultPlan::none();
            let plan = if trouble == Trouble::CompetitorBefore {
                plan.and_before(at, hand)
            } else {
                plan.and_after(at, hand)
            };
            run(plan, Press::Never, false, shown);
        }
    }
}

fn resume(bench: &Bench, is: &mut Arc<SimHost>, text: &str, dice: &mut Dice, shown: &mut Shown) {
    // The program that died wrote nothing more.
    if let (true, Some(path)) = (is.is_dead(), bench.newest_journal()) {
        let length = std::fs::metadata(&path).unwrap().len();
        let kept = std::fs::read_to_string(&path).unwrap();
        let plan = kept.lines().take(2).map(|line| line.len() as u64 + 1).sum::<u64>();
        if length > plan {
            bench.cut_journal(plan + dice.below(length - plan));
        }
    }
    *is = Arc::new(is.with_faults(FaultPlan::none()));
    match bench.resume(is, text) {
        Ok(_) => {}
        // A run that died before it had begun its journal has nothing to go on with.
        Err(failure) if failure.kind == Kind::Usage => {}
        Err(failure) => shown.stuck.push(format!("it cannot be resumed: {}", failure_text(&failure))),
    }
}
