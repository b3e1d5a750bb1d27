//! A stack, from its file to its graph: read, validate, build.

use std::fmt::{self, Write as _};

use anyhow::Result;
use phoenix::config::{Problem, Problems, StackConfig};
use phoenix::platform;
use phoenix_graph::Graph;

use crate::checkout::Checkout;
use crate::clusters::{Clusters, SharedCluster};
use crate::profile::Profile;
use crate::settings::{problems_of, today};
use crate::stack_file::StackFile;
use phoenix_terminal::output::{count, message};
use phoenix_terminal::user_error;

/// A valid stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name, for example `dev`.
    pub name: String,
    /// Its stack file.
    pub file: StackFile,
    /// The validated configuration.
    pub config: StackConfig,
    /// The declared objects.
    pub graph: Graph,
    /// The profile of its environment, with which the policies evaluate it.
    pub profile: Profile,
    /// Other stacks that have the same cluster.
    pub shared_cluster: Vec<SharedCluster>,
}

impl Stack {
    /// Reads, validates and builds a stack.
    pub fn load(checkout: &Checkout, name: &str) -> Result<Self> {
        Self::load_among(checkout, name, &Clusters::of(checkout))
    }

    /// The same; several stacks of a checkout share the clusters.
    pub fn load_among(checkout: &Checkout, name: &str, clusters: &Clusters<'_>) -> Result<Self> {
        let file = StackFile::read(checkout, name)?;
        for warning in &file.warnings {
            message(warning);
        }
        let of_policies = problems_of(&file, today());
        match file.checked() {
            Ok(config) if of_policies.is_empty() => Ok(Self {
                name: name.to_owned(),
                graph: platform::build(&config),
                profile: Profile::read(checkout, config.environment)?,
                shared_cluster: clusters.shared(name, &file)?,
                file,
                config,
            }),
            checked => {
                let mut problems = checked.err().unwrap_or_default();
                problems.append(of_policies);
                Err(Invalid::new(name, &file, problems).into())
            }
        }
    }

    /// Loads all of these stacks. The error lists the problems of each.
    pub fn load_all(checkout: &Checkout, names: &[String]) -> Result<Vec<Self>> {
        let (mut stacks, mut errors) = (Vec::new(), Vec::new());
        let clusters = Clusters::of(checkout);
        for name in names {
            match Self::load_among(checkout, name, &clusters) {
                Ok(stack) => stacks.push(stack),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            return Ok(stacks);
        }
        Err(Several::or_one(errors))
    }

    /// The systems in the order of the platform, with the number of objects of each.
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
            problems: problems
                .located(&file.origins)
                .map_messages(|problem| as_written(problem, file)),
            text: file.text.clone(),
        }
    }

    /// The stack, the number of problems, and the file.
    pub fn summary(&self) -> String {
        let number = count(self.problems.iter().count(), "problem");
        format!("invalid stack {}: {number} in {}", self.stack, self.path)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.summary())?;
        for problem in self.problems.iter() {
            formatter.write_char('\n')?;
            formatter.write_str(&render(problem, &self.text))?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// Several independent errors, such as those of several stacks.
#[derive(Debug)]
pub struct Several(pub Vec<anyhow::Error>);

impl Several {
    /// One error as it is, or several together.
    pub fn or_one(mut errors: Vec<anyhow::Error>) -> anyhow::Error {
        if errors.len() == 1 {
            errors.remove(0)
        } else {
            Self(errors).into()
        }
    }
}

impl fmt::Display for Several {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<_> = self
            .0
            .iter()
            .map(|error| user_error::render(error).trim_start_matches("error: ").to_owned())
            .collect();
        formatter.write_str(&messages.join("\n\n"))
    }
}

impl std::error::Error for Several {}

/// The message of a problem with a number, with the number as the file contains it: a number such as
/// 99999999999999999999 would otherwise appear as a rounded one.
fn as_written(problem: &Problem, file: &StackFile) -> Option<String> {
    let written = file.number_as_written(&problem.key, problem.origin.as_ref()?.line)?;
    let read = file.value(&problem.key)?.as_number()?.to_string();
    let rest = problem.message.strip_prefix(&format!("is {read}, "))?;
    Some(format!("is {written}, {rest}"))
}

/// A problem with its line in the file.
fn render(problem: &Problem, text: &str) -> String {
    let mut message = String::from("\n");
    let line = problem.origin.as_ref().map(|origin| origin.line);
    if let Some(origin) = &problem.origin {
        let _ = writeln!(message, "  {origin}");
    }
    let _ = write!(message, "  {} {}", problem.key, problem.message);
    if let Some((number, line)) =
        line.and_then(|number| Some((number, text.lines().nth(number.checked_sub(1)?)?)))
    {
        let _ = write!(message, "\n    {number} | {}", key_only(line));
    }
    if let Some(hint) = &problem.hint {
        let _ = write!(message, "\n    hint: {hint}");
    }
    message
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
    fn a_secret_in_plain_text_is_not_quoted_in_its_error() {
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
    fn a_number_is_shown_as_written() {
        let shown = |written: &str| {
            let text = format!("config:\n  phoenix:qdrant:\n    {written}\n");
            let file = StackFile::parse("x", text).unwrap();
            Invalid::new("dev", &file, file.checked().unwrap_err()).to_string()
        };
        for (written, number) in [
            ("replicas: 99999999999999999999999", "99999999999999999999999"),
            ("replicas: 1.50 # half", "1.50"),
            ("replicas: -1", "-1"),
            ("replicas: 1e30", "1e30"),
        ] {
            let expected = format!("phoenix:qdrant.replicas is {number}, but must be ");
            assert!(shown(written).contains(&expected), "{}", shown(written));
        }
        let inline = shown("resources: {requests: {cpu: 99999999999999999999999, memory: 1}}");
        assert!(
            inline.contains("requests.cpu is 99999999999999999999999, but must be a string"),
            "{inline}"
        );
        let item = shown("nodes:\n    - 99999999999999999999999");
        assert!(!item.contains("e+22"), "{item}");
    }

    #[test]
    fn a_negative_number_does_not_hide_other_problems() {
        let text = "config:\n  phoenix:openmemory:\n    replicas: -1\n    resources:\n      limits: {memory: 1Gib}\n";
        let file = StackFile::parse("x", text.to_owned()).unwrap();
        let invalid = Invalid::new("dev", &file, file.checked().unwrap_err()).to_string();
        for problem in [
            "phoenix:openmemory.replicas is -1, but must be",
            "phoenix:openmemory.resources.limits.memory is \"1Gib\", which is not a quantity",
        ] {
            assert!(invalid.contains(problem), "{invalid}");
        }
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
