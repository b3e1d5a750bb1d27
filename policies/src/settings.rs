//! What can be set: how rules are enforced, their options, what is assumed of the world outside, and waivers.
//!
//! Settings come from a stack's file (`phoenix:policies`), from a file of their own or from the engine, always as the same
//! mapping. [`Settings::read`] tells everything that is wrong with one, unknown names with the nearest known one.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::remediation::{self, REPAIRS};
use crate::rule::{Enforcement, Rule};
use crate::waiver::{Date, Waiver};

/// Something that can be set, with its default.
#[derive(Debug)]
pub struct Setting {
    /// Its key.
    pub name: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// What holds where nobody sets it.
    pub default: Default,
}

/// The default of a setting, which also says its type.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(&'static str),
    /// A list of texts.
    Texts(&'static [&'static str]),
}

impl Default {
    /// The type, as people say it.
    pub fn type_words(self) -> &'static str {
        match self {
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a whole number",
            Self::Text(_) => "a text",
            Self::Texts(_) => "a list of texts",
        }
    }

    /// The default as JSON.
    pub fn value(self) -> Value {
        match self {
            Self::Flag(flag) => flag.into(),
            Self::Number(number) => number.into(),
            Self::Text(text) => text.into(),
            Self::Texts(texts) => texts.to_vec().into(),
        }
    }

    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Flag(_) => value.is_boolean(),
            Self::Number(_) => value.as_i64().is_some_and(|number| number >= 0),
            Self::Text(_) => value.is_string(),
            Self::Texts(_) => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
        }
    }
}

/// What is assumed of the world that a graph does not show. Every report prints these.
pub mod assume {
    use super::{Default, Setting};

    /// Whether what was given is everything there is.
    pub static COMPLETE: Setting = Setting {
        name: "complete",
        meaning: "everything that belongs to the deployment was given; where it is not, what is missing is unknown, not wrong",
        default: Default::Flag(true),
    };
    /// Whether workloads are in a mesh.
    pub static MESH: Setting = Setting {
        name: "mesh",
        meaning: "whether workloads are in an Istio mesh: `always`, `never`, or `seen`, where anything of Istio was given",
        default: Default::Text("seen"),
    };
    /// Where policies hold for the whole mesh.
    pub static MESH_ROOT: Setting = Setting {
        name: "meshRootNamespace",
        meaning: "the mesh's root namespace: policies there without a selector hold for the whole mesh",
        default: Default::Text("istio-system"),
    };
    /// What the mesh does with hosts that it does not know.
    pub static MESH_OUTBOUND: Setting = Setting {
        name: "meshOutboundPolicy",
        meaning: "what the mesh does with hosts that it does not know, where no Sidecar says: `ALLOW_ANY` or `REGISTRY_ONLY`",
        default: Default::Text("ALLOW_ANY"),
    };
    /// Whether the cluster's default storage class encrypts.
    pub static DEFAULT_CLASS_ENCRYPTED: Setting = Setting {
        name: "defaultStorageClassEncrypted",
        meaning: "the cluster's default storage class encrypts its volumes",
        default: Default::Flag(false),
    };
    /// Storage classes that are not in the graph and encrypt.
    pub static ENCRYPTED_CLASSES: Setting = Setting {
        name: "encryptedStorageClasses",
        meaning: "storage classes of the cluster that encrypt their volumes and are declared elsewhere",
        default: Default::Texts(&[]),
    };
    /// Namespaces that somebody else looks after.
    pub static FOREIGN_NAMESPACES: Setting = Setting {
        name: "foreignNamespaces",
        meaning: "namespaces that somebody else guards: network policies and mesh defaults of the whole namespace are theirs to give",
        default: Default::Texts(&[]),
    };
    /// Whether backups are made by something that is not in the graph.
    pub static BACKED_UP_ELSEWHERE: Setting = Setting {
        name: "claimsBackedUpElsewhere",
        meaning: "claims, as `namespace/name`, whose backup is made by something that was not given",
        default: Default::Texts(&[]),
    };
    /// Claims that hold nothing which a backup must have.
    pub static WITHOUT_DATA: Setting = Setting {
        name: "claimsWithoutData",
        meaning: "claims, as `namespace/name`, that hold nothing which would have to be brought back, such as a server's own logs",
        default: Default::Texts(&[]),
    };

    /// Whether the object stores of backups encrypt.
    pub static BACKUP_STORES_ENCRYPTED: Setting = Setting {
        name: "backupStoresEncrypted",
        meaning: "the object stores that backups are written to encrypt what they hold",
        default: Default::Flag(false),
    };
    /// Claims whose restore is tried by hand.
    pub static TRIED_BY_PEOPLE: Setting = Setting {
        name: "restoresTriedByPeople",
        meaning: "claims, as `namespace/name`, whose restore people try now and then, and write down that they did",
        default: Default::Texts(&[]),
    };

    /// All of them.
    pub static ALL: [&Setting; 11] = [
        &COMPLETE,
        &MESH,
        &MESH_ROOT,
        &MESH_OUTBOUND,
        &DEFAULT_CLASS_ENCRYPTED,
        &ENCRYPTED_CLASSES,
        &FOREIGN_NAMESPACES,
        &BACKED_UP_ELSEWHERE,
        &WITHOUT_DATA,
        &BACKUP_STORES_ENCRYPTED,
        &TRIED_BY_PEOPLE,
    ];
}

/// The key under which assumptions are kept and read.
pub const ASSUME: &str = "assume";

/// How a graph is to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    all: Option<Enforcement>,
    enforcement: BTreeMap<&'static str, Enforcement>,
    values: BTreeMap<(&'static str, &'static str), Value>,
    /// What may fail, until when and why.
    pub waivers: Vec<Waiver>,
    /// The day that waivers are held against.
    pub today: Date,
}

/// Something wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `rules.no-host-ports.enforcement`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.key, self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(formatter, "\nhint: {hint}"))
    }
}

impl Settings {
    /// The defaults, on this day.
    pub fn on(today: Date) -> Self {
        Self {
            all: None,
            enforcement: BTreeMap::new(),
            values: BTreeMap::new(),
            waivers: Vec::new(),
            today,
        }
    }

    /// Reads a mapping with the keys `all`, `rules`, `assume` and `waivers`; tells everything that is wrong with it.
    pub fn read(value: &Value, today: Date) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader {
            settings: Self::on(today),
            problems: Vec::new(),
        };
        for (key, value) in reader.mapping(value, "") {
            match key.as_str() {
                "all" => reader.settings.all = reader.enforcement("all", value),
                "rules" => reader.rules(value),
                ASSUME => reader.assumptions(value),
                "waivers" => reader.waivers(value),
                _ => reader.unknown_key(
                    key,
                    key,
                    "a key of the policies",
                    ["all", "rules", ASSUME, "waivers"],
                ),
            }
        }
        if reader.problems.is_empty() {
            Ok(reader.settings)
        } else {
            Err(reader.problems)
        }
    }

    /// How a rule is enforced.
    pub fn enforcement(&self, rule: &Rule) -> Enforcement {
        let own = self.enforcement.get(rule.id).copied();
        // A rule that is off by default is not switched on by a word about all rules.
        let all = self.all.filter(|_| rule.enforcement != Enforcement::Disabled);
        match own.or(all).unwrap_or(rule.enforcement) {
            // A word about all rules reaches those that nothing can put right, too.
            Enforcement::Remediate if remediation::of(rule).is_none() => Enforcement::Mandatory,
            enforcement => enforcement,
        }
    }

    /// Enforces a rule like this.
    pub fn enforce(&mut self, rule: &'static Rule, enforcement: Enforcement) {
        self.enforcement.insert(rule.id, enforcement);
    }

    /// Lays other settings over these: what they say wins, their waivers are added.
    pub fn overlay(&mut self, other: &Self) {
        self.all = other.all.or(self.all);
        self.enforcement.extend(other.enforcement.clone());
        self.values.extend(other.values.clone());
        self.waivers.extend(other.waivers.iter().cloned());
    }

    /// Assumes this.
    ///
    /// A value of another type than the setting's is a bug, hence a panic.
    pub fn assume(&mut self, setting: &'static Setting, value: Value) {
        assert!(
            setting.default.accepts(&value),
            "{} takes {}",
            setting.name,
            setting.default.type_words()
        );
        self.values.insert((ASSUME, setting.name), value);
    }

    /// What is assumed of the world outside: each assumption and its value.
    pub fn assumptions(&self) -> Vec<(&'static Setting, Value)> {
        let value = |setting: &'static Setting| self.value(ASSUME, setting);
        assume::ALL
            .iter()
            .map(|setting| (*setting, value(setting)))
            .collect()
    }

    /// What is assumed, where that is a flag.
    pub fn assumed(&self, setting: &Setting) -> bool {
        self.flag(ASSUME, setting)
    }

    /// What is assumed, where that is a text.
    pub fn assumed_text<'a>(&'a self, setting: &'a Setting) -> &'a str {
        match (self.values.get(&(ASSUME, setting.name)), setting.default) {
            (Some(Value::String(text)), _) => text,
            (_, Default::Text(text)) => text,
            _ => "",
        }
    }

    /// What is assumed, where that is a list of texts.
    pub fn assumed_texts(&self, setting: &Setting) -> Vec<&str> {
        self.texts(ASSUME, setting)
    }

    pub(crate) fn flag(&self, rule: &'static str, setting: &Setting) -> bool {
        self.value(rule, setting).as_bool().unwrap_or_default()
    }

    pub(crate) fn number(&self, rule: &'static str, setting: &Setting) -> i64 {
        self.value(rule, setting).as_i64().unwrap_or_default()
    }

    pub(crate) fn texts(&self, rule: &'static str, setting: &Setting) -> Vec<&str> {
        match (self.values.get(&(rule, setting.name)), setting.default) {
            (Some(Value::Array(items)), _) => items.iter().filter_map(Value::as_str).collect(),
            (_, Default::Texts(texts)) => texts.to_vec(),
            _ => Vec::new(),
        }
    }

    fn value(&self, rule: &'static str, setting: &Setting) -> Value {
        let set = self.values.get(&(rule, setting.name)).cloned();
        set.unwrap_or_else(|| setting.default.value())
    }
}

struct Reader {
    settings: Settings,
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, key: &str, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            message: message.into(),
            hint,
        });
    }

    fn mapping<'v>(&mut self, value: &'v Value, key: &str) -> Vec<(&'v String, &'v Value)> {
        match value {
            Value::Object(fields) => fields.iter().collect(),
            Value::Null => Vec::new(),
            _ => {
                let shown = if key.is_empty() { "policies" } else { key };
                self.problem(shown, "must be a mapping", None);
                Vec::new()
            }
        }
    }

    fn unknown_key<'n>(
        &mut self,
        key: &str,
        name: &str,
        what: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let hint = phoenix_suggest::nearest(name, known).map(|name| format!("did you mean {name}?"));
        self.problem(key, format!("is not {what}"), hint);
    }

    fn enforcement(&mut self, key: &str, value: &Value) -> Option<Enforcement> {
        let word = value.as_str().unwrap_or_default();
        let known = Enforcement::ALL
            .into_iter()
            .find(|enforcement| enforcement.word() == word);
        if known.is_none() {
            self.problem(key, "must be disabled, advisory, mandatory or remediate", None);
        }
        known
    }

    fn enforce(&mut self, rule: &'static Rule, key: &str, value: &Value) {
        let Some(enforcement) = self.enforcement(key, value) else {
            return;
        };
        if enforcement == Enforcement::Remediate && remediation::of(rule).is_none() {
            let can: Vec<_> = REPAIRS.iter().map(|repair| repair.rule.id).collect();
            self.problem(
                key,
                "cannot be remediate: nothing can put that right without changing what an object means",
                Some(format!(
                    "use mandatory; what can be put right is found by {}",
                    can.join(", ")
                )),
            );
            return;
        }
        self.settings.enforce(rule, enforcement);
    }

    fn rules(&mut self, value: &Value) {
        for (id, value) in self.mapping(value, "rules") {
            let key = format!("rules.{id}");
            let Some(rule) = Rule::named(id) else {
                self.unknown_key(&key, id, "a rule", crate::RULES.iter().map(|rule| rule.id));
                continue;
            };
            if value.is_string() {
                self.enforce(rule, &key, value);
                continue;
            }
            for (name, value) in self.mapping(value, &key) {
                let key = format!("{key}.{name}");
                if name == "enforcement" || name == "enforcementLevel" {
                    self.enforce(rule, &key, value);
                    continue;
                }
                if let Some(option) = rule.options.iter().find(|option| option.name == name) {
                    self.set(rule.id, option, value, &key);
                } else {
                    let known = rule.options.iter().map(|option| option.name);
                    self.unknown_key(&key, name, "an option of the rule", known.chain(["enforcement"]));
                }
            }
        }
    }

    fn assumptions(&mut self, value: &Value) {
        for (name, value) in self.mapping(value, ASSUME) {
            let key = format!("{ASSUME}.{name}");
            if let Some(setting) = assume::ALL.iter().find(|setting| setting.name == name) {
                self.set(ASSUME, setting, value, &key);
            } else {
                let known = assume::ALL.iter().map(|setting| setting.name);
                self.unknown_key(&key, name, "something that can be assumed", known);
            }
        }
    }

    fn set(&mut self, rule: &'static str, setting: &'static Setting, value: &Value, key: &str) {
        if setting.default.accepts(value) {
            self.settings.values.insert((rule, setting.name), value.clone());
        } else {
            let message = format!("must be {}", setting.default.type_words());
            self.problem(key, message, None);
        }
    }

    fn waivers(&mut self, value: &Value) {
        let Some(items) = value.as_array() else {
            self.problem("waivers", "must be a list", None);
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let key = format!("waivers[{index}]");
            match serde_json::from_value::<Waiver>(item.clone()) {
                Ok(waiver) => {
                    if Rule::named(&waiver.rule).is_none() {
                        let known = crate::RULES.iter().map(|rule| rule.id);
                        self.unknown_key(&format!("{key}.rule"), &waiver.rule, "a rule", known);
                    }
                    self.settings.waivers.push(waiver);
                }
                Err(error) => self.problem(&key, format!("is no waiver: {error}"), None),
            }
        }
    }
}
