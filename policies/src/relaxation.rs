//! What settings weaken: the comparison of two settings, and the list of everything that is weaker than by default.
//!
//! An option that [`STRICTER`] does not list is never stricter with another value, so that a stack cannot change it.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::rule::Rule;
use crate::rules::RULES;
use crate::settings::{ASSUME, Setting, Settings};

/// Something that settings make weaker than the defaults of the rules.
#[derive(Clone, Debug)]
pub struct Relaxation {
    /// The rule.
    pub rule: &'static Rule,
    /// The key of the settings, such as `rules.no-host-ports`.
    pub key: String,
    /// The value that applies.
    pub value: String,
    /// The value by default.
    pub default: String,
    /// The source of the settings.
    pub source: String,
}

impl fmt::Display for Relaxation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} is {} instead of {}, set by {}",
            self.key.trim_start_matches("rules."),
            self.value,
            self.default,
            self.source
        )
    }
}

/// When a value of an option is at least as strict as another.
#[derive(Clone, Copy, Debug)]
enum Stricter {
    /// `true` is stricter.
    True,
    /// A higher number is stricter.
    Higher,
    /// A lower number is stricter.
    Lower,
    /// More entries are stricter: the list of what is required.
    More,
    /// Fewer entries are stricter: the list of what is allowed.
    Fewer,
    /// Fewer entries are stricter, and no entry means that everything is allowed.
    FewerNotNone,
}

/// The options that a stack may make stricter: rule, option, direction.
const STRICTER: &[(&str, &str, Stricter)] = &[
    ("alerts-lead-to-action", "annotations", Stricter::More),
    ("audit-trail-retained", "minimumDays", Stricter::Higher),
    ("change-traceable", "annotations", Stricter::More),
    (
        "cloud-identity-well-formed",
        "allowedAccounts",
        Stricter::FewerNotNone,
    ),
    ("data-classification-labelled", "classes", Stricter::Fewer),
    ("external-secret-store-used", "maxRefreshHours", Stricter::Lower),
    ("external-secret-store-used", "stores", Stricter::Fewer),
    ("health-probes-set", "probes", Stricter::More),
    ("image-provenance-enforced", "required", Stricter::True),
    ("image-registry-allowed", "registries", Stricter::FewerNotNone),
    ("namespace-pod-security-restricted", "levels", Stricter::Fewer),
    ("no-added-capabilities", "allowed", Stricter::Fewer),
    ("no-added-capabilities", "meshInitContainer", Stricter::Fewer),
    (
        "no-default-namespace",
        "missingNamespaceIsDefault",
        Stricter::True,
    ),
    ("no-host-path-volumes", "allowed", Stricter::Fewer),
    ("no-mesh-bypass", "allowed", Stricter::Fewer),
    ("no-mutable-image-tag", "mutable", Stricter::More),
    ("no-token-automount", "tokenRequiredBy", Stricter::Fewer),
    ("references-resolve", "clusterManagedNames", Stricter::Fewer),
    ("replicas-minimum", "minimum", Stricter::Higher),
    ("required-labels", "labels", Stricter::More),
    ("resource-limits-set", "resources", Stricter::More),
    ("resource-requests-set", "resources", Stricter::More),
    ("security-alerts-defined", "signals", Stricter::More),
    ("waivers-are-valid", "expiryNoticeDays", Stricter::Higher),
];

/// The environments, the one with the weakest evaluation first, and the names of stacks that imply them.
const ENVIRONMENTS: [(&str, &[&str]); 3] = [
    ("dev", &["dev", "development"]),
    ("staging", &["staging", "stage"]),
    ("prod", &["prod", "production"]),
];

/// The strictest environment in the name of a stack, such as `prod` in `prod-eu`; none if the name says that it is not that
/// environment, as `pre-prod` does.
fn implied_environment(stack: &str) -> Option<&'static str> {
    let name = stack.to_lowercase();
    let words: Vec<_> = name
        .split(|character: char| !character.is_alphanumeric())
        .collect();
    if ["non", "not", "pre", "test"]
        .iter()
        .any(|word| words.contains(word))
    {
        return None;
    }
    let mut strictest_first = ENVIRONMENTS.iter().rev();
    let found = strictest_first.find(|(_, names)| names.iter().any(|name| words.contains(name)));
    found.map(|(environment, _)| *environment)
}

/// Whether an environment is evaluated less strictly than another; false if one of them is unknown.
pub fn is_weaker_environment(one: &str, other: &str) -> bool {
    let rank = |environment: &str| ENVIRONMENTS.iter().position(|(name, _)| *name == environment);
    matches!((rank(one), rank(other)), (Some(one), Some(other)) if one < other)
}

/// Whether a value of an option is at least as strict as the current one.
fn is_as_strict(rule: &str, option: &str, value: &Value, current: &Value) -> bool {
    if value == current {
        return true;
    }
    let direction = STRICTER
        .iter()
        .find(|(of, name, _)| *of == rule && *name == option);
    let entries = |value: &Value| -> BTreeSet<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let numbers = || Some((value.as_i64()?, current.as_i64()?));
    match direction.map(|(.., direction)| *direction) {
        None => false,
        Some(Stricter::True) => value == &Value::Bool(true),
        Some(Stricter::Higher) => numbers().is_some_and(|(new, old)| new >= old),
        Some(Stricter::Lower) => numbers().is_some_and(|(new, old)| new <= old),
        Some(Stricter::More) => entries(value).is_superset(&entries(current)),
        Some(Stricter::Fewer) => entries(value).is_subset(&entries(current)),
        Some(Stricter::FewerNotNone) => {
            let (new, old) = (entries(value), entries(current));
            old.is_empty() || !new.is_empty() && new.is_subset(&old)
        }
    }
}

impl Settings {
    /// Adds the settings of the stack under evaluation as far as they are at least as strict as these. The others are
    /// ignored, and the rule `evaluation-not-weakened` reports them.
    pub fn tighten(&mut self, stack: &Self, name: &str) {
        self.stack = Some(name.to_owned());
        self.tighten_rules(stack);
        for (&(rule, option), value) in stack.values.iter().filter(|((of, _), _)| *of != ASSUME) {
            let Some(setting) = setting(rule, option) else {
                continue;
            };
            let key = format!("rules.{rule}.{option}");
            let current = self.value(rule, setting);
            if is_as_strict(rule, option, value, &current) {
                self.values.insert((rule, setting.name), value.clone());
                self.copy_source(stack, &key);
            } else {
                self.add_objection(
                    &key,
                    format!("the stack cannot change {option} of {rule} from {current} to {value}, which could weaken its evaluation; the value is ignored"),
                );
            }
        }
        for assumption in stack.made_assumptions() {
            let setting = assumption.setting;
            let key = (ASSUME, setting.name);
            if let Some(value) = stack.values.get(&key) {
                self.values.insert(key, value.clone());
            }
            self.assumptions.insert(setting.name, assumption.clone());
        }
        self.waivers.extend(stack.waivers.iter().cloned());
    }

    /// Records an objection if the stack under evaluation has the name of a stricter environment than the one that it
    /// declares with this key.
    pub fn check_environment(&mut self, key: &str, stack: &str, environment: &str) {
        let implied = implied_environment(stack);
        if let Some(implied) = implied.filter(|implied| is_weaker_environment(environment, implied)) {
            self.add_objection(
                key,
                format!("the environment is {environment}, which is evaluated less strictly than {implied}, but the stack is called {stack}"),
            );
        }
    }

    fn tighten_rules(&mut self, stack: &Self) {
        let mut weakened_by_all = Vec::new();
        for rule in RULES {
            let key = format!("rules.{}", rule.id);
            let own = stack.enforcement.contains_key(rule.id);
            let is_set = own || stack.all.is_some();
            let (asked, current) = (stack.enforcement(rule), self.enforcement(rule));
            // `all` does not disable or enable a rule that is disabled by default.
            if !is_set || asked == current {
                continue;
            }
            if !asked.is_weaker_than(current) {
                self.enforce(rule, asked);
                let source = stack.source_of(&key).unwrap_or_default().to_owned();
                self.sources.insert(key, source);
            } else if own {
                let by = self.source_of(&key).unwrap_or("default").to_owned();
                self.add_objection(
                    &key,
                    format!(
                        "the stack cannot set {} to {}, because it is {} by {by}; the setting is ignored",
                        rule.id,
                        asked.word(),
                        current.word()
                    ),
                );
            } else {
                weakened_by_all.push(rule.id);
            }
        }
        if let (Some(all), Some(example)) = (stack.all, weakened_by_all.first()) {
            self.add_objection(
                "all",
                format!(
                    "the stack cannot set all rules to {}: {} of them, such as {example}, are stricter; the setting is ignored for these",
                    all.word(),
                    weakened_by_all.len()
                ),
            );
        }
    }

    /// Everything that is weaker than by default, in the order of the catalog. Rules that a command leaves out by itself
    /// are not part of the list.
    pub fn relaxations(&self) -> Vec<Relaxation> {
        let mut relaxations = Vec::new();
        for rule in RULES {
            let key = format!("rules.{}", rule.id);
            let enforcement = self.enforcement(rule);
            if let Some(source) = self.source_of(&key)
                && enforcement.is_weaker_than(rule.enforcement)
            {
                relaxations.push(Relaxation {
                    rule,
                    value: enforcement.word().to_owned(),
                    default: rule.enforcement.word().to_owned(),
                    source: source.to_owned(),
                    key,
                });
            }
            for option in rule.options {
                let key = format!("rules.{}.{}", rule.id, option.name);
                let (value, default) = (self.value(rule.id, option), option.default.value());
                if let Some(source) = self.sources.get(&key)
                    && !is_as_strict(rule.id, option.name, &value, &default)
                {
                    relaxations.push(Relaxation {
                        rule,
                        key,
                        value: value.to_string(),
                        default: default.to_string(),
                        source: source.clone(),
                    });
                }
            }
        }
        relaxations
    }

    /// The source of the enforcement of a rule, which is set for the rule or for all; `None` for the default.
    fn source_of(&self, key: &str) -> Option<&str> {
        let own = self.sources.get(key);
        own.or_else(|| self.sources.get("all")).map(String::as_str)
    }

    fn copy_source(&mut self, other: &Self, key: &str) {
        let source = other.sources.get(key).cloned();
        self.sources.extend(source.map(|source| (key.to_owned(), source)));
    }
}

fn setting(rule: &str, option: &str) -> Option<&'static Setting> {
    let rule = RULES.iter().find(|other| other.id == rule)?;
    rule.options.iter().copied().find(|other| other.name == option)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_option_with_a_direction_exists_and_has_a_fitting_type() {
        for (rule, option, direction) in STRICTER {
            let default = setting(rule, option)
                .unwrap_or_else(|| panic!("{rule} has no option {option}"))
                .default
                .value();
            let fits = match direction {
                Stricter::True => default.is_boolean(),
                Stricter::Higher | Stricter::Lower => default.is_number(),
                Stricter::More | Stricter::Fewer | Stricter::FewerNotNone => default.is_array(),
            };
            assert!(fits, "{rule}.{option}");
        }
    }

    #[test]
    fn a_stack_with_the_name_of_a_stricter_environment_is_an_objection() {
        let objections = |stack: &str, environment: &str| {
            let mut settings = Settings::on(jiff::civil::Date::constant(2026, 11, 22));
            settings.check_environment("environment", stack, environment);
            settings.objections.len()
        };
        for (stack, environment) in [
            ("prod", "dev"),
            ("Production", "staging"),
            ("staging", "dev"),
            ("prod-eu", "dev"),
            ("phoenix-production", "staging"),
            ("eu.staging_2", "dev"),
            ("dev-prod", "dev"),
        ] {
            assert_eq!(objections(stack, environment), 1, "{stack}, {environment}");
        }
        for (stack, environment) in [
            ("prod", "prod"),
            ("dev", "prod"),
            ("demo", "dev"),
            ("preprod", "dev"),
            ("pre-prod", "dev"),
            ("non-prod", "dev"),
            ("product", "dev"),
        ] {
            assert_eq!(objections(stack, environment), 0, "{stack}, {environment}");
        }
    }

    #[test]
    fn values_of_options_are_compared_by_strictness() {
        let strict = |rule: &str, option: &str, value: Value, current: Value| {
            is_as_strict(rule, option, &value, &current)
        };
        assert!(strict("replicas-minimum", "minimum", json!(3), json!(2)));
        assert!(!strict("replicas-minimum", "minimum", json!(1), json!(2)));
        assert!(strict(
            "external-secret-store-used",
            "maxRefreshHours",
            json!(1),
            json!(24)
        ));
        assert!(!strict(
            "external-secret-store-used",
            "maxRefreshHours",
            json!(99),
            json!(24)
        ));
        assert!(strict(
            "required-labels",
            "labels",
            json!(["a", "b"]),
            json!(["a"])
        ));
        assert!(!strict("required-labels", "labels", json!(["b"]), json!(["a"])));
        assert!(!strict(
            "no-host-path-volumes",
            "allowed",
            json!(["/"]),
            json!([])
        ));
        assert!(strict(
            "image-registry-allowed",
            "registries",
            json!(["a"]),
            json!([])
        ));
        assert!(strict(
            "image-registry-allowed",
            "registries",
            json!(["a"]),
            json!(["a", "b"])
        ));
        assert!(!strict(
            "image-registry-allowed",
            "registries",
            json!([]),
            json!(["a"])
        ));
        assert!(!strict(
            "image-registry-allowed",
            "registries",
            json!(["c"]),
            json!(["a"])
        ));
        assert!(!strict(
            "no-default-namespace",
            "missingNamespaceIsDefault",
            json!(false),
            json!(true)
        ));
        // The options that identify something have no stricter value.
        assert!(!strict(
            "backup-covers-data",
            "annotation",
            json!(["x"]),
            json!(["y"])
        ));
        assert!(strict(
            "backup-covers-data",
            "annotation",
            json!(["x"]),
            json!(["x"])
        ));
    }
}
