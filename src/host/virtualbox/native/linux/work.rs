//! What the helper does with VirtualBox's objects. Each piece of work is what VBoxManage does for the same purpose, call by call.

use std::cell::RefCell;
use std::path::Path;

use uuid::Uuid;

use super::interfaces::{Interface, client, machine, medium, method, parts, progress, session, virtual_box};
use super::library::{Failure, GONE, Library};
use super::object::Object;
use crate::host::virtualbox::live::numbered;
use crate::host::virtualbox::native::fields::{Argument, How, Known as Field, Part, known};
use crate::host::virtualbox::native::protocol::{Answer, Ask, Refusal, Reply, Setting};

/// VirtualBox, as far as this process is connected to it.
pub struct Work<'l> {
    client: Object<'l>,
    virtual_box: Object<'l>,
    known: RefCell<Known<'l>>,
}

/// All registered machines, as long as the registry is what it was. To get their objects anew and to give them back takes ten times as long as
/// their states (measured: 5 ms for a hundred), and each id as long as all states together.
#[derive(Default)]
struct Known<'l> {
    registry: Option<String>,
    machines: Vec<Object<'l>>,
    /// Where somebody asked for it.
    ids: Vec<Option<Uuid>>,
}

impl<'l> Work<'l> {
    /// Connects. Looks at the ids of the interfaces that are there from the start; those of others are looked at when they come.
    pub fn new(library: &'l Library) -> Result<Self, Failure> {
        let (client, virtual_box) = library.connect()?;
        let work = Self { client, virtual_box, known: RefCell::default() };
        // A server of another version than the library would be found here.
        work.virtual_box.text(&virtual_box::VERSION)?;
        work.session()?;
        Ok(work)
    }

    /// Does one thing.
    pub fn answer(&self, ask: &Ask) -> Answer {
        let done = match ask {
            Ask::Register { file } => self.register(file),
            Ask::Change { machine, set } => self.change(*machine, set),
            Ask::Data { machine: None, key, value } => {
                let value = value.as_deref().unwrap_or_default();
                self.virtual_box.set_pair(&virtual_box::SET_EXTRA_DATA, key, value).map(|()| Reply::default())
            }
            Ask::Data { machine: Some(machine), key, value } => {
                self.locked(*machine, machine::SHARED, |machine| {
                    machine.set_pair(&machine::SET_EXTRA_DATA, key, value.as_deref().unwrap_or_default())
                })
            }
            Ask::Unregister { machine, delete } => self.unregister(*machine, *delete),
            Ask::States { registry } => self.states(registry.as_deref()),
            Ask::State { machine } => self.state(*machine),
        };
        match done {
            Ok(reply) => Answer::Done(reply),
            Err(Failure::Foreign(why)) => Answer::Cannot(why),
            Err(Failure::Refused(refusal)) if self.is_alone() => {
                Answer::Lost(format!("VirtualBox's server went away (result code {:#010x})", refusal.code))
            }
            Err(Failure::Refused(refusal)) => Answer::Refused(refusal),
        }
    }

    /// Whether the server is gone: nothing can be asked any more then.
    fn is_alone(&self) -> bool {
        self.virtual_box.text(&virtual_box::VERSION).is_err()
    }

    /// Leaves all references as they are: releasing them would wait for a server that is gone.
    pub fn abandon(self) {
        self.client.abandon();
        self.virtual_box.abandon();
        self.known.into_inner().machines.into_iter().for_each(Object::abandon);
    }

    fn session(&self) -> Result<Object<'l>, Failure> {
        self.client.get(&client::SESSION, Interface::Session)
    }

    fn find(&self, machine: Uuid) -> Result<Object<'l>, Failure> {
        self.virtual_box.find(&virtual_box::FIND_MACHINE, &machine.to_string(), Interface::Machine)
    }

    /// Does something with a machine that is locked meanwhile. What was not saved by then is forgotten with the lock.
    fn locked(
        &self,
        machine: Uuid,
        way: u32,
        work: impl FnOnce(&Object<'l>) -> Result<(), Failure>,
    ) -> Result<Reply, Failure> {
        let machine = self.find(machine)?;
        let session = self.session()?;
        machine.act_on_as(&machine::LOCK, &session, way)?;
        let done = session.get(&session::MACHINE, Interface::Machine).and_then(|machine| work(&machine));
        // A lock that cannot be given back goes with this process.
        let _ = session.act(&session::UNLOCK);
        done.map(|()| Reply::default())
    }

    fn register(&self, file: &Path) -> Result<Reply, Failure> {
        let Some(file) = file.to_str() else {
            return Err(Failure::Foreign("a path that is no text".to_owned()));
        };
        let machine = self.virtual_box.open(&virtual_box::OPEN_MACHINE, file, Interface::Machine)?;
        self.virtual_box.act_on(&virtual_box::REGISTER_MACHINE, &machine)?;
        Ok(Reply::default())
    }

    fn change(&self, machine: Uuid, set: &[Setting]) -> Result<Reply, Failure> {
        let mut all = Vec::new();
        for setting in set {
            let keys: Vec<&str> = setting.keys.iter().map(String::as_str).collect();
            let Some(known) = known(&keys, &setting.value) else {
                return Err(Failure::Foreign(format!("{} is not set here", keys.join("."))));
            };
            all.push(known);
        }
        self.locked(machine, machine::WRITE, |machine| {
            for known in &all {
                apply(known, machine)?;
            }
            machine.act(&machine::SAVE)
        })
    }

    fn unregister(&self, machine: Uuid, delete: bool) -> Result<Reply, Failure> {
        let machine = self.find(machine)?;
        let disks = machine.objects_for(&machine::UNREGISTER, machine::HARD_DISKS_ONLY, Interface::Medium)?;
        if !delete {
            for disk in &disks {
                // One that another machine uses stays known.
                let _ = disk.act(&medium::CLOSE);
            }
            return Ok(Reply::default());
        }
        let half = |failure| match failure {
            Failure::Refused(refusal) => Failure::Refused(Refusal { half_deleted: true, ..refusal }),
            // It is no longer registered: nobody else can go on from here.
            Failure::Foreign(why) => {
                Failure::Refused(Refusal { code: GONE, text: why, half_deleted: true, ..Refusal::default() })
            }
        };
        let progress =
            machine.object_of(&machine::DELETE_CONFIG, &disks, Interface::Progress).map_err(half)?;
        finished(&progress).map_err(half)?;
        Ok(Reply::default())
    }

    /// Three questions, where those for all machines are one for each.
    fn state(&self, machine: Uuid) -> Result<Reply, Failure> {
        let found = [self.find(machine)?];
        let numbers = self.virtual_box.numbers_of(&virtual_box::MACHINE_STATES, &found)?;
        Ok(Reply { states: numbers.into_iter().map(|number| (machine, number)).collect() })
    }

    fn states(&self, registry: Option<&str>) -> Result<Reply, Failure> {
        let mut known = self.known.borrow_mut();
        let reply = self.states_of(&mut known, registry);
        if reply.is_err() {
            // What is known stays, to be given back or, where the server is gone, abandoned.
            known.registry = None;
        }
        reply
    }

    fn states_of(&self, known: &mut Known<'l>, registry: Option<&str>) -> Result<Reply, Failure> {
        if registry.is_none() || known.registry.as_deref() != registry {
            let machines = self.virtual_box.get_all(&virtual_box::MACHINES, Interface::Machine)?;
            let ids = vec![None; machines.len()];
            *known = Known { registry: registry.map(str::to_owned), machines, ids };
        }
        let numbers = self.virtual_box.numbers_of(&virtual_box::MACHINE_STATES, &known.machines)?;
        let mut reply = Reply::default();
        for ((machine, id), number) in known.machines.iter().zip(&mut known.ids).zip(numbers) {
            // Most machines neither live nor are saved, and nobody asks for their ids.
            if numbered(number).is_none() {
                continue;
            }
            if id.is_none() {
                *id = Uuid::try_parse(&machine.text(&machine::ID)?).ok();
            }
            reply.states.extend(id.map(|id| (id, number)));
        }
        Ok(reply)
    }
}

/// Waits for the end of a piece of work, and takes over how it ended.
fn finished(progress: &Object<'_>) -> Result<(), Failure> {
    progress.wait(&progress::WAIT)?;
    let code = progress.number(&progress::RESULT)?;
    if code & 0x8000_0000 == 0 {
        return Ok(());
    }
    let info = progress.get(&progress::ERROR, Interface::ErrorInfo);
    Err(info.map_or_else(|_| Failure::code(code), |info| Failure::Refused(Library::words(&info, code))))
}

/// The object that has a setting.
fn part<'l>(known: &Field, machine: &Object<'l>) -> Result<Option<Object<'l>>, Failure> {
    let of = Interface::of(known.part);
    Ok(Some(match known.part {
        Part::Machine => return Ok(None),
        Part::Graphics => machine.get(&machine::GRAPHICS, of)?,
        Part::Platform => machine.get(&machine::PLATFORM, of)?,
        Part::X86 => machine.get(&machine::PLATFORM, Interface::Platform)?.get(&parts::X86, of)?,
        Part::Firmware => machine.get(&machine::FIRMWARE, of)?,
        Part::Vrde => machine.get(&machine::VRDE, of)?,
        Part::Audio => {
            machine.get(&machine::AUDIO, Interface::AudioSettings)?.get(&parts::AUDIO_ADAPTER, of)?
        }
        Part::Nic => machine.get_at(&machine::NIC, known.slot, of)?,
        Part::Nat => machine.get_at(&machine::NIC, known.slot, Interface::Nic)?.get(&parts::NAT, of)?,
    }))
}

/// Sets one setting of a machine that is locked.
fn apply(known: &Field, machine: &Object<'_>) -> Result<(), Failure> {
    let part = part(known, machine)?;
    let object = part.as_ref().unwrap_or(machine);
    let of = Interface::of(known.part);
    match (known.how, &known.argument) {
        (How::Text(slot), Argument::Text(text)) => object.set_text(&method(of, slot), text),
        (How::Named(slot, name, _), Argument::Text(text)) => object.set_pair(&method(of, slot), name, text),
        (How::Number(slot) | How::Word(slot, _), Argument::Number(number)) => {
            object.set_number(&method(of, slot), *number)
        }
        (How::Offset(slot), Argument::Offset(number)) => object.set_offset(&method(of, slot), *number),
        (How::Flag(slot), Argument::Flag(on)) => object.set_flag(&method(of, slot), *on),
        (How::Property(slot, property), Argument::Flag(on)) => {
            object.set_property(&method(of, slot), property, *on)
        }
        (How::Rule(add, _), Argument::Rule(name, Some(rule))) => {
            object.add_rule(&method(of, add), name, rule)
        }
        (How::Rule(_, remove), Argument::Rule(name, None)) => object.set_text(&method(of, remove), name),
        _ => Err(Failure::Foreign(format!("{:?} does not take {:?}", known.how, known.argument))),
    }
}
