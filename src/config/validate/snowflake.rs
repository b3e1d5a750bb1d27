//! Checks of the Snowflake account.

use super::{Check, key};
use crate::config::placeholder::OrPlaceholder;
use crate::config::raw::{RawSnowflake, RawTiers};
use crate::config::schema_check::shown_text;
use crate::config::{HostName, Snowflake, SnowflakeHost, SnowflakeProtocol};

/// More than any account has; the mesh keeps an entry for each.
const MOST_HOSTS: usize = 64;

impl Check {
    pub(super) fn snowflake(&mut self, raw: &RawSnowflake, tiers: &RawTiers) -> Option<Snowflake> {
        let account = self.snowflake_name("snowflake.account", &raw.account, is_account);
        let user = self.snowflake_name("snowflake.user", &raw.user, is_identifier);
        let role = self.snowflake_name("snowflake.role", &raw.role, is_identifier);
        let warehouse = self.snowflake_name("snowflake.warehouse", &raw.warehouse, is_identifier);
        let database = self.snowflake_name("snowflake.database", &raw.database, is_identifier);
        let table = self.parse("snowflake.table", &raw.table, is_table);
        let hosts = self.snowflake_hosts(raw);
        self.networks("snowflake.networks", &raw.networks, true);
        self.tier_is_once(
            "snowflakeCortex",
            tiers.snowflake_cortex.external.is_some(),
            "snowflake",
        );
        let hosts = hosts?;
        let account = account?;
        let known = matches!(raw.account, OrPlaceholder::Value(_))
            && raw
                .hosts
                .iter()
                .all(|entry| matches!(entry.host, OrPlaceholder::Value(_)));
        let account_host = self.account_host(&account, &hosts, known);
        Some(Snowflake {
            account,
            account_host: account_host?,
            hosts,
            networks: raw.networks.clone(),
            user: user?,
            role: role?,
            warehouse: warehouse?,
            database: database?,
            table: table?,
            encrypted_key: raw.encrypted_key,
        })
    }

    fn snowflake_name(
        &mut self,
        path: &str,
        raw: &OrPlaceholder<String>,
        check: fn(&str) -> Result<String, &'static str>,
    ) -> Option<String> {
        match self.known(path, raw) {
            Some(text) => self.parse(path, text, check),
            None => Some("PLACEHOLDER".to_owned()),
        }
    }

    fn snowflake_hosts(&mut self, raw: &RawSnowflake) -> Option<Vec<SnowflakeHost>> {
        if raw.hosts.is_empty() || raw.hosts.len() > MOST_HOSTS {
            self.problems.add_with_hint(
                key("snowflake.hosts"),
                format!(
                    "has {} entries, but must have from 1 to {MOST_HOSTS}",
                    raw.hosts.len()
                ),
                "use the result of: SELECT SYSTEM$ALLOWLIST()",
            );
            return None;
        }
        let mut hosts: Vec<SnowflakeHost> = Vec::new();
        let mut legal = true;
        for (position, entry) in raw.hosts.iter().enumerate() {
            let path = format!("snowflake.hosts[{position}]");
            let host = match self.known(&format!("{path}.host"), &entry.host) {
                Some(host) => self.parse(&format!("{path}.host"), host, HostName::parse_name),
                None => HostName::parse(&format!("snowflake-{position}.placeholder.invalid")).ok(),
            };
            let protocol = match entry.port {
                443 => Some(SnowflakeProtocol::Tls),
                80 => Some(SnowflakeProtocol::Http),
                other => {
                    self.problems.add(
                        key(&format!("{path}.port")),
                        format!("is {other}, but Snowflake's clients use only port 443 and, for certificate revocation, port 80"),
                    );
                    None
                }
            };
            let (Some(host), Some(protocol)) = (host, protocol) else {
                legal = false;
                continue;
            };
            let host = SnowflakeHost { host, protocol };
            if hosts.contains(&host) {
                self.problems.add_with_hint(
                    key(&path),
                    format!("is {} on port {} more than once", host.host, protocol.port()),
                    "remove one of them",
                );
                legal = false;
                continue;
            }
            hosts.push(host);
        }
        legal.then_some(hosts)
    }

    /// The SQL endpoint. A list without it belongs to another account.
    fn account_host(&mut self, account: &str, hosts: &[SnowflakeHost], known: bool) -> Option<HostName> {
        let mut secure = hosts
            .iter()
            .filter(|host| host.protocol == SnowflakeProtocol::Tls)
            .map(|host| &host.host);
        // Host names cannot contain underscores.
        let beginning = format!("{}.", account.to_lowercase().replace('_', "-"));
        let is_account = |host: &&HostName| {
            host.as_str().starts_with(&beginning) && host.as_str().contains(".snowflakecomputing.")
        };
        let found = secure.clone().find(is_account);
        let found = if known {
            found
        } else {
            found.or_else(|| secure.next())
        };
        if found.is_none() {
            self.problems.add_with_hint(
                key("snowflake.hosts"),
                format!(
                    "lacks the account {} itself, on port 443",
                    shown_text(account)
                ),
                format!("add {beginning}snowflakecomputing.com, or the SNOWFLAKE_DEPLOYMENT entry of SYSTEM$ALLOWLIST()"),
            );
        }
        found.cloned()
    }
}

fn is_account(text: &str) -> Result<String, &'static str> {
    let legal = (3..=255).contains(&text.len())
        && text.contains('-')
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    legal
        .then(|| text.to_owned())
        .ok_or("is not an account identifier, beginning with the organization, such as acme-sophia")
}

fn is_identifier(text: &str) -> Result<String, &'static str> {
    let legal = (1..=255).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(&byte));
    legal
        .then(|| text.to_owned())
        .ok_or("is not an unquoted Snowflake identifier")
}

fn is_table(text: &str) -> Result<String, &'static str> {
    let parts: Vec<_> = text.split('.').collect();
    (parts.len() == 2 && parts.iter().all(|part| is_identifier(part).is_ok()))
        .then(|| text.to_owned())
        .ok_or("is not a table name with its schema, such as SOPHIA_AI_MEMORY.MEMORY_RECORDS_ENHANCED")
}
