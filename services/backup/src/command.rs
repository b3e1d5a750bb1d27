//! The command line. This module is an edge: it reads the clock and the environment.

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;
use crate::mac::MacKeys;
use crate::manifest::{Manifest, Store};
use crate::neo4j::{Counts, Neo4j};
use crate::openmemory::OpenMemory;
use crate::prune::{Consent, Keep, prune};
use crate::qdrant::Qdrant;
use crate::server::RetryPolicy;
use crate::vault::{State, Target, Vault};

/// Backs up the stores of the platform to an object store, and restores them.
///
/// Exit codes: 0 success; 1 failure that a retry may fix; 2 invalid arguments or configuration; 3 a backup is damaged,
/// missing or unexpected, or data would be overwritten.
#[derive(Parser)]
#[command(name = "phoenix-backup", version)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    keys: MacKeys,
    /// The time limit of a run in minutes.
    #[arg(long, env = "BACKUP_TIME_LIMIT_MINUTES", default_value_t = 720, global = true)]
    time_limit: u64,
    /// The maximum number of attempts of a request.
    #[arg(long, env = "BACKUP_ATTEMPTS", default_value_t = 5, global = true)]
    attempts: u32,
}

#[derive(Subcommand)]
enum Verb {
    /// Back up or restore Qdrant, the vector database.
    Qdrant {
        #[command(subcommand)]
        verb: QdrantVerb,
    },
    /// Back up or restore Neo4j, the graph database.
    Neo4j {
        #[command(subcommand)]
        verb: Neo4jVerb,
    },
    /// Back up or restore OpenMemory's own records.
    Openmemory {
        #[command(subcommand)]
        verb: OpenMemoryVerb,
    },
    /// Restore the newest complete backup of Qdrant into temporary collections, count their points, and delete them.
    Drill(QdrantSettings),
    /// Delete backups that exceed the retention, and incomplete backups older than a day. Stores without a key are skipped.
    Prune {
        #[command(flatten)]
        keep: Keep,
        #[command(flatten)]
        consent: Consent,
    },
    /// List the backups of a store, oldest first.
    List {
        /// The store.
        #[arg(long)]
        store: Store,
    },
}

#[derive(Subcommand)]
enum QdrantVerb {
    /// Back up every collection of every peer.
    Backup(QdrantSettings),
    /// Restore collections.
    Restore {
        #[command(flatten)]
        settings: QdrantSettings,
        #[command(flatten)]
        restore: Restore,
        /// Restore only this collection; can be repeated. Default: all.
        #[arg(long = "collection", value_name = "NAME")]
        collections: Vec<String>,
    },
    /// Read every file of a backup and verify its checksum.
    Verify(From),
}

#[derive(Subcommand)]
enum Neo4jVerb {
    /// Back up nodes, relationships, constraints and indexes.
    Backup(Neo4jSettings),
    /// Restore nodes, relationships, constraints and indexes.
    Restore {
        #[command(flatten)]
        settings: Neo4jSettings,
        #[command(flatten)]
        restore: Restore,
    },
}

#[derive(Subcommand)]
enum OpenMemoryVerb {
    /// Back up all memories.
    Backup(OpenMemorySettings),
    /// Restore all memories.
    Restore {
        #[command(flatten)]
        settings: OpenMemorySettings,
        #[command(flatten)]
        restore: Restore,
    },
}

#[derive(Args)]
struct QdrantSettings {
    /// The addresses of all peers, separated by commas.
    #[arg(
        long = "peers",
        env = "QDRANT_PEERS",
        value_name = "URLS",
        value_delimiter = ',',
        required = true
    )]
    peers: Vec<Url>,
    /// The API key with write access.
    #[arg(long, env = "QDRANT_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<SecretString>,
}

#[derive(Args)]
struct Neo4jSettings {
    /// The HTTP address of the server.
    #[arg(long = "url", env = "NEO4J_URL")]
    url: Url,
    /// The user name.
    #[arg(long, env = "NEO4J_USER", default_value = "neo4j")]
    user: String,
    /// The password.
    #[arg(long, env = "NEO4J_PASSWORD", hide_env_values = true)]
    password: SecretString,
}

#[derive(Args)]
struct OpenMemorySettings {
    /// The address of the server.
    #[arg(long = "url", env = "OPENMEMORY_URL")]
    url: Url,
    /// A bearer token, if the server requires one.
    #[arg(long, env = "OPENMEMORY_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
}

#[derive(Args)]
struct From {
    /// The name of a backup, such as 20261122T011000Z, or `latest`.
    #[arg(
        long = "from",
        env = "RESTORE_FROM",
        default_value = "latest",
        value_name = "NAME"
    )]
    name: String,
}

// Clap names a group after its struct, and a subcommand has the same name.
#[derive(Args)]
#[group(id = "restore-settings")]
struct Restore {
    #[command(flatten)]
    from: From,
    /// Replace existing data.
    #[arg(
        long,
        env = "RESTORE_OVERWRITE",
        value_name = "BOOL",
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    overwrite: bool,
}

impl From {
    async fn choose(&self, vault: &Vault, store: Store) -> Result<Manifest, Error> {
        let name = (self.name != "latest").then_some(self.name.as_str());
        let manifest = vault.choose(store, name, Utc::now()).await?;
        println!(
            "using the backup {} of {store}, started at {}",
            manifest.folder(),
            manifest.begun
        );
        Ok(manifest)
    }
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(command)),
        Err(_) => Err(Error::Interrupted("cannot start the asynchronous runtime")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(command: Command) -> Result<(), Error> {
    let retry_policy = RetryPolicy {
        attempts: command.attempts.max(1),
        ..RetryPolicy::default()
    };
    let vault = Vault::open(&command.target, command.keys.parse()?)?;
    let limit = Duration::from_secs(command.time_limit.saturating_mul(60));
    match command.verb {
        Verb::Qdrant { verb } => match verb {
            QdrantVerb::Backup(settings) => {
                let qdrant = settings.open(retry_policy)?;
                let work = async {
                    qdrant
                        .backup(&vault, Utc::now())
                        .await
                        .map(|manifest| report(&manifest))
                };
                run_with_cleanup(work, limit, &qdrant).await
            }
            QdrantVerb::Restore {
                settings,
                restore,
                collections,
            } => {
                let qdrant = settings.open(retry_policy)?;
                let work = async {
                    let manifest = restore.from.choose(&vault, Store::Qdrant).await?;
                    let counts = qdrant
                        .restore(&vault, &manifest, &collections, restore.overwrite)
                        .await?;
                    print_points("restored", &counts);
                    Ok(())
                };
                run_with_cleanup(work, limit, &qdrant).await
            }
            QdrantVerb::Verify(from) => {
                run_limited(
                    async {
                        let manifest = from.choose(&vault, Store::Qdrant).await?;
                        for file in &manifest.files {
                            vault.check(&manifest, file).await?;
                            println!("verified: {} ({} bytes)", file.path, file.bytes);
                        }
                        Ok(())
                    },
                    limit,
                )
                .await
            }
        },
        Verb::Drill(settings) => {
            let qdrant = settings.open(retry_policy)?;
            let work = async {
                let manifest = From {
                    name: "latest".to_owned(),
                }
                .choose(&vault, Store::Qdrant)
                .await?;
                print_points("can be restored", &qdrant.drill(&vault, &manifest).await?);
                Ok(())
            };
            run_with_cleanup(work, limit, &qdrant).await
        }
        Verb::Neo4j { verb } => run_limited(run_neo4j(verb, &vault, retry_policy), limit).await,
        Verb::Openmemory { verb } => run_limited(run_openmemory(verb, &vault, retry_policy), limit).await,
        Verb::Prune { keep, consent } => run_limited(prune_all(&vault, keep, consent), limit).await,
        Verb::List { store } => run_limited(list(&vault, store), limit).await,
    }
}

async fn run_neo4j(verb: Neo4jVerb, vault: &Vault, retry_policy: RetryPolicy) -> Result<(), Error> {
    match verb {
        Neo4jVerb::Backup(settings) => {
            let neo4j = settings.open(retry_policy)?.read_only();
            report(&neo4j.backup(vault, Utc::now()).await?);
        }
        Neo4jVerb::Restore { settings, restore } => {
            let neo4j = settings.open(retry_policy)?;
            let manifest = restore.from.choose(vault, Store::Neo4j).await?;
            let Counts { nodes, relationships } = neo4j.restore(vault, &manifest, restore.overwrite).await?;
            println!("restored: {nodes} nodes, {relationships} relationships");
        }
    }
    Ok(())
}

async fn run_openmemory(verb: OpenMemoryVerb, vault: &Vault, retry_policy: RetryPolicy) -> Result<(), Error> {
    match verb {
        OpenMemoryVerb::Backup(settings) => {
            report(&settings.open(retry_policy)?.backup(vault, Utc::now()).await?);
        }
        OpenMemoryVerb::Restore { settings, restore } => {
            let openmemory = settings.open(retry_policy)?;
            let manifest = restore.from.choose(vault, Store::Openmemory).await?;
            let records = openmemory.restore(vault, &manifest, restore.overwrite).await?;
            println!("restored: {records} records");
        }
    }
    Ok(())
}

/// Prunes each store with a key. A failure of one store does not prevent the pruning of the next; the first one is reported
/// last.
async fn prune_all(vault: &Vault, keep: Keep, consent: Consent) -> Result<(), Error> {
    let stores: Vec<_> = Store::ALL
        .into_iter()
        .filter(|store| vault.has_key(*store))
        .collect();
    if stores.is_empty() {
        return Err(Error::Settings(
            "no key is set, so no backup can be verified\n  hint: set BACKUP_MAC_KEY_QDRANT, BACKUP_MAC_KEY_NEO4J and \
             BACKUP_MAC_KEY_OPENMEMORY"
                .to_owned(),
        ));
    }
    let mut done = Ok(());
    for store in stores {
        let pruned = prune(vault, store, keep, Utc::now(), consent).await;
        match (&done, pruned) {
            (Ok(()), pruned) => done = pruned,
            (Err(_), Err(error)) => eprintln!("error: {error}"),
            (Err(_), Ok(())) => {}
        }
    }
    done
}

async fn list(vault: &Vault, store: Store) -> Result<(), Error> {
    for backup in vault.backups(store, Utc::now()).await? {
        let (folder, problem) = (&backup.folder, backup.problem());
        match (&backup.state, problem) {
            (State::Good(manifest), None) => println!(
                "{folder} complete, {} bytes, {} records",
                manifest.bytes(),
                manifest.records()
            ),
            (State::Good(_) | State::Untimely(..), problem) => {
                println!(
                    "{folder} complete, but not counted: {}",
                    problem.unwrap_or_default()
                );
            }
            (State::Unfinished, _) => println!("{folder} incomplete"),
            (State::Damaged(reason), _) => println!("{folder} damaged: {reason}"),
        }
        if backup.unlisted > 0 {
            println!(
                "{folder} contains {} objects that its manifest does not list",
                backup.unlisted
            );
        }
    }
    Ok(())
}

impl QdrantSettings {
    fn open(&self, retry_policy: RetryPolicy) -> Result<Qdrant, Error> {
        Qdrant::new(&self.peers, self.api_key.as_ref(), retry_policy)
    }
}

impl Neo4jSettings {
    fn open(&self, retry_policy: RetryPolicy) -> Result<Neo4j, Error> {
        Neo4j::new(&self.url, &self.user, &self.password, retry_policy)
    }
}

impl OpenMemorySettings {
    fn open(&self, retry_policy: RetryPolicy) -> Result<OpenMemory, Error> {
        OpenMemory::new(&self.url, self.token.as_ref(), retry_policy)
    }
}

fn report(manifest: &Manifest) {
    for collection in &manifest.collections {
        println!("{}: {} points", collection.name, collection.points_after);
    }
    for file in &manifest.files {
        match file.records {
            Some(records) => println!("{}: {records} records, {} bytes", file.path, file.bytes),
            None => println!("{}: {} bytes", file.path, file.bytes),
        }
    }
    println!(
        "the backup {} of {} is complete: {} files, {} bytes",
        manifest.folder(),
        manifest.store,
        manifest.files.len(),
        manifest.bytes()
    );
}

fn print_points(what: &str, counts: &[(String, u64)]) {
    for (collection, points) in counts {
        println!("{what}: {collection} with {points} points");
    }
}

/// Runs the work until it is done, interrupted by SIGTERM or SIGINT, or the time limit is reached.
async fn run_limited(work: impl Future<Output = Result<(), Error>>, limit: Duration) -> Result<(), Error> {
    let cannot = |_| Error::Interrupted("cannot install signal handlers");
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    tokio::select! {
        done = work => done,
        _ = terminate.recv() => Err(Error::Interrupted("interrupted by SIGTERM; an incomplete backup is not used")),
        _ = interrupt.recv() => Err(Error::Interrupted("interrupted by SIGINT; an incomplete backup is not used")),
        () = tokio::time::sleep(limit) => Err(Error::Interrupted("the time limit (BACKUP_TIME_LIMIT_MINUTES) is reached")),
    }
}

/// Like `run_limited`, and always deletes temporary snapshots and collections from the peers.
async fn run_with_cleanup(
    work: impl Future<Output = Result<(), Error>>,
    limit: Duration,
    qdrant: &Qdrant,
) -> Result<(), Error> {
    let done = run_limited(work, limit).await;
    let cleaned = qdrant.clean_up().await;
    // The first failure is reported.
    done.and(cleaned)
}
