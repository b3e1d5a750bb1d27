//! Tags, digests and registries of images.

use crate::context::{CheckContext, Subject};
use crate::control::Control::{ChangeControl, MaliciousSoftware, UnauthorizedSoftware, Vendors};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::image::Image;
use crate::kind::WORKLOADS;
use crate::rule::{Check, Rule, Severity};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

static MUTABLE: Setting = Setting {
    name: "mutable",
    meaning: "mutable tags, which can be moved to another image",
    default: DefaultValue::Texts(&["latest"]),
};

/// `latest`, or no tag.
pub static NO_MUTABLE_IMAGE_TAG: Rule = Rule {
    id: "no-mutable-image-tag",
    text: rule_text!("no-mutable-image-tag"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&MUTABLE],
    evidence: &[ChangeControl, UnauthorizedSoftware, MaliciousSoftware],
    check: Check::Resource(|subject, context| {
        for Used { image, place, by } in images(subject, context) {
            let message = match (image.digest, image.tag) {
                (None, None) => format!("the image of {by} has no tag, which means `latest`"),
                (None, Some(tag)) if context.option_texts(&MUTABLE).contains(&tag) => {
                    format!("the image of {by} has the mutable tag {tag}")
                }
                (Some(_), _) | (None, Some(_)) => continue,
            };
            context.fail(place, message);
        }
    }),
    ..Rule::DEFAULTS
};

/// Digests.
pub static IMAGE_DIGEST_PINNED: Rule = Rule {
    id: "image-digest-pinned",
    text: rule_text!("image-digest-pinned"),
    kinds: WORKLOADS,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    evidence: &[ChangeControl, UnauthorizedSoftware, MaliciousSoftware],
    check: Check::Resource(|subject, context| {
        for Used { image, place, by } in images(subject, context) {
            if image.is_pinned() {
                continue;
            }
            let message = match image.digest {
                None => format!("the image of {by} has no digest"),
                Some(_) => format!("the digest of the image of {by} is invalid"),
            };
            context.fail(place, message);
        }
    }),
    ..Rule::DEFAULTS
};

static REGISTRIES: Setting = Setting {
    name: "registries",
    meaning: "allowed registries and repositories, such as `registry.example/team`, including everything below them",
    default: DefaultValue::Texts(&[]),
};

/// Registries.
pub static IMAGE_REGISTRY_ALLOWED: Rule = Rule {
    id: "image-registry-allowed",
    text: rule_text!("image-registry-allowed"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&REGISTRIES],
    evidence: &[UnauthorizedSoftware, Vendors, MaliciousSoftware],
    check: Check::Resource(|subject, context| {
        let allowed = context.option_texts(&REGISTRIES);
        if allowed.is_empty() {
            context.not_applicable("the settings list no registries");
            return;
        }
        for Used { image, place, by } in images(subject, context) {
            if !allowed.iter().any(|allowed| image.is_below(allowed)) {
                let repository = image.full_repository();
                context.fail(
                    place,
                    format!(
                        "the image of {by} comes from {repository}, which is not in the allowed registries"
                    ),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// An image that a pod uses.
pub(super) struct Used<'a> {
    pub image: Image<'a>,
    /// The path of its name.
    pub place: String,
    /// What uses it, such as `container api`.
    pub by: String,
}

/// The images of the containers and of the image volumes of a pod; a container without one is reported.
fn images<'s>(subject: &Subject<'s>, context: &mut CheckContext<'_>) -> Vec<Used<'s>> {
    let mut images = Vec::new();
    for container in context.containers(subject) {
        let (place, by) = (container.node().at("image"), container.words());
        match container.image() {
            Field::Known(name) if !name.is_empty() => images.push(Used {
                image: Image::of(name),
                place,
                by,
            }),
            Field::Known(_) | Field::Absent => context.fail(place, format!("{by} sets no image")),
            Field::Unknown => context.unknown(place),
        }
    }
    images.extend(volume_images(subject, context));
    images
}

/// The images that are mounted as volumes.
pub(super) fn volume_images<'s>(subject: &Subject<'s>, context: &mut CheckContext<'_>) -> Vec<Used<'s>> {
    let Some(pod) = subject.pod else { return Vec::new() };
    let volumes = context.items(pod.spec(), "volumes").into_iter();
    let volumes = volumes.filter(|volume| !volume.node().field("image").is_absent());
    volumes
        .filter_map(|volume| {
            let place = volume.node().at("image.reference");
            let name = volume.node().text("name").known().unwrap_or("?");
            match Node::new(volume.value, "").text("image.reference") {
                Field::Known(image) => Some(Used {
                    image: Image::of(image),
                    place,
                    by: format!("volume {name}"),
                }),
                Field::Absent | Field::Unknown => {
                    context.unknown(place);
                    None
                }
            }
        })
        .collect()
}
