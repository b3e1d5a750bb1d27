//! Checks of the source of secrets.

use super::{Check, key};
use crate::config::raw::{RawSecrets, RawSecretsMode, RawStoreAuth};
use crate::config::secret;
use crate::config::stack::{EscDirect, ExternalSecrets, SecretsMode, StoreAuth};
use crate::config::{DnsName, EscEnvironment, esc};
use crate::names::WORKLOADS;

/// The modes, as the stack file names them.
const LOCAL: &str = "local";
const PULUMI_ESC: &str = "pulumi-esc";
const ESC_DIRECT: &str = "esc-direct";
const EXTERNAL_SECRETS: &str = "external-secrets";

/// The value is invalid, and the error has been reported.
struct Reported;

impl Check {
    pub(super) fn secrets(&mut self, raw: &RawSecrets) -> Option<SecretsMode> {
        self.keys_of_other_modes(raw);
        match raw.mode {
            RawSecretsMode::Local => Some(SecretsMode::Local),
            RawSecretsMode::PulumiEsc => Some(SecretsMode::PulumiEsc),
            RawSecretsMode::EscDirect => {
                let url = self.esc_address(raw);
                let environment = self.esc_environment(raw, ESC_DIRECT);
                Some(SecretsMode::EscDirect(EscDirect {
                    environment: environment.ok()?,
                    url: url.ok()?,
                }))
            }
            RawSecretsMode::ExternalSecrets => {
                let url = self.esc_address(raw);
                let environment = self.esc_environment(raw, EXTERNAL_SECRETS);
                let auth = self.store_auth(raw.auth.as_ref());
                let interval = raw.refresh_interval.as_deref().unwrap_or("1h");
                let refresh_interval = self.parse("secrets.refreshInterval", interval, refresh_interval);
                let environment = environment.ok()?;
                if environment
                    .as_ref()
                    .is_some_and(|environment| environment.version.is_some())
                {
                    self.problems.add_with_hint(
                        key("secrets.environment"),
                        "names a version, but the External Secrets Operator opens only the latest one",
                        "remove the @ and the version, or set phoenix:secrets.mode to esc-direct",
                    );
                    return None;
                }
                Some(SecretsMode::ExternalSecrets(ExternalSecrets {
                    environment,
                    url: url.ok()?,
                    auth: auth?,
                    refresh_interval: refresh_interval?,
                }))
            }
        }
    }

    /// A key that its mode does not use would appear to have an effect.
    fn keys_of_other_modes(&mut self, raw: &RawSecrets) {
        let opens = matches!(
            raw.mode,
            RawSecretsMode::EscDirect | RawSecretsMode::ExternalSecrets
        );
        let stores = raw.mode == RawSecretsMode::ExternalSecrets;
        let mode = match raw.mode {
            RawSecretsMode::Local => LOCAL,
            RawSecretsMode::PulumiEsc => PULUMI_ESC,
            RawSecretsMode::EscDirect => ESC_DIRECT,
            RawSecretsMode::ExternalSecrets => EXTERNAL_SECRETS,
        };
        for (name, is_set, is_read, meant) in [
            ("environment", raw.environment.is_some(), opens, ESC_DIRECT),
            ("url", raw.url.is_some(), opens, ESC_DIRECT),
            ("auth", raw.auth.is_some(), stores, EXTERNAL_SECRETS),
            (
                "refreshInterval",
                raw.refresh_interval.is_some(),
                stores,
                EXTERNAL_SECRETS,
            ),
        ] {
            if is_set && !is_read {
                self.problems.add_with_hint(
                    key(&format!("secrets.{name}")),
                    format!("is set, but phoenix:secrets.mode is {mode}, which does not read it"),
                    format!("remove it, or set phoenix:secrets.mode to {meant}"),
                );
            }
        }
    }

    /// The address; `None` for Pulumi Cloud.
    fn esc_address(&mut self, raw: &RawSecrets) -> Result<Option<String>, Reported> {
        let Some(url) = raw.url.as_deref() else {
            return Ok(None);
        };
        // The address is not repeated, because it may contain credentials.
        esc::address(url).map(Some).map_err(|wrong| {
            self.problems.add(key("secrets.url"), wrong);
            Reported
        })
    }

    /// The environment; `None` while it is a placeholder.
    fn esc_environment(&mut self, raw: &RawSecrets, mode: &str) -> Result<Option<EscEnvironment>, Reported> {
        let Some(environment) = &raw.environment else {
            self.problems.add_with_hint(
                key("secrets.environment"),
                format!("is missing, and phoenix:secrets.mode is {mode}"),
                "set it to the Pulumi ESC environment with the secrets, such as acme/phoenix/prod",
            );
            return Err(Reported);
        };
        match self.known("secrets.environment", environment) {
            Some(name) => self
                .parse("secrets.environment", name, EscEnvironment::parse)
                .map(Some)
                .ok_or(Reported),
            None => Ok(None),
        }
    }

    fn store_auth(&mut self, raw: Option<&RawStoreAuth>) -> Option<StoreAuth> {
        let (oidc, token) = raw.map_or((None, None), |raw| (raw.oidc.as_ref(), raw.access_token.as_ref()));
        match (oidc, token) {
            (Some(oidc), None) => {
                let path = "secrets.auth.oidc.serviceAccount";
                let account = self.dns_name(path, &oidc.service_account)?;
                self.account_is_free(path, &account)
                    .then_some(StoreAuth::Oidc(account))
            }
            (None, Some(token)) => {
                let secret = self.dns_name("secrets.auth.accessToken.secret", &token.secret);
                let data_key = self.parse("secrets.auth.accessToken.key", &token.key, data_key);
                let secret = secret?;
                if secret::INVENTORY.iter().any(|row| row.secret == secret.as_str()) {
                    self.problems.add_with_hint(
                        key("secrets.auth.accessToken.secret"),
                        format!("is {secret}, which the External Secrets Operator writes itself"),
                        "keep the access token in a Secret of its own",
                    );
                    return None;
                }
                Some(StoreAuth::AccessToken {
                    secret,
                    key: data_key?,
                })
            }
            (both, _) => {
                let message = if both.is_some() {
                    "has two authentication methods, but only one can be used"
                } else {
                    "has no authentication method for the External Secrets Operator"
                };
                self.problems.add_with_hint(
                    key("secrets.auth"),
                    message,
                    "use `oidc: {}` if Pulumi Cloud trusts the cluster's issuer, or `accessToken: {secret: …, key: …}`",
                );
                None
            }
        }
    }

    /// A service account that pods use must not open the environment, or the pods could open it too.
    fn account_is_free(&mut self, path: &str, account: &DnsName) -> bool {
        let is_taken = account.as_str() == "default"
            || WORKLOADS
                .iter()
                .any(|workload| workload.service_account == account.as_str());
        if is_taken {
            self.problems.add_with_hint(
                key(path),
                format!("is {account}, which pods use"),
                "choose a name of its own, such as external-secrets",
            );
        }
        !is_taken
    }
}

/// Whole minutes or hours, at least one; the operator would treat `0` as never.
fn refresh_interval(text: &str) -> Result<String, &'static str> {
    let number = text
        .strip_suffix(['m', 'h'])
        .and_then(|number| number.parse().ok());
    match number {
        Some(1_u16..) if text.bytes().all(|byte| byte != b'+') => Ok(text.to_owned()),
        _ => Err("is not a number of minutes or hours such as 30m or 1h"),
    }
}

/// A key of a Secret, as the API server accepts it.
fn data_key(text: &str) -> Result<String, &'static str> {
    let legal = (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    legal
        .then(|| text.to_owned())
        .ok_or("is not a valid Secret key: letters, digits, `-`, `_` and `.`")
}
