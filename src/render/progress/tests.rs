use std::sync::Arc;

use super::*;
use crate::event::StepOutcome;
use crate::model::{Address, Dangers};
use crate::render::style::Styles;

/// A writer that is read while somebody else holds it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn events() -> Vec<Event> {
    let label = |step, label: &str| StepLabel {
        step,
        address: Address::machine("web\u{1b}c"),
        label: label.to_owned(),
        danger: Dangers::new(),
    };
    vec![
        Event::Started {
            version: Event::VERSION,
            run: "r1".into(),
            plan: "8d0f".into(),
            steps: vec![label(1, "create machine"), label(2, "start"), label(3, "pause")],
        },
        Event::StepStarted { step: 1 },
        Event::StepFinished {
            step: 1,
            outcome: StepOutcome::Done { warnings: vec!["slow\u{7}".into()] },
            milliseconds: 181,
        },
        Event::StepStarted { step: 2 },
        Event::StepProgress { step: 2, percent: 40 },
        Event::Heartbeat { running: vec![2], seconds: 10 },
        Event::StepRetried { step: 2, reason: "it did not begin".into() },
        Event::Cancelling { now: false },
        Event::StepFinished {
            step: 2,
            outcome: StepOutcome::Failed {
                errors: vec!["cannot start".into(), "no memory".into()],
                hint: Some("buy some".into()),
                moved: true,
            },
            milliseconds: 12_340,
        },
        Event::StepFinished {
            step: 3,
            outcome: StepOutcome::Skipped { because: "step 2 failed".into() },
            milliseconds: 0,
        },
        Event::Finished { done: 1, failed: 1, skipped: 1, milliseconds: 12_600 },
    ]
}

fn tell(progress: &dyn Progress) {
    for event in events() {
        progress.event(&event);
    }
}

#[test]
fn a_log_gets_a_line_for_each_step_that_ended() {
    let out = Shared::default();
    let plain = Plain::new(out.clone(), Styles::plain());
    tell(&plain);
    plain.finish().unwrap();
    assert_eq!(
        String::from_utf8(out.0.lock().unwrap().clone()).unwrap(),
        "\
[1/3] vm/web\\u{1b}c: create machine (181 ms)
    warning: slow\\u{7}
... 10.0 s, still running: vm/web\\u{1b}c: start
vm/web\\u{1b}c: start: tried again: it did not begin
finishing what is running, then stopping; Ctrl-C again stops now. To go on: vboxmcp runs resume r1
[2/3] vm/web\\u{1b}c: start FAILED after 12.3 s
    error: cannot start
    caused by: no memory
    note: somebody else changed it meanwhile
    hint: buy some
[3/3] vm/web\\u{1b}c: pause skipped because step 2 failed
"
    );
}

#[test]
fn a_program_gets_a_document_for_each_event_and_the_version_first() {
    let out = Shared::default();
    let lines = JsonLines::new(out.clone());
    tell(&lines);
    lines.finish().unwrap();
    let text = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    let read: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, events());
    assert!(text.starts_with(r#"{"type":"started","version":1,"#));
}

#[test]
fn the_live_display_takes_every_event() {
    let live = Live::new(indicatif::ProgressDrawTarget::hidden(), Styles::plain());
    tell(&live);
    live.finish().unwrap();
}

#[test]
fn an_output_that_breaks_stops_no_event() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let plain = Plain::new(Broken, Styles::plain());
    tell(&plain);
    assert_eq!(plain.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
