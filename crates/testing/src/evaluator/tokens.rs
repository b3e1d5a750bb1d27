//! What RequestAuthentications mean: which tokens are taken for true.
//!
//! A request without a token passes, and has no name for a policy to ask about. A token that no rule finds valid is
//! rejected before any policy is evaluated; if no RequestAuthentication selects the workload, tokens are ignored.
//! <https://istio.io/latest/docs/reference/config/security/request_authentication>

use super::objects::{JwtRule, Named, RequestAuthentication};
use super::requests::{Place, Token};
use super::world::{Pod, contains};

/// What becomes of a request that brings a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The token is true, and policies may ask about it.
    True,
    /// The request is refused.
    Refused,
    /// It is ignored.
    Unseen,
}

/// The rules that look at the tokens of a pod's callers.
pub fn rules<'a>(
    policies: &'a [Named<RequestAuthentication>],
    root: &'a str,
    pod: &'a Pod,
) -> impl Iterator<Item = &'a JwtRule> {
    policies
        .iter()
        .filter(move |policy| {
            (policy.namespace == pod.namespace || policy.namespace == root)
                && policy.spec.target_ref.is_none()
                && policy.spec.target_refs.is_empty()
                && policy
                    .spec
                    .selector
                    .as_ref()
                    .is_none_or(|selector| contains(&pod.labels, &selector.match_labels))
        })
        .flat_map(|policy| &policy.spec.jwt_rules)
}

/// The keys that a rule trusts: themselves, or where istiod finds them.
pub fn keys(rule: &JwtRule) -> &str {
    let keys = rule.jwks.as_ref().or(rule.jwks_uri.as_ref());
    // Without either, istiod asks the issuer.
    keys.map_or(rule.issuer.as_str(), String::as_str)
}

/// Whether a rule reads the place of this token. A rule that names no place reads the two default places; one that
/// names any reads no other. Cookies are not probed: a rule that names one reads none of these places.
fn looks_at(rule: &JwtRule, place: Place) -> bool {
    let named =
        !(rule.from_headers.is_empty() && rule.from_params.is_empty() && rule.from_cookies.is_empty());
    let at = match place {
        Place::Header => rule
            .from_headers
            .iter()
            .any(|header| header.name.eq_ignore_ascii_case("authorization") && header.prefix == "Bearer "),
        Place::Query => rule.from_params.iter().any(|name| name == "access_token"),
    };
    at || !named
}

/// What becomes of a token.
pub fn evaluate(policies: &[Named<RequestAuthentication>], root: &str, pod: &Pod, token: &Token) -> Taken {
    let mut seen = false;
    for rule in rules(policies, root, pod).filter(|rule| looks_at(rule, token.place)) {
        seen = true;
        let audience = rule.audiences.is_empty()
            || rule
                .audiences
                .iter()
                .any(|audience| token.audiences.contains(audience));
        if rule.issuer == token.issuer && audience && keys(rule) == token.keys {
            return Taken::True;
        }
    }
    if seen { Taken::Refused } else { Taken::Unseen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluator::objects::{Labels, Manifest, documents};

    /// The result for a token at a pod `app: a` with one rule.
    fn taken(rule: &str, app: &str, place: Place, [issuer, audience, keys]: [&str; 3]) -> Taken {
        let yaml = format!(
            "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: r, namespace: home}}\nspec: {{selector: {{matchLabels: {{app: a}}}}, jwtRules: [{{issuer: us, audiences: [x], jwks: k{rule}}}]}}"
        );
        let policies = Manifest::read(&documents(&yaml).unwrap())
            .unwrap()
            .request_authentications;
        let labels = Labels::from([("app".to_owned(), app.to_owned())]);
        let pod = Pod::stranger("home", &Labels::new(), &labels, "default", true);
        let token = Token {
            issuer: issuer.to_owned(),
            subject: "s".to_owned(),
            audiences: vec![audience.to_owned()],
            keys: keys.to_owned(),
            claims: std::collections::BTreeMap::new(),
            place,
        };
        evaluate(&policies, "root", &pod, &token)
    }

    #[test]
    fn a_token_is_valid_rejected_or_ignored() {
        let taken = |app, issuer, audience, keys| taken("", app, Place::Header, [issuer, audience, keys]);
        assert_eq!(taken("a", "us", "x", "k"), Taken::True);
        assert_eq!(taken("a", "us", "y", "k"), Taken::Refused);
        assert_eq!(taken("a", "them", "x", "k"), Taken::Refused);
        assert_eq!(taken("a", "us", "x", "other"), Taken::Refused);
        assert_eq!(taken("b", "us", "x", "k"), Taken::Unseen);
    }

    #[test]
    fn a_token_counts_where_the_rule_looks_for_it() {
        let taken = |rule, place| taken(rule, "a", place, ["us", "x", "k"]);
        // Where nothing is said, the two usual places count.
        assert_eq!(taken("", Place::Header), Taken::True);
        assert_eq!(taken("", Place::Query), Taken::True);
        let header = ", fromHeaders: [{name: Authorization, prefix: \"Bearer \"}]";
        assert_eq!(taken(header, Place::Header), Taken::True);
        assert_eq!(taken(header, Place::Query), Taken::Unseen);
        assert_eq!(
            taken(", fromParams: [access_token]", Place::Header),
            Taken::Unseen
        );
        assert_eq!(taken(", fromParams: [access_token]", Place::Query), Taken::True);
        assert_eq!(
            taken(", fromHeaders: [{name: x-token}]", Place::Header),
            Taken::Unseen
        );
        assert_eq!(taken(", fromCookies: [token]", Place::Header), Taken::Unseen);
    }
}
