//! Extensions of the proxy: `EnvoyFilter`, `WasmPlugin` and `TrafficExtension`.

use crate::context::{CheckContext, Subject};
use crate::control::Control::{AccessArchitecture, AccessControl, ConfigurationStandards};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::mesh::DataPlane;
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh::effect::{ENVOY_FILTER, TRAFFIC_EXTENSION, WASM_PLUGIN, in_force, is_protected};
use crate::selector::Answer;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

static ALLOWED: Setting = Setting {
    name: "allowed",
    meaning: "EnvoyFilters, WasmPlugins and TrafficExtensions that were reviewed, as `namespace/name`",
    default: DefaultValue::Texts(&[]),
};

/// Extensions of the proxies that enforce policies.
pub static NO_PROXY_EXTENSION: Rule = Rule {
    id: "no-proxy-extension",
    text: rule_text!("no-proxy-extension"),
    kinds: &[ENVOY_FILTER, WASM_PLUGIN, TRAFFIC_EXTENSION],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&ALLOWED],
    evidence: &[AccessArchitecture, ConfigurationStandards, AccessControl],
    check: Check::Stack(extension),
    ..Rule::DEFAULTS
};

fn extension(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let name = format!("{}/{}", subject.namespace(), subject.object.id.name);
    if context.option_texts(&ALLOWED).contains(&name.as_str()) {
        return;
    }
    let inventory = context.inventory;
    let contexts = contexts(subject, context);
    for workload in &inventory.workloads {
        let is_gateway = inventory.data_plane(*workload) == DataPlane::Gateway;
        let is_concerned = contexts.is_empty()
            || contexts.iter().any(|place| match *place {
                "SIDECAR_OUTBOUND" => false,
                "SIDECAR_INBOUND" => !is_gateway,
                "GATEWAY" => is_gateway,
                _ => true,
            });
        let (applies, _) = in_force(subject.object, *workload, inventory);
        if applies == Answer::No || !is_concerned {
            continue;
        }
        match applies.and(is_protected(*workload, inventory)) {
            Answer::No => {}
            Answer::Yes => {
                context.fail(
                    "",
                    format!(
                        "it changes the proxy that enforces the policies of {}, and can disable them or change what they read",
                        workload.object.id
                    ),
                );
                return;
            }
            Answer::Unknown => context.unknown(format!(
                "whether it changes the proxy of {}, which enforces policies",
                workload.object.id
            )),
        }
    }
}

/// The listeners that an extension is for; the default is all of them.
fn contexts<'n>(subject: &Subject<'n>, context: &mut CheckContext<'_>) -> Vec<&'n str> {
    let (list, field) = if subject.kind() == ENVOY_FILTER.name {
        ("spec.configPatches", "match.context")
    } else {
        ("spec.match", "mode")
    };
    let items = context.items(subject.body, list);
    // A gateway counts as the client of its destinations.
    let places = items
        .iter()
        .map(|item| match Node::new(item.value, "").text(field) {
            Field::Known("CLIENT") => "GATEWAY",
            Field::Known("SERVER") => "SIDECAR_INBOUND",
            Field::Known(place) => place,
            Field::Absent | Field::Unknown => "ANY",
        });
    places.collect()
}
