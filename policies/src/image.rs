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

    /// Whether the digest is a complete SHA-256 or SHA-512 digest in the notation of registries, which is lower case.
    pub fn is_pinned(&self) -> bool {
        let hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_complete = self.digest.is_some_and(|digest| match digest.split_once(':') {
            Some(("sha256", rest)) => hex(rest, 64),
            Some(("sha512", rest)) => hex(rest, 128),
            _ => false,
        });
        is_complete && !self.repository.is_empty()
    }

    /// The repository as runtimes read it: `nginx` and `index.docker.io/nginx` are `docker.io/library/nginx`. The name of a
    /// registry is a host name and therefore in lower case.
    pub fn full_repository(&self) -> String {
        let is_registry = |first: &str| {
            first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|byte| byte.is_ascii_uppercase())
        };
        let (registry, path) = match self.repository.split_once('/') {
            Some((first, path)) if is_registry(first) => (first.to_ascii_lowercase(), path),
            _ => (DOCKER_HUB.to_owned(), self.repository),
        };
        match registry.as_str() {
            DOCKER_HUB | "index.docker.io" if path.contains('/') => format!("{DOCKER_HUB}/{path}"),
            DOCKER_HUB | "index.docker.io" => format!("{DOCKER_HUB}/library/{path}"),
            registry => format!("{registry}/{path}"),
        }
    }

    /// Whether the repository is one of these registries or repositories, or below one of them.
    pub fn is_below(&self, allowed: &str) -> bool {
        let allowed = allowed.trim_end_matches('/');
        let (registry, path) = match allowed.split_once('/') {
            Some((registry, path)) => (registry, Some(path)),
            None => (allowed, None),
        };
        let registry = match registry {
            "index.docker.io" => DOCKER_HUB.to_owned(),
            other => other.to_ascii_lowercase(),
        };
        let repository = self.full_repository();
        let is_in = |allowed: &str| {
            let rest = repository.strip_prefix(allowed);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match path {
            None => is_in(&registry),
            // `docker.io/nginx` is the official image, and `docker.io/team` everything of a team.
            Some(path) if registry == DOCKER_HUB && !path.contains('/') => {
                is_in(&format!("{registry}/{path}")) || is_in(&format!("{registry}/library/{path}"))
            }
            Some(path) => is_in(&format!("{registry}/{path}")),
        }
    }
}

const DOCKER_HUB: &str = "docker.io";

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
            ("docker.io/nginx", "docker.io/library/nginx"),
            ("index.docker.io/nginx", "docker.io/library/nginx"),
            ("index.docker.io/team/app", "docker.io/team/app"),
            ("docker.io/library/nginx:1", "docker.io/library/nginx"),
            ("GHCR.io/team/app", "ghcr.io/team/app"),
            ("Registry/app", "registry/app"),
            ("localhost:5000/app:1", "localhost:5000/app"),
        ] {
            assert_eq!(Image::of(name).full_repository(), full);
        }
    }

    #[test]
    fn a_digest_is_complete_and_in_lower_case() {
        let digest = |algorithm: &str, digit: &str, length| format!("a@{algorithm}:{}", digit.repeat(length));
        for (name, is_pinned) in [
            (digest("sha256", "a", 64), true),
            (digest("sha512", "0", 128), true),
            (digest("sha256", "A", 64), false),
            (digest("SHA256", "a", 64), false),
            (digest("sha256", "a", 63), false),
            (digest("sha256", "g", 64), false),
            (digest("sha512", "a", 64), false),
            (digest("md5", "a", 64), false),
            (digest("sha256", "a", 64).replace("a@", "@"), false),
        ] {
            assert_eq!(Image::of(&name).is_pinned(), is_pinned, "{name}");
        }
    }

    #[test]
    fn allowed_registries_and_repositories_are_compared_by_their_full_names() {
        for (name, allowed, is_below) in [
            ("nginx", "docker.io/library", true),
            ("docker.io/nginx", "docker.io/library", true),
            ("index.docker.io/nginx", "docker.io", true),
            ("nginx", "index.docker.io/library/", true),
            ("nginx", "docker.io/nginx", true),
            ("nginx-evil", "docker.io/nginx", false),
            ("team/app", "docker.io/library", false),
            ("team/app", "docker.io/team", true),
            ("docker.io.evil.example/nginx", "docker.io", false),
            ("registry.example:5000/app", "registry.example", false),
            ("REGISTRY.example/app", "registry.example", true),
        ] {
            assert_eq!(Image::of(name).is_below(allowed), is_below, "{name} {allowed}");
        }
    }
}
