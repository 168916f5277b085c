//! What a guest shows and says: its screen, its serial console, and waiting until it answers. Only of machines that vboxmcp owns.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Context;
use super::command::chosen;
use super::plan::read;
use crate::failure::{Failure, Kind};
use crate::inventory::{Inventory, Machine};
use crate::model::{Address, DesiredState, Pattern, PowerState};

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(250);

/// A port that somebody answers on says so in this time, or stays open: VirtualBox's NAT engine takes every connection and closes those
/// that the guest refuses.
const ANSWERS: Duration = Duration::from_millis(500);

/// The end of a serial console.
#[derive(Clone, Debug)]
pub struct Console {
    /// The serial port, from 1.
    pub port: u32,
    /// The file that it writes.
    pub file: PathBuf,
    /// Its last bytes, as text.
    pub text: String,
    /// How many bytes come before them.
    pub before: u64,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Somebody answers on a TCP port of this host.
    Port(u16),
    /// A guest property has a value; `None` for any.
    Property(String, Option<String>),
    /// The machine is in a state.
    State(DesiredState),
}

/// How waiting ended.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Whether it came.
    pub came: bool,
    /// What is there now: a state, a value, what a port says first.
    pub now: String,
    /// How long it took.
    pub after: Duration,
}

/// A picture of a machine's first screen, as PNG.
pub fn screenshot(context: &Context, machine: &Pattern) -> Result<Vec<u8>, Failure> {
    let inventory = read(context)?;
    let (_, machine) = one(context, machine, &inventory)?;
    Ok(context.host.screenshot(machine.uuid)?)
}

/// The last `most` bytes that a guest has written to its serial port, to the first that goes into a file where none is named.
pub fn console(
    context: &Context,
    machine: &Pattern,
    port: Option<u32>,
    most: usize,
) -> Result<Console, Failure> {
    let inventory = read(context)?;
    let (address, machine) = one(context, machine, &inventory)?;
    let ports = machine.settings.serial_ports.iter();
    let mut to_file = ports.flat_map(|all| all.iter()).filter_map(|(number, settings)| {
        let file = settings.mode.as_deref()?.strip_prefix("file:")?;
        Some((*number, PathBuf::from(file)))
    });
    let found = to_file.find(|(number, _)| port.is_none_or(|port| port == *number));
    let Some((port, file)) = found else {
        return Err(Failure::new(Kind::Usage, format!("{address} has no serial port that goes into a file"))
            .hint("declare one: `serialPorts: {1: {ioBase: 0x3f8, irq: 4, mode: {file: ./web.log}}}`, and let the guest write to it"));
    };
    let (bytes, before) = context.host.file_end(&file, most)?;
    Ok(Console { port, file, text: String::from_utf8_lossy(&bytes).into_owned(), before })
}

/// Waits until something comes, at most for a time.
pub fn wait(
    context: &Context,
    machine: &Pattern,
    awaited: &Awaited,
    most: Duration,
) -> Result<Waited, Failure> {
    let begun = Instant::now();
    loop {
        let inventory = read(context)?;
        let (_, machine) = one(context, machine, &inventory)?;
        let state = machine.state.as_ref().map_or("unknown", PowerState::as_str);
        let (came, now) = match awaited {
            Awaited::Port(port) => match first_words(*port) {
                Some(words) => (true, words),
                None => (false, "nobody answers".to_owned()),
            },
            Awaited::Property(name, wanted) => {
                let value = context.host.guest_property(machine.uuid, name)?;
                let is_it =
                    value.as_ref().is_some_and(|value| wanted.as_ref().is_none_or(|one| one == value));
                (is_it, value.unwrap_or_else(|| "no value".to_owned()))
            }
            Awaited::State(wanted) => {
                (machine.state.as_ref().is_some_and(|state| wanted.is_met_by(state)), state.to_owned())
            }
        };
        let after = begun.elapsed();
        if came || after >= most {
            return Ok(Waited { came, now, after });
        }
        std::thread::sleep(PAUSE.min(most.saturating_sub(after)));
    }
}

/// What a port says first, perhaps nothing; `None` where nobody is behind it.
fn first_words(port: u16) -> Option<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWERS).ok()?;
    stream.set_read_timeout(Some(ANSWERS)).ok()?;
    let mut bytes = [0; 200];
    match stream.read(&mut bytes) {
        // It was closed at once: the guest refused.
        Ok(0) => None,
        Ok(count) => Some(String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned()),
        // It waits for us to speak first.
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
        {
            Some(String::new())
        }
        Err(_) => None,
    }
}

/// The one owned machine that is meant.
fn one<'a>(
    context: &Context,
    machine: &Pattern,
    inventory: &'a Inventory,
) -> Result<(Address, &'a Machine), Failure> {
    let typed = context.settings.stack.as_ref().filter(|_| context.settings.stack_typed);
    let (_, machines) = chosen(std::slice::from_ref(machine), typed, inventory)?;
    match machines.as_slice() {
        [(address, machine)] => Ok((address.clone(), machine)),
        several => Err(Failure::new(Kind::Usage, format!("{machine} means {} machines", several.len()))
            .hint("name one of them")),
    }
}
