//! Tags, digests and registries of images.

use crate::context::CheckContext;
use crate::control::Control::{ChangeControl, MaliciousSoftware, UnauthorizedSoftware, Vendors};
use crate::enforcement::Enforcement;
use crate::field::Field;
use crate::image::Image;
use crate::kind::WORKLOADS;
use crate::pod::Container;
use crate::rule::{Check, Rule, Severity};
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

static MUTABLE: Setting = Setting {
    name: "mutable",
    meaning: "tags that are moved to other images",
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
        for container in context.containers(subject) {
            let Some(image) = image(container, context) else {
                continue;
            };
            let message = match (image.digest, image.tag) {
                (None, None) => format!(
                    "the image of {} has no tag, which means `latest`",
                    container.words()
                ),
                (None, Some(tag)) if context.option_texts(&MUTABLE).contains(&tag) => {
                    format!("the image of {} has the mutable tag {tag}", container.words())
                }
                (Some(_), _) | (None, Some(_)) => continue,
            };
            context.fail(container.node().at("image"), message);
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
        for container in context.containers(subject) {
            let Some(image) = image(container, context) else {
                continue;
            };
            if image.is_pinned() {
                continue;
            }
            let message = match image.digest {
                None => format!("the image of {} has no digest", container.words()),
                Some(_) => format!("the digest of the image of {} is invalid", container.words()),
            };
            context.fail(container.node().at("image"), message);
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
        for container in context.containers(subject) {
            let Some(image) = image(container, context) else {
                continue;
            };
            let repository = image.full_repository();
            let is_below = |allowed: &&str| {
                let rest = repository.strip_prefix(allowed.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !allowed.iter().any(is_below) {
                context.fail(
                    container.node().at("image"),
                    format!(
                        "the image of {} comes from {repository}, which is not in the allowed registries",
                        container.words()
                    ),
                );
            }
        }
    }),
    ..Rule::DEFAULTS
};

/// The image of a container; a missing one is reported.
fn image<'c>(container: &'c Container<'_>, context: &mut CheckContext<'_>) -> Option<Image<'c>> {
    match container.node().text("image") {
        Field::Known(name) if !name.is_empty() => Some(Image::of(name)),
        Field::Known(_) | Field::Absent => {
            context.fail(
                container.node().at("image"),
                format!("{} sets no image", container.words()),
            );
            None
        }
        Field::Unknown => {
            context.unknown(container.node().at("image"));
            None
        }
    }
}
