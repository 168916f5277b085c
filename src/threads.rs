//! Work on many things by several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

/// How many processors this program may use; one where nobody knows. Linux reads three files for it, so that it is asked once.
pub fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// How many threads so many items are worth, where `each` of them are worth starting one; no more than there are processors.
pub fn worth(items: usize, each: usize) -> usize {
    match items / each.max(1) {
        0 | 1 => 1,
        several => several.min(processors()),
    }
}

/// Starts a thread that mostly waits for something, and asks for it at once.
///
/// This one may start other programs, which the others here must not: Linux (since 6.2, by its sources) passes on to a program that somebody
/// chose processors for the thread that started it, also where it chose all, and a guest that descends from it would keep to those that there
/// were then.
pub fn ask<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    of: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let thread = scope.spawn(of);
    // Where it is to begin on the processor of this thread, this is its moment.
    thread::yield_now();
    thread
}

/// Waits for a thread; meanwhile another one may have this one's processor.
pub fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    let pause = BESIDE.pause();
    let result = thread.join();
    drop(pause);
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Starts a thread that does one thing beside this one. It starts no program.
pub fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    of: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let turn = BESIDE.begin();
    placement::spawn(scope, move || {
        let _turn = turn;
        of()
    })
}

/// What is made of each item, in their order, by up to so many threads; the one that asks is one of them. No program is started.
///
/// Each takes the next few that nobody has taken. The others begin when a processor is free for them: two threads on one processor take
/// turns of milliseconds, and all would wait for what one of them has in hand.
pub fn map<'a, T: Sync, R: Send>(
    items: &'a [T],
    threads: usize,
    of: &(impl Fn(&'a T) -> R + Sync),
) -> Vec<R> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(of).collect();
    }
    let share = (items.len() / threads / SHARES).max(1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let first = next.fetch_add(share, Ordering::Relaxed).min(items.len());
            let end = items.len().min(first + share);
            if first == end {
                return made;
            }
            made.push((first, items[first..end].iter().map(of).collect::<Vec<R>>()));
        }
    };
    let is_done = || next.load(Ordering::Relaxed) >= items.len();
    let mut made = thread::scope(|scope| {
        // Who waits for a processor must not do so for ever, also where one of the items panics here or the system has no thread more.
        let nothing_left = NothingLeft { next: &next, items: items.len() };
        let help = || BESIDE.wait(processors(), is_done).map(|_turn| work()).unwrap_or_default();
        let others: Vec<_> = (1..threads).map(|_| placement::spawn(scope, help)).collect();
        let mut made = work();
        drop(nothing_left);
        for other in others {
            made.extend(join(other));
        }
        made
    });
    made.sort_unstable_by_key(|(first, _)| *first);
    made.into_iter().flat_map(|(_, part)| part).collect()
}

/// Into how many parts what a thread would have to do is divided: they need not take equally long.
const SHARES: usize = 16;

/// Says at its end that nothing is left to take.
struct NothingLeft<'n> {
    next: &'n AtomicUsize,
    items: usize,
}

impl Drop for NothingLeft<'_> {
    fn drop(&mut self) {
        self.next.fetch_max(self.items, Ordering::Relaxed);
        BESIDE.tell();
    }
}

/// The threads of this module that work now.
static BESIDE: Turns = Turns::new();

struct Turns {
    /// How many, without the one that everything began with and less those that wait for others.
    working: Mutex<isize>,
    changed: Condvar,
}

impl Turns {
    const fn new() -> Self {
        Self { working: Mutex::new(0), changed: Condvar::new() }
    }

    fn working(&self) -> MutexGuard<'_, isize> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Turn<'_> {
        *self.working() += 1;
        Turn { turns: self, at_end: -1 }
    }

    fn pause(&self) -> Turn<'_> {
        *self.working() -= 1;
        self.changed.notify_all();
        Turn { turns: self, at_end: 1 }
    }

    /// Waits until one of so many processors is free beside that of the one that everything began with; not longer than there is something to
    /// do.
    fn wait(&self, processors: usize, is_done: impl Fn() -> bool) -> Option<Turn<'_>> {
        let processors = isize::try_from(processors).unwrap_or(isize::MAX);
        let mut working = self.working();
        while !is_done() {
            if *working + 1 < processors {
                *working += 1;
                return Some(Turn { turns: self, at_end: -1 });
            }
            working = self.changed.wait(working).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    /// Has those that wait look whether there still is something to do.
    fn tell(&self) {
        // Between their look and their sleep they hold the lock.
        drop(self.working());
        self.changed.notify_all();
    }
}

/// One that works, or that does not for a while; until it is dropped.
struct Turn<'t> {
    turns: &'t Turns,
    at_end: isize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.turns.working() += self.at_end;
        self.turns.changed.notify_all();
    }
}

/// On which processor a new thread begins.
#[cfg(target_os = "linux")]
mod placement {
    use std::thread::{self, Scope, ScopedJoinHandle};

    use nix::sched::{sched_getaffinity, sched_getcpu, sched_setaffinity};
    use nix::unistd::Pid;

    use super::room;

    /// Starts a thread that begins at once, and not on the processor of this one.
    ///
    /// In a virtual machine Linux puts every other new thread there, where it begins when this one has nothing to do, or at the next tick
    /// of its clock, 1 to 4 ms later (measured, 6.18 under KVM): work that takes less is done by one processor then.
    pub fn spawn<'scope, T: Send + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        of: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        room::prepare();
        let here = sched_getcpu();
        let thread = scope.spawn(move || {
            if let Ok(processor) = here
                && sched_getcpu() == here
            {
                leave(processor);
            }
            room::take();
            of()
        });
        // Where it is here, this is its moment to leave.
        thread::yield_now();
        thread
    }

    /// Goes to another processor, if there is one that this program may use. It may come back.
    fn leave(processor: usize) {
        let this = Pid::from_raw(0);
        let Ok(all) = sched_getaffinity(this) else { return };
        let mut others = all;
        // Where there is no other one, the system says so, and it stays.
        if others.unset(processor).is_ok() && sched_setaffinity(this, &others).is_ok() {
            let _ = sched_setaffinity(this, &all);
        }
    }

    #[cfg(test)]
    mod tests {
        use nix::sched::CpuSet;

        use super::*;

        #[test]
        fn a_thread_leaves_and_may_still_go_everywhere() {
            let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
            let several = (0..CpuSet::count()).filter(|one| all.is_set(*one).unwrap()).count() > 1;
            let has_left = |_: &i32| {
                let here = sched_getcpu().unwrap();
                leave(here);
                sched_getcpu().unwrap() != here
            };
            // It may have been sent back meanwhile, but not each time.
            let times =
                thread::scope(|scope| scope.spawn(|| (0..50).filter(has_left).count()).join().unwrap());
            let may = sched_setaffinity(Pid::from_raw(0), &all).is_ok();
            assert_eq!(times > 0, several && may);
            let after = thread::scope(|scope| {
                spawn(scope, || sched_getaffinity(Pid::from_raw(0)).unwrap()).join().unwrap()
            });
            assert_eq!(after, all);
        }
    }
}

/// Memory for a new thread.
///
/// glibc lets a thread's memory grow by a page or two, and whoever touches memory for the first time meanwhile waits for that (measured,
/// 2.36: 440 times in a plan of 100 machines, which took an eighth longer). What is taken and given back in one piece stays with the
/// thread, and until it is used it is only a number to the system. Another allocator does it in vain.
#[cfg(target_os = "linux")]
mod room {
    use std::hint::black_box;
    use std::sync::Once;

    /// Bytes for one thread.
    const ROOM: usize = 1 << 20;

    /// To be called before the first [`take`]: a piece of more than 128 KiB goes back to the system, until one of its size was given back.
    pub fn prepare() {
        static PREPARED: Once = Once::new();
        PREPARED.call_once(|| take_and_give_back(2 * ROOM));
    }

    /// Has this thread have room.
    pub fn take() {
        take_and_give_back(ROOM);
    }

    fn take_and_give_back(bytes: usize) {
        drop(black_box(Vec::<u8>::with_capacity(bytes)));
    }

    #[cfg(test)]
    #[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
    mod tests {
        use super::*;

        #[test]
        fn what_a_thread_gets_lies_where_there_is_room() {
            prepare();
            let got = || {
                take();
                // Of a size that nobody has given back here.
                vec![1_u8; 54_321]
            };
            let got = std::thread::scope(|scope| scope.spawn(got).join().unwrap());
            let place = got.as_ptr().addr();
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            let around = maps
                .lines()
                .filter_map(|line| line.split_whitespace().next()?.split_once('-'))
                .map(|(start, end)| number(start)..number(end))
                .find(|piece| piece.contains(&place))
                .unwrap();
            assert!(around.len() >= ROOM, "{around:x?} around {place:x}");
        }
    }
}

/// On which processor a new thread begins: the system knows.
#[cfg(not(target_os = "linux"))]
mod placement {
    use std::thread::{Scope, ScopedJoinHandle};

    /// Starts a thread.
    pub fn spawn<'scope, T: Send + 'scope>(
        scope: &'scope Scope<'scope, '_>,
        of: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        scope.spawn(of)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn everything_is_made_once_and_in_order() {
        for (items, threads) in [(0, 4), (1, 4), (3, 0), (7, 2), (8, 4), (9, 4), (5, 100), (1000, 3)] {
            let items: Vec<usize> = (0..items).collect();
            let doubled: Vec<usize> = items.iter().map(|item| 2 * item).collect();
            assert_eq!(map(&items, threads, &|item| 2 * item), doubled);
        }
    }

    /// Also where no processor is free for anybody else.
    #[test]
    fn the_one_that_asks_never_waits_for_a_processor() {
        let items: Vec<usize> = (0..100).collect();
        let all = processors() + 1;
        let together = Barrier::new(all);
        thread::scope(|scope| {
            for _ in 0..all {
                start(scope, || {
                    together.wait();
                    assert_eq!(map(&items, 8, &|item| item + 1), (1..=100).collect::<Vec<_>>());
                });
            }
        });
    }

    #[test]
    fn others_help_while_processors_are_free() {
        let turns = Turns::new();
        let never = || false;
        let first = turns.wait(3, never);
        let second = turns.wait(3, never);
        assert!(first.is_some() && second.is_some());
        let asked = AtomicUsize::new(0);
        // It is told no once, and would be again; only the end of another one's work, or of all work, lets it go on.
        let not_twice = || asked.fetch_add(1, Ordering::Relaxed) > 0;
        thread::scope(|scope| {
            let third = scope.spawn(|| turns.wait(3, not_twice).is_some());
            while asked.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            turns.tell();
            assert!(!third.join().unwrap());
        });
        drop(second);
        let third = turns.wait(3, never);
        assert!(third.is_some());
        let pause = turns.pause();
        assert!(turns.wait(3, never).is_some());
        drop((pause, first, third));
        assert_eq!(*turns.working(), 0);
        assert!(turns.wait(1, || true).is_none());
    }

    #[test]
    fn a_panic_is_passed_on_and_keeps_nobody_waiting() {
        let items: Vec<usize> = (0..100).collect();
        let none_is_free: Vec<Turn<'_>> = (0..processors()).map(|_| BESIDE.begin()).collect();
        for bad in [0, 50, 99] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                map(&items, 4, &|item| assert_ne!(*item, bad));
            }));
            assert!(result.is_err());
        }
        drop(none_is_free);
        for bad in [0, 50, 99] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                map(&items, 4, &|item| assert_ne!(*item, bad));
            }));
            assert!(result.is_err());
        }
    }
}
