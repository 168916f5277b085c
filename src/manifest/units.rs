//! Sizes, durations and rates as people write them.
//!
//! May hold: reading a number with its unit into whole base units, exactly, and saying what to write instead.

/// What is wrong with the text of a scalar, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Complaint {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// One unit: its name and how many base units it has.
pub(super) type Unit = (&'static str, u64);

/// Base: bytes.
const SIZES: &[Unit] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Base: milliseconds.
const DURATIONS: &[Unit] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Base: bits a second.
const RATES: &[Unit] = &[
    ("bps", 1),
    ("kbps", 1_000),
    ("Kbps", 1_000),
    ("Mbps", 1_000_000),
    ("Gbps", 1_000_000_000),
    ("B/s", 8),
    ("kB/s", 8_000),
    ("KB/s", 8_000),
    ("MB/s", 8_000_000),
    ("GB/s", 8_000_000_000),
    ("KiB/s", 8 << 10),
    ("MiB/s", 8 << 20),
    ("GiB/s", 8 << 30),
];

/// A kind of quantity, with the words of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// In bytes.
    Size,
    /// In milliseconds.
    Duration,
    /// In bits a second.
    Rate,
}

impl Quantity {
    pub(super) fn units(self) -> &'static [Unit] {
        match self {
            Self::Size => SIZES,
            Self::Duration => DURATIONS,
            Self::Rate => RATES,
        }
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Size => "a size",
            Self::Duration => "a duration",
            Self::Rate => "a rate",
        }
    }

    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Size => "`512MiB` or `4GiB`",
            Self::Duration => "`500ms`, `60s`, `5m` or `1h`",
            Self::Rate => "`10Mbps` or `50MB/s`",
        }
    }

    /// The units that a suggestion offers, and the regular expression that editors check.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            Self::Size => r"^[0-9]+(\.[0-9]+)? ?(B|[KMGT]iB|[kKMGT]B)$",
            Self::Duration => r"^-?[0-9]+(\.[0-9]+)? ?(ms|s|m|h)$",
            Self::Rate => r"^[0-9]+(\.[0-9]+)? ?([kKMG]?bps|[kKMG]?B/s|[KMG]iB/s)$",
        }
    }

    /// The largest of the common units that divides a number of base units without rest, for messages.
    pub(super) fn show(self, base: u64) -> String {
        let common: &[Unit] = match self {
            Self::Size => &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)],
            Self::Duration => &[("h", 3_600_000), ("m", 60_000), ("s", 1_000)],
            Self::Rate => &[("Gbps", 1_000_000_000), ("Mbps", 1_000_000), ("kbps", 1_000)],
        };
        let smallest = self.units().first().map_or("", |unit| unit.0);
        common
            .iter()
            .find(|(_, factor)| base >= *factor && base.is_multiple_of(*factor))
            .map_or_else(|| format!("{base}{smallest}"), |(name, factor)| format!("{}{name}", base / factor))
    }
}

/// Reads a quantity into base units. `likely` is the unit that a number without one meant.
pub(super) fn parse(quantity: Quantity, text: &str, likely: &str) -> Result<i128, Complaint> {
    let trimmed = text.trim();
    let (negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) if quantity == Quantity::Duration => (true, rest),
        _ => (false, trimmed),
    };
    let digits = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, unit) = unsigned.split_at(digits);
    let unit = unit.trim_start();
    let wrong = || {
        Complaint::new("wrong-unit", format!("`{text}` is not {}", quantity.noun()))
            .help(format!("write {}", quantity.example()))
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
        return Err(wrong());
    }
    if unit.is_empty() {
        return Err(Complaint::new("missing-unit", format!("`{text}` has no unit"))
            .help(format!("write `{trimmed}{likely}`, if that is what it means")));
    }
    let Some((_, factor)) = quantity.units().iter().find(|(name, _)| *name == unit) else {
        let names = quantity.units().iter().map(|(name, _)| *name);
        let meant = likely_unit(quantity, unit).or_else(|| super::suggest::nearest(unit, names));
        let complaint =
            Complaint::new("wrong-unit", format!("`{unit}` is not a unit of {}", quantity.noun()));
        return Err(match meant {
            Some(unit) => complaint.help(format!("did you mean `{number}{unit}`?")),
            None => complaint.help(format!("write {}", quantity.example())),
        });
    };
    let too_large = || Complaint::new("out-of-range", format!("`{text}` is too large"));
    let factor = i128::from(*factor);
    let whole: i128 = whole.parse().map_err(|_| too_large())?;
    let mut base = whole.checked_mul(factor).ok_or_else(too_large)?;
    if !fraction.is_empty() {
        let scale = u32::try_from(fraction.len()).ok().filter(|n| *n <= 18).ok_or_else(wrong)?;
        let scale = 10_i128.pow(scale);
        let part = fraction.parse::<i128>().map_err(|_| wrong())? * factor;
        if part % scale != 0 {
            return Err(Complaint::new(
                "wrong-unit",
                format!("`{text}` is not a whole number of {}", quantity.units().first().map_or("", |u| u.0)),
            ));
        }
        base += part / scale;
    }
    if base > i128::from(u64::MAX) {
        return Err(too_large());
    }
    Ok(if negative { -base } else { base })
}

/// What an abbreviation usually means.
fn likely_unit(quantity: Quantity, unit: &str) -> Option<&'static str> {
    let lower = unit.to_ascii_lowercase();
    let table: &[(&[&str], &str)] = match quantity {
        Quantity::Size => &[
            (&["k", "kb", "ki", "kib"], "KiB"),
            (&["m", "mb", "mi", "mib"], "MiB"),
            (&["g", "gb", "gi", "gib"], "GiB"),
            (&["t", "tb", "ti", "tib"], "TiB"),
        ],
        Quantity::Duration => &[
            (&["sec", "secs", "second", "seconds"], "s"),
            (&["min", "mins", "minute", "minutes"], "m"),
            (&["hour", "hours", "hr", "hrs"], "h"),
            (&["msec", "millis", "milliseconds"], "ms"),
        ],
        Quantity::Rate => &[
            (&["mbit", "mbit/s", "mbits/s", "mb/s", "mbps"], "Mbps"),
            (&["kbit", "kbit/s", "kbits/s", "k", "kbps"], "kbps"),
            (&["gbit", "gbit/s", "gbits/s", "gbps"], "Gbps"),
            (&["m", "mbyte/s", "mbytes/s"], "MB/s"),
        ],
    };
    table.iter().find(|(names, _)| names.contains(&lower.as_str())).map(|(_, unit)| *unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        let size = |text| parse(Quantity::Size, text, "MiB");
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("1.5 GiB"), Ok(3 << 29));
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(parse(Quantity::Duration, "-5m", "s"), Ok(-300_000));
        assert_eq!(parse(Quantity::Rate, "10Mbps", "Mbps"), Ok(10_000_000));
        assert_eq!(parse(Quantity::Rate, "50MB/s", "MB/s"), Ok(400_000_000));
    }

    #[test]
    fn what_is_no_quantity_is_told_what_to_write() {
        let complaint = |text| {
            let complaint = parse(Quantity::Size, text, "MiB").unwrap_err();
            (complaint.code, complaint.help.unwrap_or_default())
        };
        assert_eq!(complaint("2048"), ("missing-unit", "write `2048MiB`, if that is what it means".into()));
        assert_eq!(complaint("4G"), ("wrong-unit", "did you mean `4GiB`?".into()));
        assert_eq!(complaint("4gib"), ("wrong-unit", "did you mean `4GiB`?".into()));
        assert_eq!(complaint("lots"), ("wrong-unit", "write `512MiB` or `4GiB`".into()));
        assert_eq!(complaint("-1GiB").0, "wrong-unit");
        assert_eq!(complaint("1.GiB").0, "wrong-unit");
        assert_eq!(complaint("0.3B").0, "wrong-unit");
        assert_eq!(complaint("99999999999999999999TiB").0, "out-of-range");
    }

    #[test]
    fn base_units_are_shown_as_people_write_them() {
        assert_eq!(Quantity::Size.show(3 << 30), "3GiB");
        assert_eq!(Quantity::Size.show(5), "5B");
        assert_eq!(Quantity::Duration.show(90_000), "90s");
        assert_eq!(Quantity::Rate.show(1_500_000), "1500kbps");
    }
}
