//! The state of a stack's secrets in its Pulumi ESC environment. Opens the environment, as a deployment does, and changes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow};
use phoenix::config::secret::{SecretRow, row};
use phoenix::config::{EscEnvironment, SecretsMode, StackConfig, own_key, schema};
use phoenix_program::esc::{self, Fault, FaultKind, Opened, PULUMI_CONFIG};

use phoenix_cli::doctor::esc_import::backend;
use phoenix_cli::secrets::{Entry, EscReport, State, Subject, contradictions};
use phoenix_terminal::user_error::user_error;

/// The state of each secret in the stack's environment. `organization` owns the environments that a stack file imports.
pub async fn run(subject: &Subject, organization: Option<&str>) -> Result<EscReport> {
    let source = Source::of(subject, organization)?;
    let mut opened = Vec::new();
    for environment in &source.environments {
        let values = esc::open(environment, source.service()).await;
        opened.push(values.map_err(|why| {
            // Hints are printed at the end, each in a line of its own.
            anyhow!(why.replace("\n  hint: ", "\nhint: ")).context(format!(
                "cannot read the secrets of the ESC environment {environment}"
            ))
        })?);
    }
    let entries = match &subject.config.secrets {
        SecretsMode::ExternalSecrets(_) => for_operator(&subject.config, &opened),
        _ => for_pulumi(&subject.config, &opened),
    };
    let warnings = opened.iter().flat_map(Opened::warnings).cloned().collect();
    Ok(EscReport { entries, warnings })
}

/// The environments to open, and the service that has them.
struct Source {
    /// Never empty. Later environments override earlier ones.
    environments: Vec<EscEnvironment>,
    /// The address of the service; `None` is Pulumi Cloud.
    url: Option<String>,
    /// Where the address is configured.
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
                        "the stack {} has no ESC environment: phoenix:secrets.mode is local",
                        subject.name
                    ),
                    "omit --esc",
                ));
            }
            SecretsMode::PulumiEsc => return Self::imported(subject, organization),
            SecretsMode::EscDirect(direct) => (&direct.environment, &direct.url),
            SecretsMode::ExternalSecrets(external) => (&external.environment, &external.url),
        };
        let environment = environment.clone().ok_or_else(|| {
            user_error(
                "phoenix:secrets.environment is a placeholder, so the stack has no environment yet",
                format!("set its name in {}", subject.file.path),
            )
        })?;
        Ok(Self {
            environments: vec![environment],
            url: url.clone(),
            named_by: esc::ADDRESS_KEY,
        })
    }

    /// The environments that Pulumi opens, in the Pulumi Cloud that keeps the state.
    fn imported(subject: &Subject, organization: Option<&str>) -> Result<Self> {
        let file = &subject.file.path;
        let names = subject.file.imports.as_deref().unwrap_or_default();
        if names.is_empty() {
            return Err(user_error(
                format!("phoenix:secrets.mode is pulumi-esc, but {file} imports no environment by name"),
                "add `environment: [phoenix/STACK]` at the top of the file; stacks/esc/README.md describes the setup",
            ));
        }
        let Some(organization) = organization else {
            return Err(user_error(
                format!(
                    "{file} imports {}, but their organization is not known",
                    names.join(", ")
                ),
                "set the Pulumi Cloud organization with --organization",
            ));
        };
        let environments = names
            .iter()
            .map(|name| {
                let full = if name.contains('/') {
                    format!("{organization}/{name}")
                } else {
                    // A name without a project belongs to the project `default`.
                    format!("{organization}/default/{name}")
                };
                EscEnvironment::parse(&full)
                    .map_err(|wrong| anyhow!("{full} {wrong}"))
                    .with_context(|| format!("cannot parse what {file} imports"))
            })
            .collect::<Result<_>>()?;
        let is_address = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        Ok(Self {
            environments,
            url: backend().filter(is_address),
            named_by: "the address of the backend, from PULUMI_BACKEND_URL or `pulumi login`",
        })
    }
}

/// The entries below `pulumiConfig`, which Pulumi and the program read.
fn for_pulumi(config: &StackConfig, opened: &[Opened]) -> Vec<Entry> {
    let needed = config.secrets_needed();
    let mut entries: Vec<_> = needed
        .iter()
        .map(|row| {
            let key = row.full_key();
            // The last environment that has the key provides the value; if none has it, the last one is reported.
            let holder = opened
                .iter()
                .rfind(|one| one.names(&[PULUMI_CONFIG]).contains(key.as_str()))
                .or(opened.last());
            holder.map_or_else(
                || Entry::new(key.clone(), State::Missing, "is in no environment"),
                |holder| entry(holder, &[PULUMI_CONFIG, &key], row, config),
            )
        })
        .collect();
    // The last environment that has a key provides the value.
    entries.extend(contradictions(config, |key| {
        let row = row(key)?;
        opened
            .iter()
            .rev()
            .find_map(|one| one.text(&[PULUMI_CONFIG, key], row))
    }));
    let names: BTreeSet<_> = opened
        .iter()
        .flat_map(|one| one.names(&[PULUMI_CONFIG]))
        .collect();
    // An environment may also provide other keys of the configuration.
    let schema = schema::schema();
    let is_known = |key: &str| {
        schema["properties"].get(key).is_some() || row(key).is_some_and(|row| needed.contains(&row))
    };
    for name in names {
        if own_key(name).is_some_and(|key| !is_known(key)) {
            entries.push(
                Entry::new(
                    name,
                    State::Unused,
                    "is set, but the stack does not use such a secret",
                )
                .hint(format!("remove it from {PULUMI_CONFIG} of the environment")),
            );
        }
    }
    entries
}

/// The entries in the flat maps from which the External Secrets Operator creates Secrets.
fn for_operator(config: &StackConfig, opened: &[Opened]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut values = BTreeMap::new();
    for (target, rows) in config.secret_targets() {
        let property = target.property();
        let map: Vec<_> = property.split('.').collect();
        for holder in opened {
            for row in &rows {
                let text = holder.text(&[&map[..], &[row.data_key]].concat(), row);
                values.extend(text.map(|text| (row.full_key(), text)));
                entries.push(entry(holder, &[&map[..], &[row.data_key]].concat(), row, config));
            }
            for name in holder.names(&map) {
                if rows.iter().all(|row| row.data_key != name) {
                    let found =
                        format!("becomes part of the Secret {target}, but no pod of the platform reads it");
                    entries.push(
                        Entry::new(format!("{property}.{name}"), State::Unused, found)
                            .hint(format!("remove it from {property} of the environment")),
                    );
                }
            }
        }
    }
    entries.extend(contradictions(config, |key| values.get(key).copied()));
    entries
}

fn entry(holder: &Opened, path: &[&str], row: &SecretRow, config: &StackConfig) -> Entry {
    let key = match path {
        [PULUMI_CONFIG, key] => (*key).to_owned(),
        other => other.join("."),
    };
    match holder.check(path, row, config) {
        Ok(bytes) => {
            let found = format!("is set in {}, {bytes} bytes", holder.name());
            Entry::new(key, State::Present, found)
        }
        Err(Fault { kind, wrong, hint }) => {
            let state = match kind {
                FaultKind::Missing => State::Missing,
                FaultKind::InClear => State::Plaintext,
                FaultKind::Unusable | FaultKind::Weak => State::Weak,
            };
            Entry::new(key, state, format!("in {} {wrong}", holder.name())).hint(hint)
        }
    }
}
