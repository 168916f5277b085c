//! The time of day, read here and nowhere else. No plan depends on it: it names runs and lock holders, and ends approvals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub fn seconds() -> u64 {
    since_epoch().as_secs()
}

/// Now, `2026-01-31T12:00:00Z`.
pub fn timestamp() -> String {
    format_utc(since_epoch())
}

/// Now, to the millisecond: `2026-01-31T12:00:00.042Z`.
pub fn moment() -> String {
    let now = since_epoch();
    let seconds = format_utc(now);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), now.subsec_millis())
}

/// An id of a run: its time in compact form, to the millisecond, and the first digits of the plan's hash
/// (`20260131T120000042Z-1a2b3c4d`). Ids sort as their runs began.
pub fn run_id(plan_hash: &str) -> String {
    let time: String = moment().chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
    let hash: String = plan_hash.chars().take(8).collect();
    format!("{time}-{hash}")
}

/// The part of a run's id that says when it began.
pub fn began(run_id: &str) -> &str {
    run_id.split('-').next().unwrap_or(run_id)
}

#[expect(clippy::disallowed_methods, reason = "this is the door that the ban names")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Civil time from seconds since 1970 (Hinnant's algorithm for days).
fn format_utc(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_time() {
        assert_eq!(format_utc(Duration::ZERO), "1970-01-01T00:00:00Z");
        assert_eq!(format_utc(Duration::from_hours(264_384)), "2000-02-29T00:00:00Z");
        assert_eq!(format_utc(Duration::from_secs(1_798_761_599)), "2026-12-31T23:59:59Z");
    }
}
