//! The parts of an image name.

/// An image name, parsed as by container runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Registry and repository, without defaults.
    pub repository: &'a str,
    /// The part after the colon.
    pub tag: Option<&'a str>,
    /// The part after the `@`.
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Parses a name. A colon in the registry is that of a port.
    pub fn of(name: &'a str) -> Self {
        let (rest, digest) = match name.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest).filter(|digest| !digest.is_empty())),
            None => (name, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match rest[last..].find(':') {
            Some(colon) => (
                &rest[..last + colon],
                Some(&rest[last + colon + 1..]).filter(|tag| !tag.is_empty()),
            ),
            None => (rest, None),
        };
        Self {
            repository,
            tag,
            digest,
        }
    }

    /// Whether the digest is a complete SHA-256 or SHA-512 digest.
    pub fn is_pinned(&self) -> bool {
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        self.digest.is_some_and(|digest| match digest.split_once(':') {
            Some(("sha256", rest)) => hex(rest, 64),
            Some(("sha512", rest)) => hex(rest, 128),
            _ => false,
        })
    }

    /// The repository with the default registry of runtimes: `nginx` is `docker.io/library/nginx`.
    pub fn full_repository(&self) -> String {
        let (first, rest) = match self.repository.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (self.repository, None),
        };
        match rest {
            Some(_) if first.contains(['.', ':']) || first == "localhost" => self.repository.to_owned(),
            Some(_) => format!("docker.io/{}", self.repository),
            None => format!("docker.io/library/{}", self.repository),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_the_registry_is_no_tag() {
        let image = Image::of("localhost:5000/a/b");
        assert_eq!(
            (image.repository, image.tag, image.digest),
            ("localhost:5000/a/b", None, None)
        );
        let image = Image::of("localhost:5000/a/b:v1@sha256:00");
        assert_eq!(
            (image.repository, image.tag, image.digest),
            ("localhost:5000/a/b", Some("v1"), Some("sha256:00"))
        );
        assert!(!image.is_pinned(), "half a digest pins nothing");
        let image = Image::of("a/b:@");
        assert_eq!((image.repository, image.tag, image.digest), ("a/b", None, None));
    }

    #[test]
    fn short_names_are_completed_as_runtimes_do() {
        for (name, full) in [
            ("nginx", "docker.io/library/nginx"),
            ("team/app:1", "docker.io/team/app"),
            ("ghcr.io/team/app", "ghcr.io/team/app"),
            ("localhost/app", "localhost/app"),
        ] {
            assert_eq!(Image::of(name).full_repository(), full);
        }
    }
}
