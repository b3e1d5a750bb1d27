//! Path normalization in a sidecar before authorization, and pattern matching.
//!
//! Istio's default normalisation is `BASE`: what RFC 3986 calls the same is made the same, backslashes become slashes
//! and dots are resolved; encoded slashes stay encoded and doubled slashes doubled.
//! <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ProxyPathNormalization>

/// The path as rules see it: normalised, without its query.
pub fn normalised(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let decoded = decode_unreserved(path).replace('\\', "/");
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = decoded.split('/').skip(1).collect();
    for (place, segment) in segments.iter().enumerate() {
        let last = place + 1 == segments.len();
        match *segment {
            "." => {
                if last {
                    kept.push("");
                }
            }
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Decodes what needs no encoding (letters, digits, `-._~`), and nothing else.
fn decode_unreserved(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while place < bytes.len() {
        let decoded = bytes.get(place + 1..place + 3).and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match decoded {
            Some(byte)
                if bytes[place] == b'%' && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) =>
            {
                text.push(byte);
                place += 3;
            }
            _ => {
                text.push(bytes[place]);
                place += 1;
            }
        }
    }
    String::from_utf8(text).expect("only whole characters were replaced")
}

/// Whether a pattern of a policy matches a text: exactly, by beginning (`a*`), by end (`*a`), or by being there (`*`).
pub fn matches(pattern: &str, text: &str) -> bool {
    if pattern == "*" {
        !text.is_empty()
    } else if let Some(end) = pattern.strip_prefix('*') {
        text.ends_with(end)
    } else if let Some(beginning) = pattern.strip_suffix('*') {
        text.starts_with(beginning)
    } else {
        pattern == text
    }
}

/// As [`matches`], for paths, which also know templates: `{*}` is one segment, `{**}` any number of them.
pub fn path_matches(pattern: &str, path: &str) -> bool {
    if pattern.contains('{') {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        return template(&pattern, &path);
    }
    matches(pattern, path)
}

fn template(pattern: &[&str], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((&"{**}", rest)) => (0..=path.len()).any(|taken| template(rest, &path[taken..])),
        Some((&"{*}", rest)) => !path.is_empty() && !path[0].is_empty() && template(rest, &path[1..]),
        Some((literal, rest)) => path.first() == Some(literal) && template(rest, &path[1..]),
    }
}

#[test]
fn paths_are_normalised_as_istio_does_by_default() {
    for (written, seen) in [
        ("/memory/x", "/memory/x"),
        ("/memory/x?user=a", "/memory/x"),
        ("/memory/../health", "/health"),
        ("/memory/%2e%2E/health", "/health"),
        ("/memory\\x", "/memory/x"),
        ("/memory/.", "/memory/"),
        ("/memory/x/..", "/memory/"),
        ("/../../x", "/x"),
        ("/%6demory/x", "/memory/x"),
        ("//memory//x", "//memory//x"),
        ("/memory%2Fx", "/memory%2Fx"),
        ("/memory%5cx", "/memory%5cx"),
        ("/memory/", "/memory/"),
        ("/", "/"),
    ] {
        assert_eq!(normalised(written), seen, "{written}");
    }
}

#[test]
fn patterns_match_by_star_at_either_end() {
    for (pattern, text, expected) in [
        ("/memory/*", "/memory/", true),
        ("/memory/*", "/memory/x/y", true),
        ("/memory/*", "/memory", false),
        ("/memory/*", "/memoryX", false),
        ("*/health", "/x/health", true),
        ("*", "/anything", true),
        ("*", "", false),
        ("/health", "/health", true),
        ("/health", "/health/", false),
        ("/health", "/Health", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn templates_match_by_segments() {
    for (pattern, path, expected) in [
        ("/a/{*}/c", "/a/b/c", true),
        ("/a/{*}/c", "/a/b/b/c", false),
        ("/a/{*}", "/a/", false),
        ("/a/{**}", "/a/b/c", true),
        ("/a/{**}", "/b", false),
    ] {
        assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
    }
}
