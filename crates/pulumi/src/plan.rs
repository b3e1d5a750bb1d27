//! What shall be registered, as plain data: no connection, no secret values, nothing to wait for.
//!
//! A plan can be printed, compared and kept as a snapshot. It promises, once [`Plan::check`] has passed, that
//! walking it from the first resource to the last never meets a reference to something further on. It does not
//! know URNs: a resource refers to another by its place in the plan.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::value::Value;

/// Everything a program declares: its resources in order, and the stack's outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// What must be so before anything else of the plan is done, in previews too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub premises: Vec<Premise>,
    /// The resources below the stack, each after everything it refers to.
    pub resources: Vec<Registration>,
    /// What `pulumi stack output` shows.
    pub outputs: BTreeMap<String, Value>,
}

/// Something that must be so of what exists already. It is read through its provider, which alone is registered
/// before; where it is not so, nothing else is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Premise {
    /// The type of what is read: `package:module:Name`.
    pub token: String,
    /// Its name in the state, which notes it as somebody else's.
    pub name: String,
    /// Its id at the provider.
    pub id: String,
    /// The place of its provider in the plan: a resource that refers to no other.
    pub provider: usize,
    /// The version of the provider's plugin: semver without a "v".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What must be so of it.
    pub facts: Vec<Fact>,
    /// The way out for a person when it cannot be read at all.
    pub if_unreadable: String,
}

/// A property that must have a certain text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The keys that lead to the property.
    pub property: Vec<String>,
    /// The text that it must have.
    pub value: String,
    /// What it means for a person when it has another, and the way out.
    pub if_different: String,
}

/// One resource as the engine will be asked for it.
///
/// ```
/// use pulumi_wire::{Kind, Registration};
///
/// let component = Registration::component("example:index:Store", "store");
/// let bucket = Registration {
///     parent: Some(0),
///     protect: Some(true),
///     ..Registration::custom("aws:s3/bucket:Bucket", "backups")
/// };
/// assert_eq!((component.kind, bucket.kind), (Kind::Component, Kind::Custom));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Registration {
    /// The resource's type: `package:module:Name`.
    pub token: String,
    /// Its name, unique among the resources of its type below the same kinds of parents.
    pub name: String,
    /// Whether a provider makes it.
    pub kind: Kind,
    /// The component it belongs to; nothing for the stack itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// The provider resource that makes it; nothing for its package's default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<usize>,
    /// What has to stand before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<usize>,
    /// Which of its properties are made from which other resources. A property that is not named here is made
    /// from none: `dependencies` alone order, and never cause a replacement.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub property_dependencies: BTreeMap<String, Vec<usize>>,
    /// Its properties.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// Whether deleting it is refused; nothing to do as the parent does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protect: Option<bool>,
    /// Whether it is left standing when it leaves the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_on_delete: Option<bool>,
    /// Whether a replacement removes the old one first; nothing to let the provider decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_before_replace: Option<bool>,
    /// Properties whose changes are not looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_changes: Vec<String>,
    /// Properties whose changes call for a replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replace_on_changes: Vec<String>,
    /// Outputs to keep encrypted besides those that come from secret inputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_secret_outputs: Vec<String>,
    /// What it was called before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// The id of something that exists already and is to be taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_id: Option<String>,
    /// How long its operations may take.
    #[serde(skip_serializing_if = "Timeouts::is_default")]
    pub timeouts: Timeouts,
    /// The version of its provider's plugin: semver without a "v".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The resource whose deletion takes this one along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_with: Option<usize>,
}

/// Who makes a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Nobody: it groups its children.
    Component,
    /// A provider.
    #[default]
    Custom,
}

/// A name under which the state may know a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Alias {
    /// The whole old name.
    Urn(String),
    /// Only what was different.
    Spec {
        /// Its old name, if it had another.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Its old type, if it had another.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// What it stood below.
        parent: AliasParent,
    },
}

/// What a resource stood below when it had another name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum AliasParent {
    /// Its present parent.
    #[default]
    Same,
    /// Nothing but the stack.
    Stack,
    /// This resource.
    Urn(String),
}

/// How long the operations on a resource may take, as Go writes durations: `10m`, `1h30m`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// Until it exists and is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// Until it has changed and is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// Until it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
}

impl Registration {
    /// A group of resources.
    pub fn component(token: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            name: name.into(),
            kind: Kind::Component,
            ..Self::default()
        }
    }

    /// A resource that a provider makes.
    pub fn custom(token: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            name: name.into(),
            kind: Kind::Custom,
            ..Self::default()
        }
    }

    /// Everything that must have been registered before this can be, in order and each once.
    pub fn prerequisites(&self) -> Vec<usize> {
        let properties = self.property_dependencies.values().flatten();
        let mut all: Vec<usize> = self.dependencies.iter().chain(properties).copied().collect();
        all.extend(
            [self.parent, self.provider, self.deleted_with]
                .into_iter()
                .flatten(),
        );
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Timeouts {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Plan {
    /// Makes sure that the plan is one.
    ///
    /// # Panics
    ///
    /// When it is not, which is a mistake in the program that made it: a reference to itself or further on, two
    /// resources that the engine could not tell apart, a provider that is none, a premise whose provider cannot come
    /// first, a token that the engine refuses, or
    /// an option that means nothing for a component and that the engine would drop with no more than a warning.
    pub fn check(&self) {
        for premise in &self.premises {
            let provider = &self.resources[premise.provider];
            assert!(
                provider.token.starts_with("pulumi:providers:") && provider.prerequisites().is_empty(),
                "the premise \"{}\" is read through {} \"{}\", which is no provider that can come first",
                premise.name,
                provider.token,
                provider.name
            );
        }
        // For each resource the types from its outermost ancestor down to itself: with the name, this is what the
        // engine tells resources apart by.
        let mut types: Vec<String> = Vec::with_capacity(self.resources.len());
        let mut taken = BTreeSet::new();
        for (index, resource) in self.resources.iter().enumerate() {
            let who = || {
                format!(
                    "{} \"{}\", number {index} in the plan,",
                    resource.token, resource.name
                )
            };
            assert!(!resource.name.is_empty(), "{} has no name", who());
            assert!(
                resource.token.split(':').count() == 3,
                "{} needs a type of three parts",
                who()
            );
            for earlier in resource.prerequisites() {
                assert!(
                    earlier < index,
                    "{} refers to number {earlier}, which does not come before it",
                    who()
                );
            }
            let above = resource
                .parent
                .map(|parent| format!("{}$", types[parent]))
                .unwrap_or_default();
            types.push(format!("{above}{}", resource.token));
            let is_new = taken.insert((types[index].clone(), resource.name.as_str()));
            assert!(
                is_new,
                "{} has the same type, name and kinds of parents as an earlier one",
                who()
            );
            if let Some(provider) = resource.provider {
                let made_by = &self.resources[provider].token;
                let is_provider = made_by.starts_with("pulumi:providers:");
                assert!(
                    is_provider,
                    "{} has {made_by} as its provider, which is none",
                    who()
                );
            }
            for property in resource.property_dependencies.keys() {
                let known = resource.inputs.contains_key(property);
                assert!(
                    known,
                    "{} has no property \"{property}\" to depend on anything",
                    who()
                );
            }
            if resource.kind == Kind::Component {
                assert!(
                    !resource.has_options_for_custom_resources_only(),
                    "{} is a component, for which retain_on_delete, delete_before_replace, ignore_changes, \
                     replace_on_changes, additional_secret_outputs, import_id, timeouts and deleted_with mean nothing",
                    who()
                );
            }
        }
    }
}

impl Registration {
    fn has_options_for_custom_resources_only(&self) -> bool {
        self.retain_on_delete.is_some()
            || self.delete_before_replace.is_some()
            || !self.ignore_changes.is_empty()
            || !self.replace_on_changes.is_empty()
            || !self.additional_secret_outputs.is_empty()
            || self.import_id.is_some()
            || !self.timeouts.is_default()
            || self.deleted_with.is_some()
    }
}
