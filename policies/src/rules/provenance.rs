//! Whether the cluster asks who built an image before it runs it.

use phoenix_graph::Object;
use serde_json::Value;

use crate::control::Control::{ChangeControl, MaliciousSoftware, UnauthorisedSoftware};
use crate::image::Image;
use crate::judging::{Judging, Subject, namespace};
use crate::pod::WORKLOADS;
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::containers;
use crate::selector::Answer;
use crate::settings::{Default, Setting};
use crate::world::World;

const SIGSTORE: Kind = Kind::new(&["policy.sigstore.dev"], "ClusterImagePolicy");
const KYVERNO: Kind = Kind::new(&["kyverno.io"], "ClusterPolicy");
const KYVERNO_NAMESPACED: Kind = Kind::new(&["kyverno.io"], "Policy");
const KYVERNO_IMAGES: Kind = Kind::new(&["policies.kyverno.io"], "ImageValidatingPolicy");

/// The kinds of policies that ask for signatures; rules of other things stand in some of them, too.
pub(super) const IMAGE_POLICIES: [Kind; 4] = [SIGSTORE, KYVERNO, KYVERNO_NAMESPACED, KYVERNO_IMAGES];

static DEMANDED: Setting = Setting {
    name: "demanded",
    meaning: "whether a workload fails where no policy that verifies images was given at all; by default it is then not judged, since such policies are often the cluster's",
    default: Default::Flag(false),
};

/// Signatures of images.
pub static IMAGE_PROVENANCE_ENFORCED: Rule = Rule {
    id: "image-provenance-enforced",
    title: "The cluster refuses an image that nobody vouches for",
    meaning: "Judges workloads where a policy that verifies images was given: a ClusterImagePolicy of Sigstore's policy-controller, a ClusterPolicy or Policy of Kyverno with `verifyImages`, or an ImageValidatingPolicy of Kyverno. Each container's image has to match a pattern of one that holds in the workload's namespace and refuses (`mode` is not `warn`, an authority does not just pass; `failureAction` or `validationFailureAction` is Enforce, `required` is not false; `validationActions` has Deny). What a policy leaves to conditions, selectors or exceptions cannot be said. Where no such policy was given nothing is judged, unless the settings demand one.",
    why: "A registry says where an image lies; only a signature says who built it, and of what.",
    remedy: "Add the image to a policy that verifies it, and let the policy refuse and not just warn.",
    kinds: WORKLOADS,
    level: Level::Stack,
    severity: Severity::Medium,
    enforcement: Enforcement::Advisory,
    options: &[&DEMANDED],
    evidence: &[ChangeControl, UnauthorisedSoftware, MaliciousSoftware],
    limits: &[
        "whose signatures a policy asks for, and whether its controller runs, is not looked at",
        "policies of Kubewarden, Gatekeeper and Connaisseur are not known",
        "Sigstore's policy-controller is taken to guard the namespaces that ask for it by the label `policy.sigstore.dev/include`, as it does by default",
    ],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app, image: \"registry.example/team/app:1\"}]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {policy.sigstore.dev/include: \"true\"}}\n---\napiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: a}\nspec: {mode: enforce, images: [{glob: \"registry.example/team/*\"}], authorities: [{keyless: {url: \"https://fulcio.example\"}}]}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec: {containers: [{name: app, image: \"registry.example/other/app:1\"}]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {policy.sigstore.dev/include: \"true\"}}\n---\napiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: a}\nspec: {mode: enforce, images: [{glob: \"registry.example/team/*\"}], authorities: [{keyless: {url: \"https://fulcio.example\"}}]}\n",
    check: vouched_for,
};

fn vouched_for(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let world = judging.world;
    let policies: Vec<&Object> = IMAGE_POLICIES
        .iter()
        .flat_map(|kind| world.all(*kind))
        .filter(|policy| !policy.id.group.eq("kyverno.io") || verifies(policy))
        .collect();
    if policies.is_empty() && !judging.option_flag(&DEMANDED) {
        judging.not_applicable("no policy that verifies images was given");
        return;
    }
    for container in containers(subject, judging) {
        let place = container.node().at("image");
        let Some(name) = judging.text(container.node(), "image") else {
            continue;
        };
        let names = all_names(name);
        let refused = Answer::any(
            policies
                .iter()
                .map(|policy| holds(policy, &names, subject.namespace(), world)),
        );
        match refused {
            Answer::Yes => {}
            Answer::No if world.is_complete() => judging.fail(
                place,
                format!("nothing asks who vouches for the image of {}", container.words()),
            ),
            Answer::No | Answer::Unknown => {
                judging.unknown(format!("{place}: whether a policy asks who vouches for it"));
            }
        }
    }
}

/// Whether a policy of Kyverno has a rule about images.
fn verifies(policy: &Object) -> bool {
    let policy = Node::new(policy.body(), "");
    match policy.list("spec.rules") {
        Read::Known(rules) => rules
            .iter()
            .any(|rule| !Node::new(rule, "").field("verifyImages").is_absent()),
        Read::Absent => false,
        Read::Unknown => true,
    }
}

/// The names that patterns are written for: with and without tag and digest, and with the registry written out.
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

/// Whether a policy refuses an image that it cannot verify, in this namespace.
fn holds(policy: &Object, names: &[String], space: &str, world: &World<'_>) -> Answer {
    let body = Node::new(policy.body(), "");
    match policy.id.kind.as_str() {
        "ClusterImagePolicy" => sigstore(body, names, space, world),
        "ImageValidatingPolicy" => image_validating(body, names),
        "Policy" if namespace(policy) != space => Answer::No,
        _ => kyverno(body, names, space),
    }
}

fn sigstore(body: Node<'_>, names: &[String], space: &str, world: &World<'_>) -> Answer {
    let is_asked = match world.of_cluster(Kind::core("Namespace"), space) {
        Some(space) => {
            match Node::new(space.body(), "").entry("metadata.labels", "policy.sigstore.dev/include") {
                Read::Known(label) => Answer::from_bool(label == "true"),
                Read::Absent => Answer::No,
                Read::Unknown => Answer::Unknown,
            }
        }
        None => Answer::Unknown,
    };
    let refuses = not(equals(body.text("spec.mode"), "warn"));
    // Without authorities the controller takes some of its own.
    let asks = match body.list("spec.authorities") {
        Read::Absent => Answer::Unknown,
        authorities => each(authorities, |authority| {
            not(equals(authority.text("static.action"), "pass"))
        }),
    };
    // What matches by more than the name is for the controller to say.
    let is_plain = Answer::from_bool(body.field("spec.match").is_absent());
    let covers = each(body.list("spec.images"), |image| {
        pattern(image.text("glob"), names, Star::WithinPart)
    });
    is_asked
        .and(refuses)
        .and(asks)
        .and(covers)
        .and(or_unknown(is_plain))
}

fn image_validating(body: Node<'_>, names: &[String]) -> Answer {
    let denies = match body.list("spec.validationActions") {
        Read::Known(actions) => Answer::any(
            actions
                .iter()
                .map(|action| equals(crate::read::text(action), "Deny")),
        ),
        Read::Absent | Read::Unknown => Answer::Unknown,
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
                Read::Absent => by_policy,
                own => equals_any_case(own, "enforce"),
            };
            let required = match images.flag("required") {
                Read::Known(required) => Answer::from_bool(required),
                Read::Absent => Answer::Yes,
                Read::Unknown => Answer::Unknown,
            };
            let texts = |field: &str| match images.list(field) {
                Read::Known(patterns) => Answer::any(
                    patterns
                        .iter()
                        .map(|text| pattern(crate::read::text(text), names, Star::Anything)),
                ),
                Read::Absent => Answer::No,
                Read::Unknown => Answer::Unknown,
            };
            let covers = Answer::any([
                texts("imageReferences"),
                pattern(images.text("image"), names, Star::Anything),
            ]);
            refuses
                .and(required)
                .and(covers)
                .and(not(texts("skipImageReferences")))
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

/// Whether a rule of Kyverno looks at the pods of a namespace.
fn matched(rule: Node<'_>, space: &str) -> Answer {
    let one = |filter: Node<'_>| {
        let Read::Known(resources) = filter.map("resources") else {
            return Answer::Unknown;
        };
        let resources_node = Node::new(filter.field("resources").known().unwrap_or(&Value::Null), "");
        let is_plain = resources
            .keys()
            .all(|key| ["kinds", "namespaces", "operations"].contains(&key.as_str()));
        let kinds = each(resources_node.list("kinds"), |kind| {
            match crate::read::text(kind.value) {
                Read::Known(kind) => Answer::from_bool(kind == "*" || kind.rsplit('/').next() == Some("Pod")),
                _ => Answer::Unknown,
            }
        });
        let spaces = match resources_node.list("namespaces") {
            Read::Absent => Answer::Yes,
            spaces => each(spaces, |name| {
                pattern(crate::read::text(name.value), &[space.to_owned()], Star::Anything)
            }),
        };
        kinds.and(spaces).and(or_unknown(Answer::from_bool(is_plain)))
    };
    match (
        rule.list("match.any"),
        rule.list("match.all"),
        rule.field("match.resources"),
    ) {
        (any @ Read::Known(_), Read::Absent, Read::Absent) => each(any, one),
        (Read::Absent, Read::Known([only]), Read::Absent) => one(Node::new(only, "")),
        (Read::Absent, Read::Absent, Read::Known(_)) => {
            one(Node::new(rule.field("match").known().unwrap_or(&Value::Null), ""))
        }
        _ => Answer::Unknown,
    }
}

/// Whether any item of a list is so.
fn each(list: Read<&[Value]>, is: impl Fn(Node<'_>) -> Answer) -> Answer {
    match list {
        Read::Known(items) => Answer::any(items.iter().map(|item| is(Node::new(item, "")))),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}

fn not(answer: Answer) -> Answer {
    match answer {
        Answer::Yes => Answer::No,
        Answer::No => Answer::Yes,
        Answer::Unknown => Answer::Unknown,
    }
}

/// What is not plainly so is left open.
fn or_unknown(answer: Answer) -> Answer {
    if answer == Answer::Yes {
        answer
    } else {
        Answer::Unknown
    }
}

fn equals(text: Read<&str>, wanted: &str) -> Answer {
    match text {
        Read::Known(text) => Answer::from_bool(text == wanted),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}

fn equals_any_case(text: Read<&str>, wanted: &str) -> Answer {
    match text {
        Read::Known(text) => Answer::from_bool(text.eq_ignore_ascii_case(wanted)),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}

/// What a star in a pattern stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Star {
    /// Any text.
    Anything,
    /// Any text without a slash; two of them, any text.
    WithinPart,
}

fn pattern(pattern: Read<&str>, names: &[String], star: Star) -> Answer {
    match pattern {
        Read::Known(pattern) => Answer::from_bool(
            names
                .iter()
                .any(|name| is_like(name.as_bytes(), pattern.as_bytes(), star)),
        ),
        Read::Absent => Answer::No,
        Read::Unknown => Answer::Unknown,
    }
}

/// Whether a text is as a pattern with stars and question marks. Takes as many steps as both are long together, times each other.
fn is_like(text: &[u8], pattern: &[u8], star: Star) -> bool {
    // Which of the pattern's beginnings the text so far is like.
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
