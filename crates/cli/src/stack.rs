//! A stack, all the way from its file to its graph: read, validate, build.

use std::fmt::{self, Write as _};

use anyhow::Result;
use phoenix::config::{Problem, Problems, StackConfig};
use phoenix::platform;
use phoenix_graph::Graph;

use crate::checkout::Checkout;
use crate::stack_file::StackFile;
use phoenix_terminal::output::count;

/// A stack whose file is good.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name, such as `dev`.
    pub name: String,
    /// What its file says.
    pub file: StackFile,
    /// What that means.
    pub config: StackConfig,
    /// What it declares.
    pub graph: Graph,
}

impl Stack {
    /// Reads, validates and builds a stack.
    pub fn load(checkout: &Checkout, name: &str) -> Result<Self> {
        let file = StackFile::read(checkout, name)?;
        match file.checked() {
            Ok(config) => Ok(Self {
                name: name.to_owned(),
                graph: platform::build(&config),
                file,
                config,
            }),
            Err(problems) => Err(Invalid::new(name, &file, problems).into()),
        }
    }

    /// Loads all of these stacks; the error lists the problems of each of them.
    pub fn load_all(checkout: &Checkout, names: &[String]) -> Result<Vec<Self>> {
        let (mut stacks, mut errors) = (Vec::new(), Vec::new());
        for name in names {
            match Self::load(checkout, name) {
                Ok(stack) => stacks.push(stack),
                Err(error) => errors.push(error),
            }
        }
        match errors.len() {
            0 => Ok(stacks),
            1 => Err(errors.remove(0)),
            _ => {
                let told: Vec<_> = errors
                    .iter()
                    .map(|error| {
                        phoenix_terminal::user_error::render(error)
                            .trim_start_matches("error: ")
                            .to_owned()
                    })
                    .collect();
                Err(anyhow::Error::msg(told.join("\n\n")))
            }
        }
    }

    /// The systems in the order of the platform, with how many objects each declares here.
    pub fn systems(&self) -> Vec<(&'static str, usize)> {
        platform::SYSTEMS
            .iter()
            .map(|system| (*system, self.graph.component(system).len()))
            .filter(|(_, objects)| *objects > 0)
            .collect()
    }
}

/// A stack file that can be parsed, but is invalid.
#[derive(Clone, Debug)]
pub struct Invalid {
    /// The stack.
    pub stack: String,
    /// The path of its file, for messages.
    pub path: String,
    /// All problems, with their lines.
    pub problems: Problems,
    text: String,
}

impl Invalid {
    pub(crate) fn new(stack: &str, file: &StackFile, problems: Problems) -> Self {
        Self {
            stack: stack.to_owned(),
            path: file.path.clone(),
            problems: problems.located(&file.origins),
            text: file.text.clone(),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = count(self.problems.iter().count(), "problem");
        write!(
            formatter,
            "the stack {} is not valid: {number} in {}",
            self.stack, self.path
        )?;
        for problem in self.problems.iter() {
            formatter.write_char('\n')?;
            formatter.write_str(&told(problem, &self.text))?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// A problem with the line it is about.
fn told(problem: &Problem, text: &str) -> String {
    let mut told = String::from("\n");
    let line = problem.origin.as_ref().map(|origin| origin.line);
    if let Some(origin) = &problem.origin {
        let _ = writeln!(told, "  {origin}");
    }
    let _ = write!(told, "  {} {}", problem.key, problem.message);
    if let Some((number, line)) =
        line.and_then(|number| Some((number, text.lines().nth(number.checked_sub(1)?)?)))
    {
        let _ = write!(told, "\n    {number} | {}", key_only(line));
    }
    if let Some(hint) = &problem.hint {
        let _ = write!(told, "\n    hint: {hint}");
    }
    told
}

/// The line without its value, which may be a secret in plain text. The message repeats only what is safe.
fn key_only(line: &str) -> String {
    let shown = match line
        .find(':')
        .and_then(|colon| Some(colon + line[colon..].find(": ")?))
    {
        Some(end) => format!("{}: …", &line[..end]),
        None if line.trim_end().ends_with(':') => line.trim_end().to_owned(),
        None => "…".to_owned(),
    };
    if shown.chars().count() > 120 {
        shown.chars().take(120).chain(['…']).collect()
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_clear_is_not_quoted_in_the_error_about_it() {
        let text = "config:\n  phoenix:openaiApiKey: sk-very-secret\n";
        let file = StackFile::parse("stacks/Pulumi.dev.yaml", text.to_owned()).unwrap();
        let invalid = Invalid::new("dev", &file, file.checked().unwrap_err()).to_string();
        assert!(invalid.contains("2 |   phoenix:openaiApiKey: …"), "{invalid}");
        assert!(!invalid.contains("sk-very-secret"), "{invalid}");
    }

    #[test]
    fn a_value_under_a_mistyped_key_of_a_secret_is_not_quoted_either() {
        let file = StackFile::parse(
            "x",
            "config:\n  phoenix:openaiApiKye: sk-very-secret\n".to_owned(),
        )
        .unwrap();
        let invalid = Invalid::new("dev", &file, file.checked().unwrap_err()).to_string();
        assert!(
            invalid.contains("did you mean phoenix:openaiApiKey?"),
            "{invalid}"
        );
        assert!(!invalid.contains("sk-very-secret"), "{invalid}");
    }

    #[test]
    fn a_problem_shows_its_place_line_and_hint() {
        let text = "config:\n  phoenix:qdrant:\n    replica: 1\n";
        let file = StackFile::parse("stacks/Pulumi.dev.yaml", text.to_owned()).unwrap();
        let invalid = Invalid::new("dev", &file, file.checked().unwrap_err()).to_string();
        assert!(
            invalid.contains(
                "  stacks/Pulumi.dev.yaml:3\n  phoenix:qdrant.replica is not a key of the configuration\n    \
                 3 |     replica: …\n    hint: did you mean phoenix:qdrant.replicas?"
            ),
            "{invalid}"
        );
    }
}
