//! Verification of image signatures by the cluster.

use phoenix_graph::Object;
use serde_json::Value;

use crate::context::{CheckContext, Subject};
use crate::control::Control::{ChangeControl, MaliciousSoftware, UnauthorizedSoftware};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node, namespace_of};
use crate::image::Image;
use crate::inventory::Inventory;
use crate::kind::{Kind, WORKLOADS};
use crate::rule::{Check, Rule, Severity};
use crate::rules::workloads::images::{Used, volume_images};
use crate::selector::Answer;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

const SIGSTORE: Kind = Kind::new(&["policy.sigstore.dev"], "ClusterImagePolicy");
const KYVERNO: Kind = Kind::new(&["kyverno.io"], "ClusterPolicy");
const KYVERNO_NAMESPACED: Kind = Kind::new(&["kyverno.io"], "Policy");
const KYVERNO_IMAGES: Kind = Kind::new(&["policies.kyverno.io"], "ImageValidatingPolicy");

/// Kinds of policies that can verify signatures, among other things.
pub(crate) const IMAGE_POLICIES: [Kind; 4] = [SIGSTORE, KYVERNO, KYVERNO_NAMESPACED, KYVERNO_IMAGES];

static REQUIRED: Setting = Setting {
    name: "required",
    meaning: "a workload fails if the input has no image-verification policy at all; by default the rule is then not applicable, because such policies are often part of the cluster setup",
    default: DefaultValue::Flag(false),
};

/// Signatures of images.
pub static IMAGE_PROVENANCE_ENFORCED: Rule = Rule {
    id: "image-provenance-enforced",
    text: rule_text!("image-provenance-enforced"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[&REQUIRED],
    evidence: &[ChangeControl, UnauthorizedSoftware, MaliciousSoftware],
    check: Check::Stack(vouched_for),
    ..Rule::DEFAULTS
};

fn vouched_for(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let inventory = context.inventory;
    let policies: Vec<&Object> = IMAGE_POLICIES
        .iter()
        .flat_map(|kind| inventory.all(*kind))
        .filter(|policy| !policy.id.group.eq("kyverno.io") || verifies(policy))
        .collect();
    if policies.is_empty() && !context.option_flag(&REQUIRED) {
        context.not_applicable("the input has no image-verification policy");
        return;
    }
    for container in context.containers(subject) {
        let place = container.node().at("image");
        let Some(name) = context.text(container.node(), "image") else {
            continue;
        };
        let names = all_names(name);
        let refused = Answer::any(
            policies
                .iter()
                .map(|policy| holds(policy, &names, subject.namespace(), inventory)),
        );
        match refused {
            Answer::Yes => {}
            Answer::No if inventory.is_complete() => context.fail(
                place,
                format!(
                    "no image-verification policy covers the image of {}",
                    container.words()
                ),
            ),
            Answer::No | Answer::Unknown => {
                context.unknown(format!(
                    "{place}: whether an image-verification policy covers the image"
                ));
            }
        }
    }
    for Used { place, .. } in volume_images(subject, context) {
        context.unknown(format!("{place}: whether the controller verifies image volumes"));
    }
}

/// Whether a Kyverno policy verifies images.
fn verifies(policy: &Object) -> bool {
    let policy = Node::new(policy.body(), "");
    match policy.list("spec.rules") {
        Field::Known(rules) => rules
            .iter()
            .any(|rule| !Node::new(rule, "").field("verifyImages").is_absent()),
        Field::Absent => false,
        Field::Unknown => true,
    }
}

/// The forms of an image name that patterns are matched against: with and without tag and digest, and with the default registry.
fn all_names(name: &str) -> Vec<String> {
    let image = Image::of(name);
    let full = image.full_repository();
    let mut names = Vec::new();
    for repository in [
        image.repository.to_owned(),
        full.replacen("docker.io/", "index.docker.io/", 1),
        full,
    ] {
        let tag = image.tag.map(|tag| format!("{repository}:{tag}"));
        let digest = image.digest.map(|digest| format!("{repository}@{digest}"));
        names.extend(tag.into_iter().chain(digest));
        names.push(repository);
    }
    names
}

/// Whether a policy denies images that it cannot verify in this namespace.
fn holds(policy: &Object, names: &[String], space: &str, inventory: &Inventory<'_>) -> Answer {
    let body = Node::new(policy.body(), "");
    match policy.id.kind.as_str() {
        "ClusterImagePolicy" => sigstore(body, names, space, inventory),
        "ImageValidatingPolicy" => image_validating(body, names),
        "Policy" if namespace_of(policy) != space => Answer::No,
        _ => kyverno(body, names, space),
    }
}

fn sigstore(body: Node<'_>, names: &[String], space: &str, inventory: &Inventory<'_>) -> Answer {
    let is_asked = match inventory.cluster_scoped(Kind::core("Namespace"), space) {
        Some(space) => Node::new(space.body(), "")
            .entry("metadata.labels", "policy.sigstore.dev/include")
            .is(|label| label == "true"),
        None => Answer::Unknown,
    };
    let refuses = equals(body.text("spec.mode"), "warn").negate();
    // Without authorities the controller uses its defaults.
    let is_verified = match body.list("spec.authorities") {
        Field::Absent => Answer::Unknown,
        authorities => each(authorities, |authority| {
            equals(authority.text("static.action"), "pass").negate()
        }),
    };
    // A match on more than the name depends on the controller.
    let is_plain = Answer::from_bool(body.field("spec.match").is_absent());
    let covers = each(body.list("spec.images"), |image| {
        pattern(image.text("glob"), names, Star::WithinPart)
    });
    is_asked
        .and(refuses)
        .and(is_verified)
        .and(covers)
        .and(or_unknown(is_plain))
}

fn image_validating(body: Node<'_>, names: &[String]) -> Answer {
    let denies = match body.list("spec.validationActions") {
        Field::Known(actions) => Answer::any(
            actions
                .iter()
                .map(|action| equals(crate::field::text(action), "Deny")),
        ),
        Field::Absent | Field::Unknown => Answer::Unknown,
    };
    let covers = each(body.list("spec.matchImageReferences"), |reference| match pattern(
        reference.text("glob"),
        names,
        Star::Anything,
    ) {
        Answer::No if !reference.field("expression").is_absent() => Answer::Unknown,
        answer => answer,
    });
    let is_plain = [
        "matchConditions",
        "matchConstraints.namespaceSelector",
        "matchConstraints.objectSelector",
    ]
    .iter()
    .all(|field| body.field(&format!("spec.{field}")).is_absent());
    denies.and(covers).and(or_unknown(Answer::from_bool(is_plain)))
}

fn kyverno(body: Node<'_>, names: &[String], space: &str) -> Answer {
    let by_policy = equals_any_case(body.text("spec.validationFailureAction"), "enforce");
    let is_plain = body.field("spec.validationFailureActionOverrides").is_absent();
    each(body.list("spec.rules"), |rule| {
        let verified = each(rule.list("verifyImages"), |images| {
            let refuses = match images.text("failureAction") {
                Field::Absent => by_policy,
                own => equals_any_case(own, "enforce"),
            };
            let required = match images.flag("required") {
                Field::Known(required) => Answer::from_bool(required),
                Field::Absent => Answer::Yes,
                Field::Unknown => Answer::Unknown,
            };
            let texts = |field: &str| match images.list(field) {
                Field::Known(patterns) => Answer::any(
                    patterns
                        .iter()
                        .map(|text| pattern(crate::field::text(text), names, Star::Anything)),
                ),
                Field::Absent => Answer::No,
                Field::Unknown => Answer::Unknown,
            };
            let covers = Answer::any([
                texts("imageReferences"),
                pattern(images.text("image"), names, Star::Anything),
            ]);
            refuses
                .and(required)
                .and(covers)
                .and(texts("skipImageReferences").negate())
        });
        let unconditional = is_plain
            && ["exclude", "preconditions", "celPreconditions"]
                .iter()
                .all(|field| rule.field(field).is_absent());
        verified
            .and(matched(rule, space))
            .and(or_unknown(Answer::from_bool(unconditional)))
    })
}

/// Whether a Kyverno rule applies to the pods of a namespace.
fn matched(rule: Node<'_>, space: &str) -> Answer {
    let one = |filter: Node<'_>| {
        let Field::Known(resources) = filter.map("resources") else {
            return Answer::Unknown;
        };
        let resources_node = Node::new(filter.field("resources").known().unwrap_or(&Value::Null), "");
        let is_plain = resources
            .keys()
            .all(|key| ["kinds", "namespaces", "operations"].contains(&key.as_str()));
        let kinds = each(resources_node.list("kinds"), |kind| {
            match crate::field::text(kind.value) {
                Field::Known(kind) => {
                    Answer::from_bool(kind == "*" || kind.rsplit('/').next() == Some("Pod"))
                }
                _ => Answer::Unknown,
            }
        });
        let spaces = match resources_node.list("namespaces") {
            Field::Absent => Answer::Yes,
            spaces => each(spaces, |name| {
                pattern(
                    crate::field::text(name.value),
                    &[space.to_owned()],
                    Star::Anything,
                )
            }),
        };
        kinds.and(spaces).and(or_unknown(Answer::from_bool(is_plain)))
    };
    match (
        rule.list("match.any"),
        rule.list("match.all"),
        rule.field("match.resources"),
    ) {
        (any @ Field::Known(_), Field::Absent, Field::Absent) => each(any, one),
        (Field::Absent, Field::Known([only]), Field::Absent) => one(Node::new(only, "")),
        (Field::Absent, Field::Absent, Field::Known(_)) => {
            one(Node::new(rule.field("match").known().unwrap_or(&Value::Null), ""))
        }
        _ => Answer::Unknown,
    }
}

/// Whether any item of a list satisfies a predicate.
fn each(list: Field<&[Value]>, is: impl Fn(Node<'_>) -> Answer) -> Answer {
    match list {
        Field::Known(items) => Answer::any(items.iter().map(|item| is(Node::new(item, "")))),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}

/// Anything else has an unknown answer.
fn or_unknown(answer: Answer) -> Answer {
    if answer == Answer::Yes {
        answer
    } else {
        Answer::Unknown
    }
}

fn equals(text: Field<&str>, wanted: &str) -> Answer {
    text.is(|text| text == wanted)
}

fn equals_any_case(text: Field<&str>, wanted: &str) -> Answer {
    text.is(|text| text.eq_ignore_ascii_case(wanted))
}

/// The meaning of `*` in a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Star {
    /// Any text.
    Anything,
    /// Any text without a slash; `**` is any text.
    WithinPart,
}

fn pattern(pattern: Field<&str>, names: &[String], star: Star) -> Answer {
    match pattern {
        Field::Known(pattern) => Answer::from_bool(
            names
                .iter()
                .any(|name| is_like(name.as_bytes(), pattern.as_bytes(), star)),
        ),
        Field::Absent => Answer::No,
        Field::Unknown => Answer::Unknown,
    }
}

/// Whether a text matches a pattern with `*` and `?`. The number of steps is the product of both lengths.
pub(crate) fn is_like(text: &[u8], pattern: &[u8], star: Star) -> bool {
    // Which prefixes of the pattern match the text so far.
    let mut likes = vec![false; pattern.len() + 1];
    likes[0] = true;
    let close = |likes: &mut Vec<bool>| {
        for (at, byte) in pattern.iter().enumerate() {
            likes[at + 1] |= likes[at] && *byte == b'*';
        }
    };
    close(&mut likes);
    for byte in text {
        let mut next = vec![false; pattern.len() + 1];
        for (at, wanted) in pattern.iter().enumerate() {
            if *wanted == b'*' {
                let is_two = pattern.get(at + 1) == Some(&b'*') || (at > 0 && pattern[at - 1] == b'*');
                let takes = star == Star::Anything || is_two || *byte != b'/';
                next[at + 1] |= takes && likes[at + 1];
            } else if *wanted == *byte || *wanted == b'?' {
                next[at + 1] |= likes[at];
            }
        }
        likes = next;
        close(&mut likes);
    }
    likes[pattern.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_part_where_the_controller_has_it_so() {
        let like = |text: &str, pattern: &str, star| is_like(text.as_bytes(), pattern.as_bytes(), star);
        for (text, pattern, anything, within) in [
            ("registry.example/a/b", "registry.example/*", true, false),
            ("registry.example/a", "registry.example/*", true, true),
            ("registry.example/a/b", "registry.example/**", true, true),
            ("registry.example/a/b", "**", true, true),
            ("registry.example.evil/a", "registry.example/*", false, false),
            ("registry.example/a:1", "registry.example/a:?", true, true),
            ("", "*", true, true),
            ("a", "", false, false),
        ] {
            assert_eq!(like(text, pattern, Star::Anything), anything, "{text} {pattern}");
            assert_eq!(like(text, pattern, Star::WithinPart), within, "{text} {pattern}");
        }
    }
}
