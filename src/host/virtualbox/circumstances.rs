//! Room on this machine's disks, and who listens on its ports. What differs between operating systems is here.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use crate::host::checkup::free_space;
use crate::host::{Asked, Circumstances, Endpoint, Range, Route, Space, Unavailable};
use crate::model::{Bytes, Protocol};

/// Looks at all that is asked about.
pub fn look(asked: &Asked) -> Circumstances {
    let space = asked.folders.iter().filter_map(|folder| Some((folder.clone(), space(folder)?)));
    let unavailable =
        asked.ports.iter().filter_map(|endpoint| Some((endpoint.clone(), unavailable(endpoint)?)));
    Circumstances {
        space: space.collect(),
        unavailable: unavailable.collect(),
        host_only: if asked.host_only { host_only() } else { None },
        routes: if asked.routes { routes() } else { Vec::new() },
        memory: if asked.memory { free_memory() } else { None },
        driver: if asked.driver { super::home::has_driver() } else { None },
        extension_packs: None,
    }
}

#[cfg(target_os = "linux")]
fn routes() -> Vec<Route> {
    let table = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    linux::routes(&table)
}

/// Neither Windows nor macOS has them in a file; a process for a note is too much.
#[cfg(not(target_os = "linux"))]
fn routes() -> Vec<Route> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn free_memory() -> Option<Bytes> {
    linux::available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// What Windows and macOS call free leaves out what their caches give back at once: it would warn of nothing.
#[cfg(not(target_os = "linux"))]
fn free_memory() -> Option<Bytes> {
    None
}

/// The addresses that VirtualBox lets host-only interfaces have, as its helper program reads them.
#[cfg(not(windows))]
fn host_only() -> Option<Vec<Range>> {
    match std::fs::read_to_string("/etc/vbox/networks.conf") {
        Ok(text) => Some(ranges(&text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(ranges("* 192.168.56.0/21 fe80::/10")),
        // Whoever cannot read it does not know.
        Err(_) => None,
    }
}

/// Windows has no such bounds.
#[cfg(windows)]
fn host_only() -> Option<Vec<Range>> {
    None
}

/// The ranges of lines that begin with `*`.
#[cfg_attr(windows, expect(dead_code, reason = "Windows has no such file"))]
fn ranges(text: &str) -> Vec<Range> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix('*'));
    lines.flat_map(str::split_whitespace).filter_map(|range| range.parse().ok()).collect()
}

fn space(folder: &Path) -> Option<Space> {
    let there = folder.ancestors().find(|ancestor| ancestor.exists())?;
    let free = free_space(there).ok()??;
    Some(Space { volume: volume(there)?, free })
}

#[cfg(unix)]
fn volume(folder: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    folder.metadata().ok().map(|metadata| metadata.dev().to_string())
}

#[cfg(windows)]
fn volume(folder: &Path) -> Option<String> {
    let whole = folder.canonicalize().ok()?;
    whole.components().next().map(|prefix| prefix.as_os_str().to_string_lossy().into_owned())
}

/// Listens for an instant, as VirtualBox's NAT engine would.
fn unavailable(endpoint: &Endpoint) -> Option<Unavailable> {
    let address = SocketAddr::new(endpoint.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), endpoint.port);
    let error = match endpoint.protocol {
        Protocol::Tcp => TcpListener::bind(address).err(),
        Protocol::Udp => UdpSocket::bind(address).err(),
    }?;
    match error.kind() {
        ErrorKind::AddrInUse => Some(Unavailable::Taken(holder(endpoint))),
        ErrorKind::PermissionDenied => Some(Unavailable::Forbidden),
        ErrorKind::AddrNotAvailable => Some(Unavailable::NoAddress),
        _ => None,
    }
}

/// The process that listens. Other users' processes are seen only by root.
#[cfg(target_os = "linux")]
fn holder(endpoint: &Endpoint) -> Option<String> {
    let table = if endpoint.protocol == Protocol::Tcp { "tcp" } else { "udp" };
    let inodes: Vec<String> = [table.to_owned(), format!("{table}6")]
        .iter()
        .filter_map(|table| std::fs::read_to_string(format!("/proc/net/{table}")).ok())
        .flat_map(|text| linux::listeners(&text, endpoint))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    linux::process_with(&inodes)
}

#[cfg(not(target_os = "linux"))]
fn holder(_: &Endpoint) -> Option<String> {
    None
}

/// Whether a socket at `bound` keeps others from an address.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux tells who listens"))]
fn covers(bound: IpAddr, wanted: Option<IpAddr>) -> bool {
    wanted.is_none_or(|wanted| wanted.is_unspecified() || bound.is_unspecified() || bound == wanted)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::path::Path;

    use super::{Bytes, Endpoint, Protocol, Route, covers};

    /// `TCP_LISTEN`
    const LISTENING: &str = "0A";

    /// Inodes of the sockets in `/proc/net/tcp` or its like that keep others from an endpoint.
    pub fn listeners(table: &str, endpoint: &Endpoint) -> Vec<String> {
        let row = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = fields.get(1)?.split_once(':')?;
            let is_it = u16::from_str_radix(port, 16) == Ok(endpoint.port)
                && (endpoint.protocol == Protocol::Udp || *fields.get(3)? == LISTENING)
                && covers(parse(address)?, endpoint.address);
            is_it.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
        };
        table.lines().skip(1).filter_map(row).collect()
    }

    /// Networks in `/proc/net/route`, without the default route and VirtualBox's own interfaces.
    pub fn routes(table: &str) -> Vec<Route> {
        let route = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [interface, to, ..] = fields.as_slice() else { return None };
            let IpAddr::V4(to) = parse(to)? else { return None };
            let IpAddr::V4(mask) = parse(fields.get(7)?)? else { return None };
            let prefix = u8::try_from(u32::from(mask).count_ones()).ok()?;
            let is_meant = prefix > 0 && !interface.starts_with("vboxnet");
            is_meant.then(|| Route { to, prefix, interface: (*interface).to_owned() })
        };
        table.lines().skip(1).filter_map(route).collect()
    }

    /// `MemAvailable` in `/proc/meminfo`.
    pub fn available(text: &str) -> Option<Bytes> {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Bytes(kilobytes << 10))
    }

    /// An address as the kernel prints it: words of four bytes in the machine's order.
    fn parse(text: &str) -> Option<IpAddr> {
        let words: Vec<[u8; 4]> = text
            .as_bytes()
            .chunks(8)
            .map(|word| Some(u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?.to_ne_bytes()))
            .collect::<Option<_>>()?;
        match words.as_slice() {
            [v4] => Some(Ipv4Addr::from(*v4).into()),
            [a, b, c, d] => {
                let mut bytes = [0; 16];
                for (place, word) in bytes.chunks_mut(4).zip([a, b, c, d]) {
                    place.copy_from_slice(word);
                }
                Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical())
            }
            _ => None,
        }
    }

    /// The first process that has one of some sockets open.
    pub fn process_with(sockets: &[String]) -> Option<String> {
        if sockets.is_empty() {
            return None;
        }
        let processes = std::fs::read_dir("/proc").ok()?.flatten();
        processes.map(|process| process.path()).find_map(|process| {
            let id: u32 = process.file_name()?.to_str()?.parse().ok()?;
            let mut open = process.join("fd").read_dir().ok()?.flatten();
            open.any(|file| has(&file.path(), sockets)).then_some(())?;
            let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
            Some(format!("{} (process {id})", name.trim()))
        })
    }

    fn has(file: &Path, sockets: &[String]) -> bool {
        file.read_link().is_ok_and(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
    }

    #[cfg(test)]
    mod tests {
        use super::{Endpoint, Protocol, available, listeners, routes};

        const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 200 1 0 100 0 0 10 0
   2: 0100007F:0016 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 300 1 0 100 0 0 10 0
   3: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 400 1
";

        #[test]
        fn routes_and_memory_are_read() {
            let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                         eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                         eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                         vboxnet0\t0038A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
            if cfg!(target_endian = "little") {
                let [route] = &routes(table)[..] else { panic!("{:?}", routes(table)) };
                assert_eq!((route.to.to_string().as_str(), route.prefix), ("192.168.1.0", 24));
            }
            let text = "MemTotal:       24000000 kB\nMemFree: 1 kB\nMemAvailable:   2048 kB\n";
            assert_eq!(available(text).map(|bytes| bytes.0), Some(2 << 20));
        }

        #[test]
        fn listeners_are_those_that_keep_others_away() {
            let tcp = |address: Option<&str>, port| Endpoint {
                protocol: Protocol::Tcp,
                address: address.map(|address| address.parse().unwrap()),
                port,
            };
            assert_eq!(listeners(TABLE, &tcp(Some("127.0.0.1"), 22)), ["100"]);
            assert_eq!(listeners(TABLE, &tcp(Some("127.0.0.2"), 22)), Vec::<String>::new());
            assert_eq!(listeners(TABLE, &tcp(None, 22)), ["100"]);
            assert_eq!(listeners(TABLE, &tcp(Some("10.1.2.3"), 8080)), ["200"]);
            assert_eq!(listeners(TABLE, &tcp(Some("127.0.0.1"), 80)), ["400"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Endpoint, Protocol, TcpListener, Unavailable, look};

    #[test]
    fn a_taken_port_says_who_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint =
            Endpoint { protocol: Protocol::Tcp, address: Some(address.ip()), port: address.port() };
        let asked = Asked { ports: [endpoint.clone()].into(), ..Asked::default() };
        match look(&asked).unavailable.get(&endpoint) {
            Some(Unavailable::Taken(Some(who))) => {
                assert!(who.ends_with(&format!("(process {})", std::process::id())), "{who}");
            }
            Some(Unavailable::Taken(None)) if !cfg!(target_os = "linux") => {}
            other => panic!("{other:?}"),
        }
        drop(listener);
        assert!(look(&asked).unavailable.is_empty());
    }

    #[test]
    fn ranges_of_host_only_interfaces_are_read() {
        let text = "# a comment\n* 10.0.0.0/8 192.168.0.0/16\nnothing 1.0.0.0/8\n* 2001::/64 what\n";
        let read: Vec<String> = super::ranges(text).iter().map(ToString::to_string).collect();
        assert_eq!(read, ["10.0.0.0/8", "192.168.0.0/16", "2001::/64"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_to_come_has_the_room_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("a/b");
        let asked = Asked { folders: [wanted.clone(), folder.path().to_owned()].into(), ..Asked::default() };
        let found = look(&asked).space;
        assert_eq!(found[&wanted].volume, found[folder.path()].volume);
        assert!(found[&wanted].free.0 > 0);
    }
}
