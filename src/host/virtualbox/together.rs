//! One question to VirtualBox for all who ask it at the same time: a hundred agents that look at once cost two processes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A question that several threads ask. Nobody gets an answer to a question that was asked before his own.
#[derive(Debug)]
pub struct Together<T> {
    asked: Mutex<Asked<T>>,
    answered: Condvar,
}

#[derive(Debug)]
struct Asked<T> {
    begun: u64,
    ended: u64,
    /// What the last one that ended was answered; none where it failed.
    answer: Option<T>,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { asked: Mutex::new(Asked { begun: 0, ended: 0, answer: None }), answered: Condvar::new() }
    }
}

impl<T: Clone> Together<T> {
    /// The answer to a question that begins from now on. Where the one that was waited for fails, each asks for himself.
    pub fn ask<E>(&self, question: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut asked = self.lock();
        let enough = asked.begun + 1;
        while asked.begun > asked.ended && asked.ended < enough {
            asked = self.answered.wait(asked).unwrap_or_else(PoisonError::into_inner);
        }
        if asked.ended >= enough {
            let answer = asked.answer.clone();
            drop(asked);
            return answer.map_or_else(question, Ok);
        }
        asked.begun += 1;
        drop(asked);
        let mut turn = Turn { of: self, answer: None };
        let answer = question()?;
        turn.answer = Some(answer.clone());
        Ok(answer)
    }
}

impl<T> Together<T> {
    fn lock(&self) -> MutexGuard<'_, Asked<T>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is asked right now. It ends also where asking it fails or panics.
struct Turn<'t, T> {
    of: &'t Together<T>,
    answer: Option<T>,
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut asked = self.of.lock();
        asked.ended += 1;
        asked.answer = self.answer.take();
        drop(asked);
        self.of.answered.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::Together;

    #[test]
    fn who_asks_at_the_same_time_shares_an_answer_that_is_no_older_than_his_question() {
        const ASKERS: u64 = 16;
        const TIMES: u64 = 40;
        let (together, questions) = (Together::default(), AtomicU64::new(0));
        let failed = AtomicU64::new(0);
        thread::scope(|scope| {
            for asker in 0..ASKERS {
                let (together, questions, failed) = (&together, &questions, &failed);
                scope.spawn(move || {
                    for time in 0..TIMES {
                        let before = questions.load(Ordering::SeqCst);
                        let answer = together.ask(|| {
                            let number = questions.fetch_add(1, Ordering::SeqCst) + 1;
                            thread::sleep(Duration::from_millis(1));
                            if (asker + time) % 7 == 0 { Err("refused") } else { Ok(number) }
                        });
                        match answer {
                            Ok(number) => assert!(number > before, "{number} after {before}"),
                            Err(_) => drop(failed.fetch_add(1, Ordering::SeqCst)),
                        }
                    }
                });
            }
        });
        let (questions, failed) = (questions.into_inner(), failed.into_inner());
        assert!(questions < ASKERS * TIMES, "{questions} questions");
        assert!(
            failed > 0 && failed <= ASKERS * TIMES / 7 + ASKERS,
            "{failed} failed: a failure is nobody else's"
        );
    }

    #[test]
    fn a_question_that_panics_keeps_nobody_waiting() {
        let together: Together<u8> = Together::default();
        let panics = || thread::scope(|scope| scope.spawn(|| together.ask::<()>(|| panic!("asked"))).join());
        assert!(panics().is_err());
        assert_eq!(together.ask::<()>(|| Ok(7)), Ok(7));
    }
}
