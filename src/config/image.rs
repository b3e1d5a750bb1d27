//! A reference to a container image that always resolves to the same image.

use std::fmt;

/// `repository[:tag][@sha256:digest]`, with a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    reference: String,
    pinned: bool,
}

impl Image {
    /// Checks an image reference. The error is the rest of a sentence that begins with its key.
    pub fn parse(reference: &str) -> Result<Self, &'static str> {
        let (named, digest) = match reference.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (reference, None),
        };
        if let Some(digest) = digest {
            let hex = digest
                .strip_prefix("sha256:")
                .ok_or("has a digest that does not begin with sha256:")?;
            if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return Err("has a digest that is not sha256: and 64 lower-case hexadecimal digits");
            }
        }
        // A colon before the last slash belongs to the port of a registry.
        let name_start = named.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match named[name_start..].find(':') {
            Some(colon) => (
                &named[..name_start + colon],
                Some(&named[name_start + colon + 1..]),
            ),
            None => (named, None),
        };
        if repository.is_empty()
            || !repository
                .split('/')
                .enumerate()
                .all(|(position, part)| is_repository_part(part, position == 0))
        {
            return Err("is not an image reference such as registry.example.com/team/name:tag");
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err("has an invalid tag");
        }
        match (tag, digest) {
            (Some("latest"), None) => Err("uses the mutable tag latest; use a version or a digest"),
            (None, None) => {
                Err("has neither a tag nor a digest, which means latest; use a version or a digest")
            }
            _ => Ok(Self {
                reference: reference.to_owned(),
                pinned: digest.is_some(),
            }),
        }
    }

    /// A reference for an image whose digest is not known yet; no registry has it.
    pub fn placeholder(name: &str) -> Self {
        Self {
            reference: format!("placeholder.invalid/{name}@sha256:{}", "0".repeat(64)),
            pinned: true,
        }
    }

    /// The repository without its registry's namespace, and the tag, if there is one: `qdrant` and `v1.19.0`.
    pub fn name_and_tag(&self) -> (&str, Option<&str>) {
        let named = self.reference.split('@').next().unwrap_or_default();
        let last = named.rsplit('/').next().unwrap_or_default();
        match last.split_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (last, None),
        }
    }

    /// Whether it has a digest and so can never change.
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }
}

impl fmt::Display for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reference)
    }
}

fn is_repository_part(part: &str, is_first: bool) -> bool {
    !part.is_empty()
        && part.len() <= 128
        && part.starts_with(|character: char| character.is_ascii_alphanumeric())
        && part.ends_with(|character: char| character.is_ascii_alphanumeric())
        && part.bytes().all(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || b"._-".contains(&byte)
                || (is_first && byte == b':')
        })
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= 128
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_pins_and_a_tag_does_not() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        assert!(
            Image::parse(&format!("qdrant/qdrant:v1.19.0@{digest}"))
                .unwrap()
                .is_pinned()
        );
        assert!(
            Image::parse(&format!("localhost:5000/qdrant@{digest}"))
                .unwrap()
                .is_pinned()
        );
        assert!(!Image::parse("qdrant/qdrant:v1.19.0").unwrap().is_pinned());
    }

    #[test]
    fn the_name_and_the_tag_are_those_of_the_last_part() {
        let digest = format!("sha256:{}", "a1".repeat(32));
        for (reference, expected) in [
            (
                "neo4j:5.26.21-community".to_owned(),
                ("neo4j", Some("5.26.21-community")),
            ),
            (format!("localhost:5000/a/qdrant@{digest}"), ("qdrant", None)),
            (
                format!("localhost:5000/qdrant:v1@{digest}"),
                ("qdrant", Some("v1")),
            ),
        ] {
            assert_eq!(Image::parse(&reference).unwrap().name_and_tag(), expected);
        }
    }

    #[test]
    fn what_can_change_overnight_is_refused() {
        for reference in ["qdrant/qdrant", "qdrant/qdrant:latest", "localhost:5000/qdrant"] {
            assert!(Image::parse(reference).is_err(), "{reference}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for reference in [
            "",
            ":",
            "@",
            "a b:c",
            "Qdrant:v1",
            "a//b:c",
            "a:b:c",
            "a@sha256:12",
            "a:v1@md5:1",
            "-a:b",
            "é:1",
        ] {
            assert!(Image::parse(reference).is_err(), "{reference}");
        }
    }
}
