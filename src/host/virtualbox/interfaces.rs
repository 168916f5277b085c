//! Interfaces of the host, and the one that its default route leaves by.

use super::runner::Runner;
use crate::host::HostError;
use crate::model::nic::HostInterface;

/// Interfaces that VirtualBox can bridge to, as `list bridgedifs` tells them.
pub fn bridged(runner: &Runner) -> Result<Vec<HostInterface>, HostError> {
    let output = runner.read(["list", "bridgedifs"])?;
    Ok(parse(&output.stdout, default_route().as_deref()))
}

/// Blocks of `Key:   value` lines, one an interface.
fn parse(text: &str, default_route: Option<&str>) -> Vec<HostInterface> {
    let mut found: Vec<HostInterface> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match (key, found.last_mut()) {
            ("Name", _) => found.push(HostInterface {
                name: value.to_owned(),
                mac: String::new(),
                up: false,
                // On macOS names are `en0: Wi-Fi`.
                default_route: default_route
                    .is_some_and(|route| value == route || value.split(':').next() == Some(route)),
            }),
            ("HardwareAddress", Some(interface)) => {
                interface.mac = value.replace(':', "").to_ascii_uppercase();
            }
            ("Status", Some(interface)) => interface.up = value == "Up",
            _ => {}
        }
    }
    found
}

/// The interface of the kernel's default route with the lowest metric; `None` where there is none.
#[cfg(target_os = "linux")]
fn default_route() -> Option<String> {
    lowest_default(&std::fs::read_to_string("/proc/net/route").ok()?)
}

/// The interface of the default route; `None` where this platform does not tell it.
#[cfg(not(target_os = "linux"))]
fn default_route() -> Option<String> {
    None
}

#[cfg(any(target_os = "linux", test))]
fn lowest_default(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (name, destination, metric, mask) =
            (columns.first()?, columns.get(1)?, columns.get(6)?, columns.get(7)?);
        let is_default = *destination == "00000000" && *mask == "00000000";
        is_default.then_some((metric.parse::<u32>().ok()?, (*name).to_owned()))
    });
    routes.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read() {
        let text = "Name:            eth0\nGUID:            x\nHardwareAddress: 02:fc:00:00:00:01\nStatus:          Up\n\n\
                    Name:            ifb0\nHardwareAddress: 4a:75:03:28:1d:fa\nStatus:          Down\n";
        let found = parse(text, Some("eth0"));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].mac.as_str()), ("eth0", "02FC00000001"));
        assert!(found[0].up && found[0].default_route && !found[1].up && !found[1].default_route);
        assert!(parse("Name: en0: Wi-Fi\n", Some("en0"))[0].default_route);
    }

    #[test]
    fn the_default_route_with_the_lowest_metric_counts() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                     wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\n\
                     eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\n\
                     eth0\t0000A8C0\t00000000\t0001\t0\t0\t1\t00FFFFFF\n";
        assert_eq!(lowest_default(table).as_deref(), Some("eth0"));
        assert_eq!(lowest_default("Iface\n"), None);
    }
}
