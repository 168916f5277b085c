//! Turns: several steps are begun, and one after another is done, in the order in which they were begun.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who is next.
#[derive(Debug, Default)]
pub struct Turns {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many have been given out.
    given: u64,
    /// Whose turn it is.
    now: u64,
    /// Those behind it that are over before they came.
    over: BTreeSet<u64>,
    /// Nobody comes any more.
    is_ended: bool,
}

/// A place in the order. It is over when this is dropped.
#[derive(Debug)]
pub struct Turn<'t> {
    turns: &'t Turns,
    number: u64,
}

impl Turns {
    /// The next place.
    pub fn next(&self) -> Turn<'_> {
        let mut state = self.state();
        let number = state.given;
        state.given += 1;
        Turn { turns: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Waits until all before it are over. `false` where one of them was the last.
    pub fn wait(&self) -> bool {
        let state = self.turns.state();
        let is_waiting = |state: &mut State| state.now != self.number;
        let state = self.turns.moved.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner);
        !state.is_ended
    }

    /// Makes it the last: those behind it do not come.
    pub fn be_last(&self) {
        self.turns.state().is_ended = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.over.insert(self.number);
        while let Some(over) = state.over.first().copied().filter(|over| *over == state.now) {
            state.over.remove(&over);
            state.now += 1;
        }
        drop(state);
        self.turns.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    #[test]
    fn they_come_in_the_order_in_which_they_were_given() {
        let (turns, order) = (Turns::default(), Mutex::new(Vec::new()));
        let all: Vec<Turn<'_>> = (0..6).map(|_| turns.next()).collect();
        std::thread::scope(|scope| {
            for (number, turn) in all.into_iter().enumerate().rev() {
                let order = &order;
                scope.spawn(move || {
                    if number != 3 && turn.wait() {
                        order.lock().unwrap().push(number);
                    }
                });
                // So that the later ones are there first.
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        assert_eq!(
            *order.lock().unwrap(),
            [0, 1, 2, 4, 5],
            "one that was over before it came holds up nobody"
        );
    }

    #[test]
    fn behind_the_last_nobody_comes() {
        let turns = Turns::default();
        let (first, second) = (turns.next(), turns.next());
        assert!(first.wait());
        first.be_last();
        drop(first);
        assert!(!second.wait());
        drop(second);
        assert!(!turns.next().wait());
    }
}
