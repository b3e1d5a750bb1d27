//! Servers that extend the API server: webhooks and aggregated APIs.

use crate::context::CheckContext;
use crate::control::Control::{Boundary, ChangeControl, DataInMotion, TransmissionSecurity};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::Kind;
use crate::rule::{Check, Rule, Severity};
use crate::text::rule_text;

const ADMISSION: &[&str] = &["admissionregistration.k8s.io"];
const API_SERVICE: Kind = Kind::new(&["apiregistration.k8s.io"], "APIService");
const DEFINITION: Kind = Kind::new(&["apiextensions.k8s.io"], "CustomResourceDefinition");

/// Certificates of webhooks and aggregated APIs.
pub static API_EXTENSION_VERIFIES_SERVER: Rule = Rule {
    id: "api-extension-verifies-server",
    text: rule_text!("api-extension-verifies-server"),
    kinds: &[
        API_SERVICE,
        DEFINITION,
        Kind::new(ADMISSION, "ValidatingWebhookConfiguration"),
        Kind::new(ADMISSION, "MutatingWebhookConfiguration"),
    ],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[Boundary, DataInMotion, ChangeControl, TransmissionSecurity],
    check: Check::Resource(|subject, context| {
        if API_SERVICE.is(&subject.object.id.group, subject.kind()) {
            if subject.body.field("spec.service").is_absent() {
                context.not_applicable("the API server serves the API itself");
            }
            verifies_server(subject.body, "spec.insecureSkipTLSVerify", context);
            return;
        }
        if DEFINITION.is(&subject.object.id.group, subject.kind()) {
            // The second path is that of apiextensions.k8s.io/v1beta1.
            let clients = [
                "spec.conversion.webhook.clientConfig",
                "spec.conversion.webhookClientConfig",
            ];
            if clients
                .iter()
                .all(|client| subject.body.field(client).is_absent())
            {
                context.not_applicable("the definition has no conversion webhook");
            }
            for client in clients {
                check_client(subject.body, client, context);
            }
            return;
        }
        for webhook in context.items(subject.body, "webhooks") {
            check_client(webhook.node(), "clientConfig", context);
        }
    }),
    ..Rule::DEFAULTS
};

/// Checks how the API server connects to a webhook. It always verifies a Service.
fn check_client(webhook: Node<'_>, client: &str, context: &mut CheckContext<'_>) {
    if webhook.field(client).is_unknown() {
        context.unknown(webhook.at(client));
        return;
    }
    verifies_server(webhook, &format!("{client}.insecureSkipTLSVerify"), context);
    let url = format!("{client}.url");
    if let Some(address) = context.text(webhook, &url)
        && !address.to_ascii_lowercase().starts_with("https://")
    {
        context.fail(webhook.at(&url), "the webhook is called without TLS");
    }
}

fn verifies_server(node: Node<'_>, field: &str, context: &mut CheckContext<'_>) {
    match node.flag(field) {
        Field::Known(false) | Field::Absent => {}
        Field::Known(true) => context.fail(
            node.at(field),
            "the certificate of the server is not verified, so an attacker can impersonate it",
        ),
        Field::Unknown => context.unknown(node.at(field)),
    }
}
