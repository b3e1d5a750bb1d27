//! Where a container's program comes from, and whether it is the one that was looked at.

use crate::control::Control::{ChangeControl, MaliciousSoftware, UnauthorisedSoftware, Vendors};
use crate::image::Image;
use crate::judging::Judging;
use crate::pod::{Container, WORKLOADS};
use crate::read::Read;
use crate::rule::{Enforcement, Level, Rule, Severity};
use crate::rules::containers;
use crate::settings::{Default, Setting};

static MUTABLE: Setting = Setting {
    name: "mutable",
    meaning: "tags that mean another image tomorrow",
    default: Default::Texts(&["latest"]),
};

/// `latest`, or no tag.
pub static NO_MUTABLE_IMAGE_TAG: Rule = Rule {
    id: "no-mutable-image-tag",
    title: "Every image has a version",
    meaning: "Fails where the image of any container has neither a digest nor a tag, or the tag `latest` without a digest.",
    why: "What `latest` means changes without a change anybody reviewed, and differs from node to node.",
    remedy: "Name the version, or better the digest.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&MUTABLE],
    evidence: &[ChangeControl, UnauthorisedSoftware, MaliciousSoftware],
    limits: &[],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app, image: registry.example/app:1.4.2}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app, image: registry.example/app:latest}]\n",
    check: |subject, judging| {
        for container in containers(subject, judging) {
            let Some(image) = image(container, judging) else {
                continue;
            };
            let message = match (image.digest, image.tag) {
                (None, None) => format!(
                    "the image of {} has no version, so it is `latest`",
                    container.words()
                ),
                (None, Some(tag)) if judging.option_texts(&MUTABLE).contains(&tag) => {
                    format!(
                        "the image of {} has the tag {tag}, which means another one tomorrow",
                        container.words()
                    )
                }
                (Some(_), _) | (None, Some(_)) => continue,
            };
            judging.fail(container.node().at("image"), message);
        }
    },
};

/// Digests.
pub static IMAGE_DIGEST_PINNED: Rule = Rule {
    id: "image-digest-pinned",
    title: "Every image is named by its digest",
    meaning: "Fails where the image of any container has no whole SHA-256 or SHA-512 digest.",
    why: "A registry lets a tag be moved; a digest is the image that was built, scanned and approved.",
    remedy: "Append the digest: `name:tag@sha256:…`.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[],
    evidence: &[ChangeControl, UnauthorisedSoftware, MaliciousSoftware],
    limits: &["whether the registry has that image is not asked"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: registry.example/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: registry.example/app:1.4.2\n",
    check: |subject, judging| {
        for container in containers(subject, judging) {
            let Some(image) = image(container, judging) else {
                continue;
            };
            if image.is_pinned() {
                continue;
            }
            let message = match image.digest {
                None => format!("the image of {} has no digest", container.words()),
                Some(_) => format!("what the image of {} has for a digest is none", container.words()),
            };
            judging.fail(container.node().at("image"), message);
        }
    },
};

static REGISTRIES: Setting = Setting {
    name: "registries",
    meaning: "registries and repositories that images may come from, such as `registry.example/team`; what lies below one is allowed too",
    default: Default::Texts(&[]),
};

/// Registries.
pub static IMAGE_REGISTRY_ALLOWED: Rule = Rule {
    id: "image-registry-allowed",
    title: "Every image comes from a registry that was agreed on",
    meaning: "Fails where the image of any container, with its registry written out as runtimes do (`nginx` is `docker.io/library/nginx`), is not one of the allowed repositories and not below one. Whole parts of the path are compared, so that `registry.example.evil` is not `registry.example`. Not applicable where the settings allow none by name.",
    why: "A registry that nobody agreed on has nobody who scans its images or answers for them.",
    remedy: "Copy the image into an allowed registry, or have the registry agreed on and added to the settings.",
    kinds: WORKLOADS,
    level: Level::Resource,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&REGISTRIES],
    evidence: &[UnauthorisedSoftware, Vendors, MaliciousSoftware],
    limits: &["nothing is judged until the settings name registries"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app, image: registry.example/team/app:1}]\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: app, image: registry.example.evil/team/app:1}]\n",
    check: |subject, judging| {
        let allowed: Vec<String> = judging
            .option_texts(&REGISTRIES)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if allowed.is_empty() {
            judging.not_applicable("the settings name no registries");
            return;
        }
        for container in containers(subject, judging) {
            let Some(image) = image(container, judging) else {
                continue;
            };
            let repository = image.full_repository();
            let is_below = |allowed: &String| {
                let rest = repository.strip_prefix(allowed.trim_end_matches('/'));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if !allowed.iter().any(is_below) {
                judging.fail(
                    container.node().at("image"),
                    format!(
                        "the image of {} comes from {repository}, which the settings do not allow",
                        container.words()
                    ),
                );
            }
        }
    },
};

/// The image of a container; told where there is none.
fn image<'c>(container: &'c Container<'_>, judging: &mut Judging<'_>) -> Option<Image<'c>> {
    match container.node().text("image") {
        Read::Known(name) if !name.is_empty() => Some(Image::of(name)),
        Read::Known(_) | Read::Absent => {
            judging.fail(
                container.node().at("image"),
                format!("{} names no image", container.words()),
            );
            None
        }
        Read::Unknown => {
            judging.unknown(container.node().at("image"));
            None
        }
    }
}
