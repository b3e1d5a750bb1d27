//! How the secrets stand in the environment of Pulumi ESC that a stack takes them from. It opens the environment, as a
//! deployment does, and changes nothing.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow};
use phoenix::config::secret::{SecretRow, row};
use phoenix::config::{EscEnvironment, SecretsMode, StackConfig, raw};
use phoenix_program::esc::{self, Fault, FaultKind, Opened, PULUMI_CONFIG};

use super::{Entry, State, Subject};
use crate::doctor::esc_import::backend;
use phoenix_terminal::user_error::user_error;

/// How the secrets stand, and what the service warns of.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Each secret, and what stands beside them.
    pub entries: Vec<Entry>,
    /// What the service warns of.
    pub warnings: Vec<String>,
}

/// How the secrets stand in the environment that the stack names. `organization` owns the environments that a stack imports.
pub async fn run(subject: &Subject, organization: Option<&str>) -> Result<Examined> {
    let source = Source::of(subject, organization)?;
    let mut opened = Vec::new();
    for environment in &source.environments {
        let values = esc::open(environment, source.service()).await;
        opened.push(values.map_err(|why| {
            // Hints stand in lines of their own, and the last lines of an answer are theirs.
            anyhow!(why.replace("\n  hint: ", "\nhint: ")).context(format!(
                "cannot look at the secrets in {environment} of Pulumi ESC"
            ))
        })?);
    }
    let entries = match &subject.config.secrets {
        SecretsMode::ExternalSecrets(_) => for_operator(&subject.config, &opened),
        _ => for_pulumi(&subject.config, &opened),
    };
    let warnings = opened.iter().flat_map(Opened::warnings).cloned().collect();
    Ok(Examined { entries, warnings })
}

/// What has to be opened, and where.
struct Source {
    /// Later ones count more; never empty.
    environments: Vec<EscEnvironment>,
    /// The address of the service; `None` is Pulumi's own.
    url: Option<String>,
    /// What says the address.
    named_by: &'static str,
}

impl Source {
    fn service(&self) -> esc::Service<'_> {
        esc::Service {
            url: self.url.as_deref(),
            named_by: self.named_by,
        }
    }

    fn of(subject: &Subject, organization: Option<&str>) -> Result<Self> {
        let (environment, url) = match &subject.config.secrets {
            SecretsMode::Local => {
                return Err(user_error(
                    format!(
                        "the secrets of {} are in no environment of Pulumi ESC: phoenix:secrets.mode is local",
                        subject.name
                    ),
                    "leave --esc out",
                ));
            }
            SecretsMode::PulumiEsc => return Self::imported(subject, organization),
            SecretsMode::EscDirect(direct) => (&direct.environment, &direct.url),
            SecretsMode::ExternalSecrets(external) => (&external.environment, &external.url),
        };
        let environment = environment.clone().ok_or_else(|| {
            user_error(
                "phoenix:secrets.environment is a placeholder, so the stack names no environment yet",
                format!("write its name into {}", subject.file.path),
            )
        })?;
        Ok(Self {
            environments: vec![environment],
            url: url.clone(),
            named_by: esc::ADDRESS_KEY,
        })
    }

    /// What Pulumi's engine would open, at the Pulumi Cloud that keeps the state.
    fn imported(subject: &Subject, organization: Option<&str>) -> Result<Self> {
        let file = &subject.file.path;
        let names = subject.file.imports.as_deref().unwrap_or_default();
        if names.is_empty() {
            return Err(user_error(
                format!("phoenix:secrets.mode is pulumi-esc, but {file} imports no environment by its name"),
                "write `environment: [phoenix/STACK]` at its top; stacks/esc/README.md tells how it is set up",
            ));
        }
        let Some(organization) = organization else {
            return Err(user_error(
                format!(
                    "{file} imports {}, and it is not known whose they are",
                    names.join(", ")
                ),
                "name the organization at Pulumi Cloud with --organization",
            ));
        };
        let environments = names
            .iter()
            .map(|name| {
                let full = if name.contains('/') {
                    format!("{organization}/{name}")
                } else {
                    // A name without a project is one of the project that every organization has.
                    format!("{organization}/default/{name}")
                };
                EscEnvironment::parse(&full)
                    .map_err(|wrong| anyhow!("{full} {wrong}"))
                    .with_context(|| format!("cannot tell what {file} imports"))
            })
            .collect::<Result<_>>()?;
        let is_address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        Ok(Self {
            environments,
            url: backend().filter(is_address),
            named_by: "the address of the backend, in PULUMI_BACKEND_URL or where `pulumi login` went",
        })
    }
}

/// Below `pulumiConfig`, where Pulumi's engine and the program find them.
fn for_pulumi(config: &StackConfig, opened: &[Opened]) -> Vec<Entry> {
    let needed = config.secrets_needed();
    let mut entries: Vec<_> = needed
        .iter()
        .map(|row| {
            let key = row.full_key();
            // The last environment that has a key gives its value; with none, the last one is where it is missed.
            let holder = opened
                .iter()
                .rfind(|one| one.names(&[PULUMI_CONFIG]).contains(key.as_str()))
                .or(opened.last());
            holder.map_or_else(
                || Entry::new(key.clone(), State::Missing, "is in no environment"),
                |holder| judged(holder, &[PULUMI_CONFIG, &key], row),
            )
        })
        .collect();
    let names: BTreeSet<_> = opened
        .iter()
        .flat_map(|one| one.names(&[PULUMI_CONFIG]))
        .collect();
    // Other keys of the configuration may be given by an environment as well.
    let schema = raw::schema();
    let is_known = |key: &str| {
        schema["properties"].get(key).is_some() || row(key).is_some_and(|row| needed.contains(&row))
    };
    for name in names {
        if raw::own_key(name).is_some_and(|key| !is_known(key)) {
            entries.push(
                Entry::new(
                    name,
                    State::Unused,
                    "is there, but the stack needs no such secret",
                )
                .hint(format!("remove it from {PULUMI_CONFIG} of the environment")),
            );
        }
    }
    entries
}

/// In the flat maps that the External Secrets Operator makes Secrets of.
fn for_operator(config: &StackConfig, opened: &[Opened]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (target, rows) in config.secret_targets() {
        let property = target.property();
        let map: Vec<_> = property.split('.').collect();
        for holder in opened {
            for row in &rows {
                entries.push(judged(holder, &[&map[..], &[row.data_key]].concat(), row));
            }
            for name in holder.names(&map) {
                if rows.iter().all(|row| row.data_key != name) {
                    let found = format!("gets into the Secret {target}, but no pod of the platform reads it");
                    entries.push(
                        Entry::new(format!("{property}.{name}"), State::Unused, found)
                            .hint(format!("remove it from {property} of the environment")),
                    );
                }
            }
        }
    }
    entries
}

fn judged(holder: &Opened, path: &[&str], row: &SecretRow) -> Entry {
    let key = match path {
        [PULUMI_CONFIG, key] => (*key).to_owned(),
        other => other.join("."),
    };
    match holder.check(path, row) {
        Ok(bytes) => {
            let found = format!("is there in {}, {bytes} bytes", holder.name());
            Entry::new(key, State::Present, found)
        }
        Err(Fault { kind, wrong, hint }) => {
            let state = match kind {
                FaultKind::Missing => State::Missing,
                FaultKind::InClear => State::InClear,
                FaultKind::Unusable | FaultKind::Weak => State::Weak,
            };
            Entry::new(key, state, format!("in {} {wrong}", holder.name())).hint(hint)
        }
    }
}
