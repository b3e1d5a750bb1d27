//! Waivers: time-limited, approved exceptions from one rule for named objects.
//!
//! A waiver is checked by the rule `waivers-are-valid`. A waived failure stays in every report.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use phoenix_graph::Id;

use crate::control::Control;
use crate::finding::Finding;
use crate::review::{MAX_DAYS, days_between, is_same_party, placeholder_fault};

/// A time-limited, approved exception from one rule for named objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The id of the rule.
    pub rule: String,
    /// The objects, each written out as `Kind namespace/name`.
    pub objects: Vec<String>,
    /// Why the objects fail.
    pub reason: String,
    /// What protects in the meantime.
    pub compensating_measure: Option<String>,
    /// Who is responsible for the fix.
    pub owner: String,
    /// Who approved the waiver.
    pub approver: String,
    /// When it was approved, which is the first day on which it is valid.
    pub approved: Date,
    /// The last day on which it is valid.
    pub last_day: Date,
    /// Where the fix is tracked.
    pub ticket: String,
}

/// The most objects that one waiver may name; what applies to more objects is not an exception.
pub const MAX_OBJECTS: usize = 10;

impl Waiver {
    /// Whether it is valid on this day: approved and not expired.
    pub fn is_valid_on(&self, day: Date) -> bool {
        self.approved <= day && day <= self.last_day
    }

    /// Whether it waives failures on this day: valid, and approved by a named party other than its owner.
    pub fn takes_effect_on(&self, day: Date) -> bool {
        self.is_valid_on(day) && self.approval_faults().is_empty()
    }

    /// What is wrong with its approval, with the field. A waiver with such a fault has no effect.
    pub(crate) fn approval_faults(&self) -> Vec<Finding> {
        let mut faults: Vec<_> = [
            ("reason", &self.reason),
            ("owner", &self.owner),
            ("approver", &self.approver),
            ("ticket", &self.ticket),
        ]
        .into_iter()
        .filter_map(|(field, text)| placeholder_fault(field, text))
        .collect();
        if is_same_party(&self.owner, &self.approver) {
            faults.push(Finding {
                path: "approver".to_owned(),
                message: "the owner approved the waiver; the approver must be a different person or team"
                    .to_owned(),
            });
        }
        faults
    }

    /// What is wrong with it on this day, independent of the objects that it names, with the field.
    pub(crate) fn faults(&self, today: Date) -> Vec<Finding> {
        let mut faults = self.approval_faults();
        let mut fault = |path: &str, message: String| {
            faults.push(Finding {
                path: path.to_owned(),
                message,
            });
        };
        if today > self.last_day {
            fault("lastDay", format!("it expired on {}", self.last_day));
        }
        if self.approved > today {
            fault("approved", format!("it is not valid before {}", self.approved));
        }
        if self.last_day < self.approved {
            fault("lastDay", "it expires before its approval".to_owned());
        }
        if days_between(self.approved, self.last_day) > MAX_DAYS {
            fault(
                "lastDay",
                "it is valid for more than one year after its approval".to_owned(),
            );
        }
        if self.objects.is_empty() {
            fault("objects", "it names no object".to_owned());
        }
        if self.objects.iter().any(|object| object.contains('*')) {
            fault(
                "objects",
                "it contains a wildcard; name each object as `Kind namespace/name`".to_owned(),
            );
        }
        if self.objects.len() > MAX_OBJECTS {
            fault("objects", format!("it names more than {MAX_OBJECTS} objects"));
        }
        faults
    }

    /// Its name in reports: the ticket and the rule.
    pub fn id(&self) -> Id {
        Id::cluster(
            "phoenix.ai",
            "Waiver",
            &format!("{} ({})", self.ticket, self.rule),
        )
    }
}

/// A waiver and how it is used, which is what the rule about waivers checks.
#[derive(Clone, Copy, Debug)]
pub struct WaiverUse<'a> {
    /// The waiver.
    pub waiver: &'a Waiver,
    /// The controls of the waived rule.
    pub evidence: &'static [Control],
    /// The objects of the waiver that do not fail the rule.
    pub unused: &'a [String],
    /// The day of the evaluation.
    pub today: Date,
}

/// Parses a day such as `2026-11-22`.
pub fn parse_day(text: &str) -> Option<Date> {
    // jiff accepts other forms of ISO 8601 too.
    text.parse::<Date>().ok().filter(|day| day.to_string() == text)
}

/// The day, in UTC, of a time in seconds since the Unix epoch.
pub fn day_of(unix_seconds: u64) -> Date {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or(Date::MAX, |time| time.to_zoned(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_one_form() {
        let day = |text| parse_day(text).unwrap();
        assert_eq!(day_of(20_779 * 86_400 + 5), day("2026-11-22"));
        assert_eq!(days_between(day("2024-02-28"), day("2024-03-01")), 2);
        assert_eq!(days_between(day("2026-11-22"), day("2025-11-22")), -365);
        for wrong in [
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "20260101",
            "+026-01-01",
            "2026-01-01-",
            "2026-01-01T00:00:00",
            "x",
        ] {
            assert_eq!(parse_day(wrong), None, "{wrong}");
        }
    }
}
