//! Text that a person reads, and public identifiers, avoid the words of `words.txt`.
//!
//! Checked are Markdown outside of code, comments and string literals of production code, comments in YAML, TOML, Go and shell
//! scripts, the JSON schemas, public identifiers, and file names. Code spans in backticks and test code are exempt;
//! other exceptions are in `words_allowed.txt`.
//!
//! `cargo test -p phoenix-testing --test it words -- --nocapture` prints the number of findings for each file, and with
//! `PHOENIX_WORDS=docs/` in the environment each finding below that path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::lexer::{Token, tests, tokens};
use crate::support::root;

/// A word or phrase to avoid.
struct Word {
    /// Its parts, in lower case.
    parts: Vec<String>,
    suggestion: String,
}

/// A phrase that is allowed although it contains a word to avoid.
struct Allowed {
    file: String,
    parts: Vec<String>,
}

struct Finding {
    file: String,
    line: usize,
    word: String,
    suggestion: String,
    excerpt: String,
}

#[test]
fn text_and_public_identifiers_avoid_the_listed_words() {
    let words = words();
    let allowed = allowed();
    let mut used = BTreeSet::new();
    let mut findings = Vec::new();
    for file in files() {
        find_in_name(&file, &words, &allowed, &mut used, &mut findings);
        let Some(kind) = Kind::of(&file) else { continue };
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else {
            continue;
        };
        for prose in kind.prose(&text) {
            find(&file, &text, &prose, &words, &allowed, &mut used, &mut findings);
        }
    }
    let unused: Vec<_> = (0..allowed.len()).filter(|place| !used.contains(place)).collect();
    let mut counts = BTreeMap::<&str, usize>::new();
    for finding in &findings {
        *counts.entry(&finding.file).or_default() += 1;
    }
    let below = std::env::var("PHOENIX_WORDS").ok();
    for (file, count) in &counts {
        println!("{count:>5} {file}");
    }
    for finding in &findings {
        if below
            .as_ref()
            .is_some_and(|below| finding.file.starts_with(below))
        {
            let Finding {
                file,
                line,
                word,
                suggestion,
                excerpt,
            } = finding;
            println!("{file}:{line}: `{word}` ({suggestion}): {excerpt}");
        }
    }
    for place in &unused {
        println!(
            "words_allowed.txt: {} for {} excuses nothing",
            allowed[*place].parts.join(" "),
            allowed[*place].file
        );
    }
    assert!(
        findings.is_empty() && unused.is_empty(),
        "{} findings in {} files; PHOENIX_WORDS=<path> lists those below a path",
        findings.len(),
        counts.len()
    );
}

#[test]
fn the_scanner_sees_prose_and_skips_code() {
    let kept = |kind: Kind, text: &str| {
        kind.prose(text)
            .join("|")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        kept(Kind::Markdown, "# A `b` c\n```\nd\n```\n[e](f.md) <g@h>\n"),
        "# A c [e]( )"
    );
    let rust = concat!(
        "//! One `two`\n//! three\n// four\n/// five\npub fn six_seven(a: &'static str) { b(\"eight\\nnine `ten` {fourteen:?}\", 'c', '\\'', r#\"eleven\"#) }\n",
        "#[cfg(test)]\nmod tests { const T: &str = \"twelve { \"; }\n/* thirteen */ const L: &str = \"last\";\n"
    );
    let found = kept(Kind::Rust, rust);
    for word in [
        "One",
        "four",
        "thirteen",
        "three",
        "five",
        "six_seven",
        "eight",
        "nine",
        "eleven",
        "last",
    ] {
        assert!(found.contains(word), "{word}: {found}");
    }
    for word in ["two", "ten ", "twelve", "fourteen"] {
        assert!(!found.contains(word), "{word}: {found}");
    }
    assert_eq!(kept(Kind::Comments, "a: b # c `d` e\nf: \"#g\"\n"), "c e");
    assert_eq!(kept(Kind::Go, "a := b // c\nd := \"http://e\"\n"), "c");
}

#[test]
fn words_are_found_whole_across_lines_and_in_identifiers() {
    let words = words();
    let found = |file: &str, text: &str| {
        let mut findings = Vec::new();
        for prose in Kind::of(file).unwrap().prose(text) {
            find(
                file,
                text,
                &prose,
                &words,
                &[],
                &mut BTreeSet::new(),
                &mut findings,
            );
        }
        findings
            .into_iter()
            .map(|finding| (finding.line, finding.word))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found("a.md", "It\nis the way\nout. Retold.\nTold! Nobody's."),
        [
            (2, "way out".to_owned()),
            (4, "told".to_owned()),
            (4, "nobody".to_owned())
        ]
    );
    assert_eq!(
        found(
            "src/a.rs",
            "/// the way\n/// out\npub struct WhoeverAsks;\npub(crate) const JUDGE_BY: u8 = 1;\nfn told() {}\n"
        ),
        [
            (1, "way out".to_owned()),
            (3, "whoever".to_owned()),
            (4, "judge".to_owned())
        ]
    );
}

fn words() -> Vec<Word> {
    let text = include_str!("words.txt");
    entries(text)
        .map(|columns| match columns.as_slice() {
            [word, suggestion] => Word {
                parts: parts(word),
                suggestion: (*suggestion).to_owned(),
            },
            _ => panic!("words.txt: {columns:?} is not a word and a suggestion"),
        })
        .collect()
}

fn allowed() -> Vec<Allowed> {
    let text = include_str!("words_allowed.txt");
    entries(text)
        .map(|columns| match columns.as_slice() {
            [file, phrase, reason] if !reason.is_empty() => Allowed {
                file: (*file).to_owned(),
                parts: parts(phrase),
            },
            _ => panic!("words_allowed.txt: {columns:?} is not a file, a phrase and a reason"),
        })
        .collect()
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('|').map(str::trim).collect())
}

fn parts(phrase: &str) -> Vec<String> {
    phrase.to_lowercase().split(' ').map(str::to_owned).collect()
}

/// How the text of a file is read.
#[derive(Clone, Copy)]
enum Kind {
    Markdown,
    Rust,
    /// Comments that begin with `#`.
    Comments,
    /// Comments that begin with `//`.
    Go,
    /// Everything.
    Whole,
}

impl Kind {
    fn of(file: &str) -> Option<Self> {
        let path = Path::new(file);
        let name = path.file_name()?.to_str()?;
        let in_tests = file.split('/').any(|part| part == "tests" || part == "fixtures");
        // The list itself, and the guide that quotes it.
        if file.starts_with("tests/it/words") || file == "STYLE.md" {
            return None;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            // `.md.in` are parts of generated pages.
            Some("md" | "in") => Some(Self::Markdown),
            Some("rs") => (!in_tests).then_some(Self::Rust),
            Some("yaml" | "yml" | "toml") => (!in_tests).then_some(Self::Comments),
            Some("go") => Some(Self::Go),
            Some("json") => file.contains("schema").then_some(Self::Whole),
            Some("sh") => Some(Self::Whole),
            None => match name {
                "Dockerfile" | ".gitignore" => Some(Self::Comments),
                "run" | "pulumi-language-rust" => Some(Self::Whole),
                _ => None,
            },
            _ => None,
        }
    }

    /// The parts of the text to check. Each has the length and the lines of the whole; the rest is blank.
    fn prose(self, text: &str) -> Vec<String> {
        let bytes = text.as_bytes();
        match self {
            Self::Markdown => vec![markdown(text)],
            Self::Rust => rust(bytes),
            Self::Comments => vec![without_code_spans(&comments(text, "#"))],
            Self::Go => vec![without_code_spans(&comments(text, "//"))],
            Self::Whole => vec![without_code_spans(text)],
        }
    }
}

/// Blanks what a closure does not keep; line breaks stay.
fn keep(text: &[u8], mut is_kept: impl FnMut(usize) -> bool) -> String {
    let kept = text
        .iter()
        .enumerate()
        .map(|(place, &byte)| {
            if byte == b'\n' || is_kept(place) {
                byte
            } else {
                b' '
            }
        })
        .collect();
    // Whole characters are kept or not: boundaries are ASCII.
    String::from_utf8(kept).unwrap_or_default()
}

fn markdown(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let is_fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        if is_fence || fenced {
            kept.push_str(&keep(line.as_bytes(), |_| false));
        } else {
            kept.push_str(line);
        }
        fenced ^= is_fence;
    }
    let kept = without_code_spans(&kept);
    // Targets of links, and tags.
    let bytes = kept.as_bytes();
    let mut inside = 0_u8;
    let mut previous = 0;
    keep(bytes, |place| {
        let byte = bytes[place];
        match byte {
            b'(' if previous == b']' => inside = b')',
            b'<' if bytes
                .get(place + 1)
                .is_some_and(|next| next.is_ascii_alphabetic() || *next == b'/') =>
            {
                inside = b'>';
            }
            b'\n' => inside = 0,
            _ if byte == inside && inside != 0 => inside = 0,
            _ => {
                previous = byte;
                return inside == 0;
            }
        }
        previous = byte;
        byte != b'<' && byte != b'>'
    })
}

/// Blanks what is between backticks, within a paragraph.
fn without_code_spans(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut blank = vec![false; bytes.len()];
    let mut place = 0;
    while place < bytes.len() {
        let ticks = bytes[place..].iter().take_while(|byte| **byte == b'`').count();
        if ticks == 0 {
            place += 1;
            continue;
        }
        let inner = place + ticks;
        let paragraph = text[inner..].find("\n\n").map_or(text.len(), |end| inner + end);
        let closing = text[inner..paragraph].find(&"`".repeat(ticks));
        let Some(closing) = closing else {
            place = inner;
            continue;
        };
        let end = inner + closing + ticks;
        blank[place..end].fill(true);
        place = end;
    }
    keep(bytes, |place| !blank[place])
}

/// Keeps comments with this marker, outside of quotes.
fn comments(text: &str, marker: &str) -> String {
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        let mut quote = None;
        let start = line.char_indices().position(|(place, character)| match quote {
            Some(open) => {
                if character == open {
                    quote = None;
                }
                false
            }
            None if matches!(character, '"' | '`') => {
                quote = Some(character);
                false
            }
            None => line[place..].starts_with(marker) && (place == 0 || line[..place].ends_with([' ', '\t'])),
        });
        let start = start.map_or(line.len(), |count| {
            line.char_indices()
                .nth(count)
                .map_or(line.len(), |(place, _)| place)
        });
        let inside = start..line.len();
        kept.push_str(&keep(line.as_bytes(), |place| {
            inside.contains(&place) && (place >= start + marker.len())
        }));
    }
    kept
}

/// Blanks `{name}` and `{name:?}`, which are code.
fn without_interpolations(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut blank = vec![false; bytes.len()];
    for (start, _) in text.match_indices('{') {
        let inner = bytes[start + 1..].iter();
        let length = inner
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"_.:?#<>^$".contains(byte))
            .count();
        if bytes.get(start + 1 + length) == Some(&b'}') {
            blank[start..=start + 1 + length].fill(true);
        }
    }
    keep(bytes, |place| !blank[place])
}

/// Comments and strings outside of tests, and public identifiers.
fn rust(text: &[u8]) -> Vec<String> {
    let tokens = tokens(text);
    let tests = tests(text, &tokens);
    let inside_tests = |place: usize| tests.iter().any(|range| range.contains(&place));
    let mut doc = vec![false; text.len()];
    let mut strings = Vec::new();
    let mut code = vec![true; text.len()];
    for token in &tokens {
        code[token.start..token.end].fill(false);
        if inside_tests(token.start) {
            continue;
        }
        match token.kind {
            Token::Doc => doc[token.start + 3..token.end].fill(true),
            Token::String => strings.push((token.start, token.end)),
            Token::Comment => doc[token.start + 2..token.end].fill(true),
            Token::Character => {}
        }
    }
    let docs = keep(text, |place| doc[place]);
    let mut found = vec![markdown(&docs)];
    let mut literal = vec![false; text.len()];
    for (start, end) in strings {
        let content =
            without_interpolations(&without_code_spans(&String::from_utf8_lossy(&text[start..end])));
        let mut escaped = false;
        for (place, byte) in content.bytes().enumerate() {
            // The character behind a backslash belongs to the escape.
            literal[start + place] = byte != b' ' && byte != b'\\' && !escaped;
            escaped = byte == b'\\' && !escaped;
        }
    }
    found.push(keep(text, |place| literal[place]));
    found.push(keep_public(text, &code, inside_tests));
    found
}

/// Keeps the names behind `pub fn`, `pub struct` and so on.
fn keep_public(text: &[u8], code: &[bool], is_test: impl Fn(usize) -> bool) -> String {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut kept = vec![false; text.len()];
    let (mut place, mut public, mut named) = (0, false, false);
    while place < text.len() {
        if !code[place] || !is_name(&text[place]) {
            let keeps_state =
                text[place].is_ascii_whitespace() || (public && matches!(text[place], b'(' | b')'));
            if !keeps_state {
                (public, named) = (false, false);
            }
            place += 1;
            continue;
        }
        let end = place + text[place..].iter().take_while(|byte| is_name(byte)).count();
        match &text[place..end] {
            b"pub" => public = !is_test(place),
            b"fn" | b"struct" | b"enum" | b"const" | b"static" | b"trait" | b"mod" | b"type" => {
                named = public;
            }
            b"async" | b"unsafe" | b"crate" | b"super" | b"in" => {}
            _ => {
                if public && named {
                    kept[place..end].fill(true);
                }
                (public, named) = (false, false);
            }
        }
        place = end;
    }
    keep(text, |place| kept[place])
}

/// A word of a text: where it begins, and its letters in lower case. Identifiers are several words.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut previous = ' ';
    let mut open = false;
    for (place, character) in text.char_indices() {
        let is_part = character.is_alphabetic() || (character == '\'' && previous.is_alphabetic());
        if is_part {
            let is_hump = character.is_uppercase() && previous.is_lowercase();
            if !open || is_hump {
                found.push((place, String::new()));
            }
            if let Some((_, word)) = found.last_mut() {
                word.extend(character.to_lowercase());
            }
        } else if !character.is_whitespace() && !matches!(character, '_' | '-' | '/') {
            // Punctuation separates phrases.
            found.push((place, character.to_string()));
        }
        open = is_part;
        previous = character;
    }
    for (_, word) in &mut found {
        word.truncate(word.trim_end_matches("'s").trim_end_matches('\'').len());
    }
    found
}

fn find(
    file: &str,
    text: &str,
    prose: &str,
    words: &[Word],
    allowed: &[Allowed],
    used: &mut BTreeSet<usize>,
    findings: &mut Vec<Finding>,
) {
    let split = split(prose);
    let matches = |parts: &[String], at: usize| {
        split.len() >= at + parts.len()
            && parts
                .iter()
                .zip(&split[at..])
                .all(|(part, (_, word))| part == word)
    };
    let mut excused = BTreeSet::new();
    for (place, entry) in allowed.iter().enumerate() {
        if !fits(&entry.file, file) {
            continue;
        }
        for at in 0..split.len() {
            if matches(&entry.parts, at) {
                for offset in 0..entry.parts.len() {
                    let is_listed = words.iter().any(|word| matches(&word.parts, at + offset));
                    if is_listed {
                        used.insert(place);
                    }
                    excused.insert(at + offset);
                }
            }
        }
    }
    for (at, (start, ..)) in split.iter().enumerate() {
        for word in words {
            if !excused.contains(&at) && matches(&word.parts, at) {
                let line = text[..*start].matches('\n').count() + 1;
                findings.push(Finding {
                    file: file.to_owned(),
                    line,
                    word: word.parts.join(" "),
                    suggestion: word.suggestion.clone(),
                    excerpt: text
                        .lines()
                        .nth(line - 1)
                        .unwrap_or_default()
                        .trim()
                        .chars()
                        .take(160)
                        .collect(),
                });
            }
        }
    }
}

fn find_in_name(
    file: &str,
    words: &[Word],
    allowed: &[Allowed],
    used: &mut BTreeSet<usize>,
    findings: &mut Vec<Finding>,
) {
    let name = Path::new(file)
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let name = name.replace('.', "_");
    find(file, &name, &name, words, allowed, used, findings);
}

/// Whether a path fits a pattern in which `*` means any characters.
fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((before, after)) => path.strip_prefix(before).is_some_and(|rest| {
            after.is_empty()
                || (0..=rest.len()).any(|place| rest.is_char_boundary(place) && fits(after, &rest[place..]))
        }),
    }
}

/// The files of the repository.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let is_hidden = name.starts_with('.') && !matches!(name, ".ci" | ".github" | ".cargo");
            let is_made = matches!(name, "target" | "node_modules" | "snapshots" | "corpus")
                || path.extension().is_some_and(|extension| extension == "snap");
            if is_hidden || is_made {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Some(file) = path.strip_prefix(root()).ok().and_then(Path::to_str) {
                found.push(file.to_owned());
            }
        }
    }
    found.sort();
    found
}
