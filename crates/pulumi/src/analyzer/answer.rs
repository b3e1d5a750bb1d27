//! Conversions between the engine's messages and the types of a pack.

use std::collections::BTreeMap;

use prost_types::Struct;
use tonic::Status;

use super::{About, Level, Policy, PolicySettings, Remediations, Resource, Verdicts};
use crate::proto::{
    AnalyzeDiagnostic, AnalyzeRequest, AnalyzeResponse, AnalyzeStackRequest, AnalyzerInfo, AnalyzerResource,
    ConfigureAnalyzerRequest, PolicyComplianceFramework, PolicyConfigSchema, PolicyInfo, PolicyNotApplicable,
    PolicyType, RemediateResponse, Remediation,
};
use crate::value::{Value, from_wire, to_wire};

/// Converts the metadata of a pack.
pub fn info(about: About) -> Result<AnalyzerInfo, Status> {
    Ok(AnalyzerInfo {
        policies: about.policies.into_iter().map(policy).collect::<Result<_, _>>()?,
        name: about.name,
        display_name: about.display_name,
        description: about.description,
        version: about.version,
        repository: about.repository,
        supports_config: true,
        ..Default::default()
    })
}

fn policy(policy: Policy) -> Result<PolicyInfo, Status> {
    let properties = policy
        .schema
        .iter()
        .map(|(name, schema)| Ok((name.clone(), Value::from_json(schema)?)))
        .collect::<Result<BTreeMap<_, _>, crate::value::JsonError>>()
        .map_err(|error| Status::internal(format!("the schema of {}: {error}", policy.name)))?;
    Ok(PolicyInfo {
        config_schema: (!properties.is_empty())
            .then(|| {
                Ok::<_, Status>(PolicyConfigSchema {
                    properties: Some(sent(&properties)?),
                    required: Vec::new(),
                })
            })
            .transpose()?,
        policy_type: if policy.of_stack {
            PolicyType::Stack
        } else {
            PolicyType::Resource
        }
        .into(),
        enforcement_level: policy.level.into(),
        severity: policy.severity.into(),
        framework: policy.framework.map(|framework| PolicyComplianceFramework {
            name: framework.name,
            version: framework.version,
            reference: framework.reference,
            specification: framework.specification,
        }),
        name: policy.name,
        display_name: policy.display_name,
        description: policy.description,
        tags: policy.tags,
        remediation_steps: policy.remediation,
        ..Default::default()
    })
}

/// Converts the configuration, which the engine merges from the pack's defaults and the user's settings.
pub fn settings(request: ConfigureAnalyzerRequest) -> Result<BTreeMap<String, PolicySettings>, Status> {
    let configs = request.policy_config.into_iter();
    configs
        .map(|(name, config)| {
            let level = Level::try_from(config.enforcement_level).map_err(|_| {
                Status::invalid_argument(format!("the policy {name} has an unknown enforcement level"))
            })?;
            let properties = received(config.properties, &name)?;
            Ok((name, PolicySettings { level, properties }))
        })
        .collect()
}

/// Converts the resource of a call.
pub fn resource(request: AnalyzeRequest) -> Result<Resource, Status> {
    let options = request.options.unwrap_or_default();
    Ok(Resource {
        properties: received(request.properties, &request.urn)?,
        token: request.r#type,
        urn: request.urn,
        name: request.name,
        parent: options.parent,
        dependencies: Vec::new(),
        protect: options.protect,
    })
}

/// Converts all resources of a stack.
pub fn resources(request: AnalyzeStackRequest) -> Result<Vec<Resource>, Status> {
    request.resources.into_iter().map(member).collect()
}

fn member(resource: AnalyzerResource) -> Result<Resource, Status> {
    let options = resource.options.unwrap_or_default();
    Ok(Resource {
        properties: received(resource.properties, &resource.urn)?,
        token: resource.r#type,
        urn: resource.urn,
        name: resource.name,
        parent: if resource.parent.is_empty() {
            options.parent
        } else {
            resource.parent
        },
        dependencies: resource.dependencies,
        protect: options.protect,
    })
}

/// Converts the result of an evaluation.
pub fn verdicts(about: &About, found: Verdicts) -> AnalyzeResponse {
    let violations = found.violations.into_iter();
    AnalyzeResponse {
        diagnostics: violations
            .map(|violation| AnalyzeDiagnostic {
                policy_name: violation.policy,
                policy_pack_name: about.name.clone(),
                policy_pack_version: about.version.clone(),
                description: violation.description,
                message: violation.message,
                enforcement_level: violation.level.into(),
                urn: violation.urn,
                severity: violation.severity.into(),
            })
            .collect(),
        not_applicable: not_applicable(found.not_applicable),
    }
}

/// Converts the changes of a pack.
pub fn remediations(about: &About, found: Remediations) -> Result<RemediateResponse, Status> {
    let changes = found.changes.into_iter();
    Ok(RemediateResponse {
        remediations: changes
            .map(|change| {
                Ok(Remediation {
                    policy_name: change.policy,
                    policy_pack_name: about.name.clone(),
                    policy_pack_version: about.version.clone(),
                    description: change.description,
                    properties: Some(sent(&change.properties)?),
                    ..Default::default()
                })
            })
            .collect::<Result<_, Status>>()?,
        not_applicable: not_applicable(found.not_applicable),
    })
}

fn not_applicable(found: Vec<(String, String)>) -> Vec<PolicyNotApplicable> {
    let found = found.into_iter();
    found
        .map(|(policy_name, reason)| PolicyNotApplicable { policy_name, reason })
        .collect()
}

fn received(properties: Option<Struct>, owner: &str) -> Result<BTreeMap<String, Value>, Status> {
    from_wire(properties.unwrap_or_default())
        .map_err(|error| Status::invalid_argument(format!("the properties of {owner}: {error}")))
}

/// Encodes properties. They contain no references to secrets, because a pack receives only values.
fn sent(properties: &BTreeMap<String, Value>) -> Result<Struct, Status> {
    to_wire(properties, &BTreeMap::new()).map_err(|error| Status::internal(error.to_string()))
}
