//! Whose request it is: told by the token of a person, and by nothing else that a client sends.
//!
//! Servers read it in one header. Where tokens are known, the sidecar of the server takes that header out of every
//! request that comes in, with or without a token, and writes the name of a valid token into it (Envoy's `jwt_authn`
//! does so for each header that it fills from a claim). Where they are not, nobody may send the header. Its lookalikes
//! nobody may send anywhere.

use kcr_security_istio_io::v1::authorizationpolicies::{
    AuthorizationPolicy, AuthorizationPolicyAction, AuthorizationPolicyRules, AuthorizationPolicyRulesTo,
    AuthorizationPolicyRulesToOperation, AuthorizationPolicyRulesWhen, AuthorizationPolicySelector,
    AuthorizationPolicySpec,
};
use kcr_security_istio_io::v1::requestauthentications::{
    RequestAuthentication, RequestAuthenticationJwtRules, RequestAuthenticationJwtRulesFromHeaders,
    RequestAuthenticationJwtRulesOutputClaimToHeaders, RequestAuthenticationSelector,
    RequestAuthenticationSpec,
};

use super::SYSTEM;
use crate::config::{Jwt, JwtKeys};
use crate::names::{Port, USER_HEADER, USER_HEADER_LOOKALIKES, Workload};
use crate::parts::metadata::{self, pairs};

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
                // Said, or a token in the query (`?access_token=`) would count too, and addresses stand in logs.
                from_headers: Some(vec![RequestAuthenticationJwtRulesFromHeaders {
                    name: "Authorization".to_owned(),
                    prefix: Some("Bearer ".to_owned()),
                }]),
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

/// A request that says by itself whose it is, is refused.
///
/// Without tokens nobody can prove to be a user, so nobody may send the header. With tokens the sidecar takes it away, but
/// it knows nothing of headers that only a server takes for the same one.
///
/// Both are refused at the server. A `VirtualService` could take a header away, but it acts at the caller, who may be
/// the one to distrust.
pub fn refused(workload: Workload, port: Port, tokens: bool) -> AuthorizationPolicy {
    let own = (!tokens).then_some(USER_HEADER);
    let rule = |header: &str| AuthorizationPolicyRules {
        // On a port that speaks TCP the condition would count as met, and refuse everything.
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
        metadata: metadata::in_memory(SYSTEM, "sophia-memory-no-user"),
        spec: AuthorizationPolicySpec {
            action: Some(AuthorizationPolicyAction::Deny),
            // One rule a header: conditions of one rule must all be met.
            rules: Some(own.into_iter().chain(USER_HEADER_LOOKALIKES).map(rule).collect()),
            selector: Some(AuthorizationPolicySelector {
                match_labels: Some(pairs([("app", workload.app)])),
            }),
            ..Default::default()
        },
        status: None,
    }
}
