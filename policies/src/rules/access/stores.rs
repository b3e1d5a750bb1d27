//! Secret stores: where the values of Secrets come from, and how soon a change reaches them.

use crate::context::CheckContext;
use crate::control::Control::{AccessArchitecture, EncryptionAtRest, PasswordManagement};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::Kind;
use crate::rule::{Check, Rule, Severity};
use crate::selector::Answer;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

static SOURCE: Setting = Setting {
    name: "annotation",
    meaning: "the annotation of a Secret that names the source of its values; only the first entry is used",
    default: DefaultValue::Texts(&["phoenix.ai/secret-source"]),
};

static SECRET_STORES: Setting = Setting {
    name: "stores",
    meaning: "accepted values of the annotation: secret stores that hold the values and audit access to them",
    default: DefaultValue::Texts(&["pulumi-esc", "external-secrets"]),
};

static REFRESHED: Setting = Setting {
    name: "maxRefreshHours",
    meaning: "the maximum time, in hours, until a changed value in the store reaches the Secret",
    default: DefaultValue::Number(24),
};

/// Kinds whose controllers write Secrets from a store or from encrypted values.
const WRITERS: [&str; 6] = [
    "ExternalSecret",
    "ClusterExternalSecret",
    "SealedSecret",
    "VaultStaticSecret",
    "VaultDynamicSecret",
    "OnePasswordItem",
];

/// Types of Secrets that the cluster or a tool generates.
const MADE: [&str; 3] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
];

/// Secret stores.
pub static EXTERNAL_SECRET_STORE_USED: Rule = Rule {
    id: "external-secret-store-used",
    text: rule_text!("external-secret-store-used"),
    kinds: &[
        Kind::core("Secret"),
        Kind::new(&["external-secrets.io"], "ExternalSecret"),
    ],
    severity: Severity::High,
    enforcement: Enforcement::Advisory,
    options: &[&SOURCE, &SECRET_STORES, &REFRESHED],
    evidence: &[AccessArchitecture, PasswordManagement, EncryptionAtRest],
    check: Check::Resource(|subject, context| {
        if subject.kind() == "Secret" {
            from_store(subject.body, context);
        } else {
            follows(subject.body, context);
        }
    }),
    ..Rule::DEFAULTS
};

fn from_store(body: Node<'_>, context: &mut CheckContext<'_>) {
    let fields = ["data", "stringData"].map(|field| body.map(field));
    let has_values = Answer::any(fields.map(|field| field.is(|values| !values.is_empty())));
    if has_values == Answer::No {
        context.not_applicable("the Secret has no values");
        return;
    }
    if context
        .text(body, "type")
        .is_some_and(|kind| MADE.contains(&kind))
    {
        context.not_applicable("the cluster or a tool generates the Secret");
        return;
    }
    let owners = context.items(body, "metadata.ownerReferences");
    let mut owned = false;
    for owner in &owners {
        let kind = context.text(owner.node(), "kind");
        owned |= kind.is_some_and(|kind| WRITERS.contains(&kind));
    }
    if owned {
        return;
    }
    let annotation = context.option_text(&SOURCE).unwrap_or_default().to_owned();
    let place = format!("metadata.annotations[{annotation}]");
    match body.entry("metadata.annotations", &annotation) {
        Field::Known(store) if context.option_texts(&SECRET_STORES).contains(&store) => {}
        Field::Known(_) => context.fail(
            place,
            "the source of its values is not a secret store in the settings",
        ),
        Field::Absent => context.fail(place, "it does not declare the secret store of its values"),
        Field::Unknown => context.unknown(place),
    }
}

fn follows(body: Node<'_>, context: &mut CheckContext<'_>) {
    if context.text(body, "spec.refreshPolicy") == Some("CreatedOnce") {
        context.fail("spec.refreshPolicy", "it reads its store only once");
        return;
    }
    let place = "spec.refreshInterval";
    let most = context.option_number(&REFRESHED);
    match body.field(place) {
        Field::Absent => {}
        Field::Known(interval) => match interval
            .as_str()
            .map_or(interval.as_i64().filter(|zero| *zero == 0), seconds)
        {
            Some(0) => context.fail(place, "it reads its store only once"),
            Some(seconds) if seconds > most.saturating_mul(3600) => context.fail(
                place,
                format!("a changed value takes longer than {most} hours to reach the Secret"),
            ),
            Some(_) => {}
            None => context.unknown(place),
        },
        Field::Unknown => context.unknown(place),
    }
}

/// A duration such as `1h30m` in seconds, rounded up.
fn seconds(duration: &str) -> Option<i64> {
    if duration == "0" {
        return Some(0);
    }
    let mut rest = duration.trim();
    let mut nanoseconds: f64 = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'))?;
        let unit = rest[number..]
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .map_or(rest.len(), |length| number + length);
        let of_one = match &rest[number..unit] {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" | "μs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        nanoseconds += rest[..number].parse::<f64>().ok()? * of_one;
        rest = &rest[unit..];
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a float that is too large becomes the largest number"
    )]
    Some((nanoseconds / 1e9).ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_operator_reads_them() {
        for (text, expected) in [
            ("1h", Some(3600)),
            ("1h0m0s", Some(3600)),
            ("1.5h", Some(5400)),
            ("90m", Some(5400)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("10ms", Some(1)),
            ("", None),
            ("1", None),
            ("1d", None),
            ("h", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
