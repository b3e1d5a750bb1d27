//! The resources to register, as plain data: no connection, no secret values, nothing asynchronous.
//!
//! A plan can be printed, compared and stored as a snapshot. After [`Plan::check`], every reference in a plan points to
//! an earlier resource. A plan contains no URNs: a resource refers to another by its index.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::value::Value;

/// Everything a program declares: its preconditions, its resources in order, and the stack's outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Conditions that are checked before the resources are registered, in previews too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preconditions: Vec<Precondition>,
    /// The resources of the stack, each after everything it refers to.
    pub resources: Vec<Registration>,
    /// The stack's outputs, as shown by `pulumi stack output`.
    pub outputs: BTreeMap<String, Value>,
}

/// A condition on a resource that already exists. The resource is read through its provider, which is the only resource
/// registered before the check. If the condition is not met, no other resource is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Precondition {
    /// The type of the existing resource: `package:module:Name`.
    pub token: String,
    /// The resource's name in the state, which records it as external.
    pub name: String,
    /// The resource's provider-assigned id.
    pub id: String,
    /// The index of the provider in the plan. The provider must not refer to other resources.
    pub provider: usize,
    /// The version of the provider plugin: semver without a leading "v".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The expected property values.
    pub expectations: Vec<Expectation>,
    /// The hint to show if the resource cannot be read.
    pub on_unreadable: String,
}

/// A property of an existing resource and its expected value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// The path of the property, as a list of keys.
    pub property: Vec<String>,
    /// The expected value.
    pub value: String,
    /// The message to show if the value differs: what that means, and how to fix it.
    pub on_mismatch: String,
}

/// One resource to register with the engine.
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
    /// The resource's name, unique among resources of the same type whose parents have the same types.
    pub name: String,
    /// Whether a provider manages the resource.
    pub kind: Kind,
    /// The index of the parent component; `None` for the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// The index of the provider resource; `None` for the package's default provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<usize>,
    /// The indices of the resources that must be created before this one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<usize>,
    /// The resources that each property's value is computed from. A property that is not listed depends on none:
    /// `dependencies` affect only the order and never cause a replacement.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub property_dependencies: BTreeMap<String, Vec<usize>>,
    /// The resource's input properties.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
    /// Whether the engine refuses to delete the resource; `None` inherits from the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protect: Option<bool>,
    /// Whether the resource is kept when it is removed from the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_on_delete: Option<bool>,
    /// Whether a replacement deletes the old resource first; `None` lets the provider decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_before_replace: Option<bool>,
    /// Properties whose changes are ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore_changes: Vec<String>,
    /// Properties whose changes require a replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replace_on_changes: Vec<String>,
    /// Outputs to encrypt in addition to those computed from secret inputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additional_secret_outputs: Vec<String>,
    /// Earlier names, types and parents of the resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// The id of an existing resource to import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import_id: Option<String>,
    /// The time limits of the resource's operations.
    #[serde(skip_serializing_if = "Timeouts::is_default")]
    pub timeouts: Timeouts,
    /// The version of the provider plugin: semver without a leading "v".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The index of a resource whose deletion also deletes this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_with: Option<usize>,
}

/// Whether a resource is a component or is managed by a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// A component: groups its children.
    Component,
    /// A custom resource: managed by a provider.
    #[default]
    Custom,
}

/// An earlier identity of a resource, under which the state may still contain it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Alias {
    /// The old URN.
    Urn(String),
    /// The parts of the old URN that were different.
    Spec {
        /// The old name, if different.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The old type, if different.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// The old parent.
        parent: AliasParent,
    },
}

/// The parent of a resource under its earlier identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum AliasParent {
    /// The current parent.
    #[default]
    Same,
    /// The stack itself.
    Stack,
    /// The resource with this URN.
    Urn(String),
}

/// The time limits of the operations on a resource, in Go's duration format: `10m`, `1h30m`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// The time limit for creating the resource and waiting until it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// The time limit for updating the resource and waiting until it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<String>,
    /// The time limit for deleting the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<String>,
}

impl Registration {
    /// A component with this type and name.
    pub fn component(token: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            name: name.into(),
            kind: Kind::Component,
            ..Self::default()
        }
    }

    /// A custom resource with this type and name.
    pub fn custom(token: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            name: name.into(),
            kind: Kind::Custom,
            ..Self::default()
        }
    }

    /// The indices of all resources that must be registered before this one, sorted and without duplicates.
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
    /// Checks that the plan is valid.
    ///
    /// # Panics
    ///
    /// If the plan is invalid, which is a bug in the program that built it: a reference to the same or a later resource,
    /// two resources with the same URN, a provider reference to a resource that is not a provider, a precondition whose
    /// provider refers to other resources, a type that the engine rejects, or an option that has no effect on a
    /// component and that the engine would ignore with a warning.
    pub fn check(&self) {
        for precondition in &self.preconditions {
            let provider = &self.resources[precondition.provider];
            assert!(
                provider.token.starts_with("pulumi:providers:") && provider.prerequisites().is_empty(),
                "the precondition \"{}\" uses {} \"{}\", which is not a provider without prerequisites",
                precondition.name,
                provider.token,
                provider.name
            );
        }
        // For each resource, the types from its outermost ancestor down to itself. Together with the name, this
        // identifies a resource in the engine.
        let mut types: Vec<String> = Vec::with_capacity(self.resources.len());
        let mut taken = BTreeSet::new();
        for (index, resource) in self.resources.iter().enumerate() {
            let label = || {
                format!(
                    "{} \"{}\" (index {index} of the plan)",
                    resource.token, resource.name
                )
            };
            assert!(!resource.name.is_empty(), "{} has no name", label());
            assert!(
                resource.token.split(':').count() == 3,
                "{} must have a type of three parts",
                label()
            );
            for earlier in resource.prerequisites() {
                assert!(
                    earlier < index,
                    "{} refers to index {earlier}, which is not before it",
                    label()
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
                "{} has the same type, name and parent types as an earlier resource",
                label()
            );
            if let Some(provider) = resource.provider {
                let provider_type = &self.resources[provider].token;
                let is_provider = provider_type.starts_with("pulumi:providers:");
                assert!(
                    is_provider,
                    "{} refers to {provider_type} as its provider, which is not a provider",
                    label()
                );
            }
            for property in resource.property_dependencies.keys() {
                let known = resource.inputs.contains_key(property);
                assert!(
                    known,
                    "{} lists dependencies of \"{property}\", which is not one of its properties",
                    label()
                );
            }
            if resource.kind == Kind::Component {
                assert!(
                    !resource.has_custom_resource_options(),
                    "{} is a component, on which retain_on_delete, delete_before_replace, ignore_changes, \
                     replace_on_changes, additional_secret_outputs, import_id, timeouts and deleted_with have no effect",
                    label()
                );
            }
        }
    }
}

impl Registration {
    fn has_custom_resource_options(&self) -> bool {
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
