//! The documentation is complete, and what it refers to exists: pages, headings, files, commands and setting keys.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use clap::Parser as _;
use phoenix::platform::SYSTEMS;
use phoenix_cli::Cli;
use serde_json::Value;

use crate::architecture::TABLE;
use crate::support::root;

/// Folders without documentation of this repository.
const SKIPPED: [&str; 3] = ["target", "node_modules", "snapshots"];
/// First folders of paths that pages mention.
const FOLDERS: [&str; 12] = [
    ".ci", "benches", "bin", "crates", "docs", "policies", "sandbox", "services", "src", "stacks", "tests",
    ".github",
];

/// Error messages of Pulumi, its Kubernetes provider, the API server and the operating system.
const OF_OTHER_PROGRAMS: [&str; 9] = [
    "apply conflict",
    "unreachable cluster",
    "the server has asked for the client to provide credentials",
    "no space left on device",
    "does not satisfy the version range",
    "no folder at path …/bin",
    "must be executable binaries",
    "permission denied",
    "pulumi-language-rust",
];

#[test]
fn every_page_is_reachable_from_the_index() {
    let mut reached = BTreeSet::new();
    let mut open = vec![PathBuf::from("docs/README.md")];
    while let Some(page) = open.pop() {
        if !reached.insert(page.clone()) || page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        open.extend(links(&page).into_iter().map(|(path, _)| path));
    }
    let missing: Vec<_> = files("docs")
        .into_iter()
        .filter(|file| !reached.contains(file))
        .collect();
    assert!(
        missing.is_empty(),
        "no page that can be reached from docs/README.md links to {missing:?}"
    );
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for page in pages() {
        for (path, heading) in links(&page) {
            let target = root().join(&path);
            let found = match heading {
                Some(heading) if target.is_file() => headings(&path).contains(&heading),
                _ => target.exists(),
            };
            if !found {
                broken.push(format!("{} → {}", page.display(), path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "broken links: {broken:#?}");
}

#[test]
fn every_file_that_a_page_mentions_exists() {
    let mut missing = Vec::new();
    for page in pages() {
        for span in spans(&page) {
            let path = span.split(':').next().unwrap_or_default().trim_end_matches('/');
            let first = path.split('/').next().unwrap_or_default();
            let is_path = path.contains('/')
                && FOLDERS.contains(&first)
                && !path.contains(['<', '*', ' ', '…', '{', '$', 'N']);
            let in_folder = root().join(page.parent().unwrap_or(Path::new(""))).join(path);
            if is_path && !root().join(path).exists() && !in_folder.exists() {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "files that do not exist: {missing:#?}");
}

#[test]
fn every_command_that_a_page_shows_is_valid() {
    let mut invalid = Vec::new();
    let mut count = 0;
    for page in pages() {
        for command in commands(&page) {
            let words = words(&command);
            if words.len() < 2 {
                continue;
            }
            count += 1;
            if let Err(error) = Cli::try_parse_from(words)
                && error.use_stderr()
            {
                invalid.push(format!("{}: {command}: {error}", page.display()));
            }
        }
    }
    assert!(count > 50, "the pages show only {count} commands");
    assert!(invalid.is_empty(), "commands that are not valid: {invalid:#?}");
}

#[test]
fn every_setting_key_that_a_page_names_is_in_the_schema() {
    let text = std::fs::read_to_string(root().join("stacks/schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut unknown = Vec::new();
    let mut count = 0;
    for page in pages() {
        for span in spans(&page) {
            let Some(key) = key(&span) else { continue };
            count += 1;
            let mut parts = key.split('.');
            let top = format!("phoenix:{}", parts.next().unwrap_or_default());
            let path: Vec<&str> = std::iter::once("config")
                .chain([top.as_str()])
                .chain(parts)
                .collect();
            if !has(&schema, &schema, &path) {
                unknown.push(format!("{}: phoenix:{key}", page.display()));
            }
        }
    }
    assert!(count > 100, "the pages name only {count} keys");
    assert!(unknown.is_empty(), "keys that do not exist: {unknown:#?}");
}

#[test]
fn the_readme_lists_every_system_and_every_exit_code() {
    let readme = read(Path::new("README.md"));
    let listed: BTreeSet<_> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| system |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let systems: BTreeSet<_> = SYSTEMS.into_iter().collect();
    assert_eq!(listed, systems);

    // The page of the command is generated from the code.
    let reference = read(Path::new("docs/cli.md"));
    let codes: Vec<_> = reference
        .lines()
        .skip_while(|line| !line.starts_with("| code |"))
        .skip(2)
        .map_while(|line| line.strip_prefix("| ")?.split(' ').next())
        .collect();
    assert!(codes.len() >= 5, "docs/cli.md lists {codes:?}");
    let sentence = readme
        .split("Exit codes: ")
        .nth(1)
        .and_then(|rest| rest.split('.').next());
    let listed: Vec<_> = sentence
        .unwrap_or_default()
        .split('·')
        .filter_map(|code| code.split_whitespace().next())
        .collect();
    assert_eq!(listed, codes);
}

#[test]
fn every_error_message_that_the_deployment_page_explains_exists() {
    let sources: String = ["src", "crates", "bin"]
        .into_iter()
        .flat_map(files)
        .filter(|file| {
            let name = file.file_name().unwrap_or_default();
            file.extension().is_some_and(|extension| extension == "rs") || name == "pulumi-language-rust"
        })
        .map(|file| one_line_literals(&read(&file)))
        .collect();
    let page = read(Path::new("docs/how-to/deploy-a-stack.md"));
    let rows = page.split("## Error messages").nth(1).unwrap_or_default();
    let messages: Vec<_> = rows
        .lines()
        .filter_map(|row| row.strip_prefix("| `")?.split(" | ").next())
        .flat_map(|cell| cell.split('`').step_by(2))
        .filter(|message| !message.trim().is_empty())
        .collect();
    assert!(messages.len() > 10, "{messages:?}");
    for message in messages {
        assert!(
            OF_OTHER_PROGRAMS.contains(&message) || sources.contains(message),
            "no program reports {message:?}"
        );
    }
}

#[test]
fn the_architecture_page_has_the_table_of_packages() {
    let page = read(Path::new("ARCHITECTURE.md"));
    for (package, own, never) in TABLE {
        let row = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("| `{package}` (")))
            .unwrap_or_else(|| panic!("ARCHITECTURE.md has no row for {package}"));
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let list = |cell: usize| -> BTreeSet<&str> {
            cells[cell].split(", ").filter(|name| *name != "—").collect()
        };
        assert_eq!(
            list(2),
            own.iter().copied().collect(),
            "dependencies of {package}"
        );
        assert_eq!(
            list(3),
            never.iter().copied().collect(),
            "what {package} never links"
        );
    }
}

#[test]
fn every_check_of_doctor_that_a_page_names_exists() {
    let sources: String = ["crates/cluster/src/doctor", "crates/cli/src/doctor"]
        .into_iter()
        .flat_map(files)
        .map(|file| read(&file))
        .collect();
    let mut named = BTreeSet::new();
    for page in pages() {
        let prose = prose(&page).split_whitespace().collect::<Vec<_>>().join(" ");
        let spans = prose.split(" check `").skip(1);
        named.extend(spans.filter_map(|rest| Some(rest.split_once('`')?.0.to_owned())));
    }
    assert!(named.len() > 3, "the pages name only {named:?}");
    for check in named {
        assert!(
            sources.contains(&format!("\"{check}\"")),
            "doctor has no check {check:?}"
        );
    }
}

/// All Markdown files of the repository, relative to its root.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = files("")
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
        // Parts of generated pages, whose links are relative to these pages.
        .filter(|file| !file.starts_with("crates/cli/src/docs"))
        .collect();
    pages.sort();
    assert!(pages.len() > 60, "only {} pages were found", pages.len());
    pages
}

/// All files below a folder, relative to the root.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = Path::new(folder).join(&name);
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
            found.extend(files(path.to_str().unwrap()));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

fn read(page: &Path) -> String {
    std::fs::read_to_string(root().join(page)).unwrap()
}

/// The source of a program in which string literals do not continue on another line.
fn one_line_literals(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines() {
        let line = if text.ends_with('\\') {
            text.pop();
            line.trim_start()
        } else {
            text.push('\n');
            line
        };
        text.push_str(line);
    }
    text
}

/// The text of a page without its code blocks.
fn prose(page: &Path) -> String {
    let mut in_code = false;
    let mut text = String::new();
    for line in read(page).lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The relative links of a page: path from the root, and heading.
fn links(page: &Path) -> Vec<(PathBuf, Option<String>)> {
    let text = prose(page);
    let folder = page.parent().unwrap_or(Path::new(""));
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(address, _)| address)
        .filter(|address| !address.contains("://") && !address.starts_with("mailto:"))
        .map(|address| {
            let (path, heading) = match address.split_once('#') {
                Some((path, heading)) => (path, Some(heading.to_owned())),
                None => (address, None),
            };
            let path = if path.is_empty() {
                page.to_owned()
            } else {
                normal(&folder.join(path))
            };
            (path, heading)
        })
        .collect()
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// The headings of a page, as the anchors that GitHub makes of them.
fn headings(page: &Path) -> BTreeSet<String> {
    prose(page)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'))
                .map(|character| if character == ' ' { '-' } else { character })
                .collect()
        })
        .collect()
}

/// The code spans of a page.
fn spans(page: &Path) -> Vec<String> {
    prose(page)
        .split("\n\n")
        .flat_map(|paragraph| {
            paragraph
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The commands of a page that begin with `cargo phoenix`, from code spans and code blocks.
fn commands(page: &Path) -> Vec<String> {
    let text = read(page);
    let blocks = text
        .lines()
        .map(|line| line.trim().trim_start_matches("$ ").to_owned());
    let all = spans(page).into_iter().chain(blocks);
    all.filter_map(|line| {
        let command = line.strip_prefix("cargo phoenix ")?;
        let command = command.split(['|', '>', '#']).next()?.trim();
        let is_pattern = command.contains(['[', '…']) || command.contains(" or ");
        (!is_pattern && !command.is_empty()).then(|| command.replace("<stack", "dev").replace("<key", "KEY"))
    })
    .collect()
}

/// A command as arguments; only single quotes are understood.
fn words(command: &str) -> Vec<String> {
    let mut words = vec!["phoenix".to_owned()];
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// The setting key that a code span names, without its namespace.
fn key(span: &str) -> Option<&str> {
    let key = span.strip_prefix("phoenix:")?;
    let end = key
        .find(|character: char| !character.is_ascii_alphanumeric() && character != '.')
        .unwrap_or(key.len());
    let (key, rest) = key.split_at(end);
    // `phoenix:index:System` is a type of Pulumi's, KEY a placeholder, and `….` a pattern.
    let is_key = key.starts_with(|first: char| first.is_ascii_lowercase())
        && !key.ends_with('.')
        && !rest.starts_with([':', '…', '/']);
    is_key.then_some(key)
}

/// Whether a schema describes a path of properties.
fn has(document: &Value, schema: &Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| document.pointer(pointer));
        return target.is_some_and(|target| has(document, target, path));
    }
    let property = schema["properties"].get(*first);
    let others = schema
        .get("additionalProperties")
        .filter(|others| others.is_object());
    property
        .or(others)
        .is_some_and(|inner| has(document, inner, rest))
        || ["anyOf", "oneOf", "allOf"]
            .iter()
            .filter_map(|kind| schema[kind].as_array())
            .flatten()
            .any(|branch| has(document, branch, path))
}
