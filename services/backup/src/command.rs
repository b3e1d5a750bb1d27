//! The command line: what is asked for, with which settings, and how it ends. An edge: it reads the clock and the environment.

use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;
use crate::manifest::{Manifest, Store};
use crate::neo4j::{Counts, Neo4j};
use crate::openmemory::OpenMemory;
use crate::prune::{Keep, prune};
use crate::qdrant::Qdrant;
use crate::server::Patience;
use crate::vault::{State, Target, Vault};

/// Copies what the stores of the platform hold to an object store, and back.
///
/// Exit codes: 0 done; 1 failed, and trying again may help; 2 wrong use or configuration; 3 what was found is not good,
/// or data would be overwritten.
#[derive(Parser)]
#[command(name = "phoenix-backup", version)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    target: Target,
    /// How long a run may take, in minutes.
    #[arg(long, env = "BACKUP_TIME_LIMIT_MINUTES", default_value_t = 720, global = true)]
    time_limit: u64,
    /// How often one question is asked of a server that does not answer.
    #[arg(long, env = "BACKUP_ATTEMPTS", default_value_t = 5, global = true)]
    attempts: u32,
}

#[derive(Subcommand)]
enum Verb {
    /// The vector database.
    Qdrant {
        #[command(subcommand)]
        verb: QdrantVerb,
    },
    /// The graph database.
    Neo4j {
        #[command(subcommand)]
        verb: Neo4jVerb,
    },
    /// What OpenMemory itself knows of its memories.
    Openmemory {
        #[command(subcommand)]
        verb: OpenMemoryVerb,
    },
    /// Restores the newest good backup of Qdrant into scratch collections, counts their points, and removes them.
    Drill(QdrantSettings),
    /// Removes backups that need not be kept, and half-written remains older than a day.
    Prune {
        #[command(flatten)]
        keep: Keep,
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the backups of a store, oldest first.
    List {
        /// Whose.
        #[arg(long)]
        store: Store,
    },
}

#[derive(Subcommand)]
enum QdrantVerb {
    /// Copies every collection of every peer.
    Backup(QdrantSettings),
    /// Puts collections back.
    Restore {
        #[command(flatten)]
        settings: QdrantSettings,
        #[command(flatten)]
        restore: Restore,
        /// Only this collection; can be given again. Without it, all.
        #[arg(long = "collection", value_name = "NAME")]
        collections: Vec<String>,
    },
    /// Reads every file of a backup, and compares it with its checksum.
    Verify(From),
}

#[derive(Subcommand)]
enum Neo4jVerb {
    /// Copies nodes, relationships, constraints and indexes.
    Backup(Neo4jSettings),
    /// Puts them back.
    Restore {
        #[command(flatten)]
        settings: Neo4jSettings,
        #[command(flatten)]
        restore: Restore,
    },
}

#[derive(Subcommand)]
enum OpenMemoryVerb {
    /// Copies all memories.
    Backup(OpenMemorySettings),
    /// Puts them back.
    Restore {
        #[command(flatten)]
        settings: OpenMemorySettings,
        #[command(flatten)]
        restore: Restore,
    },
}

#[derive(Args)]
struct QdrantSettings {
    /// The address of each peer.
    #[arg(
        long = "peers",
        env = "QDRANT_PEERS",
        value_name = "URLS",
        value_delimiter = ',',
        required = true
    )]
    peers: Vec<Url>,
    /// The key that may write.
    #[arg(long, env = "QDRANT_API_KEY", hide_env_values = true, value_name = "KEY")]
    api_key: Option<SecretString>,
}

#[derive(Args)]
struct Neo4jSettings {
    /// Its address, of the port of HTTP.
    #[arg(long = "url", env = "NEO4J_URL")]
    url: Url,
    /// Who we are there.
    #[arg(long, env = "NEO4J_USER", default_value = "neo4j")]
    user: String,
    /// The password of the user.
    #[arg(long, env = "NEO4J_PASSWORD", hide_env_values = true)]
    password: SecretString,
}

#[derive(Args)]
struct OpenMemorySettings {
    /// Its address.
    #[arg(long = "url", env = "OPENMEMORY_URL")]
    url: Url,
    /// A token, where it asks for one.
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

// Clap calls a group after its struct, and there is a verb of that name.
#[derive(Args)]
#[group(id = "restore-settings")]
struct Restore {
    #[command(flatten)]
    from: From,
    /// Replace what is there.
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
        let manifest = vault.choose(store, name).await?;
        println!(
            "the backup {} of {store}, begun at {}",
            manifest.folder(),
            manifest.begun
        );
        Ok(manifest)
    }
}

/// Runs what the arguments and the environment ask for.
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
        Err(_) => Err(Error::Interrupted(
            "cannot set up what waits for networks; the machine has no resources left",
        )),
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
    let patience = Patience {
        attempts: command.attempts.max(1),
        ..Patience::default()
    };
    let vault = Vault::open(&command.target)?;
    let limit = Duration::from_secs(command.time_limit.saturating_mul(60));
    match command.verb {
        Verb::Qdrant { verb } => match verb {
            QdrantVerb::Backup(settings) => {
                let qdrant = settings.open(patience)?;
                let work = async {
                    qdrant
                        .backup(&vault, Utc::now())
                        .await
                        .map(|manifest| report(&manifest))
                };
                finished_or_cleaned(work, limit, &qdrant).await
            }
            QdrantVerb::Restore {
                settings,
                restore,
                collections,
            } => {
                let qdrant = settings.open(patience)?;
                let work = async {
                    let manifest = restore.from.choose(&vault, Store::Qdrant).await?;
                    let counts = qdrant
                        .restore(&vault, &manifest, &collections, restore.overwrite)
                        .await?;
                    say_points("restored", &counts);
                    Ok(())
                };
                finished_or_cleaned(work, limit, &qdrant).await
            }
            QdrantVerb::Verify(from) => {
                finished(
                    async {
                        let manifest = from.choose(&vault, Store::Qdrant).await?;
                        for file in &manifest.files {
                            vault.check(&manifest, file).await?;
                            println!("good: {} ({} bytes)", file.path, file.bytes);
                        }
                        Ok(())
                    },
                    limit,
                )
                .await
            }
        },
        Verb::Drill(settings) => {
            let qdrant = settings.open(patience)?;
            let work = async {
                let manifest = From {
                    name: "latest".to_owned(),
                }
                .choose(&vault, Store::Qdrant)
                .await?;
                say_points("can be restored", &qdrant.drill(&vault, &manifest).await?);
                Ok(())
            };
            finished_or_cleaned(work, limit, &qdrant).await
        }
        Verb::Neo4j { verb } => finished(run_neo4j(verb, &vault, patience), limit).await,
        Verb::Openmemory { verb } => finished(run_openmemory(verb, &vault, patience), limit).await,
        Verb::Prune { keep, dry_run } => {
            finished(
                async {
                    for store in Store::ALL {
                        prune(&vault, store, keep, Utc::now(), dry_run).await?;
                    }
                    Ok(())
                },
                limit,
            )
            .await
        }
        Verb::List { store } => finished(list(&vault, store), limit).await,
    }
}

async fn run_neo4j(verb: Neo4jVerb, vault: &Vault, patience: Patience) -> Result<(), Error> {
    match verb {
        Neo4jVerb::Backup(settings) => report(&settings.open(patience)?.backup(vault, Utc::now()).await?),
        Neo4jVerb::Restore { settings, restore } => {
            let neo4j = settings.open(patience)?;
            let manifest = restore.from.choose(vault, Store::Neo4j).await?;
            let Counts { nodes, relationships } = neo4j.restore(vault, &manifest, restore.overwrite).await?;
            println!("restored: {nodes} nodes, {relationships} relationships");
        }
    }
    Ok(())
}

async fn run_openmemory(verb: OpenMemoryVerb, vault: &Vault, patience: Patience) -> Result<(), Error> {
    match verb {
        OpenMemoryVerb::Backup(settings) => {
            report(&settings.open(patience)?.backup(vault, Utc::now()).await?);
        }
        OpenMemoryVerb::Restore { settings, restore } => {
            let openmemory = settings.open(patience)?;
            let manifest = restore.from.choose(vault, Store::Openmemory).await?;
            let records = openmemory.restore(vault, &manifest, restore.overwrite).await?;
            println!("restored: {records} records");
        }
    }
    Ok(())
}

async fn list(vault: &Vault, store: Store) -> Result<(), Error> {
    for kept in vault.backups(store).await? {
        match kept.state {
            State::Good(manifest) => println!("{} good, {} bytes", kept.folder, manifest.bytes()),
            State::Unfinished => println!("{} not finished", kept.folder),
            State::Damaged(why) => println!("{} damaged: {why}", kept.folder),
        }
    }
    Ok(())
}

impl QdrantSettings {
    fn open(&self, patience: Patience) -> Result<Qdrant, Error> {
        Qdrant::new(&self.peers, self.api_key.as_ref(), patience)
    }
}

impl Neo4jSettings {
    fn open(&self, patience: Patience) -> Result<Neo4j, Error> {
        Neo4j::new(&self.url, &self.user, &self.password, patience)
    }
}

impl OpenMemorySettings {
    fn open(&self, patience: Patience) -> Result<OpenMemory, Error> {
        OpenMemory::new(&self.url, self.token.as_ref(), patience)
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

fn say_points(what: &str, counts: &[(String, u64)]) {
    for (collection, points) in counts {
        println!("{what}: {collection} with {points} points");
    }
}

/// The work, unless it is ended by SIGTERM, SIGINT or its time.
async fn finished(work: impl Future<Output = Result<(), Error>>, limit: Duration) -> Result<(), Error> {
    let cannot = |_| Error::Interrupted("cannot listen to signals");
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    tokio::select! {
        done = work => done,
        _ = terminate.recv() => Err(Error::Interrupted("ended by SIGTERM before it was done; nothing half-written counts as a backup")),
        _ = interrupt.recv() => Err(Error::Interrupted("ended by SIGINT before it was done; nothing half-written counts as a backup")),
        () = tokio::time::sleep(limit) => Err(Error::Interrupted("it took longer than BACKUP_TIME_LIMIT_MINUTES, and was ended")),
    }
}

/// The same, and whatever the end is, nothing stays on the peers.
async fn finished_or_cleaned(
    work: impl Future<Output = Result<(), Error>>,
    limit: Duration,
    qdrant: &Qdrant,
) -> Result<(), Error> {
    let done = finished(work, limit).await;
    let cleaned = qdrant.clean_up().await;
    // The first failure is the one to read.
    done.and(cleaned)
}
