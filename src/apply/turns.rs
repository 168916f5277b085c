//! Turns: several steps are begun, and one after another is done, in the order in which they were begun; some of them side by side.

use std::collections::BTreeMap;
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
    /// Those that are not over, with the number of lanes that each may share.
    open: BTreeMap<u64, usize>,
    /// Why nobody comes any more.
    ended: Option<&'static str>,
}

/// A place in the order. It is over when this is dropped.
#[derive(Debug)]
pub struct Turn<'t> {
    turns: &'t Turns,
    number: u64,
}

impl Turns {
    /// The next place, of one that is done beside up to `lanes - 1` others that say the same.
    pub fn next(&self, lanes: usize) -> Turn<'_> {
        let mut state = self.state();
        let number = state.given;
        state.given += 1;
        state.open.insert(number, lanes);
        Turn { turns: self, number }
    }

    /// Those whose turn has not come do not come any more, for this reason or an earlier one.
    pub fn end(&self, reason: &'static str) {
        self.state().ended.get_or_insert(reason);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_turn_of(&self, number: u64) -> bool {
        let lanes = self.open.get(&number).copied().unwrap_or(1);
        let mut before = self.open.range(..number).map(|(_, lanes)| *lanes);
        before.clone().count() < lanes && before.all(|other| other == lanes)
    }
}

impl Turn<'_> {
    /// Waits until all before it are over, or are so few that it goes beside them. The reason where nobody comes any more.
    pub fn wait(&self) -> Result<(), &'static str> {
        let state = self.turns.state();
        let is_waiting = |state: &mut State| !state.is_turn_of(self.number);
        let state = self.turns.moved.wait_while(state, is_waiting).unwrap_or_else(PoisonError::into_inner);
        state.ended.map_or(Ok(()), Err)
    }

    /// Whether something beside it has ended them all: then it does not come either.
    pub fn go(&self) -> Result<(), &'static str> {
        self.turns.state().ended.map_or(Ok(()), Err)
    }

    /// Makes it the last: those behind it do not come.
    pub fn be_last(&self, reason: &'static str) {
        self.turns.end(reason);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.open.remove(&self.number);
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
        let all: Vec<Turn<'_>> = (0..6).map(|_| turns.next(1)).collect();
        std::thread::scope(|scope| {
            for (number, turn) in all.into_iter().enumerate().rev() {
                let order = &order;
                scope.spawn(move || {
                    if number != 3 && turn.wait().is_ok() {
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
        let (first, second) = (turns.next(1), turns.next(1));
        assert_eq!((first.wait(), first.go()), (Ok(()), Ok(())));
        turns.end("cancelled");
        first.be_last("broken");
        assert_eq!(first.go(), Err("cancelled"), "the first reason is the one that is told");
        drop(first);
        assert_eq!(second.wait(), Err("cancelled"));
        drop(second);
        assert_eq!(turns.next(1).wait(), Err("cancelled"));
    }

    #[test]
    fn as_many_as_say_so_go_side_by_side() {
        let turns = Turns::default();
        let mut all: Vec<Option<Turn<'_>>> =
            [1, 2, 2, 2, 1, 2].map(|lanes| Some(turns.next(lanes))).into_iter().collect();
        let goes = || -> Vec<u64> {
            let state = turns.state();
            state.open.keys().copied().filter(|number| state.is_turn_of(*number)).collect()
        };
        assert_eq!(goes(), [0]);
        all[0] = None;
        assert_eq!(goes(), [1, 2]);
        all[2] = None;
        assert_eq!(goes(), [1, 3]);
        (all[1], all[3]) = (None, None);
        assert_eq!(goes(), [4], "one that shares nothing goes alone");
        all[4] = None;
        assert_eq!(goes(), [5]);
    }
}
