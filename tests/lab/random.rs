//! Numbers from a seed.
//!
//! What the tests make at random is the same at each run, so that a change is judged by the same machines. To look for more:
//! `VBOXMCP_SEED=$(date +%s) VBOXMCP_MACHINES=1000 cargo test --test lab births::what_is_written`.

/// The machines of a test: `VBOXMCP_SEED` and `VBOXMCP_MACHINES`, or as many as it usually makes.
pub struct Draw {
    pub seed: u64,
    pub machines: usize,
}

impl Draw {
    /// Says what it is, so that a failure can be repeated.
    pub fn of(machines: usize) -> Self {
        let draw = Self {
            seed: variable("VBOXMCP_SEED").unwrap_or(1),
            machines: variable("VBOXMCP_MACHINES")
                .map_or(machines, |number| usize::try_from(number).unwrap()),
        };
        eprintln!("{} machines of VBOXMCP_SEED={}", draw.machines, draw.seed);
        draw
    }
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}

/// `SplitMix64`: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, without it.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From `first` to `last`, both of them included.
    pub fn range(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}
