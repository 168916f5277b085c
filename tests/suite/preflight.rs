//! What a host lacks, on the simulated one: told in the plan, outside its hash, and before the first action.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vboxmcp::apply::Cancel;
use vboxmcp::config::{Environment, HostChoice, Overrides, Settings};
use vboxmcp::failure::Kind;
use vboxmcp::host::sim::SimHost;
use vboxmcp::host::{Circumstances, Endpoint, Inspect as _, Route, Space, Unavailable, Want};
use vboxmcp::model::{Bytes, Protocol};
use vboxmcp::ops::{self, Consent, Context, Manifests, Plan, PlanRequest};

fn lab(state: &str) -> String {
    format!(
        "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: web}}\nspec:\n  osType: Other\n  \
         disks: {{root: {{size: 1GiB, variant: fixed}}, data: {{size: 1GiB}}}}\n  \
         nics: [{{nat: {{portForwards: {{ssh: \"2222:22\"}}}}}}]\n  state: {state}\n"
    )
}

struct Bench {
    manifests: Manifests,
    environment: Environment,
    settings: Settings,
}

impl Bench {
    fn new(state: &str) -> Self {
        let environment = Environment { directory: std::env::temp_dir(), ..Environment::default() };
        let overrides = Overrides { host: Some(HostChoice::Sim(None)), ..Overrides::default() };
        let settings = Settings::resolve(overrides, &environment).unwrap();
        let manifests = Manifests {
            paths: vec!["-".into()],
            stdin: Some(lab(state).into_bytes()),
            ..Manifests::default()
        };
        Self { manifests, environment, settings }
    }

    fn context(&self, circumstances: Circumstances) -> Context {
        let host = SimHost::in_memory().with_circumstances(circumstances);
        Context {
            host: Arc::new(host),
            settings: self.settings.clone(),
            environment: self.environment.clone(),
            memory: ops::Memory::default(),
        }
    }

    fn plan(&self, circumstances: Circumstances) -> Plan {
        let request = PlanRequest { manifests: self.manifests.clone() };
        ops::plan(&self.context(circumstances), &request).unwrap().plan
    }
}

fn taken() -> Circumstances {
    let endpoint =
        Endpoint { protocol: Protocol::Tcp, address: Some("127.0.0.1".parse().unwrap()), port: 2222 };
    let who = Unavailable::Taken(Some("sshd (process 7)".to_owned()));
    Circumstances { unavailable: BTreeMap::from([(endpoint, who)]), ..Circumstances::default() }
}

/// So much room on the one disk of the simulated host.
fn room(free: u64) -> Circumstances {
    let facts = SimHost::in_memory().inventory(&Want::default()).unwrap().host;
    let space = Space { volume: "disk".to_owned(), free: Bytes(free) };
    let folders = [facts.machine_folder.join("web"), facts.home];
    Circumstances { space: folders.map(|folder| (folder, space.clone())).into(), ..Circumstances::default() }
}

fn notes(plan: &Plan) -> Vec<&str> {
    plan.notes.iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn a_taken_port_stops_only_what_would_listen() {
    let off = Bench::new("poweroff");
    let said = "vm/web: host port 127.0.0.1:2222 (nics.1.nat.portForwards.ssh) is taken by sshd (process 7); \
                end that program, or declare another host port";
    assert_eq!(notes(&off.plan(taken())), [said]);
    let running = Bench::new("running");
    let plan = running.plan(taken());
    assert_eq!(notes(&plan), [format!("apply will refuse: {said}")]);
    assert_eq!(plan.hash, running.plan(Circumstances::default()).hash);
}

#[test]
fn room_is_counted_with_fixed_disks_and_a_reserve() {
    let bench = Bench::new("poweroff");
    // 1 GiB fixed, the beginning of a dynamic one (2 MiB and a map of 4 KiB), 64 MiB.
    let needed = (1 << 30) + (2 << 20) + (4 << 10) + (64 << 20);
    assert_eq!(notes(&bench.plan(room(needed))), Vec::<&str>::new());
    let plan = bench.plan(room(needed - 1));
    let [note] = *notes(&plan) else { panic!("{:?}", plan.notes) };
    assert!(
        note.contains("has only 1090MiB left: the plan writes 1026MiB and 64MiB must stay free"),
        "{note}"
    );
}

#[test]
fn an_apply_that_lacks_something_does_nothing() {
    let bench = Bench::new("running");
    let folder = tempfile::tempdir().unwrap();
    let host = SimHost::open(folder.path()).unwrap().with_circumstances(taken());
    let context = Context {
        host: Arc::new(host),
        settings: bench.settings.clone(),
        environment: Environment { directory: folder.path().to_owned(), ..bench.environment.clone() },
        memory: ops::Memory::default(),
    };
    let again = || ops::plan(&context, &PlanRequest { manifests: bench.manifests.clone() });
    let consent = Consent { hash: again().unwrap().plan.hash, lock_timeout: Duration::ZERO };
    let failure = ops::apply(&context, &consent, &again, &Cancel::default(), &|_| {}).unwrap_err();
    assert_eq!(failure.kind, Kind::Other);
    assert!(
        failure.to_string().starts_with("nothing was done: vm/web: host port 127.0.0.1:2222"),
        "{failure}"
    );
    let there = context.host.inventory(&Want::default()).unwrap();
    assert!(there.machines.is_empty() && there.registers.is_empty(), "{there:?}");
}

#[test]
fn complaint_a_host_only_range_is_refused() {
    let plan = |address: &str, allowed: &[&str]| {
        let text = format!(
            "apiVersion: vboxmcp/v1\nkind: Network\nmetadata: {{name: vboxnet0}}\n\
             spec: {{hostOnly: {{address: {address}}}}}\n"
        );
        let mut bench = Bench::new("poweroff");
        bench.manifests.stdin = Some(text.into_bytes());
        let allowed = allowed.iter().map(|range| range.parse().unwrap()).collect();
        bench.plan(Circumstances { host_only: Some(allowed), ..Circumstances::default() })
    };
    let refused = plan("10.20.30.1/24", &["192.168.56.0/21"]);
    assert_eq!(
        notes(&refused),
        [
            "apply will refuse: net/vboxnet0: VirtualBox refuses the address 10.20.30.1/24 of a host-only interface: this host \
          allows 192.168.56.0/21; take one of those, or let root add the line `* 10.20.30.0/24` to /etc/vbox/networks.conf"
        ]
    );
    assert_eq!(notes(&plan("192.168.57.1/24", &["192.168.56.0/21"])), Vec::<&str>::new());
    assert_eq!(notes(&plan("10.20.30.1/24", &["192.168.56.0/21", "10.0.0.0/8"])), Vec::<&str>::new());
}

fn planned(text: &str, circumstances: Circumstances) -> Plan {
    let mut bench = Bench::new("poweroff");
    bench.manifests.stdin = Some(text.as_bytes().to_vec());
    bench.plan(circumstances)
}

#[test]
fn memory_that_is_not_there_is_told_of_those_that_start() {
    let text = |state: &str| {
        format!(
            "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: web}}\n\
             spec: {{osType: Other, replicas: 3, memory: 1GiB, state: {state}}}\n"
        )
    };
    let free = |bytes| Circumstances { memory: Some(Bytes(bytes)), ..Circumstances::default() };
    assert_eq!(
        notes(&planned(&text("running"), free((3 << 30) - 1))),
        [
            "3 machines start and take 3GiB of memory, and 3071MiB are free; start fewer of them, or declare less `memory`"
        ]
    );
    assert_eq!(notes(&planned(&text("running"), free(3 << 30))), Vec::<&str>::new());
    assert_eq!(notes(&planned(&text("poweroff"), free(0))), Vec::<&str>::new());
}

#[test]
fn complaint_a_network_is_the_hosts_already() {
    let text =
        "apiVersion: vboxmcp/v1\nkind: Network\nmetadata: {name: edge}\nspec: {nat: {cidr: 10.10.0.0/24}}\n";
    let route = |to: &str, prefix| Route { to: to.parse().unwrap(), prefix, interface: "eth0".to_owned() };
    let by = |routes: Vec<Route>| Circumstances { routes, ..Circumstances::default() };
    assert_eq!(
        notes(&planned(text, by(vec![route("192.168.1.0", 24), route("10.0.0.0", 8)]))),
        [
            "net/edge: its addresses overlap with 10.0.0.0/8, which this host reaches by eth0; its machines would not reach those \
          hosts: declare another `cidr`"
        ]
    );
    assert_eq!(notes(&planned(text, by(vec![route("10.10.1.0", 24)]))), Vec::<&str>::new());
}

#[test]
fn what_needs_the_driver_or_an_extension_pack_is_told() {
    let text = |nic: &str, more: &str| {
        format!(
            "apiVersion: vboxmcp/v1\nkind: VirtualMachine\nmetadata: {{name: web}}\n\
             spec: {{osType: Other, nics: [{nic}], state: running{more}}}\n"
        )
    };
    let bare = || Circumstances {
        driver: Some(false),
        extension_packs: Some(Vec::new()),
        ..Circumstances::default()
    };
    let internal =
        "---\napiVersion: vboxmcp/v1\nkind: Network\nmetadata: {name: lab}\nspec: {internal: {}}\n";
    let plan = planned(&(text("{network: lab}", "") + internal), bare());
    assert_eq!(
        notes(&plan),
        [
            "vm/web: VirtualBox's kernel driver is not loaded, and without it no machine starts with an adapter like nics.1 \
          (intnet); load it (`vboxmcp doctor` says how), or use `nat`"
        ]
    );
    assert_eq!(notes(&planned(&text("{nat: {}}", ""), bare())), Vec::<&str>::new());
    let plan = planned(&text("{nat: {}}", ", vrde: {enabled: true}"), bare());
    let [note] = *notes(&plan) else { panic!("{:?}", plan.notes) };
    assert!(note.starts_with("vm/web: `vrde` is enabled, and no Extension Pack is installed"), "{note}");
    let packed = Circumstances { extension_packs: Some(vec!["VNC".to_owned()]), ..Circumstances::default() };
    assert_eq!(notes(&planned(&text("{nat: {}}", ", vrde: {enabled: true}"), packed)), Vec::<&str>::new());
}
