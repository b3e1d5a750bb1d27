//! Location, retention and restore tests of backups.

use crate::context::{CheckContext, Subject};
use crate::control::Control::{
    ConfidentialKept, DataBackup, DataInMotion, Disposal, Disposed, EncryptionAtRest, PlansTested, Recovery,
    RecoveryTested, Redundancy,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{CRON_JOB, Kind, SERVICE};
use crate::pod::Pod;
use crate::rule::{Check, Rule, Severity};
use crate::rules::data::{BACKUP_ANNOTATION, VELERO_SCHEDULE};
use crate::selector::Answer;
use crate::settings::{DefaultValue, Setting, assume};
use crate::text::rule_text;

const VELERO: &[&str] = &["velero.io"];
const LOCATION: Kind = Kind::new(VELERO, "BackupStorageLocation");

/// The claims that a `CronJob` backs up; for a `CronJob` that is not a backup, `None`, and the reason is recorded.
fn backed_up_claims<'a>(subject: &Subject<'a>, context: &mut CheckContext<'_>) -> Option<Vec<&'a str>> {
    let annotation = context
        .option_text(&BACKUP_ANNOTATION)
        .unwrap_or_default()
        .to_owned();
    match subject.body.entry("metadata.annotations", &annotation) {
        Field::Known(claims) => {
            let claims: Vec<_> = names(claims).collect();
            if claims.is_empty() {
                context.not_applicable("it backs up nothing");
                return None;
            }
            Some(claims)
        }
        Field::Absent => {
            context.not_applicable("it is not a backup");
            None
        }
        Field::Unknown => {
            context.unknown(format!("metadata.annotations[{annotation}]"));
            None
        }
    }
}

/// The items of a comma-separated list.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// Whether a `CronJob` or another schedule ever starts, if this field does not suspend it.
pub(super) fn runs(job: Node<'_>, suspended: &str) -> Answer {
    let is_on = match job.flag(suspended) {
        Field::Known(suspended) => Answer::from_bool(!suspended),
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    };
    is_on.and(match job.text("spec.schedule") {
        Field::Known(schedule) => Answer::from_bool(has_a_day(schedule)),
        // The API server requires a schedule.
        Field::Absent => Answer::Yes,
        Field::Unknown => Answer::Unknown,
    })
}

/// Whether the day of a schedule exists. February 31 is a common way to disable a schedule.
fn has_a_day(schedule: &str) -> bool {
    let fields: Vec<_> = schedule.split_whitespace().collect();
    let [_, _, day, month, "*" | "?"] = fields.as_slice() else {
        return true;
    };
    let numbers =
        |field: &str| -> Option<Vec<u8>> { field.split(',').map(|part| part.parse().ok()).collect() };
    let (Some(days), Some(months)) = (numbers(day), numbers(month)) else {
        return true;
    };
    let longest = months.iter().map(|month| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    });
    let longest = longest.max().unwrap_or(31);
    days.iter().any(|day| *day <= longest)
}

static STORES: Setting = Setting {
    name: "storeVariables",
    meaning: "environment variables of a backup's containers that hold the location of the backup; the first that a container sets is used",
    default: DefaultValue::Texts(&[
        "BACKUP_STORE",
        "WALG_S3_PREFIX",
        "WALG_GS_PREFIX",
        "WALG_AZ_PREFIX",
    ]),
};

static ENDPOINTS: Setting = Setting {
    name: "endpointVariables",
    meaning: "environment variables of the same containers that hold the address of an S3-compatible object store other than Amazon S3; the first that a container sets is used",
    default: DefaultValue::Texts(&[
        "BACKUP_STORE_ENDPOINT",
        "AWS_ENDPOINT",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL",
    ]),
};

/// The first of these variables that a container of the pod sets.
fn first<'a>(pod: &Pod<'a>, names: &[&str]) -> Field<(&'a str, String)> {
    for container in &pod.containers {
        for name in names {
            match container.variable(name) {
                Field::Known(value) => {
                    return Field::Known((value, container.variable_path(name)));
                }
                Field::Unknown => return Field::Unknown,
                Field::Absent => {}
            }
        }
    }
    Field::Absent
}

/// Location of backups.
pub static BACKUP_ENCRYPTED_AND_REMOTE: Rule = Rule {
    id: "backup-encrypted-and-remote",
    text: rule_text!("backup-encrypted-and-remote"),
    kinds: &[CRON_JOB, LOCATION],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&BACKUP_ANNOTATION, &STORES, &ENDPOINTS],
    assumptions: &[&assume::BACKUP_STORES_ENCRYPTED],
    evidence: &[
        Redundancy,
        ConfidentialKept,
        DataInMotion,
        DataBackup,
        EncryptionAtRest,
    ],
    check: Check::Stack(remote),
    ..Rule::DEFAULTS
};

fn remote(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    if subject.kind() == LOCATION.name {
        location(subject.body, context);
        return;
    }
    if backed_up_claims(subject, context).is_none() {
        return;
    }
    let Some(pod) = context.pod(subject) else {
        return;
    };
    let (store, place) = match first(pod, &context.option_texts(&STORES)) {
        Field::Known(found) => found,
        Field::Absent => {
            context.unknown("the location of the backup: none of the variables in the settings is set");
            return;
        }
        Field::Unknown => {
            context.unknown("the variable with the location of the backup");
            return;
        }
    };
    let scheme = store.split_once("://").map(|(scheme, _)| scheme);
    match scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("s3") => match first(pod, &context.option_texts(&ENDPOINTS)) {
            Field::Known((address, place)) if !address.is_empty() => {
                host(address, place, Answer::No, context);
            }
            Field::Known(_) | Field::Absent => {}
            Field::Unknown => context.unknown("the variable with the address of the object store"),
        },
        Some("gs" | "az" | "azure" | "azblob" | "abfs" | "abfss" | "wasbs") => {}
        Some("http" | "https") => host(store, place, Answer::No, context),
        Some("file") => context.fail(
            place,
            "the backup is written to a directory and stays in the cluster",
        ),
        None if store.starts_with('/') => {
            context.fail(
                place,
                "the backup is written to a directory and stays in the cluster",
            );
        }
        _ => context.unknown(format!("{place}: the type of the store")),
    }
}

fn location(body: Node<'_>, context: &mut CheckContext<'_>) {
    let config = |key: &str| body.entry("spec.config", key);
    match config("insecureSkipTLSVerify") {
        Field::Known("true") => context.fail(
            "spec.config[insecureSkipTLSVerify]",
            "the certificate of the object store is not verified",
        ),
        Field::Unknown => context.unknown("spec.config[insecureSkipTLSVerify]"),
        _ => {}
    }
    let Some(provider) = context.text(body, "spec.provider") else {
        return;
    };
    match provider.rsplit('/').next().unwrap_or(provider) {
        "aws" => match config("s3Url") {
            Field::Known(address) => {
                let keys = ["serverSideEncryption", "kmsKeyId", "customerKeyEncryptionFile"];
                let encrypts = Answer::any(keys.map(|key| config(key).is(|value| !value.is_empty())));
                host(address, "spec.config[s3Url]".to_owned(), encrypts, context);
            }
            Field::Absent => {}
            Field::Unknown => context.unknown("spec.config[s3Url]"),
        },
        "gcp" | "azure" => {}
        _ => context.unknown("spec.provider: whether this provider encrypts"),
    }
}

/// Clouds whose object stores always encrypt data at rest.
const CLOUDS: [&str; 4] = [
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".googleapis.com",
    ".blob.core.windows.net",
];

/// Checks the address of an object store.
fn host(address: &str, place: String, encrypts: Answer, context: &mut CheckContext<'_>) {
    let Some((scheme, rest)) = address.split_once("://") else {
        context.unknown(format!("{place}: whether the connection uses TLS"));
        return;
    };
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let host = authority
        .split_once(']')
        .map_or_else(|| authority.split(':').next().unwrap_or(authority), |(v6, _)| v6)
        .trim_start_matches('[')
        .trim_end_matches('.')
        .to_ascii_lowercase();
    if !scheme.eq_ignore_ascii_case("https") {
        context.fail(place.clone(), format!("the backup is sent to {host} without TLS"));
    }
    match is_inside(&host, context) {
        Answer::Yes => {
            context.fail(
                place,
                format!("the backup is written to {host}, which is in the same cluster"),
            );
            return;
        }
        Answer::Unknown => context.unknown(format!("{place}: whether {host} is in the same cluster")),
        Answer::No => {}
    }
    let is_cloud = CLOUDS.iter().any(|cloud| host.ends_with(cloud));
    let is_assumed = context.assumed(&assume::BACKUP_STORES_ENCRYPTED);
    if encrypts != Answer::Yes && !is_cloud && !is_assumed {
        context.unknown(format!("{place}: whether {host} encrypts data at rest"));
    }
}

/// Whether a host is in the cluster.
fn is_inside(host: &str, context: &CheckContext<'_>) -> Answer {
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return match address {
            _ if address.is_loopback() || address.is_unspecified() => Answer::Yes,
            // A private address may belong to a pod or to a store outside of the cluster.
            std::net::IpAddr::V4(v4) if v4.is_private() || v4.is_link_local() => Answer::Unknown,
            std::net::IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Answer::Unknown,
            _ => Answer::No,
        };
    }
    let labels: Vec<_> = host.split('.').collect();
    // These suffixes are not public domains; Services of a cluster have them.
    let is_local = matches!(labels.as_slice(), [.., "svc"] | [.., "cluster", "local"]);
    let by_form = labels.len() == 1 || is_local;
    let by_name = match labels.as_slice() {
        [service, space] | [service, space, "svc", ..] => context.inventory.has(SERVICE, space, service),
        _ => false,
    };
    Answer::from_bool(by_form || by_name)
}

static RESTORE_TEST_ANNOTATION: Setting = Setting {
    name: "restoreTestAnnotation",
    meaning: "the annotation of a CronJob that lists the claims whose backups it restores as a test, separated by commas; only the first entry is used",
    default: DefaultValue::Texts(&["phoenix.ai/tries-restore-of"]),
};

/// Restore tests.
pub static RESTORE_TEST_SCHEDULED: Rule = Rule {
    id: "restore-test-scheduled",
    text: rule_text!("restore-test-scheduled"),
    kinds: &[CRON_JOB],
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[&BACKUP_ANNOTATION, &RESTORE_TEST_ANNOTATION],
    assumptions: &[&assume::MANUALLY_TESTED_RESTORES],
    evidence: &[Recovery, RecoveryTested, PlansTested],
    check: Check::Stack(|subject, context| {
        let Some(claims) = backed_up_claims(subject, context) else {
            return;
        };
        let Some(annotation) = context.option_text(&RESTORE_TEST_ANNOTATION) else {
            context.not_applicable("the settings set no restoreTestAnnotation");
            return;
        };
        let tested_manually = context.assumed_texts(&assume::MANUALLY_TESTED_RESTORES);
        for claim in claims {
            if tested_manually.contains(&format!("{}/{claim}", subject.namespace()).as_str()) {
                continue;
            }
            let drills = context.inventory.within(CRON_JOB, subject.namespace());
            let tried = Answer::any(drills.map(|drill| {
                let drill = Node::new(drill.body(), "");
                let says = drill
                    .entry("metadata.annotations", annotation)
                    .is(|claims| names(claims).any(|name| name == claim));
                says.and(runs(drill, "spec.suspend"))
            }));
            match tried {
                Answer::Yes => {}
                Answer::No if context.inventory.is_complete() => {
                    context.fail("", format!("no restore test covers the claim {claim}"));
                }
                Answer::No | Answer::Unknown => {
                    context.unknown(format!("whether a restore test covers the claim {claim}"));
                }
            }
        }
    }),
    ..Rule::DEFAULTS
};

static RETENTION_VARIABLES: Setting = Setting {
    name: "retentionVariables",
    meaning: "environment variables of a CronJob that set how many backups are kept, or for how long; one with a value above 0 is sufficient",
    default: DefaultValue::Texts(&[
        "BACKUP_KEEP_LAST",
        "BACKUP_KEEP_DAILY",
        "BACKUP_KEEP_WEEKLY",
        "BACKUP_KEEP_MONTHLY",
    ]),
};

/// Retention of backups.
pub static RETENTION_DECLARED: Rule = Rule {
    id: "retention-declared",
    text: rule_text!("retention-declared"),
    kinds: &[CRON_JOB, VELERO_SCHEDULE],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&BACKUP_ANNOTATION, &STORES, &RETENTION_VARIABLES],
    evidence: &[ConfidentialKept, Disposed, Disposal],
    check: Check::Stack(retention),
    ..Rule::DEFAULTS
};

fn retention(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    if subject.kind() == VELERO_SCHEDULE.name {
        match subject.body.text("spec.template.ttl") {
            Field::Known(ttl) if ttl.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) => {}
            Field::Known(_) | Field::Absent => {
                context.fail("spec.template.ttl", "it sets no retention for its backups");
            }
            Field::Unknown => context.unknown("spec.template.ttl"),
        }
        return;
    }
    if backed_up_claims(subject, context).is_none() {
        return;
    }
    let (stores, keeps) = (
        context.option_texts(&STORES),
        context.option_texts(&RETENTION_VARIABLES),
    );
    let own = subject.pod.map_or(Field::Absent, |pod| first(pod, &stores));
    let jobs = context.inventory.workloads_in(subject.namespace());
    let jobs = jobs.filter(|job| CRON_JOB.is(&job.object.id.group, &job.object.id.kind));
    let removed = Answer::any(jobs.map(|job| {
        let is_same = || {
            if job.object.id == subject.object.id {
                return Answer::Yes;
            }
            match (&own, first(job.pod, &stores)) {
                (Field::Absent, _) | (_, Field::Absent) => Answer::No,
                (Field::Known((own, _)), Field::Known((other, _))) => Answer::from_bool(*own == other),
                _ => Answer::Unknown,
            }
        };
        match sets_retention(job.pod, &keeps) {
            // Most CronJobs set no such variable.
            Answer::No => Answer::No,
            says => says
                .and(is_same())
                .and(runs(Node::new(job.object.body(), ""), "spec.suspend")),
        }
    }));
    match removed {
        Answer::Yes => {}
        Answer::No if context.inventory.is_complete() => context.fail(
            "",
            "no CronJob with the same store sets a retention for the backups",
        ),
        Answer::No | Answer::Unknown => {
            context.unknown("whether the backups are removed after their retention");
        }
    }
}

fn sets_retention(pod: &Pod<'_>, keeps: &[&str]) -> Answer {
    Answer::any(pod.containers.iter().flat_map(|container| {
        keeps.iter().map(move |name| {
            container
                .variable(name)
                .is(|value| value.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::has_a_day;

    #[test]
    fn a_schedule_without_an_existing_day_never_starts() {
        assert!(!has_a_day("0 0 31 2 *"));
        assert!(!has_a_day("0 0 30,31 2 *"));
        assert!(!has_a_day("5 4 31 4,6 *"));
        for schedule in [
            "0 0 29 2 *",
            "0 5 * * 0",
            "@weekly",
            "0 0 31 2 1",
            "0 0 31 2,3 *",
            "0 0 */31 2 *",
        ] {
            assert!(has_a_day(schedule), "{schedule}");
        }
    }
}
