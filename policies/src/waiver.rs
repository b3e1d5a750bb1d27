//! Waivers: who let what fail, why, what is done instead, and until when.
//!
//! A waiver is judged like anything else, by the rule `waivers-are-valid`: one that has ended, that nothing needs, that is
//! too wide or that gives only a reason where HIPAA requires a measure is a finding of its own. What is waived stays in
//! every report.

use std::fmt;

use phoenix_graph::Id;
use serde::{Deserialize, Deserializer};

use crate::control::Need;
use crate::report::{Ending, Finding, Report, Verdict};
use crate::rule::{Enforcement, Rule};
use crate::rules::waivers;
use crate::settings::Settings;

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day of the calendar; `None` for one that is not in it.
    pub fn of(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => 0,
        };
        (1..=days).contains(&day).then_some(Self { year, month, day })
    }

    /// Reads `2026-11-22`.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let plain =
            |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = plain(year, 4) && plain(month, 2) && plain(day, 2) && parts.next().is_none();
        is_plain
            .then(|| Self::of(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
            .flatten()
    }

    /// The day this many days after the first of January 1970.
    pub fn from_days_since_1970(days: u32) -> Self {
        // Years begin in March here, so that a leap day is the last of its year.
        let days = days + 719_468;
        let era = days / 146_097;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = year_of_era + era * 400 + u32::from(month <= 2);
        let small = |number: u32| u8::try_from(number).unwrap_or(1);
        Self {
            year: u16::try_from(year).unwrap_or(u16::MAX),
            month: small(month),
            day: small(day),
        }
    }

    fn days(self) -> i64 {
        let (year, month, day) = (i64::from(self.year), i64::from(self.month), i64::from(self.day));
        let year = if month <= 2 { year - 1 } else { year };
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        year * 365 + year / 4 - year / 100 + year / 400 + of_year
    }

    /// How many days later `other` is.
    pub fn days_until(self, other: Self) -> i64 {
        other.days() - self.days()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("a day is written like \"2026-11-22\""))
    }
}

/// Somebody's word that something may fail for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    /// The rule.
    pub rule: String,
    /// The objects, each exactly, as `Kind namespace/name`.
    pub objects: Vec<String>,
    /// Why they fail.
    pub reason: String,
    /// What protects in the meantime.
    #[serde(default)]
    pub compensating_measure: Option<String>,
    /// Who will repair it.
    pub owner: String,
    /// Who allowed it.
    pub approver: String,
    /// When that was.
    pub approved: Date,
    /// The last day on which it holds.
    pub last_day: Date,
    /// Where it is tracked.
    pub ticket: String,
}

/// A waiver may not last longer than this from its approval.
const LONGEST_DAYS: i64 = 366;

/// A waiver may not name more objects than this: what is true of so many is no exception.
pub(crate) const MOST_OBJECTS: usize = 10;

/// Lays the waivers over a report, and judges them.
pub(crate) fn apply(mut report: Report, settings: &Settings) -> Report {
    let judged = settings.enforcement(&waivers::WAIVERS_ARE_VALID) != Enforcement::Disabled;
    let told_before = settings.number(waivers::WAIVERS_ARE_VALID.id, &waivers::TOLD_BEFORE);
    for (number, waiver) in settings.waivers.iter().enumerate() {
        let mut findings = wrong_with(waiver, settings.today);
        let holds = waiver.approved <= settings.today && settings.today <= waiver.last_day;
        for object in &waiver.objects {
            if holds && !object.contains('*') && !report.waive(&waiver.rule, object, number) {
                let message = format!("nothing needs it: {object} does not fail {}", waiver.rule);
                findings.push(("objects", message));
            }
        }
        if !judged {
            continue;
        }
        let id = Id::cluster(
            "phoenix.ai",
            "Waiver",
            &format!("{} ({})", waiver.ticket, waiver.rule),
        );
        let verdict = if findings.is_empty() {
            Verdict::Pass
        } else {
            let findings = findings.into_iter().map(|(path, message)| Finding {
                path: format!("waivers[{number}].{path}"),
                message,
            });
            Verdict::Fail(findings.collect())
        };
        report.add(id.clone(), &waivers::WAIVERS_ARE_VALID, verdict);
        let left = settings.today.days_until(waiver.last_day);
        if holds && left <= told_before {
            report.ending.push(Ending {
                waiver: id,
                path: format!("waivers[{number}].lastDay"),
                message: format!(
                    "the waiver {} of {} ends on {}: {} repairs it until then, or asks {} for another",
                    waiver.ticket, waiver.rule, waiver.last_day, waiver.owner, waiver.approver
                ),
            });
        }
    }
    report
}

fn wrong_with(waiver: &Waiver, today: Date) -> Vec<(&'static str, String)> {
    let mut findings = Vec::new();
    for (field, text) in [
        ("reason", &waiver.reason),
        ("owner", &waiver.owner),
        ("approver", &waiver.approver),
        ("ticket", &waiver.ticket),
    ] {
        if text.trim().is_empty() {
            findings.push((field, format!("it names no {field}")));
        }
    }
    if waiver.owner.trim() == waiver.approver.trim() && !waiver.owner.trim().is_empty() {
        let message = "whoever has to repair it has also approved it: two people have to look";
        findings.push(("approver", message.to_owned()));
    }
    if today > waiver.last_day {
        findings.push(("lastDay", format!("it ended on {}", waiver.last_day)));
    }
    if waiver.approved > today {
        findings.push(("approved", format!("it begins only on {}", waiver.approved)));
    }
    if waiver.approved.days_until(waiver.last_day) > LONGEST_DAYS {
        findings.push((
            "lastDay",
            "it lasts longer than a year from its approval".to_owned(),
        ));
    }
    if waiver.objects.is_empty() {
        findings.push(("objects", "it names no object".to_owned()));
    }
    if waiver.objects.iter().any(|object| object.contains('*')) {
        let message = "it is too wide: it has to name each object exactly, as `Kind namespace/name`";
        findings.push(("objects", message.to_owned()));
    }
    if waiver.objects.len() > MOST_OBJECTS {
        let message = format!("it is too wide: it names more than {MOST_OBJECTS} objects");
        findings.push(("objects", message));
    }
    let measured = waiver
        .compensating_measure
        .as_ref()
        .is_some_and(|measure| !measure.trim().is_empty());
    let required = Rule::named(&waiver.rule).and_then(|rule| {
        rule.evidence
            .iter()
            .find(|control| control.need() == Need::Required)
    });
    if let Some(control) = required.filter(|_| !measured) {
        let message = format!(
            "it names no compensating measure, and {} ({}) is required: a reason alone does not excuse from it",
            control.id(),
            control.topic()
        );
        findings.push(("compensatingMeasure", message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_leap_years_and_centuries() {
        assert_eq!(Date::from_days_since_1970(0), Date::of(1970, 1, 1).unwrap());
        assert_eq!(Date::from_days_since_1970(11_016), Date::of(2000, 2, 29).unwrap());
        assert_eq!(
            Date::from_days_since_1970(20_779),
            Date::of(2026, 11, 22).unwrap()
        );
        let day = |text| Date::read(text).unwrap();
        assert_eq!(day("2024-02-28").days_until(day("2024-03-01")), 2);
        assert_eq!(day("2026-11-22").days_until(day("2025-11-22")), -365);
        for wrong in [
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "+026-01-01",
            "2026-01-01-",
            "x",
        ] {
            assert_eq!(Date::read(wrong), None, "{wrong}");
        }
    }
}
