//! A registration in the engine's own words: places in the plan become URNs, secrets' names become secrets.

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::deployment::Deployment;
use crate::plan::{Alias, AliasParent, Kind, Premise, Registration, Timeouts};
use crate::proto::alias::{self, spec};
use crate::proto::register_resource_request::{CustomTimeouts, PropertyDependencies};
use crate::proto::{self, ReadResourceRequest, RegisterResourceRequest};
use crate::value::to_wire;
use crate::wire::{ROOT_STACK_TYPE, UNKNOWN_STRING};

/// What the engine calls a resource that has been registered.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) urn: String,
    /// Empty for components, and in a preview for what would be created.
    pub(super) id: String,
}

/// The request for the stack's own resource.
pub(super) fn root_request(deployment: &Deployment) -> RegisterResourceRequest {
    RegisterResourceRequest {
        r#type: ROOT_STACK_TYPE.to_owned(),
        name: deployment.root_name(),
        object: Some(prost_types::Struct::default()),
        ..what_we_understand()
    }
}

/// The request for one resource of the plan. Everything it refers to has answered, and its inputs were checked.
pub(super) fn registration_request(
    resource: &Registration,
    root: &str,
    answered: &[Option<Answered>],
    secrets: &BTreeMap<String, SecretString>,
) -> RegisterResourceRequest {
    let get = |index: usize| {
        answered[index]
            .as_ref()
            .expect("a resource starts after what it refers to")
    };
    let urns = |indices: &[usize]| {
        indices
            .iter()
            .map(|&index| get(index).urn.clone())
            .collect::<Vec<_>>()
    };
    // A property is named even when it depends on nothing: were the map empty, the engine would take every
    // property to depend on every dependency.
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
        object: Some(to_wire(&resource.inputs, secrets).expect("inputs were checked before")),
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
        ..what_we_understand()
    }
}

/// The request to look at what a premise is about. Its provider has answered.
pub(super) fn read_request(premise: &Premise, root: &str, provider: &Answered) -> ReadResourceRequest {
    ReadResourceRequest {
        id: premise.id.clone(),
        r#type: premise.token.clone(),
        name: premise.name.clone(),
        parent: root.to_owned(),
        properties: Some(prost_types::Struct::default()),
        provider: provider_reference(provider),
        version: premise.version.clone().unwrap_or_default(),
        accept_secrets: true,
        accept_resources: true,
    }
}

/// The engine speaks in the old ways to a program that does not say it knows the new ones.
fn what_we_understand() -> RegisterResourceRequest {
    RegisterResourceRequest {
        accept_secrets: true,
        accept_resources: true,
        supports_partial_values: true,
        supports_result_reporting: true,
        alias_specs: true,
        ..RegisterResourceRequest::default()
    }
}

/// `URN::ID`. A provider that a preview would create has no id yet, and the engine wants to see that said.
fn provider_reference(provider: &Answered) -> String {
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
