//! Converts registrations to the engine's messages: indices become URNs, references to secrets become secrets.

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::deployment::Deployment;
use crate::plan::{Alias, AliasParent, Kind, Precondition, Registration, Timeouts};
use crate::proto::alias::{self, spec};
use crate::proto::register_resource_request::{CustomTimeouts, PropertyDependencies};
use crate::proto::{self, ReadResourceRequest, RegisterResourceRequest};
use crate::value::to_wire;
use crate::wire::{ROOT_STACK_TYPE, UNKNOWN_STRING};

/// The identity of a registered resource.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) urn: String,
    /// Empty for components, and in a preview for resources that would be created.
    pub(super) id: String,
}

/// The request for the root resource of the stack.
pub(super) fn root_request(deployment: &Deployment) -> RegisterResourceRequest {
    RegisterResourceRequest {
        r#type: ROOT_STACK_TYPE.to_owned(),
        name: deployment.root_name(),
        object: Some(prost_types::Struct::default()),
        ..with_capabilities()
    }
}

/// The request for one resource of the plan. Everything it refers to must be registered, and its inputs must be checked.
pub(super) fn registration_request(
    resource: &Registration,
    root: &str,
    registered: &[Option<Identity>],
    secrets: &BTreeMap<String, SecretString>,
) -> RegisterResourceRequest {
    let get = |index: usize| {
        registered[index]
            .as_ref()
            .expect("a resource is registered after everything it refers to")
    };
    let urns = |indices: &[usize]| {
        indices
            .iter()
            .map(|&index| get(index).urn.clone())
            .collect::<Vec<_>>()
    };
    // Every property is listed, even without dependencies: if the map were empty, the engine would assume that every
    // property depends on every dependency.
    let property_dependencies = resource.inputs.keys().map(|property| {
        let indices = resource
            .property_dependencies
            .get(property)
            .map_or(&[][..], Vec::as_slice);
        (property.clone(), PropertyDependencies { urns: urns(indices) })
    });
    let mut dependencies: Vec<usize> = resource.dependencies.clone();
    dependencies.extend(resource.property_dependencies.values().flatten());
    dependencies.sort_unstable();
    dependencies.dedup();
    RegisterResourceRequest {
        r#type: resource.token.clone(),
        name: resource.name.clone(),
        parent: resource.parent.map_or(root, |parent| &get(parent).urn).to_owned(),
        custom: resource.kind == Kind::Custom,
        object: Some(to_wire(&resource.inputs, secrets).expect("inputs are checked before")),
        protect: resource.protect,
        dependencies: urns(&dependencies),
        provider: resource
            .provider
            .map(|provider| provider_reference(get(provider)))
            .unwrap_or_default(),
        property_dependencies: property_dependencies.collect(),
        delete_before_replace: resource.delete_before_replace.unwrap_or_default(),
        delete_before_replace_defined: resource.delete_before_replace.is_some(),
        version: resource.version.clone().unwrap_or_default(),
        ignore_changes: resource.ignore_changes.clone(),
        additional_secret_outputs: resource.additional_secret_outputs.clone(),
        import_id: resource.import_id.clone().unwrap_or_default(),
        custom_timeouts: custom_timeouts(&resource.timeouts),
        replace_on_changes: resource.replace_on_changes.clone(),
        retain_on_delete: resource.retain_on_delete,
        aliases: resource.aliases.iter().map(alias_request).collect(),
        deleted_with: resource
            .deleted_with
            .map(|other| get(other).urn.clone())
            .unwrap_or_default(),
        ..with_capabilities()
    }
}

/// The request to read the resource of a precondition. Its provider must be registered.
pub(super) fn read_request(
    precondition: &Precondition,
    root: &str,
    provider: &Identity,
) -> ReadResourceRequest {
    ReadResourceRequest {
        id: precondition.id.clone(),
        r#type: precondition.token.clone(),
        name: precondition.name.clone(),
        parent: root.to_owned(),
        properties: Some(prost_types::Struct::default()),
        provider: provider_reference(provider),
        version: precondition.version.clone().unwrap_or_default(),
        accept_secrets: true,
        accept_resources: true,
    }
}

/// A request that declares the protocol features that this crate supports. Without them, the engine uses older formats.
fn with_capabilities() -> RegisterResourceRequest {
    RegisterResourceRequest {
        accept_secrets: true,
        accept_resources: true,
        supports_partial_values: true,
        supports_result_reporting: true,
        alias_specs: true,
        ..RegisterResourceRequest::default()
    }
}

/// `URN::ID`. A provider that a preview would create has no id; the engine requires the sentinel of an unknown string.
fn provider_reference(provider: &Identity) -> String {
    let id = if provider.id.is_empty() {
        UNKNOWN_STRING
    } else {
        &provider.id
    };
    format!("{}::{id}", provider.urn)
}

fn custom_timeouts(timeouts: &Timeouts) -> Option<CustomTimeouts> {
    let text = |duration: &Option<String>| duration.clone().unwrap_or_default();
    (*timeouts != Timeouts::default()).then(|| CustomTimeouts {
        create: text(&timeouts.create),
        update: text(&timeouts.update),
        delete: text(&timeouts.delete),
    })
}

fn alias_request(alias: &Alias) -> proto::Alias {
    let alias = match alias {
        Alias::Urn(urn) => alias::Alias::Urn(urn.clone()),
        Alias::Spec { name, token, parent } => alias::Alias::Spec(alias::Spec {
            name: name.clone().unwrap_or_default(),
            r#type: token.clone().unwrap_or_default(),
            parent: match parent {
                AliasParent::Same => None,
                AliasParent::Stack => Some(spec::Parent::NoParent(true)),
                AliasParent::Urn(urn) => Some(spec::Parent::ParentUrn(urn.clone())),
            },
            ..alias::Spec::default()
        }),
    };
    proto::Alias { alias: Some(alias) }
}
