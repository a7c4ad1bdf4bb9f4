//! Time zones, by which the dashboard divides time into days and hours.

use std::fmt;

use chrono::{DateTime, MappedLocalTime, Offset, TimeZone as _};
use chrono_tz::Tz;

use super::time::{DAY, Timestamp};

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone with a name such as `Europe/Berlin`.
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// A moment as the zone's clocks show it.
    pub fn local(self, at: Timestamp) -> DateTime<Tz> {
        at.to_datetime().with_timezone(&self.0)
    }

    /// The time on the zone's clocks, in milliseconds, as if they showed UTC.
    pub fn wall_millis(self, at: Timestamp) -> i64 {
        at.millis() + i64::from(self.local(at).offset().fix().local_minus_utc()) * 1000
    }

    /// The moment at which the zone's clocks show this time. If they show it twice, the first moment; if they skip it,
    /// the moment at which they would have shown it without being put forward.
    pub fn moment(self, wall_millis: i64) -> Timestamp {
        let wall = |millis: i64| Timestamp::from_millis(millis).to_datetime().naive_utc();
        match self.0.from_local_datetime(&wall(wall_millis)) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => Timestamp::cut(at.to_utc()),
            MappedLocalTime::None => {
                let before = self.0.offset_from_local_datetime(&wall(wall_millis - DAY)).earliest();
                let offset = before.map_or(0, |offset| offset.fix().local_minus_utc());
                Timestamp::from_millis(wall_millis - i64::from(offset) * 1000)
            }
        }
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(zone: &str, wall: &str) -> String {
        let wall = Timestamp::parse(&format!("{wall}Z")).unwrap();
        TimeZone::parse(zone).unwrap().moment(wall.millis()).to_string()
    }

    #[test]
    fn a_moment_is_what_the_clocks_of_its_zone_show() {
        for (zone, wall, moment) in [
            ("UTC", "2026-02-05T09:11", "2026-02-05T09:11:00.000Z"),
            ("Europe/Berlin", "2026-02-05T00:00", "2026-02-04T23:00:00.000Z"),
            ("Asia/Kathmandu", "2026-02-05T00:00", "2026-02-04T18:15:00.000Z"),
            // Skipped from 2 to 3, and shown twice from 2 to 3.
            ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30:00.000Z"),
            ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00.000Z"),
            // A day that begins at 1.
            ("Asia/Beirut", "2026-03-29T00:00", "2026-03-28T22:00:00.000Z"),
        ] {
            assert_eq!(of(zone, wall), moment, "{wall} in {zone}");
        }
    }

    #[test]
    fn a_zone_has_a_name_of_the_database() {
        assert_eq!(TimeZone::parse("Asia/Calcutta").unwrap().to_string(), "Asia/Calcutta");
        for name in ["", "Europe/Nowhere", "CEST", "europe/berlin", "Europe/Berlin "] {
            assert_eq!(TimeZone::parse(name), None, "{name:?}");
        }
    }
}
