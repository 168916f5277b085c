//! The helper's own side, on Linux: it loads VirtualBox's C binding and does what it is asked for.

mod interfaces;
mod library;
mod object;
mod work;

use std::io::{self, BufRead, Write};
use std::path::Path;

use self::library::{Failure, Library};
use self::work::Work;
use super::LIBRARY;
use super::protocol::{Answer, Greeting, Request, Response, VERSION};

/// Serves one run until its requests end. `folder` is where VirtualBox's libraries are.
pub fn serve(folder: &Path, requests: impl BufRead, mut answers: impl Write) -> io::Result<()> {
    // By this name a later run finds a helper that is still at work.
    let _ = rustix::thread::set_name(super::PROCESS_NAME);
    let refused = |answers: &mut dyn Write, why: String| {
        line(answers, &Greeting { protocol: VERSION, refused: Some(why), ..Greeting::default() })
    };
    let library = match Library::load(&folder.join(LIBRARY)) {
        Ok(library) => library,
        Err(why) => return refused(&mut answers, why),
    };
    let work = match Work::new(&library) {
        Ok(work) => work,
        Err(Failure::Foreign(why)) => return refused(&mut answers, why),
        Err(Failure::Refused(refusal)) => {
            let why =
                format!("VirtualBox's server does not answer: {} ({:#010x})", refusal.text, refusal.code);
            return refused(&mut answers, why);
        }
    };
    line(
        &mut answers,
        &Greeting { protocol: VERSION, version: Some(library.version_text()), ..Greeting::default() },
    )?;
    for text in requests.lines() {
        let Request { id, ask } = serde_json::from_str(&text?)?;
        let answer = work.answer(&ask);
        let is_lost = matches!(answer, Answer::Lost(_));
        line(&mut answers, &Response { id, answer })?;
        if is_lost {
            work.abandon();
            std::mem::forget(library);
            return Ok(());
        }
    }
    drop(work);
    library.disconnect();
    Ok(())
}

fn line(answers: &mut dyn Write, document: &impl serde::Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(document)?;
    text.push(b'\n');
    answers.write_all(&text)?;
    answers.flush()
}
