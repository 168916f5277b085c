//! Rules for the text of scalars and keys: names, addresses, places.
//!
//! May hold: one rule per form of text, each giving the text as it is lowered or saying what is wrong with it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::shape::TextRule;
use super::units::Complaint;
use crate::model::network::{network_of, prefixed};
use crate::model::{Dhcp, Location, PortForward, StackName, os_type};

fn malformed(message: impl Into<String>) -> Complaint {
    Complaint::new("malformed", message)
}

/// Control characters that VirtualBox or a terminal would swallow. Line breaks and tabs are text.
fn no_control(text: &str) -> Result<(), Complaint> {
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(c) => Err(malformed(format!("the control character U+{:04X} cannot be kept", u32::from(c)))),
        None => Ok(()),
    }
}

fn one_line(text: &str) -> Result<(), Complaint> {
    if text.chars().any(char::is_control) {
        return Err(malformed("this must be one line without control characters"));
    }
    Ok(())
}

fn not_empty(text: &str, noun: &str) -> Result<(), Complaint> {
    if text.is_empty() { Err(malformed(format!("{noun} may not be empty"))) } else { Ok(()) }
}

fn any(text: &str) -> Result<String, Complaint> {
    no_control(text)?;
    Ok(text.to_owned())
}

fn line(text: &str) -> Result<String, Complaint> {
    one_line(text)?;
    Ok(text.to_owned())
}

fn word(text: &str) -> Result<String, Complaint> {
    not_empty(text, "this")?;
    line(text)
}

/// A name that VirtualBox makes a folder of: what it would replace there is refused.
pub(super) fn machine_name(text: &str) -> Result<String, Complaint> {
    let refuse = |message: String| {
        Err(Complaint::new("bad-name", message).help(
            "a name has letters, digits, spaces, and `-` `_` `.` `(` `)`, and begins with a letter or digit",
        ))
    };
    if text.is_empty() {
        return refuse("a name may not be empty".to_owned());
    }
    if looks_like_uuid(text) {
        return refuse(format!("VirtualBox takes `{text}` for a UUID, so it cannot be a name"));
    }
    let kept = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, ' ' | '(' | ')' | '-' | '_' | '.')
            || ('\u{a0}'..='\u{d7af}').contains(&c)
    };
    if let Some(c) = text.chars().find(|c| !kept(*c)) {
        return refuse(if c.is_control() {
            format!("a name may not have the control character U+{:04X}", u32::from(c))
        } else {
            format!("VirtualBox would replace `{c}` in the name of the machine's folder")
        });
    }
    if text.starts_with(['.', '-', ' ']) || text.ends_with(['.', ' ']) {
        return refuse(
            "VirtualBox would change a name that begins with `.`, `-` or a space, or ends with `.` or a space".to_owned(),
        );
    }
    if text.len() > 200 {
        return refuse(
            "a name may have at most 200 bytes, so that its files fit every file system".to_owned(),
        );
    }
    Ok(text.to_owned())
}

fn looks_like_uuid(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    uuid::Uuid::try_parse(inner).is_ok()
}

/// Names that become parts of addresses and file names: `disk/NAME`, `net/NAME`, `snapshot/NAME@VM`.
fn object_name(text: &str) -> Result<String, Complaint> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !fits || looks_like_uuid(text) {
        return Err(Complaint::new("bad-name", format!("`{text}` cannot be a name here"))
            .help("1 to 63 letters, digits, `-` or `_`, the first a letter or digit, and no UUID"));
    }
    Ok(text.to_owned())
}

pub(super) fn snapshot_name(text: &str) -> Result<String, Complaint> {
    one_line(text)?;
    let fits =
        !text.trim().is_empty() && text.trim() == text && !text.contains(['@', '/']) && text.len() <= 200;
    if !fits || looks_like_uuid(text) {
        return Err(Complaint::new("bad-name", format!("`{text}` cannot be the name of a snapshot"))
            .help("one line without `@` and `/`, not empty, no space at either end, and no UUID"));
    }
    Ok(text.to_owned())
}

fn stack_name(text: &str) -> Result<String, Complaint> {
    match StackName::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Complaint::new("bad-name", error.to_string())),
    }
}

fn variable_name(text: &str) -> Result<String, Complaint> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new("bad-name", format!("`{text}` cannot be the name of a variable")).help(
            "letters, digits and `_`, the first no digit, because VBOXMCP_VAR_NAME must be able to set it",
        ))
    }
}

fn label(text: &str) -> Result<String, Complaint> {
    one_line(text)?;
    not_empty(text, "a label")?;
    if text.contains([',', '=', '!']) || text.trim() != text {
        return Err(malformed(format!("`{text}` cannot be a label")).help(
            "no `,`, `=` or `!` and no space at either end, because `-l KEY=VALUE,...` selects by labels",
        ));
    }
    Ok(text.to_owned())
}

/// Names that VirtualBox keeps in one line of a settings file: controllers, bandwidth groups, shared folders, rules.
fn inner_name(text: &str) -> Result<String, Complaint> {
    one_line(text)?;
    if text.trim().is_empty() || text.trim() != text {
        return Err(Complaint::new("bad-name", "a name may not be empty or have a space at either end"));
    }
    if text.contains([',', '"']) {
        return Err(Complaint::new(
            "bad-name",
            format!("`{text}` may not have `,` or `\"`: VirtualBox's own lists are cut there"),
        ));
    }
    Ok(text.to_owned())
}

fn group(text: &str) -> Result<String, Complaint> {
    one_line(text)?;
    let help = "write `/` or `/lab/web`: it begins with `/` and has no empty part";
    if text == "/" {
        return Ok(text.to_owned());
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err(malformed(format!("`{text}` is not a group")).help(help));
    };
    for part in rest.split('/') {
        if part.is_empty() {
            return Err(malformed(format!("`{text}` is not a group")).help(help));
        }
        machine_name(part)?;
        if part.contains(',') {
            return Err(malformed(format!("`{text}` is not a group: `,` separates groups")));
        }
    }
    Ok(text.to_owned())
}

fn mac(text: &str) -> Result<String, Complaint> {
    let digits: String =
        text.chars().filter(|c| !matches!(c, ':' | '-')).collect::<String>().to_ascii_uppercase();
    let wrong = |why: &str| {
        malformed(format!("`{text}` is not the MAC address of an adapter: {why}"))
            .help("write 12 hexadecimal digits, the second one even: \"080027A1B2C3\"")
    };
    if digits.len() != 12 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(wrong("it must have 12 hexadecimal digits"));
    }
    if digits.chars().nth(1).and_then(|c| c.to_digit(16)).is_some_and(|digit| digit % 2 == 1) {
        return Err(wrong("its second digit is odd, which makes it a multicast address"));
    }
    if digits == "000000000000" {
        return Err(wrong("it is all zeros"));
    }
    Ok(digits)
}

fn uuid_text(text: &str) -> Result<String, Complaint> {
    uuid::Uuid::try_parse(text).map(|uuid| uuid.hyphenated().to_string()).map_err(|_| {
        malformed(format!("`{text}` is not a UUID")).help("write 6d6f6e6b-6579-4000-8000-000000000001")
    })
}

fn ipv4(text: &str) -> Result<String, Complaint> {
    text.parse::<Ipv4Addr>()
        .map(|ip| ip.to_string())
        .map_err(|_| malformed(format!("`{text}` is not an IPv4 address")).help("write 127.0.0.1"))
}

fn cidr(text: &str) -> Result<String, Complaint> {
    let Some((ip, prefix)) = prefixed(text) else {
        return Err(malformed(format!("`{text}` is not an IPv4 network")).help("write 10.0.2.0/24"));
    };
    let (first, _) = network_of(ip, prefix);
    if first != u32::from(ip) {
        let network = Ipv4Addr::from(first);
        return Err(malformed(format!("`{text}` is an address in a network, not a network"))
            .help(format!("did you mean `{network}/{prefix}`?")));
    }
    if !(1..=27).contains(&prefix) {
        return Err(malformed(format!(
            "`{text}` has no room for a gateway, a name server and guests from .15 on"
        ))
        .help("the prefix must be between 1 and 27"));
    }
    Ok(format!("{ip}/{prefix}"))
}

fn host_cidr(text: &str) -> Result<String, Complaint> {
    let example = "write the address with the length of its network's prefix: 10.20.0.1/24";
    let Some((ip, prefix)) = prefixed(text) else {
        return Err(malformed(format!("`{text}` is not an address in a network")).help(example));
    };
    let (first, last) = network_of(ip, prefix);
    if !(1..=30).contains(&prefix) || u32::from(ip) == first || u32::from(ip) == last {
        return Err(malformed(format!("`{text}` is no address of a host in its network")).help(example));
    }
    Ok(format!("{ip}/{prefix}"))
}

fn ipv6_prefix(text: &str) -> Result<String, Complaint> {
    let wrong =
        || malformed(format!("`{text}` is not an IPv6 network")).help("write \"fd17:625c:f037:a::/64\"");
    let (ip, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let ip: Ipv6Addr = ip.parse().map_err(|_| wrong())?;
    let prefix: u32 = prefix.parse().ok().filter(|prefix| (1..=128).contains(prefix)).ok_or_else(wrong)?;
    let mask = u128::MAX << (128 - prefix);
    if u128::from(ip) & !mask != 0 {
        let network = Ipv6Addr::from(u128::from(ip) & mask);
        return Err(malformed(format!("`{text}` is an address in a network, not a network"))
            .help(format!("did you mean `{network}/{prefix}`?")));
    }
    Ok(format!("{ip}/{prefix}"))
}

/// The two ends of a range of addresses.
pub(super) fn range_ends(text: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let (from, to) = text.split_once('-')?;
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

fn ip_range(text: &str) -> Result<String, Complaint> {
    let Some((from, to)) = range_ends(text) else {
        return Err(
            malformed(format!("`{text}` is not a range of addresses")).help("write 10.20.0.100-10.20.0.199")
        );
    };
    if from > to {
        return Err(
            malformed(format!("`{text}` ends before it begins")).help(format!("did you mean `{to}-{from}`?"))
        );
    }
    Ok(format!("{from}-{to}"))
}

fn forward(text: &str) -> Result<String, Complaint> {
    let example = "write \"2222:22\", \"*:8080:80\", \"5353:53/udp\" or \"auto:443\"";
    text.parse::<PortForward>()
        .map(|rule| rule.to_string())
        .map_err(|error| malformed(format!("`{text}` is not a port-forward: {error}")).help(example))
}

/// One form for each option: its name where it has one.
fn dhcp_option(text: &str) -> Result<String, Complaint> {
    Dhcp::option_number(text).map(Dhcp::option_name).ok_or_else(|| {
        let near = super::suggest::nearest(text, Dhcp::OPTIONS.iter().map(|(_, name)| *name));
        malformed(format!("`{text}` is not a DHCP option")).help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write a name (`dns`, `router`, `domain`) or the option's number".to_owned(),
        })
    })
}

/// Addresses that the host reaches itself by.
fn loopback_address(text: &str) -> Result<String, Complaint> {
    let ip = ipv4(text)?;
    if ip.starts_with("127.") {
        Ok(ip)
    } else {
        Err(malformed(format!("`{text}` is no address of the host's loopback")).help("write 127.0.0.1"))
    }
}

fn sha256(text: &str) -> Result<String, Complaint> {
    if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(malformed("this is not a SHA-256 checksum")
            .help("64 hexadecimal digits, as `sha256sum FILE` prints them"))
    }
}

fn place(text: &str) -> Result<String, Complaint> {
    text.parse::<Location>().map(|place| place.to_string()).map_err(malformed)
}

fn port_list(text: &str) -> Result<String, Complaint> {
    let port = |text: &str| text.trim().parse::<u16>().is_ok_and(|port| port > 0);
    let fits = !text.is_empty()
        && text.split(',').all(|part| match part.split_once('-') {
            Some((from, to)) => port(from) && port(to),
            None => port(part),
        });
    if fits {
        Ok(text.to_owned())
    } else {
        Err(malformed(format!("`{text}` is not a port"))
            .help("write \"5010\", \"5010-5020\" or \"5010,5012\""))
    }
}

fn screen_size(text: &str) -> Result<String, Complaint> {
    let side = |text: &str| text.parse::<u32>().is_ok_and(|side| (1..=16384).contains(&side));
    match text.split_once('x') {
        Some((width, height)) if side(width) && side(height) => Ok(text.to_owned()),
        _ => Err(malformed(format!("`{text}` is not the size of a screen")).help("write 1024x768")),
    }
}

fn usb_id(text: &str) -> Result<String, Complaint> {
    if text.is_empty() || (text.len() == 4 && text.chars().all(|c| c.is_ascii_hexdigit())) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(malformed(format!("`{text}` is not four hexadecimal digits"))
            .help("write \"0403\", or \"\" for any"))
    }
}

fn cpuid_leaf(text: &str) -> Result<String, Complaint> {
    let hex = |text: &str| (1..=8).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit());
    let (leaf, subleaf) = text.split_once('/').unwrap_or((text, "0"));
    if !hex(leaf) || !hex(subleaf) {
        Err(malformed(format!("`{text}` is not a CPUID leaf"))
            .help("write eight hexadecimal digits: \"00000001\""))
    } else if subleaf.trim_start_matches('0').is_empty() {
        Ok(format!("{leaf:0>8}").to_ascii_lowercase())
    } else {
        Err(malformed(format!("`{text}`: VirtualBox overrides no subleaf but the first"))
            .help(format!("write \"{leaf:0>8}\"")))
    }
}

fn data_key(text: &str) -> Result<(), Complaint> {
    one_line(text)?;
    not_empty(text, "a key")?;
    let bare = text.trim_start_matches('/').to_ascii_lowercase();
    for (prefix, owner) in [("vboxmcp/", "vboxmcp's own records"), ("GUI/", "VirtualBox's own windows")] {
        let lower = prefix.to_ascii_lowercase();
        if bare.starts_with(&lower) || bare == lower.trim_end_matches('/') {
            return Err(Complaint::new(
                "reserved-key",
                format!("`{text}` cannot be declared: keys below `{prefix}` belong to {owner}"),
            ));
        }
    }
    Ok(())
}

fn extra_data_key(text: &str) -> Result<String, Complaint> {
    data_key(text)?;
    Ok(text.to_owned())
}

fn guest_property_key(text: &str) -> Result<String, Complaint> {
    data_key(text)?;
    if text.contains(['*', '?', '|']) || text.len() > 63 {
        return Err(malformed(format!("`{text}` cannot be the name of a guest property"))
            .help("at most 63 bytes, without `*`, `?` and `|`, which are patterns"));
    }
    Ok(text.to_owned())
}

fn renamed_from(text: &str) -> Result<String, Complaint> {
    match text.split_once('/') {
        Some((stack, name)) => {
            stack_name(stack)?;
            machine_name(name)?;
        }
        None => {
            machine_name(text)?;
        }
    }
    Ok(text.to_owned())
}

fn host_and_port(text: &str) -> Result<String, Complaint> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Ok(text.to_owned())
        }
        _ => Err(malformed(format!("`{text}` is not a host and a port")).help("write 127.0.0.1:4444")),
    }
}

fn os_type_id(text: &str) -> Result<String, Complaint> {
    if os_type::is_known(text) {
        return word(text);
    }
    let near = super::suggest::nearest(text, os_type::ids());
    let by_name = os_type::id_of_description(text);
    let complaint =
        Complaint::new("unknown-os-type", format!("`{text}` is not an OS type that VirtualBox knows"));
    Err(match by_name.or(near) {
        Some(id) => complaint.help(format!("did you mean `{id}`?")),
        None => complaint.help("`VBoxManage list ostypes` names them all; `Other_64` fits any"),
    })
}

/// The number of a slot or port that is the key of a mapping.
pub(super) fn number_between(text: &str, min: u32, max: u32, noun: &str) -> Result<String, Complaint> {
    match text.parse::<u32>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
        _ => {
            Err(malformed(format!("`{text}` is not the number of {noun}"))
                .help(format!("write {min} to {max}")))
        }
    }
}

macro_rules! rules {
    ($($name:ident = $check:expr, $noun:literal, $pattern:expr, $examples:expr;)+) => {
        $(pub(super) static $name: TextRule =
            TextRule { noun: $noun, check: $check, pattern: $pattern, examples: $examples };)+
    };
}

rules! {
    TEXT = any, "a text", None, &[];
    LINE = line, "a text of one line", None, &[];
    WORD = word, "a word", None, &[];
    MACHINE_NAME = machine_name, "the name of a machine", None, &["web"];
    MACHINE_REFERENCE = word, "the name of a declared machine", None, &["db"];
    NETWORK_REFERENCE = word, "the name of a Network document", None, &["core"];
    DISK_REFERENCE = word, "the name of a Disk document", None, &["data"];
    BANDWIDTH_GROUP_REFERENCE = word, "the name of a bandwidth group of this machine", None, &["slow"];
    OBJECT_NAME = object_name, "a name", Some("^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"), &["data"];
    DISK_KEY = object_name, "the key of a disk", Some("^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"), &["root"];
    SNAPSHOT_NAME = snapshot_name, "the name of a snapshot", Some("^[^@/]+$"), &["clean"];
    STACK_NAME = stack_name, "the name of a stack", Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"), &["shop"];
    VARIABLE_NAME = variable_name, "the name of a variable", Some("^[A-Za-z_][A-Za-z0-9_]*$"), &["memory"];
    LABEL = label, "a label", None, &["web"];
    INNER_NAME = inner_name, "a name", None, &[];
    GROUP = group, "a group", Some("^/"), &["/lab/web"];
    MAC = mac, "a MAC address", Some("^[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}$"), &["080027A1B2C3"];
    UUID = uuid_text, "a UUID", None, &["6d6f6e6b-6579-4000-8000-000000000001"];
    IPV4 = ipv4, "an IPv4 address", None, &["127.0.0.1"];
    CIDR = cidr, "an IPv4 network", Some("^[0-9.]+/[0-9]+$"), &["10.0.2.0/24"];
    HOST_CIDR = host_cidr, "an address in its network", Some("^[0-9.]+/[0-9]+$"), &["10.20.0.1/24"];
    IPV6_PREFIX = ipv6_prefix, "an IPv6 network", Some("^[0-9A-Fa-f:]+/[0-9]+$"), &["fd17:625c:f037:a::/64"];
    IP_RANGE = ip_range, "a range of addresses", Some("^[0-9.]+ ?- ?[0-9.]+$"), &["10.20.0.100-10.20.0.199"];
    FORWARD = forward, "a port-forward", None, &["2222:22", "*:8080:80", "5353:53/udp", "auto:443"];
    DHCP_OPTION = dhcp_option, "a DHCP option", None, &["dns", "66"];
    LOOPBACK_ADDRESS = loopback_address, "an address of the host's loopback", Some("^127[.0-9]+$"), &["127.0.0.1"];
    SHA256 = sha256, "a SHA-256 checksum", Some("^[0-9A-Fa-f]{64}$"), &[];
    PLACE = place, "a place on a controller", Some("^.+:[0-9]+$"), &["SATA:3", "IDE:1:0"];
    PORT_LIST = port_list, "ports", None, &["5010", "5010-5020"];
    SCREEN_SIZE = screen_size, "the size of a screen", Some("^[0-9]+x[0-9]+$"), &["1024x768"];
    USB_ID = usb_id, "four hexadecimal digits", Some("^([0-9A-Fa-f]{4})?$"), &["0403"];
    CPUID_LEAF = cpuid_leaf, "a CPUID leaf", Some("^[0-9A-Fa-f]{1,8}(/0{1,8})?$"), &["00000001"];
    EXTRA_DATA_KEY = extra_data_key, "a key of extra data", None, &["VBoxInternal/Devices/x"];
    GUEST_PROPERTY_KEY = guest_property_key, "the name of a guest property", None, &["/app/role"];
    RENAMED_FROM = renamed_from, "a former name", None, &["old-name", "other-stack/old-name"];
    HOST_AND_PORT = host_and_port, "a host and a port", None, &["127.0.0.1:4444"];
    OS_TYPE = os_type_id, "an OS type", None, &["Debian_64", "Windows11_64"];
    FIELD_PATH = word, "the path of a field", None, &["description", "nics.1.mac"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_virtualbox_would_mangle_are_refused() {
        for good in ["web-1", "Büro (alt)", "a.b", "x1"] {
            assert_eq!(machine_name(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "a/b",
            "a\"b",
            "a\u{7}b",
            "6d6f6e6b-6579-4000-8000-000000000001",
            " a",
            "a ",
            ".a",
            "-a",
            "a.",
            "a+b",
            "😀",
        ] {
            assert!(machine_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_are_lowered_to_one_form() {
        assert_eq!(mac("08:00:27:a1:b2:c3").as_deref(), Ok("080027A1B2C3"));
        assert!(mac("010027a1b2c3").is_err());
        assert!(mac("08002").is_err());
        assert_eq!(forward("127.0.0.1:2222:22").as_deref(), Ok("2222:22"));
        assert_eq!(cpuid_leaf("1").as_deref(), Ok("00000001"));
        assert_eq!(cidr("10.0.2.0/24").as_deref(), Ok("10.0.2.0/24"));
        assert_eq!(cidr("10.0.2.5/24").unwrap_err().help.as_deref(), Some("did you mean `10.0.2.0/24`?"));
        assert!(cidr("10.0.2.0/30").is_err());
        assert!(host_cidr("10.0.2.0/24").is_err());
        assert_eq!(ip_range("10.0.0.1-10.0.0.9").as_deref(), Ok("10.0.0.1-10.0.0.9"));
        assert!(ip_range("10.0.0.9-10.0.0.1").is_err());
        assert_eq!(ipv6_prefix("fd17:625c:f037:a::/64").as_deref(), Ok("fd17:625c:f037:a::/64"));
        assert!(ipv6_prefix("fd17::1/64").is_err());
        assert_eq!(group("/lab/web").as_deref(), Ok("/lab/web"));
        assert!(group("lab").is_err() && group("/lab//web").is_err() && group("/lab/").is_err());
    }

    #[test]
    fn reserved_keys_are_refused() {
        for key in ["vboxmcp/owner", "GUI/LastNormalWindowPosition", "/vboxmcp/x", "gui"] {
            assert_eq!(extra_data_key(key).unwrap_err().code, "reserved-key", "{key}");
            assert!(guest_property_key(key).is_err());
        }
        assert!(extra_data_key("VBoxInternal/Devices/x").is_ok());
        assert!(guest_property_key("/app/*").is_err());
    }
}
