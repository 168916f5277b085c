//! Making, changing and deleting machines that are off.

use crate::fleet::{self, MEMORY, Size};
use crate::home::{Home, path};
use crate::lab::Lab;
use crate::measure::{Bound, Pairs, Run, Table};
use crate::route::Route;
use crate::script::Script;

/// Every round makes all machines, changes their memory and deletes them, by the script and by each route, and each on a home of its own.
pub fn fleet(lab: &Lab, table: &mut Table, rounds: usize, size: Size, routes: &[Route]) {
    let names = fleet::names(size.machines);
    let theirs = lab.home();
    let script = Script::new(lab, &theirs);
    let homes: Vec<Home<'_>> = routes.iter().map(|_| lab.home()).collect();
    // Made, changed, deleted; of each route.
    let mut pairs: Vec<[Pairs; 3]> = routes.iter().map(|_| Default::default()).collect();
    for round in 0..rounds {
        let begin =
            || [script.make(&names, MEMORY[0]), script.change(&names, MEMORY[1]), script.delete(&names)];
        // Who is first takes turns.
        let early = (round % 2 == 0).then(begin);
        let ours: Vec<[Run; 3]> =
            routes.iter().zip(&homes).map(|(route, home)| once(home, route, size.machines)).collect();
        let yardstick = early.unwrap_or_else(begin);
        for (pairs, ours) in pairs.iter_mut().zip(ours) {
            for ((pairs, ours), yardstick) in pairs.iter_mut().zip(ours).zip(yardstick) {
                pairs.push(ours, yardstick);
            }
        }
        eprintln!("write: round {} of {rounds}", round + 1);
    }
    for (route, [made, changed, deleted]) in routes.iter().zip(&pairs) {
        let count = size.machines;
        let bound = route.bound(Bound::RatioWithoutStall(0.2), Bound::RatioWithoutStall(0.05));
        let bound = if route.is_stepwise() { Bound::None } else { bound };
        table.compare(&format!("apply, {count} new machines"), route.name(), bound, made);
        let bound = route.bound(Bound::None, Bound::Ratio(0.25));
        table.compare(&format!("apply, memory of {count} machines"), route.name(), bound, changed);
        let bound = route.bound(Bound::Ratio(1.2), Bound::Ratio(1.0 / 3.0));
        table.compare(&format!("destroy, {count} machines"), route.name(), bound, deleted);
    }
}

fn once(home: &Home<'_>, route: &Route, machines: usize) -> [Run; 3] {
    let apply = |memory| {
        let file = fleet::write(home, machines, memory);
        route.change(home, "apply", &[path(&file), "--yes"])
    };
    let made = apply(MEMORY[0]);
    let changed = apply(MEMORY[1]);
    [made, changed, destroy(home, route)]
}

fn destroy(home: &Home<'_>, route: &Route) -> Run {
    let file = home.scratch().join("fleet.yaml");
    let all = ["--allow", "destroy-data", "--max-destroy-data", "100%", "--confirm", "fleet"];
    let arguments: Vec<&str> = std::iter::once(path(&file)).chain(all).collect();
    route.change(home, "destroy", &arguments)
}
