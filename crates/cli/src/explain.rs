//! Explains a configuration key, an object of a stack, a policy rule or a control.
//!
//! The texts are derived, not written for single keys or objects: the meaning of a key comes from its schema, its effects and
//! rejected values are determined by [`probe`] (which builds the graph with other values), and references of an object are read
//! from the graph. No cluster is contacted. [`crate::commands::explain`] prints.

pub mod key;
pub mod object;
pub mod probe;
pub mod schema;

use std::collections::BTreeMap;

use phoenix_policies::control::OUTSIDE;
use phoenix_policies::{Control, RULES, Rule};

use crate::checkout::Checkout;
use crate::consent::is_kind;
use crate::stack::Stack;
use crate::stack_file::StackFile;
use phoenix_terminal::user_error::user_error;

/// A stack file, and its graph if the file is valid.
#[derive(Debug)]
pub struct LoadedStack {
    /// The stack's name.
    pub name: String,
    /// The content of its file.
    pub file: StackFile,
    /// The built stack; `None` if the file has errors.
    pub stack: Option<Stack>,
}

/// The stacks that explanations refer to.
#[derive(Debug)]
pub struct Subjects {
    /// The project name, the second part of every URN.
    pub project: String,
    /// The stacks, by name.
    pub stacks: Vec<LoadedStack>,
}

/// The subject of an explanation.
#[derive(Debug)]
pub enum Explanation {
    /// A key of the configuration.
    Key(Box<key::Key>),
    /// An object that a stack declares.
    Object(Box<object::Explained>),
    /// A rule of the policies.
    Rule(&'static Rule),
    /// A control that rules give evidence for.
    Control(Control),
    /// Controls that manifests give no evidence for.
    OutOfScope(OutOfScope),
}

/// Controls that manifests give no evidence for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfScope {
    /// Their ids, as a list.
    pub ids: &'static str,
    /// Their subject.
    pub topic: &'static str,
    /// Why manifests contain no evidence for them.
    pub reason: &'static str,
}

impl Subjects {
    /// Loads all stacks of the checkout. A stack file with errors does not affect the others.
    pub fn of(checkout: &Checkout) -> anyhow::Result<Self> {
        let mut stacks = Vec::new();
        for name in checkout.stacks()? {
            let file = StackFile::read(checkout, &name)?;
            stacks.push(LoadedStack {
                stack: Stack::load(checkout, &name).ok(),
                name,
                file,
            });
        }
        Ok(Self {
            project: checkout.project().to_owned(),
            stacks,
        })
    }

    /// Explains every subject that the words name, in their order. Several words can name one subject, such as `Service
    /// sophia-memory/qdrant-service` or `SOC 2 CC6.1`. Returns an error with suggestions if a word names nothing or several
    /// things.
    pub fn explain(&self, words: &[String]) -> anyhow::Result<Vec<Explanation>> {
        let mut explanations = Vec::new();
        let mut rest = words;
        while !rest.is_empty() {
            let together = (2..=rest.len().min(LONGEST_SUBJECT))
                .rev()
                .find_map(|number| Some((number, self.subject(&rest[..number].join(" ")).ok()?)));
            let (number, explanation) = match together {
                Some(found) => found,
                // If neither the first word nor all words name something, the error is about all of them: `Service qdrnt`.
                None => match self.subject(&rest[0]) {
                    Ok(explanation) => (1, explanation),
                    Err(error) if rest.len() == 1 || !self.is_prefix(&rest[0]) => return Err(error),
                    Err(_) => (2, self.subject(&rest[..2].join(" "))?),
                },
            };
            explanations.push(explanation);
            rest = &rest[number..];
        }
        Ok(explanations)
    }

    /// Whether a word is a kind or a framework, which names something together with the next word.
    fn is_prefix(&self, word: &str) -> bool {
        let lower = word.to_lowercase();
        ["soc", "soc2", "hipaa"].contains(&&*lower) || object::all(self).iter().any(|id| is_kind(id, &lower))
    }

    fn subject(&self, asked: &str) -> anyhow::Result<Explanation> {
        let asked = asked.trim();
        if let Some(policy) = policy(asked) {
            return Ok(policy);
        }
        let looks_like_object = asked.contains(['/', ' ']);
        if !looks_like_object && let Some(key) = key::explain(asked, self) {
            return Ok(Explanation::Key(Box::new(key)));
        }
        let objects = object::named(asked, self);
        match objects.as_slice() {
            [id] => Ok(Explanation::Object(Box::new(object::explain(id, self)))),
            [] => Err(self.nothing_named(asked, looks_like_object)),
            several => {
                let names: Vec<_> = several.iter().map(object::typed).collect();
                Err(user_error(
                    format!(
                        "{asked:?} matches {} objects: {}",
                        several.len(),
                        names.join(", ")
                    ),
                    format!("name one of them, for example: phoenix explain {}", names[0]),
                ))
            }
        }
    }

    fn nothing_named(&self, asked: &str, looks_like_object: bool) -> anyhow::Error {
        let shown: String = asked.chars().take(100).collect();
        let keys = schema::all();
        let objects = object::all(self);
        let own = asked
            .strip_prefix(&format!("{}:", phoenix::config::NAMESPACE))
            .unwrap_or(asked);
        let candidates: BTreeMap<String, String> = if looks_like_object {
            objects
                .iter()
                .map(|id| (object::typed(id).to_lowercase(), object::typed(id)))
                .collect()
        } else {
            let names = objects.iter().map(|id| (id.name.clone(), object::typed(id)));
            names
                .chain(RULES.iter().map(|rule| (rule.id.to_owned(), rule.id.to_owned())))
                .chain(keys.into_iter().map(|key| (key.to_lowercase(), key)))
                .collect()
        };
        let own = own.replace(' ', "/").to_lowercase();
        let nearest = phoenix_suggest::nearest_path(&own, candidates.keys().map(String::as_str));
        let hint = match nearest {
            Some(word) => format!("did you mean {}?", candidates[word]),
            None => "write keys as in a stack file, for example qdrant.replicas, and objects as Kind/namespace/name, for example \
                     StatefulSet/sophia-memory/qdrant"
                .to_owned(),
        };
        user_error(
            format!("{shown:?} is not a configuration key, an object of a stack, a policy rule or a control"),
            hint,
        )
    }
}

/// The largest number of words that name one subject: `SOC 2 CC6.1`, `HIPAA § 164.312(b)`.
const LONGEST_SUBJECT: usize = 4;

/// The rule or control of this name. A control may be prefixed with its framework.
fn policy(asked: &str) -> Option<Explanation> {
    let id = ["SOC 2 ", "SOC2 ", "HIPAA "]
        .iter()
        .find_map(|framework| {
            let prefix = asked.get(..framework.len())?;
            prefix
                .eq_ignore_ascii_case(framework)
                .then(|| asked[framework.len()..].trim())
        })
        .unwrap_or(asked);
    let id = id.trim_start_matches("45 CFR ").trim_start_matches("§").trim();
    let rule = phoenix_policies::rules::find(id).map(Explanation::Rule);
    rule.or_else(|| Control::named(id).map(Explanation::Control))
        .or_else(|| out_of_scope(id).map(Explanation::OutOfScope))
}

/// The entry of the out-of-scope controls that contains an id, such as `CC1.2`, `P4.1`, `PI1.3` or `164.308(a)(2)`.
fn out_of_scope(id: &str) -> Option<OutOfScope> {
    let found = OUTSIDE
        .iter()
        .find(|(ids, _, _)| expanded(ids).iter().any(|known| is_part_of(id, known)));
    found.map(|&(ids, topic, reason)| OutOfScope { ids, topic, reason })
}

/// Whether an id is that of a control or of a part of it: `CC1.2` of `CC1`, `164.314(a)` of `164.314`.
fn is_part_of(id: &str, control: &str) -> bool {
    let Some(prefix) = id.get(..control.len()) else {
        return false;
    };
    let rest = &id[control.len()..];
    let is_series = !control.ends_with(|last: char| last.is_ascii_digit());
    prefix.eq_ignore_ascii_case(control)
        && (rest.is_empty()
            || rest.starts_with(['.', '('])
            || (is_series && control.len() == 1 && rest.starts_with(|first: char| first.is_ascii_digit())))
}

/// The ids in a list such as `CC7.3, CC7.4`, `PI1.1 to PI1.4` or `164.310(b), (c), (d)(2)(ii) and (iii)`.
fn expanded(ids: &str) -> Vec<String> {
    if let Some((first, last)) = ids.split_once(" to ") {
        let number = |id: &str| {
            id.rsplit_once('.')
                .and_then(|(_, number)| number.parse::<u32>().ok())
        };
        let (Some((series, _)), Some(from), Some(to)) = (first.rsplit_once('.'), number(first), number(last))
        else {
            return Vec::new();
        };
        return (from..=to).map(|number| format!("{series}.{number}")).collect();
    }
    let mut expanded: Vec<String> = Vec::new();
    for part in ids.split(", ").flat_map(|part| part.split(" and ")) {
        let id = match expanded.last() {
            // A continuation replaces as many paragraphs as it has, from the right: `(d)(2)(ii) and (iii)`; after a comma,
            // it begins with the first paragraph.
            Some(previous) if part.starts_with('(') => {
                let section = previous.split('(').next().unwrap_or_default();
                let is_last = part.matches('(').count() == 1
                    && part.starts_with("(i")
                    && previous.matches('(').count() > 1;
                let start = if is_last {
                    previous.rfind('(').unwrap_or(section.len())
                } else {
                    section.len()
                };
                format!("{}{part}", &previous[..start])
            }
            _ => part.to_owned(),
        };
        expanded.push(id);
    }
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_out_of_scope_control_is_found_by_its_id() {
        for id in [
            "CC1",
            "CC1.1",
            "CC2.3",
            "cc3.4",
            "CC5.1",
            "CC9.1",
            "CC4.1",
            "CC7.3",
            "CC7.4",
            "PI1.1",
            "PI1.4",
            "P",
            "P1",
            "P4.1",
            "164.308(a)(1)(ii)(C)",
            "164.308(a)(2)",
            "164.308(a)(3)(ii)(A)",
            "164.308(a)(5)(i)",
            "164.308(a)(6)(ii)",
            "164.308(a)(8)",
            "164.308(b)",
            "164.308(b)(1)",
            "164.314",
            "164.314(a)(1)",
            "164.310(b)",
            "164.310(c)",
            "164.310(d)(2)(ii)",
            "164.310(d)(2)(iii)",
            "164.312(a)(2)(iii)",
            "164.316(b)(2)(i)",
        ] {
            assert!(out_of_scope(id).is_some(), "{id}");
            assert!(Control::named(id).is_none(), "{id} is in scope");
        }
        for id in [
            "CC10",
            "CC6.1",
            "PI1.5",
            "PI2",
            "Pod",
            "qdrant",
            "164.312(b)",
            "164",
            "CC",
            "",
        ] {
            assert!(out_of_scope(id).is_none(), "{id}");
        }
    }
}
