//! Work on many things by several threads.

use std::sync::OnceLock;
use std::thread;

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

/// What is made of each item, in their order, by up to so many threads; the one that asks is one of them.
pub fn map<'a, T: Sync, R: Send>(
    items: &'a [T],
    threads: usize,
    of: &(impl Fn(&'a T) -> R + Sync),
) -> Vec<R> {
    let all = |part: &'a [T]| part.iter().map(of).collect::<Vec<R>>();
    let mut parts = items.chunks(items.len().div_ceil(threads.max(1)).max(1));
    let first = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || all(part))).collect();
        let mut made = all(first);
        for other in others {
            made.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn everything_is_made_once_and_in_order() {
        for (items, threads) in [(0, 4), (1, 4), (3, 0), (7, 2), (8, 4), (9, 4), (5, 100)] {
            let items: Vec<usize> = (0..items).collect();
            let doubled: Vec<usize> = items.iter().map(|item| 2 * item).collect();
            assert_eq!(map(&items, threads, &|item| 2 * item), doubled);
        }
    }
}
