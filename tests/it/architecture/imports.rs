//! Imports between the modules of a package, and the cycles among them.
//!
//! A module is a file. Paths that begin with `crate`, `self` or `super` are resolved to the module that defines their item,
//! through re-exports. Tests are not counted. Neither are paths between a module and the modules around or inside it: a parent
//! that assembles its children and a child that uses its parent's types are one unit.

use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::code;

/// A path in the source, split at `::`.
type Segments = Vec<String>;

struct Module {
    /// Paths that are used here, each with the name under which it is used, and whether it is re-exported.
    paths: Vec<(Segments, String, bool)>,
}

/// Groups of modules that import each other, directly or through others. Each is sorted.
pub fn cycles(sources: &[(String, String)]) -> Vec<Vec<String>> {
    let modules: BTreeMap<Segments, Module> = sources
        .iter()
        .map(|(file, text)| {
            (
                module(file),
                Module {
                    paths: paths(&code(text)),
                },
            )
        })
        .collect();
    let edges: BTreeMap<&Segments, BTreeSet<Segments>> = modules
        .iter()
        .map(|(name, module)| {
            let targets = module
                .paths
                .iter()
                .filter_map(|(path, ..)| resolve(&modules, name, path, 0));
            let is_apart = |target: &Segments| !target.starts_with(name) && !name.starts_with(target);
            (name, targets.filter(is_apart).collect())
        })
        .collect();
    let reached: BTreeMap<&Segments, BTreeSet<&Segments>> = edges
        .keys()
        .map(|start| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&Segments> = edges[*start].iter().collect();
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(edges.get(next).into_iter().flatten());
                }
            }
            (*start, seen)
        })
        .collect();
    let mut groups = BTreeSet::new();
    for (start, seen) in &reached {
        if seen.contains(*start) {
            let group = seen
                .iter()
                .filter(|other| reached.get(**other).is_some_and(|back| back.contains(*start)));
            groups.insert(group.map(|name| name.join("::")).collect::<Vec<_>>());
        }
    }
    groups.into_iter().collect()
}

/// `config/stack.rs` is `config::stack`; `lib.rs` and `main.rs` are the root, which is empty.
fn module(file: &str) -> Segments {
    let name = file.trim_end_matches(".rs");
    let name = name.strip_suffix("/mod").unwrap_or(name);
    match name {
        "lib" | "main" => Vec::new(),
        name => name.split('/').map(str::to_owned).collect(),
    }
}

/// The module that defines what a path names; `None` for a path that leads to another package.
fn resolve(
    modules: &BTreeMap<Segments, Module>,
    from: &Segments,
    path: &[String],
    depth: usize,
) -> Option<Segments> {
    let mut current = from.clone();
    let mut rest = path;
    let mut anchored = false;
    while let Some((first, more)) = rest.split_first() {
        match first.as_str() {
            "crate" if !anchored => current = Vec::new(),
            "self" => {}
            "super" => {
                current.pop();
            }
            _ => break,
        }
        anchored = true;
        rest = more;
    }
    if !anchored {
        // `use child::Item`, beside a `mod child`.
        let child = [current.clone(), vec![rest.first()?.clone()]].concat();
        if !modules.contains_key(&child) {
            return None;
        }
    }
    while let Some((first, more)) = rest.split_first() {
        let child = [current.clone(), vec![first.clone()]].concat();
        if modules.contains_key(&child) {
            current = child;
            rest = more;
            continue;
        }
        let module = modules.get(&current)?;
        let exported = module
            .paths
            .iter()
            .find(|(_, name, is_public)| *is_public && name == first);
        return match exported {
            Some((target, ..)) if depth < 8 => {
                let target = [target.clone(), more.to_vec()].concat();
                resolve(modules, &current, &target, depth + 1).or(Some(current))
            }
            _ => Some(current),
        };
    }
    Some(current)
}

/// All paths of a source without comments and strings.
fn paths(code: &str) -> Vec<(Segments, String, bool)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut place = 0;
    while place < tokens.len() {
        let token = tokens[place].as_str();
        if token == "use" {
            let is_public = place > 0 && matches!(tokens[place - 1].as_str(), "pub" | ")");
            let end = tokens[place..]
                .iter()
                .position(|token| token == ";")
                .map_or(tokens.len(), |end| place + end);
            tree(&tokens[place + 1..end], &[], is_public, &mut found);
            place = end;
        } else if matches!(token, "crate" | "self" | "super")
            && tokens.get(place + 1).is_some_and(|next| next == "::")
        {
            let mut path = vec![token.to_owned()];
            let mut end = place + 1;
            while tokens.get(end).is_some_and(|next| next == "::")
                && tokens.get(end + 1).is_some_and(|next| is_name(next))
            {
                path.push(tokens[end + 1].clone());
                end += 2;
            }
            found.push((path, String::new(), false));
            place = end;
        } else {
            place += 1;
        }
    }
    found
}

/// The paths of a `use`, written out.
fn tree(tokens: &[String], before: &[String], is_public: bool, found: &mut Vec<(Segments, String, bool)>) {
    let mut path = before.to_vec();
    let mut place = 0;
    while place < tokens.len() {
        match tokens[place].as_str() {
            "{" => {
                let mut depth = 0;
                let mut start = place + 1;
                for (end, token) in tokens.iter().enumerate().skip(place) {
                    match token.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    if (token == "," && depth == 1) || depth == 0 {
                        tree(&tokens[start..end], &path, is_public, found);
                        start = end + 1;
                    }
                    if depth == 0 {
                        return;
                    }
                }
                return;
            }
            "::" => {}
            "as" => {
                let name = tokens.get(place + 1).cloned().unwrap_or_default();
                found.push((path, name, is_public));
                return;
            }
            name if is_name(name) => path.push(name.to_owned()),
            _ => {}
        }
        place += 1;
    }
    if path.len() > before.len() {
        let is_self = path.last().is_some_and(|last| last == "self") && path.len() > 1;
        if is_self {
            path.pop();
        }
        let name = path.last().cloned().unwrap_or_default();
        found.push((path, name, is_public));
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|character: char| character.is_alphabetic() || character == '_')
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut characters = code.chars().peekable();
    while let Some(character) = characters.next() {
        if character.is_alphanumeric() || character == '_' {
            let mut name = character.to_string();
            while let Some(next) = characters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                name.push(next);
            }
            tokens.push(name);
        } else if character == ':' && characters.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !character.is_whitespace() {
            tokens.push(character.to_string());
        }
    }
    tokens
}

#[test]
fn a_cycle_is_found_through_re_exports_and_not_between_a_parent_and_its_children() {
    let source = |file: &str, text: &str| (file.to_owned(), text.to_owned());
    let sources = [
        source("lib.rs", "pub mod a; mod b; mod c; pub use b::Item;"),
        source(
            "a.rs",
            "mod child; use crate::Item; // use crate::c;\nuse crate::c::{self, X as Y};",
        ),
        source("a/child.rs", "use super::Thing;"),
        source(
            "b.rs",
            "fn f() { crate::a::g(\"crate::c\") } #[cfg(test)] mod tests { use crate::c; }",
        ),
        source("c.rs", "use std::a; use crate::Other;"),
    ];
    assert_eq!(cycles(&sources), [["a", "b"]]);
}
