//! Whose request it is: told by the token of a person, and by nothing else that a client sends.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kcr_networking_istio_io::v1alpha3::envoyfilters::{
    EnvoyFilterConfigPatchesApplyTo, EnvoyFilterConfigPatchesMatch, EnvoyFilterConfigPatchesMatchContext,
    EnvoyFilterConfigPatchesMatchListener, EnvoyFilterConfigPatchesMatchListenerFilterChain,
    EnvoyFilterConfigPatchesMatchListenerFilterChainFilter, EnvoyFilterConfigPatchesPatchOperation,
    EnvoyFilterWorkloadSelector,
};
use kcr_security_istio_io::v1::requestauthentications::{
    RequestAuthentication, RequestAuthenticationJwtRules, RequestAuthenticationJwtRulesOutputClaimToHeaders,
    RequestAuthenticationSelector, RequestAuthenticationSpec,
};
use phoenix_graph::Object;
use serde::Serialize;

use super::SYSTEM;
use crate::config::{Jwt, JwtKeys};
use crate::names::{USER_HEADER, Workload};
use crate::parts::metadata::{self, pairs};

/// Envoy's name for what reads HTTP on a connection.
const HTTP_CONNECTIONS: &str = "envoy.filters.network.http_connection_manager";

/// Refuses a token that is not valid, and tells the server whose it is. That there is one at all is demanded by the
/// rows of the table.
pub fn tokens(workload: Workload, jwt: &Jwt) -> RequestAuthentication {
    let (jwks_uri, jwks) = match &jwt.keys {
        JwtKeys::Uri(uri) => (Some(uri.clone()), None),
        JwtKeys::Inline(keys) => (None, Some(keys.clone())),
    };
    RequestAuthentication {
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-jwt"),
        spec: RequestAuthenticationSpec {
            selector: Some(RequestAuthenticationSelector {
                match_labels: Some(pairs([("app", workload.app)])),
            }),
            jwt_rules: Some(vec![RequestAuthenticationJwtRules {
                issuer: Some(jwt.issuer.clone()),
                audiences: Some(jwt.audiences.clone()),
                jwks_uri,
                jwks,
                output_claim_to_headers: Some(vec![RequestAuthenticationJwtRulesOutputClaimToHeaders {
                    header: USER_HEADER.to_owned(),
                    claim: "sub".to_owned(),
                }]),
                // The server gets the name, not the token: it could pass a token on.
                forward_original_token: Some(false),
                ..Default::default()
            }]),
            ..Default::default()
        },
        status: None,
    }
}

/// Takes the user's header away before anything else looks at a request, and refuses paths that could be read in two
/// ways.
///
/// No other resource of the mesh changes what comes in at the server's own sidecar, whoever sent it: a `VirtualService`
/// acts at the caller, who may be the one to distrust. Of slashes that are written as `%2F` or `%5C` the policies
/// would see one segment, and a server that decodes them several.
pub fn only_from_the_mesh(workload: Workload) -> Object {
    let filter = EnvoyFilter {
        api_version: "networking.istio.io/v1alpha3",
        kind: "EnvoyFilter",
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-requests"),
        spec: Spec {
            workload_selector: EnvoyFilterWorkloadSelector {
                labels: Some(pairs([("app", workload.app)])),
            },
            config_patches: vec![
                Patches {
                    apply_to: EnvoyFilterConfigPatchesApplyTo::NetworkFilter,
                    r#match: incoming_requests(),
                    patch: Patch {
                        operation: EnvoyFilterConfigPatchesPatchOperation::Merge,
                        value: Filter {
                            name: HTTP_CONNECTIONS,
                            typed_config: FilterConfig::HttpConnectionManager {
                                merge_slashes: true,
                                path_with_escaped_slashes_action: "REJECT_REQUEST",
                            },
                        },
                    },
                },
                Patches {
                    apply_to: EnvoyFilterConfigPatchesApplyTo::HttpFilter,
                    r#match: incoming_requests(),
                    patch: Patch {
                        // First: behind what reads tokens, it would take away what they say.
                        operation: EnvoyFilterConfigPatchesPatchOperation::InsertFirst,
                        value: Filter {
                            name: "phoenix.user_from_token_only",
                            typed_config: FilterConfig::HeaderMutation {
                                mutations: Mutations {
                                    request_mutations: [Mutation { remove: USER_HEADER }],
                                },
                            },
                        },
                    },
                },
            ],
        },
    };
    let body = serde_json::to_value(filter).expect("a filter is always JSON");
    Object::from_json(SYSTEM, body).expect("the filter has a kind and a name")
}

fn incoming_requests() -> EnvoyFilterConfigPatchesMatch {
    EnvoyFilterConfigPatchesMatch {
        context: Some(EnvoyFilterConfigPatchesMatchContext::SidecarInbound),
        listener: Some(EnvoyFilterConfigPatchesMatchListener {
            filter_chain: Some(EnvoyFilterConfigPatchesMatchListenerFilterChain {
                filter: Some(EnvoyFilterConfigPatchesMatchListenerFilterChainFilter {
                    name: Some(HTTP_CONNECTIONS.to_owned()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The resource, because the generated type has no field for what a patch puts in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvoyFilter {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    spec: Spec,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    workload_selector: EnvoyFilterWorkloadSelector,
    config_patches: Vec<Patches>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Patches {
    apply_to: EnvoyFilterConfigPatchesApplyTo,
    r#match: EnvoyFilterConfigPatchesMatch,
    patch: Patch,
}

#[derive(Serialize)]
struct Patch {
    operation: EnvoyFilterConfigPatchesPatchOperation,
    value: Filter,
}

/// A filter as Envoy names its fields.
#[derive(Serialize)]
struct Filter {
    name: &'static str,
    typed_config: FilterConfig,
}

#[derive(Serialize)]
#[serde(tag = "@type")]
enum FilterConfig {
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    )]
    HttpConnectionManager {
        merge_slashes: bool,
        path_with_escaped_slashes_action: &'static str,
    },
    #[serde(rename = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation")]
    HeaderMutation { mutations: Mutations },
}

#[derive(Serialize)]
struct Mutations {
    request_mutations: [Mutation; 1],
}

#[derive(Serialize)]
struct Mutation {
    remove: &'static str,
}
