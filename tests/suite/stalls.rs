//! A VBoxManage that sleeps at random, before it has done something or after, as VirtualBox's clients do: a run ends right, does nothing
//! twice, and gives no command more often than its deadlines allow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use vboxmcp::apply::{Cancel, Outcome};
use vboxmcp::config::{Environment, HostChoice, Overrides, Settings};
use vboxmcp::host::virtualbox::{Home, Patience, Runner, VirtualBox};
use vboxmcp::ops::{self, AdoptRequest, Consent, Context, Manifests, PlanRequest, PlanResponse};

use crate::faults::dice::Dice;

const MACHINES: u8 = 5;

/// Does what VBoxManage does with a line of `dice` for each call: `ok`, or a sleep `before` or `after` it has acted.
const BEHAVIOUR: &str = r#"
does=$(sed -n "$(wc -l <"$folder/calls")p" "$folder/dice")
[ "$does" = before ] && exec sleep 60
case $1 in
  list) ;;
  --version) echo 7.2.22r1 ;;
  modifyvm)
    [ $# = 1 ] && exit 1
    file=$folder/vms/$2/m.vbox
    sed "s/RAMSize=\"[0-9]*\"/RAMSize=\"${3#--memory=}\"/" "$file" >"$file-tmp" && mv "$file-tmp" "$file" ;;
  setextradata)
    file=$folder/vms/$2/m.vbox
    [ "$2" = global ] && file=$folder/home/VirtualBox.xml
    value=$(printf %s "$4" | sed 's/&/\&amp;/g; s/"/\&quot;/g; s/</\&lt;/g')
    item="<ExtraDataItem name=\"$3\" value=\"$value\"/>" key="name=\"$3\"" awk '
      index($0, ENVIRON["key"]) { next }
      /<\/ExtraData>/ { print ENVIRON["item"] }
      { print }' "$file" >"$file-tmp" && mv "$file-tmp" "$file" ;;
  *) echo "VBoxManage: error: what is $1?" >&2; exit 1 ;;
esac
echo "$*" >>"$folder/acted"
[ "$does" = after ] && exec sleep 60
exit 0
"#;

fn manifest(memory: u32) -> String {
    format!(
        "apiVersion: vboxmcp/v1\nkind: Stack\nmetadata: {{name: lab}}\n---\napiVersion: vboxmcp/v1\nkind: VirtualMachine\n\
         metadata: {{name: m}}\nspec: {{replicas: {MACHINES}, osType: Other, memory: {memory}MiB}}\n"
    )
}

/// A VirtualBox home with machines that nobody owns, and that VBoxManage.
struct Scene {
    folder: TempDir,
    context: Context,
}

impl Scene {
    fn new(dice: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("behaviour"), BEHAVIOUR).unwrap();
        fs::write(root.join("dice"), dice).unwrap();
        let program = root.join("VBoxManage");
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake/VBoxManage");
        std::os::unix::fs::symlink(fake, &program).unwrap();
        fs::create_dir(root.join("home")).unwrap();
        let mut entries = String::new();
        for number in 1..=MACHINES {
            let uuid = format!("00000000-0000-4000-8000-0000000000{number:02x}");
            let file = root.join("vms").join(&uuid).join("m.vbox");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            writeln!(entries, "<MachineEntry uuid=\"{{{uuid}}}\" src=\"{}\"/>", file.display()).unwrap();
            let text = format!(
                "<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.19-linux\">\n<Machine uuid=\"{{{uuid}}}\" name=\"m-{number}\" \
                 OSType=\"Other\">\n<ExtraData>\n</ExtraData>\n<Hardware>\n<Memory RAMSize=\"32\"/>\n</Hardware>\n</Machine>\n</VirtualBox>\n"
            );
            fs::write(file, text).unwrap();
        }
        let registry = format!(
            "<VirtualBox xmlns=\"http://www.virtualbox.org/\" version=\"1.12-linux\">\n<Global>\n<ExtraData>\n</ExtraData>\n\
             <MachineRegistry>\n{entries}</MachineRegistry>\n</Global>\n</VirtualBox>\n"
        );
        fs::write(root.join("home/VirtualBox.xml"), registry).unwrap();
        let milliseconds = |all: &[u64]| all.iter().copied().map(Duration::from_millis).collect();
        let patience = Patience {
            read: milliseconds(&[400, 800, 20_000]),
            repeatable: milliseconds(&[400, 800, 20_000]),
            ..Patience::default()
        };
        let home = Home { folder: root.join("home"), owner_home: root.to_owned(), ipc: None };
        let host = VirtualBox::new(home, Ok(Runner::new(program, Vec::new()).with_patience(patience)));
        let variables = [("HOME".into(), root.into()), ("XDG_STATE_HOME".into(), root.join("state").into())];
        let environment =
            Environment { variables: variables.into(), directory: root.to_owned(), ..Environment::default() };
        let overrides = Overrides { host: Some(HostChoice::Local), ..Overrides::default() };
        let settings = Settings::resolve(overrides, &environment).unwrap();
        Self {
            context: Context { host: Arc::new(host), settings, environment, memory: ops::Memory::default() },
            folder,
        }
    }

    fn run(&self, again: &dyn Fn() -> PlanResponse) -> Outcome {
        let consent = Consent { hash: again().plan.hash, lock_timeout: Duration::ZERO };
        ops::apply(&self.context, &consent, &|| Ok(again()), &Cancel::default(), &|_| {}).unwrap()
    }

    fn manifests(memory: u32) -> Manifests {
        let stdin = Some(manifest(memory).into_bytes());
        Manifests { paths: vec!["-".into()], stdin, ..Manifests::default() }
    }

    fn plan(&self, memory: u32) -> PlanResponse {
        ops::plan(&self.context, &PlanRequest { manifests: Self::manifests(memory) }).unwrap()
    }

    fn adopt(&self) -> PlanResponse {
        let addresses = (1..=MACHINES).map(|number| format!("vm/m-{number}").parse().unwrap()).collect();
        let request = AdoptRequest { manifests: Self::manifests(32), addresses, uuid: None };
        ops::adopt(&self.context, &request).unwrap()
    }

    /// The lines of `calls` or `acted`.
    fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.folder.path().join(name)).unwrap().lines().map(str::to_owned).collect()
    }
}

/// A line for each call. More than two sleeps in a row are nobody's fault and would only take long.
fn throw(seed: u64) -> Vec<&'static str> {
    let mut dice = Dice::new(seed);
    let mut row = 0;
    let mut throw = || {
        let throw = match dice.below(10) {
            0 if row < 2 => "before",
            1 if row < 2 => "after",
            _ => "ok",
        };
        row = if throw == "ok" { 0 } else { row + 1 };
        throw
    };
    (0..1000).map(|_| throw()).collect()
}

#[test]
fn a_run_ends_right_whenever_virtualbox_sleeps() {
    let mut slept: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 1..=2 {
        let dice = throw(seed);
        let scene = Scene::new(&dice.join("\n"));
        let adopted = scene.run(&|| scene.adopt());
        assert_eq!((adopted.failed.len(), adopted.done), (0, MACHINES.into()), "{seed}: {adopted:?}");
        let changed = scene.run(&|| scene.plan(64));
        assert_eq!((changed.failed.len(), changed.done), (0, MACHINES.into()), "{seed}: {changed:?}");

        let after = scene.plan(64);
        assert!(after.plan.is_empty(), "{seed}: {:?}", after.plan.objects);
        let inventory = scene.context.host.inventory(&vboxmcp::host::Want::default()).unwrap();
        let memory =
            inventory.machines.values().map(|machine| machine.settings.memory.map(|memory| memory.0));
        assert_eq!(memory.collect::<BTreeSet<_>>(), BTreeSet::from([Some(64)]), "{seed}");

        // What was ended after it had acted was looked at, and not given again.
        let is_change = |line: &&String| line.starts_with("modifyvm ") || line.starts_with("setextradata ");
        let acted = scene.lines("acted");
        let acted: Vec<&String> = acted.iter().filter(is_change).collect();
        let distinct: BTreeSet<&String> = acted.iter().copied().collect();
        assert_eq!(distinct.len(), acted.len(), "{seed}: done twice: {acted:#?}");

        // Two soft deadlines and a long one.
        let calls = scene.lines("calls");
        for command in distinct {
            let times = calls.iter().filter(|call| *call == command).count();
            assert!(times <= 3, "{seed}: {command} was given {times} times");
        }
        for (_, throw) in calls.iter().zip(&dice).filter(|(call, _)| is_change(call)) {
            *slept.entry(throw).or_default() += 1;
        }
    }
    assert!(slept["before"] > 0 && slept["after"] > 0, "no change slept: {slept:?}");
}
