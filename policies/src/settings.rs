//! Settings: the enforcement of rules, their options, assumptions about what the graph does not show, and waivers.
//!
//! [`Settings::read`](crate::reader) reads them from the value of `phoenix:policies`, from a file, or from Pulumi's engine.
//! Who wrote them decides what they may say ([`Authority`]): the stack under evaluation can only tighten its evaluation
//! ([`Settings::tighten`]).

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use crate::enforcement::Enforcement;
use crate::finding::Finding;
use crate::review::Review;
use crate::waiver::Waiver;

/// A setting: an option of a rule or an assumption.
#[derive(Debug, PartialEq)]
pub struct Setting {
    /// The key.
    pub name: &'static str,
    /// What the setting means: a phrase without a full stop.
    pub meaning: &'static str,
    /// The default, which also determines the type.
    pub default: DefaultValue,
}

/// The default of a setting, which also determines its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DefaultValue {
    /// A boolean.
    Flag(bool),
    /// A non-negative integer.
    Number(i64),
    /// A string.
    Text(&'static str),
    /// A list of strings.
    Texts(&'static [&'static str]),
}

impl DefaultValue {
    /// The type, as an error message names it.
    pub fn type_words(self) -> &'static str {
        match self {
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a non-negative integer",
            Self::Text(_) => "a string",
            Self::Texts(_) => "a list of strings",
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

    pub(crate) fn accepts(self, value: &Value) -> bool {
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

/// Assumptions about the deployment that the graph does not show. Reports print them.
pub mod assume {
    use super::{DefaultValue, Setting};

    /// Whether the input is the whole deployment.
    pub static COMPLETE: Setting = Setting {
        name: "complete",
        meaning: "the input contains everything that belongs to the deployment; if false, an object that is missing makes a verdict unknown instead of a failure",
        default: DefaultValue::Flag(true),
    };
    /// Whether workloads are in a mesh.
    pub static MESH: Setting = Setting {
        name: "mesh",
        meaning: "whether workloads are in an Istio mesh: `always`, `never`, or `detect`, which looks for Istio objects in the input",
        default: DefaultValue::Text("detect"),
    };
    /// The root namespace of the mesh.
    pub static MESH_ROOT: Setting = Setting {
        name: "meshRootNamespace",
        meaning: "the root namespace of the mesh, in which a policy without a selector applies to the whole mesh",
        default: DefaultValue::Text("istio-system"),
    };
    /// The outbound traffic policy of the mesh.
    pub static MESH_OUTBOUND: Setting = Setting {
        name: "meshOutboundPolicy",
        meaning: "the outbound traffic policy of the mesh for hosts that are not in its registry, unless a Sidecar sets one: `ALLOW_ANY` or `REGISTRY_ONLY`",
        default: DefaultValue::Text("ALLOW_ANY"),
    };
    /// Whether the default storage class encrypts.
    pub static DEFAULT_CLASS_ENCRYPTED: Setting = Setting {
        name: "defaultStorageClassEncrypted",
        meaning: "the default storage class of the cluster encrypts its volumes",
        default: DefaultValue::Flag(false),
    };
    /// Storage classes outside of the graph that encrypt.
    pub static ENCRYPTED_CLASSES: Setting = Setting {
        name: "encryptedStorageClasses",
        meaning: "storage classes that are not in the input and encrypt their volumes",
        default: DefaultValue::Texts(&[]),
    };
    /// Namespaces that another party manages.
    pub static EXTERNALLY_MANAGED_NAMESPACES: Setting = Setting {
        name: "externallyManagedNamespaces",
        meaning: "namespaces that another team manages, including their network policies and mesh defaults",
        default: DefaultValue::Texts(&[]),
    };
    /// Claims with a backup outside of the graph.
    pub static EXTERNALLY_BACKED_UP_CLAIMS: Setting = Setting {
        name: "externallyBackedUpClaims",
        meaning: "claims, as `namespace/name`, that are backed up by a system outside of the input",
        default: DefaultValue::Texts(&[]),
    };
    /// Claims that need no backup.
    pub static EPHEMERAL_CLAIMS: Setting = Setting {
        name: "ephemeralClaims",
        meaning: "claims, as `namespace/name`, without data that needs a backup, such as the logs of a server",
        default: DefaultValue::Texts(&[]),
    };
    /// Whether the object stores of backups encrypt.
    pub static BACKUP_STORES_ENCRYPTED: Setting = Setting {
        name: "backupStoresEncrypted",
        meaning: "the object stores of the backups encrypt their data at rest",
        default: DefaultValue::Flag(false),
    };
    /// Claims with manual restore tests.
    pub static MANUALLY_TESTED_RESTORES: Setting = Setting {
        name: "manuallyTestedRestores",
        meaning: "claims, as `namespace/name`, with a restore that is tested manually at regular intervals and documented",
        default: DefaultValue::Texts(&[]),
    };

    /// The assumptions that a stack cannot make about itself, because they limit what is evaluated.
    pub const CALLERS_ONLY: [&str; 2] = ["complete", "mesh"];

    /// The assumptions that decide how objects affect each other, so that the verdict of any rule can depend on them. The
    /// others are read by the rules that name them.
    pub static SHARED: [&Setting; 5] = [
        &COMPLETE,
        &MESH,
        &MESH_ROOT,
        &MESH_OUTBOUND,
        &EXTERNALLY_MANAGED_NAMESPACES,
    ];

    /// All assumptions.
    pub static ALL: [&Setting; 11] = [
        &COMPLETE,
        &MESH,
        &MESH_ROOT,
        &MESH_OUTBOUND,
        &DEFAULT_CLASS_ENCRYPTED,
        &ENCRYPTED_CLASSES,
        &EXTERNALLY_MANAGED_NAMESPACES,
        &EXTERNALLY_BACKED_UP_CLAIMS,
        &EPHEMERAL_CLAIMS,
        &BACKUP_STORES_ENCRYPTED,
        &MANUALLY_TESTED_RESTORES,
    ];
}

/// Who wrote settings, which decides what they may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The caller, who is outside the stack: everything.
    Caller,
    /// The reviewed profile of an environment: everything except weakening the rules about settings. An assumption has
    /// an owner, evidence and a review date.
    Profile,
    /// The stack under evaluation: only stricter enforcement and options, waivers, and assumptions with an owner,
    /// evidence and a review date.
    Stack,
}

/// The origin of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What reports call it, such as the path of the file.
    pub name: String,
    /// What the settings may say.
    pub authority: Authority,
}

impl Source {
    /// A source with this name and authority.
    pub fn new(name: impl Into<String>, authority: Authority) -> Self {
        Self {
            name: name.into(),
            authority,
        }
    }
}

/// An assumption that settings make.
#[derive(Clone, Debug, PartialEq)]
pub struct Assumption {
    /// The assumption.
    pub setting: &'static Setting,
    /// Its value.
    pub value: Value,
    /// Its owner, evidence and review date; `None` for one of the caller without them.
    pub review: Option<Review>,
    /// The source of the settings.
    pub source: String,
}

impl Assumption {
    /// What is wrong with it on this day. An assumption with a fault has no effect.
    pub(crate) fn faults(&self, today: Date) -> Vec<Finding> {
        self.review
            .as_ref()
            .map_or_else(Vec::new, |review| review.faults(today))
    }

    /// Whether it has an effect on this day.
    pub fn takes_effect_on(&self, today: Date) -> bool {
        self.faults(today).is_empty()
    }
}

/// The key of the assumptions.
pub const ASSUME: &str = "assume";

/// How a graph is evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub(crate) all: Option<Enforcement>,
    pub(crate) enforcement: BTreeMap<&'static str, Enforcement>,
    /// The values by rule id, or [`ASSUME`], and key.
    pub(crate) values: BTreeMap<(&'static str, &'static str), Value>,
    /// The assumptions that the settings make, by name.
    pub(crate) assumptions: BTreeMap<&'static str, Assumption>,
    /// The name of the source of each key, such as `rules.no-host-ports`.
    pub(crate) sources: BTreeMap<String, String>,
    /// The stack under evaluation, if its own settings are part of these.
    pub(crate) stack: Option<String>,
    /// Attempts of that stack to weaken its evaluation.
    pub(crate) objections: Vec<Finding>,
    /// The waivers.
    pub waivers: Vec<Waiver>,
    /// The day of the evaluation, on which waivers are valid or not.
    pub today: Date,
    /// Where the objects come from. Settings that are read from a file do not contain it.
    pub objects_from: ObjectSource,
}

/// Where the objects under review come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectSource {
    /// Files, an engine or a program: any name, namespace and label can be chosen freely.
    #[default]
    Manifests,
    /// An API server, which creates some of the objects itself.
    Cluster,
}

impl Settings {
    /// The defaults, on this day.
    pub fn on(today: Date) -> Self {
        Self {
            all: None,
            enforcement: BTreeMap::new(),
            values: BTreeMap::new(),
            assumptions: BTreeMap::new(),
            sources: BTreeMap::new(),
            stack: None,
            objections: Vec::new(),
            waivers: Vec::new(),
            today,
            objects_from: ObjectSource::Manifests,
        }
    }

    /// Merges other settings into these: values of `other` take precedence, and its waivers are added.
    pub fn overlay(&mut self, other: &Self) {
        self.all = other.all.or(self.all);
        self.enforcement.extend(other.enforcement.clone());
        self.values.extend(other.values.clone());
        self.assumptions.extend(other.assumptions.clone());
        self.sources.extend(other.sources.clone());
        self.waivers.extend(other.waivers.iter().cloned());
    }

    /// Records that the stack under evaluation weakens its evaluation in a way that its settings do not show. The rule
    /// `evaluation-not-weakened` reports it.
    pub fn add_objection(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.objections.push(Finding {
            path: path.into(),
            message: message.into(),
        });
    }

    /// Sets an assumption.
    ///
    /// Panics on a value that is not of the setting's type, which is a bug of the caller.
    pub fn assume(&mut self, setting: &'static Setting, value: Value) {
        assert!(
            setting.default.accepts(&value),
            "{} takes {}",
            setting.name,
            setting.default.type_words()
        );
        self.values.insert((ASSUME, setting.name), value);
    }

    /// The assumptions that the settings make.
    pub fn made_assumptions(&self) -> impl Iterator<Item = &Assumption> {
        self.assumptions.values()
    }

    /// These settings without some of their assumptions.
    pub(crate) fn without_assumptions(&self, names: &[&'static str]) -> Self {
        let mut settings = self.clone();
        for name in names {
            settings.values.remove(&(ASSUME, *name));
        }
        settings
    }

    /// All assumptions with the values that apply.
    pub fn assumptions(&self) -> Vec<(&'static Setting, Value)> {
        let value = |setting: &'static Setting| self.value(ASSUME, setting);
        assume::ALL
            .iter()
            .map(|setting| (*setting, value(setting)))
            .collect()
    }

    /// The value of a shared assumption that is a flag.
    pub fn assumed(&self, setting: &Setting) -> bool {
        debug_assert_shared(setting);
        self.flag(ASSUME, setting)
    }

    /// The value of a shared assumption that is a string.
    pub fn assumed_text<'a>(&'a self, setting: &'a Setting) -> &'a str {
        debug_assert_shared(setting);
        match (self.values.get(&(ASSUME, setting.name)), setting.default) {
            (Some(Value::String(text)), _) => text,
            (_, DefaultValue::Text(text)) => text,
            _ => "",
        }
    }

    /// The value of a shared assumption that is a list of strings.
    pub fn assumed_texts(&self, setting: &Setting) -> Vec<&str> {
        debug_assert_shared(setting);
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
            (_, DefaultValue::Texts(texts)) => texts.to_vec(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn value(&self, rule: &'static str, setting: &Setting) -> Value {
        let set = self.values.get(&(rule, setting.name)).cloned();
        set.unwrap_or_else(|| setting.default.value())
    }
}

/// An assumption that is not shared is read through the context of a rule, which names it.
fn debug_assert_shared(setting: &Setting) {
    debug_assert!(
        assume::SHARED.iter().any(|shared| shared.name == setting.name),
        "{} is not a shared assumption",
        setting.name
    );
}
