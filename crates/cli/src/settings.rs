//! Reads policy settings: of stack files, of profiles and of files that the caller names.
//!
//! An edge: it reads the clock, because waivers and assumptions are valid until a day.

use anyhow::{Result, anyhow};
use phoenix::config::{NAMESPACE, Problems};
use phoenix_manifests::yaml::{self, Document};
use phoenix_policies::reader::Problem;
use phoenix_policies::{Authority, Date, Settings, Source};
use phoenix_terminal::output::count;
use phoenix_terminal::user_error::user_error;
use serde_json::Value;

use crate::stack_file::StackFile;

/// The settings that a stack file itself contains.
pub(crate) fn own_settings(file: &StackFile, today: Date) -> Result<Settings, Vec<Problem>> {
    let value = file.keys.get(&format!("{NAMESPACE}:policies"));
    let source = Source::new(&file.path, Authority::Stack);
    Settings::read_from(value.unwrap_or(&Value::Null), &source, today)
}

/// The problems of `phoenix:policies` in a stack file.
pub fn problems_of(file: &StackFile, today: Date) -> Problems {
    let mut problems = Problems::default();
    for problem in own_settings(file, today).err().unwrap_or_default() {
        // A value that is no mapping at all is a problem of the stack file.
        let key = match problem.key.as_str() {
            "policies" => continue,
            key => format!("{NAMESPACE}:policies.{key}"),
        };
        match problem.hint {
            Some(hint) => problems.add_with_hint(key, problem.message, hint),
            None => problems.add(key, problem.message),
        }
    }
    problems
}

/// The only document of a file with settings; `None` if it has none.
pub fn single_document(text: &str) -> Result<Option<Document>> {
    let mut documents = yaml::read(text)?;
    if documents.len() > 1 {
        return Err(user_error(
            "the file contains several documents",
            "remove the `---` lines",
        ));
    }
    Ok(documents.pop())
}

/// Reads the policy settings of a file.
pub fn read_settings(document: &Document, source: &Source, today: Date) -> Result<Settings> {
    Settings::read_from(&document.value, source, today)
        .map_err(|problems| invalid(&problems, &source.name, |key| line_of(document, key)))
}

/// The line of a key; for a missing key, that of the nearest enclosing key.
fn line_of(document: &Document, key: &str) -> Option<usize> {
    let mut path = key;
    loop {
        if let Some(line) = document.lines.get(path) {
            return Some(*line);
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

/// The error of invalid settings. `source` names them.
pub(crate) fn invalid(
    problems: &[Problem],
    source: &str,
    line: impl Fn(&str) -> Option<usize>,
) -> anyhow::Error {
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| {
            let place = line(&problem.key).map_or(String::new(), |line| format!("{source}:{line}: "));
            format!("  {place}{}", problem.to_string().replace('\n', "\n    "))
        })
        .collect();
    anyhow!(
        "invalid policy settings: {} in {source}\n{}",
        count(problems.len(), "problem"),
        lines.join("\n")
    )
}

/// The current day in UTC, on which waivers are valid or not.
pub fn today() -> Date {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    phoenix_policies::waiver::day_of(seconds)
}
