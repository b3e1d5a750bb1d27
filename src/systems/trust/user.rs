//! The user of a request, identified by a token and by nothing else that a client sends.
//!
//! Servers read the user from one header. With tokens, the sidecar of the server removes that header from every
//! incoming request and sets it from a claim of a valid token (Envoy's `jwt_authn` does so for each header that it
//! fills from a claim). Without tokens, requests with the header are denied. Requests with similar headers, which a
//! server might treat as the same, are always denied.

use phoenix_crds::security::{
    AuthorizationPolicy, AuthorizationPolicyAction, AuthorizationPolicyRules, AuthorizationPolicyRulesTo,
    AuthorizationPolicyRulesToOperation, AuthorizationPolicyRulesWhen, AuthorizationPolicySelector,
    AuthorizationPolicySpec, RequestAuthentication, RequestAuthenticationJwtRules,
    RequestAuthenticationJwtRulesFromHeaders, RequestAuthenticationJwtRulesOutputClaimToHeaders,
    RequestAuthenticationSelector, RequestAuthenticationSpec,
};

use super::SYSTEM;
use crate::config::{Jwt, JwtKeys};
use crate::names::{Port, USER_HEADER, USER_HEADER_LOOKALIKES, Workload};
use crate::parts::metadata::{self, string_map};

/// Rejects invalid tokens and passes the user to the server. The rows of the connection table require that a token is
/// present.
pub fn tokens(workload: Workload, jwt: &Jwt) -> RequestAuthentication {
    let (jwks_uri, jwks) = match &jwt.keys {
        JwtKeys::Uri(uri) => (Some(uri.clone()), None),
        JwtKeys::Inline(keys) => (None, Some(keys.clone())),
    };
    RequestAuthentication {
        metadata: metadata::memory_meta(SYSTEM, "sophia-memory-jwt"),
        spec: RequestAuthenticationSpec {
            selector: Some(RequestAuthenticationSelector {
                match_labels: Some(string_map([("app", workload.app)])),
            }),
            jwt_rules: Some(vec![RequestAuthenticationJwtRules {
                issuer: Some(jwt.issuer.clone()),
                audiences: Some(jwt.audiences.clone()),
                jwks_uri,
                jwks,
                // Explicit, because otherwise a token in the query (`?access_token=`) would count too, and URLs are
                // logged.
                from_headers: Some(vec![RequestAuthenticationJwtRulesFromHeaders {
                    name: "Authorization".to_owned(),
                    prefix: Some("Bearer ".to_owned()),
                }]),
                output_claim_to_headers: Some(vec![RequestAuthenticationJwtRulesOutputClaimToHeaders {
                    header: USER_HEADER.to_owned(),
                    claim: "sub".to_owned(),
                }]),
                // The server receives the user, not the token, so it cannot forward the token.
                forward_original_token: Some(false),
                ..Default::default()
            }]),
            ..Default::default()
        },
    }
}

/// Denies requests that set the user themselves.
///
/// Without tokens, no client can prove its user, so the header is denied. With tokens, the sidecar removes the
/// header, but it does not know headers that only a server treats as the same.
///
/// Both are denied at the server. A `VirtualService` could remove a header, but it acts at the client, which may be
/// the untrusted part.
pub fn refused(workload: Workload, port: Port, tokens: bool) -> AuthorizationPolicy {
    let own = (!tokens).then_some(USER_HEADER);
    let rule = |header: &str| AuthorizationPolicyRules {
        // On a TCP port, the condition would count as met and deny every connection.
        to: Some(vec![AuthorizationPolicyRulesTo {
            operation: Some(AuthorizationPolicyRulesToOperation {
                ports: Some(vec![port.number.to_string()]),
                ..Default::default()
            }),
        }]),
        when: Some(vec![AuthorizationPolicyRulesWhen {
            key: format!("request.headers[{header}]"),
            values: Some(vec!["*".to_owned()]),
            ..Default::default()
        }]),
        ..Default::default()
    };
    AuthorizationPolicy {
        metadata: metadata::memory_meta(SYSTEM, "sophia-memory-no-user"),
        spec: AuthorizationPolicySpec {
            action: Some(AuthorizationPolicyAction::Deny),
            // One rule for each header, because all conditions of one rule must be met.
            rules: Some(own.into_iter().chain(USER_HEADER_LOOKALIKES).map(rule).collect()),
            selector: Some(AuthorizationPolicySelector {
                match_labels: Some(string_map([("app", workload.app)])),
            }),
            ..Default::default()
        },
    }
}
