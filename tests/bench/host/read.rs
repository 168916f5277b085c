//! Looking at machines that are as declared, and starting some of them.

use serde_json::json;
use std::time::Instant;

use crate::agent::{Agent, Era};
use crate::fleet::{self, MEMORY, Size};
use crate::home::{Home, path};
use crate::lab::Lab;
use crate::measure::{Bound, Pairs, Run, Table};
use crate::route::Route;
use crate::script::Script;

/// Verbs that look, and how much longer than `plan` they may take.
const VERBS: [(&str, f64); 4] = [("plan", 1.0), ("drift", 1.2), ("get", 1.2), ("export", 1.2)];

/// One scene's home, its route, and what was measured.
struct Ground<'a> {
    lab: &'a Lab,
    ours: Home<'a>,
    theirs: Home<'a>,
    size: Size,
    rounds: usize,
}

/// All scenes on machines that stay: made once, by vboxmcp on one home and by the script on another.
pub fn fleet(lab: &Lab, table: &mut Table, rounds: usize, size: Size, routes: &[Route], scenes: &[&str]) {
    let ground = Ground { lab, ours: lab.home(), theirs: lab.home(), size, rounds };
    let file = fleet::write(&ground.ours, size.machines, MEMORY[0]);
    eprintln!("making 2 x {} machines", size.machines);
    routes[0].change(&ground.ours, "apply", &[path(&file), "--yes"]);
    ground.script().make(&fleet::names(size.machines), MEMORY[0]);
    if scenes.contains(&"read") {
        ground.ours.wait_no_server();
        ground.look(table, routes, "none running", 0.2, true);
    }
    if scenes.contains(&"start") {
        ground.start(table, routes);
    }
    if scenes.contains(&"running") {
        let names = fleet::names(size.running);
        let script = Script::new(lab, &ground.ours);
        script.start(&names);
        ground.look(table, routes, &format!("{} running", size.running), 1.5, false);
        script.switch_off(&names);
    }
}

impl Ground<'_> {
    fn script(&self) -> Script<'_> {
        Script::new(self.lab, &self.theirs)
    }

    /// Each verb against one question to a server that is warm. Where ours must not have a server, the question goes to the other home.
    fn look(&self, table: &mut Table, routes: &[Route], how: &str, most: f64, without_server: bool) {
        let asked = if without_server { &self.theirs } else { &self.ours };
        let script = Script::new(self.lab, asked);
        let file = self.ours.scratch().join("fleet.yaml");
        let file = path(&file);
        for route in routes {
            let mut pairs: [Pairs; VERBS.len()] = Default::default();
            let mut inside = Pairs::default();
            let mut agent = Agent::start(route.vboxmcp(&self.ours, "mcp", &[]), Era::Legacy);
            let mut ask = || {
                let begun = Instant::now();
                let (said, _) = agent.tool("plan", json!({"paths": [file]}));
                let time = begun.elapsed();
                assert!(said.contains("No changes"), "{said}");
                Run::of(time)
            };
            // What it holds by then is what every later request finds.
            ask();
            for _ in 0..self.rounds {
                // The first one may have to start the server.
                script.list_running();
                for ((verb, _), pairs) in VERBS.iter().zip(&mut pairs) {
                    let arguments: &[&str] = match *verb {
                        "plan" | "drift" => &[file],
                        "export" => &["--all"],
                        _ => &[],
                    };
                    let ours = route.read(&self.ours, verb, arguments);
                    pairs.push(ours, script.list_running());
                }
                inside.push(ask(), script.list_running());
                assert!(!without_server || !self.ours.has_server(), "a server was started by looking");
            }
            let count = self.size.machines;
            for ((verb, more), pairs) in VERBS.iter().zip(&pairs) {
                let name = format!("{verb}, {count} machines, {how}");
                table.compare(&name, route.name(), Bound::Ratio(most * more), pairs);
            }
            let name = format!("plan within `mcp`, {count} machines, {how}");
            table.compare(&name, route.name(), Bound::Ratio(0.1), &inside);
        }
    }

    /// Starts some machines: they run on one home only at a time, as they take all processors.
    fn start(&self, table: &mut Table, routes: &[Route]) {
        let names = fleet::names(self.size.running);
        let theirs = self.script();
        let ours = Script::new(self.lab, &self.ours);
        let mut pairs: Vec<Pairs> = routes.iter().map(|_| Pairs::default()).collect();
        let arguments: Vec<&str> = names.iter().map(String::as_str).chain(["--yes"]).collect();
        for round in 0..self.rounds {
            let yardstick = theirs.start(&names);
            theirs.switch_off(&names);
            for (route, pairs) in routes.iter().zip(&mut pairs) {
                let run = route.change(&self.ours, "start", &arguments);
                ours.switch_off(&names);
                pairs.push(Run { stalls: 0, ..run }, yardstick);
            }
            eprintln!("start: round {} of {}", round + 1, self.rounds);
        }
        for (route, pairs) in routes.iter().zip(&pairs) {
            table.compare(
                &format!("start, {} machines", names.len()),
                route.name(),
                Bound::Ratio(0.5),
                pairs,
            );
        }
    }
}
