//! The graph database, as lines of JSON by its HTTP query API: the Community edition has no backup of a running server.
//!
//! Values stay as they come, in the API's typed JSON, so that a date comes back as a date. Pages are read one after the
//! other, each a transaction of its own: what changes meanwhile is in the copy or not. Relationships are read before
//! nodes, so that a relationship of the copy lacks a node only where both were deleted meanwhile; then it is left out.
//!
//! Nodes and relationships carry their old identity while they are put back. So the same page may be asked for twice,
//! and a graph that is half put back can be told from a whole one.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::error::Error;
use crate::lines::Reader;
use crate::manifest::{self, FORMAT, File, Manifest, Store};
use crate::server::{Again, Patience, Question, Server};
use crate::vault::{Upload, Vault};

const HINT: &str = "look at NEO4J_USER and NEO4J_PASSWORD; a server keeps the password of its first start";
/// Values with their types, in questions and answers.
const TYPED: &str = "application/vnd.neo4j.query";
/// How many nodes or relationships a page has. A page is in memory as a whole.
const PAGE: usize = 500;

const NODES: &str = "nodes.jsonl";
const RELATIONSHIPS: &str = "relationships.jsonl";
const SCHEMA: &str = "schema.jsonl";

/// The label and the property that nodes and relationships carry until all of them are put back.
const MARK: &str = "PhoenixRestore";
const OLD_ID: &str = "phoenixRestoreId";

/// The types that properties may have here, besides lists and maps of them. The API has others, as vectors, that this
/// form of it cannot take back.
const CARRIED: [&str; 14] = [
    "Null",
    "Boolean",
    "Integer",
    "Float",
    "String",
    "Base64",
    "Date",
    "Time",
    "LocalTime",
    "OffsetDateTime",
    "ZonedDateTime",
    "LocalDateTime",
    "Duration",
    "Point",
];

/// A Neo4j server and its database `neo4j`.
pub struct Neo4j {
    server: Server,
    patience: Patience,
}

/// A value with its type.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Typed {
    #[serde(rename = "$type")]
    kind: String,
    #[serde(rename = "_value", default)]
    value: Content,
}

/// Numbers, dates and the like are texts here, because the numbers of JSON cannot hold the large ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    #[default]
    Nothing,
    Flag(bool),
    Text(String),
    List(Vec<Typed>),
    Map(BTreeMap<String, Typed>),
    /// Of a type that cannot be carried; it is kept so that the error can name the type.
    Other(serde_json::Value),
}

#[derive(Serialize)]
struct Statement<'a> {
    statement: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'a str, Typed>,
}

/// Success is not told by the status: an error that occurs after the first row comes in the body of a 202.
#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Data {
    values: Vec<Vec<Typed>>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    message: String,
}

/// A line of `nodes.jsonl`.
#[derive(Serialize, Deserialize)]
struct Node {
    id: String,
    labels: Vec<String>,
    properties: Typed,
}

/// A line of `relationships.jsonl`.
#[derive(Serialize, Deserialize)]
struct Relationship {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    start: String,
    end: String,
    properties: Typed,
}

/// A line of `schema.jsonl`: a constraint or an index, as the statement that makes it.
#[derive(Serialize, Deserialize)]
struct Declaration {
    name: String,
    create: String,
}

/// How much was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Nodes.
    pub nodes: u64,
    /// Relationships.
    pub relationships: u64,
}

impl Neo4j {
    /// The server at this address.
    pub fn new(url: &Url, user: &str, password: &SecretString, patience: Patience) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(TYPED));
        let server = Server::new(url.clone(), headers, patience, HINT)?
            .speaking(TYPED)
            .with_password(user, password.expose_secret());
        Ok(Self { server, patience })
    }

    /// Copies the graph, and how it is indexed and constrained.
    pub async fn backup(&self, vault: &Vault, begun: DateTime<Utc>) -> Result<Manifest, Error> {
        let doing = "ask Neo4j for its version";
        let version = self
            .one(
                "CALL dbms.components() YIELD name, versions WITH name, versions WHERE name = 'Neo4j Kernel' \
                 RETURN versions[0]",
                doing,
            )
            .await?
            .into_text(doing)?;
        let marked = self.marked().await?;
        if marked > 0 {
            return Err(Error::Damaged(format!(
                "the graph is half put back: {marked} nodes carry the mark of a restore, so a backup of it would not be one\n  \
                 hint: wait for the restore to end, or run it again with RESTORE_OVERWRITE=true"
            )));
        }
        let folder = manifest::folder(begun);
        let files = vec![
            self.export_schema(vault, &folder).await?,
            self.export_relationships(vault, &folder).await?,
            self.export_nodes(vault, &folder).await?,
        ];
        let manifest = Manifest {
            format: FORMAT,
            store: Store::Neo4j,
            begun,
            finished: Utc::now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            server: Some(version),
            peers: 1,
            collections: Vec::new(),
            aliases: Vec::new(),
            files,
        };
        vault.complete(&manifest).await?;
        Ok(manifest)
    }

    async fn export_schema(&self, vault: &Vault, folder: &str) -> Result<File, Error> {
        let declarations = self.schema().await?;
        let mut upload = vault.write(Store::Neo4j, folder, SCHEMA, None).await?;
        match upload.write(lines_of(&declarations)).await {
            Ok(()) => Ok(File {
                records: Some(declarations.len() as u64),
                ..upload.finish().await?
            }),
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    async fn export_nodes(&self, vault: &Vault, folder: &str) -> Result<File, Error> {
        let doing = "export the nodes of Neo4j";
        let statement = format!(
            "MATCH (n) WHERE elementId(n) > $after WITH n ORDER BY elementId(n) LIMIT {PAGE} \
             RETURN elementId(n), labels(n), properties(n)"
        );
        let upload = vault.write(Store::Neo4j, folder, NODES, None).await?;
        self.export(upload, &statement, doing, |[id, labels, properties]| {
            let node = Node {
                id: id.into_text(doing)?,
                labels: labels.into_texts(doing)?,
                properties,
            };
            for label in &node.labels {
                quoted(label)?;
            }
            node.properties.expect_carried(&format!("the node {}", node.id))?;
            Ok((node.id.clone(), node))
        })
        .await
    }

    async fn export_relationships(&self, vault: &Vault, folder: &str) -> Result<File, Error> {
        let doing = "export the relationships of Neo4j";
        let statement = format!(
            "MATCH (a)-[r]->(b) WHERE elementId(r) > $after WITH a, r, b ORDER BY elementId(r) LIMIT {PAGE} \
             RETURN elementId(r), type(r), elementId(a), elementId(b), properties(r)"
        );
        let upload = vault.write(Store::Neo4j, folder, RELATIONSHIPS, None).await?;
        self.export(upload, &statement, doing, |[id, kind, start, end, properties]| {
            let relationship = Relationship {
                id: id.into_text(doing)?,
                kind: kind.into_text(doing)?,
                start: start.into_text(doing)?,
                end: end.into_text(doing)?,
                properties,
            };
            quoted(&relationship.kind)?;
            relationship
                .properties
                .expect_carried(&format!("the relationship {}", relationship.id))?;
            Ok((relationship.id.clone(), relationship))
        })
        .await
    }

    /// Writes page after page, each from where the last ended. `read` gives what pages are ordered by, and the line.
    async fn export<const N: usize, T: Serialize>(
        &self,
        mut upload: Upload,
        statement: &str,
        doing: &str,
        read: impl Fn([Typed; N]) -> Result<(String, T), Error>,
    ) -> Result<File, Error> {
        let mut after = String::new();
        let mut records = 0;
        loop {
            let written: Result<usize, Error> = async {
                let rows = self
                    .ask(statement, [("after", Typed::text(&after))].into(), doing)
                    .await?;
                let mut page = Vec::new();
                for row in rows {
                    let (id, line) = read(columns(row, doing)?)?;
                    // Otherwise a server that orders differently would let us read for ever.
                    if id <= after {
                        return Err(unexpected(
                            doing,
                            "its rows are not in the order that was asked for",
                        ));
                    }
                    after = id;
                    page.push(line);
                }
                upload.write(lines_of(&page)).await?;
                Ok(page.len())
            }
            .await;
            match written {
                Ok(lines) => {
                    records += lines as u64;
                    if lines < PAGE {
                        return Ok(File {
                            records: Some(records),
                            ..upload.finish().await?
                        });
                    }
                }
                Err(error) => {
                    upload.abort().await;
                    return Err(error);
                }
            }
        }
    }

    /// Constraints first, and then the indexes that do not belong to one.
    async fn schema(&self) -> Result<Vec<Declaration>, Error> {
        let doing = "list the constraints and indexes of Neo4j";
        let mut declarations = Vec::new();
        for statement in [
            "SHOW CONSTRAINTS YIELD name, createStatement RETURN name, createStatement ORDER BY name",
            "SHOW INDEXES YIELD name, type, owningConstraint, createStatement \
             WHERE owningConstraint IS NULL AND type <> 'LOOKUP' RETURN name, createStatement ORDER BY name",
        ] {
            for row in self.ask(statement, BTreeMap::new(), doing).await? {
                let [name, create] = columns(row, doing)?;
                declarations.push(Declaration {
                    name: name.into_text(doing)?,
                    create: create.into_text(doing)?,
                });
            }
        }
        Ok(declarations)
    }

    /// Puts a backup back and gives the number of nodes and relationships. A graph that holds nodes is left alone unless
    /// `overwrite` says otherwise.
    pub async fn restore(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        overwrite: bool,
    ) -> Result<Counts, Error> {
        let (schema, nodes, relationships) = (
            file_of(manifest, SCHEMA)?,
            file_of(manifest, NODES)?,
            file_of(manifest, RELATIONSHIPS)?,
        );
        // Everything that could refuse comes before the first change.
        if !overwrite {
            self.expect_empty().await?;
        }
        for file in [schema, nodes, relationships] {
            vault.check(manifest, file).await?;
        }
        let wanted = declarations(vault, manifest, schema).await?;
        let there = self.schema().await?;
        if !overwrite && let Some(other) = there.iter().find(|there| differs(there, &wanted)) {
            return Err(Error::NotEmpty(format!(
                "the constraint or index {} of the database is another than the one of the backup {}\n  hint: drop it, or \
                 replace all that is there with RESTORE_OVERWRITE=true",
                other.name,
                manifest.folder()
            )));
        }
        if overwrite {
            self.empty(&there).await?;
        }
        self.change(
            &format!("CREATE CONSTRAINT {OLD_ID} IF NOT EXISTS FOR (n:{MARK}) REQUIRE n.{OLD_ID} IS UNIQUE"),
            "prepare the restore of Neo4j",
        )
        .await?;
        self.restore_nodes(vault, manifest, nodes).await?;
        let restored = self.marked().await?;
        if Some(restored) != nodes.records {
            return Err(Error::Damaged(format!(
                "{restored} nodes are there after the restore, and the backup {} has {}\n  hint: see whether something else \
                 writes to the database, and run the restore again with RESTORE_OVERWRITE=true",
                manifest.folder(),
                nodes.records.unwrap_or_default()
            )));
        }
        let related = self.restore_relationships(vault, manifest, relationships).await?;
        for declaration in &wanted {
            let exists = !overwrite && there.iter().any(|there| there.name == declaration.name);
            if !exists {
                let doing = format!("create the constraint or index {}", declaration.name);
                self.change(&declaration.create, &doing).await?;
            }
        }
        // Last, and nodes after relationships: as long as one node is marked, the restore is known not to be done.
        for statement in [
            format!(
                "MATCH ()-[r]->() WHERE r.{OLD_ID} IS NOT NULL WITH r LIMIT 5000 REMOVE r.{OLD_ID} RETURN count(r)"
            ),
            format!("MATCH (n:{MARK}) WITH n LIMIT 5000 REMOVE n.{OLD_ID}, n:{MARK} RETURN count(n)"),
        ] {
            self.until_none(&statement, "take away the marks of the restore")
                .await?;
        }
        self.change(
            &format!("DROP CONSTRAINT {OLD_ID} IF EXISTS"),
            "end the restore of Neo4j",
        )
        .await?;
        Ok(Counts {
            nodes: restored,
            relationships: related,
        })
    }

    async fn expect_empty(&self) -> Result<(), Error> {
        let there = self
            .count("MATCH (n) RETURN count(n)", "count the nodes of Neo4j")
            .await?;
        if there == 0 {
            return Ok(());
        }
        let half = if self.marked().await? > 0 {
            "; some are of a restore that did not end"
        } else {
            ""
        };
        Err(Error::NotEmpty(format!(
            "the graph holds {there} nodes, and a restore would replace them{half}\n  hint: look at what is there first; \
             RESTORE_OVERWRITE=true replaces it"
        )))
    }

    /// How many nodes carry the mark of a restore.
    async fn marked(&self) -> Result<u64, Error> {
        self.count(
            &format!("MATCH (n:{MARK}) RETURN count(n)"),
            "count the nodes of a restore of Neo4j",
        )
        .await
    }

    async fn empty(&self, schema: &[Declaration]) -> Result<(), Error> {
        self.until_none(
            "MATCH (n) WITH n LIMIT 1000 DETACH DELETE n RETURN count(*)",
            "empty the graph",
        )
        .await?;
        for declaration in schema {
            let name = quoted(&declaration.name)?;
            let kind = if declaration.create.starts_with("CREATE CONSTRAINT") {
                "CONSTRAINT"
            } else {
                "INDEX"
            };
            let doing = format!("drop the constraint or index {}", declaration.name);
            self.change(&format!("DROP {kind} {name} IF EXISTS"), &doing)
                .await?;
        }
        Ok(())
    }

    async fn restore_nodes(&self, vault: &Vault, manifest: &Manifest, file: &File) -> Result<(), Error> {
        let mut lines = Reader::new(Box::pin(vault.read(manifest, file)), NODES.to_owned());
        loop {
            // Not every Neo4j 5 takes labels as parameters, so nodes with the same labels go together.
            let mut by_labels: BTreeMap<Vec<String>, Vec<Typed>> = BTreeMap::new();
            let mut read = 0;
            while read < PAGE
                && let Some(node) = lines.next::<Node>().await?
            {
                read += 1;
                let row = Typed::map([("id", Typed::text(&node.id)), ("properties", node.properties)]);
                by_labels.entry(node.labels).or_default().push(row);
            }
            for (labels, rows) in by_labels {
                let mut set = String::new();
                for label in &labels {
                    set.push_str(", n:");
                    set.push_str(&quoted(label)?);
                }
                let statement = format!(
                    "UNWIND $rows AS row MERGE (n:{MARK} {{{OLD_ID}: row.id}}) SET n += row.properties{set} \
                     RETURN count(n)"
                );
                self.insert(&statement, rows, "restore nodes of Neo4j").await?;
            }
            if read < PAGE {
                return Ok(());
            }
        }
    }

    async fn restore_relationships(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        file: &File,
    ) -> Result<u64, Error> {
        let mut lines = Reader::new(Box::pin(vault.read(manifest, file)), RELATIONSHIPS.to_owned());
        let (mut restored, mut wanted) = (0, 0);
        loop {
            let mut by_kind: BTreeMap<String, Vec<Typed>> = BTreeMap::new();
            let mut read = 0;
            while read < PAGE
                && let Some(relationship) = lines.next::<Relationship>().await?
            {
                read += 1;
                let row = Typed::map([
                    ("id", Typed::text(&relationship.id)),
                    ("start", Typed::text(&relationship.start)),
                    ("end", Typed::text(&relationship.end)),
                    ("properties", relationship.properties),
                ]);
                by_kind.entry(relationship.kind).or_default().push(row);
            }
            wanted += read as u64;
            for (kind, rows) in by_kind {
                let statement = format!(
                    "UNWIND $rows AS row MATCH (a:{MARK} {{{OLD_ID}: row.start}}) MATCH (b:{MARK} {{{OLD_ID}: row.end}}) \
                     MERGE (a)-[r:{} {{{OLD_ID}: row.id}}]->(b) SET r += row.properties RETURN count(r)",
                    quoted(&kind)?
                );
                restored += self
                    .insert(&statement, rows, "restore relationships of Neo4j")
                    .await?;
            }
            if read < PAGE {
                break;
            }
        }
        if restored < wanted {
            eprintln!(
                "{} relationships are left out: their nodes were deleted while the backup was made",
                wanted - restored
            );
        }
        Ok(restored)
    }

    async fn insert(&self, statement: &str, rows: Vec<Typed>, doing: &str) -> Result<u64, Error> {
        let rows = self
            .ask(statement, [("rows", Typed::list(rows))].into(), doing)
            .await?;
        first(rows, doing)?.into_number(doing)
    }

    async fn until_none(&self, statement: &str, doing: &str) -> Result<(), Error> {
        while self.count(statement, doing).await? > 0 {}
        Ok(())
    }

    async fn count(&self, statement: &str, doing: &str) -> Result<u64, Error> {
        self.one(statement, doing).await?.into_number(doing)
    }

    async fn one(&self, statement: &str, doing: &str) -> Result<Typed, Error> {
        first(self.ask(statement, BTreeMap::new(), doing).await?, doing)
    }

    async fn change(&self, statement: &str, doing: &str) -> Result<(), Error> {
        self.ask(statement, BTreeMap::new(), doing).await.map(drop)
    }

    /// Runs a statement, in a transaction of its own. All statements of this file may be asked twice, but for those that
    /// create a constraint or an index: there, the second says that it exists, and the restore has to be begun anew.
    async fn ask(
        &self,
        statement: &str,
        parameters: BTreeMap<&str, Typed>,
        doing: &str,
    ) -> Result<Vec<Vec<Typed>>, Error> {
        let question = Question {
            method: Method::POST,
            path: &["db", "neo4j", "query", "v2"],
            query: &[],
            body: Some(&Statement {
                statement,
                parameters,
            }),
            again: Again::Always,
            doing,
        };
        let mut attempt = 1;
        loop {
            let answer: Answer = self.server.ask(&question).await?;
            let Some(Problem { code, message }) = answer.errors.into_iter().next() else {
                return answer
                    .data
                    .map(|data| data.values)
                    .ok_or_else(|| unexpected(doing, "it has neither data nor errors"));
            };
            // A lock that two want, or a leader that moves: the transaction is undone, and another may pass.
            if attempt < self.patience.attempts && code.starts_with("Neo.TransientError.") {
                sleep(self.server.pause(attempt)).await;
                attempt += 1;
                continue;
            }
            return Err(Error::Refused {
                doing: doing.to_owned(),
                status: StatusCode::ACCEPTED,
                said: format!(", and then {code}: {message}"),
            });
        }
    }
}

impl Typed {
    fn text(text: &str) -> Self {
        Self {
            kind: "String".to_owned(),
            value: Content::Text(text.to_owned()),
        }
    }

    fn list(items: Vec<Self>) -> Self {
        Self {
            kind: "List".to_owned(),
            value: Content::List(items),
        }
    }

    fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self {
            kind: "Map".to_owned(),
            value: Content::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
            ),
        }
    }

    fn into_text(self, doing: &str) -> Result<String, Error> {
        match self.value {
            Content::Text(text) => Ok(text),
            _ => Err(unexpected(
                doing,
                &format!("a {} is in the place of a text", self.kind),
            )),
        }
    }

    fn into_texts(self, doing: &str) -> Result<Vec<String>, Error> {
        match self.value {
            Content::List(items) => items.into_iter().map(|item| item.into_text(doing)).collect(),
            _ => Err(unexpected(
                doing,
                &format!("a {} is in the place of a list", self.kind),
            )),
        }
    }

    fn into_number(self, doing: &str) -> Result<u64, Error> {
        self.into_text(doing)?
            .parse()
            .map_err(|_| unexpected(doing, "a text is in the place of a number"))
    }

    /// A value that cannot be put back must stop the backup, and not the restore that is needed one night.
    fn expect_carried(&self, of: &str) -> Result<(), Error> {
        match &self.value {
            Content::List(items) if self.kind == "List" => {
                items.iter().try_for_each(|item| item.expect_carried(of))
            }
            Content::Map(entries) if self.kind == "Map" => {
                entries.values().try_for_each(|entry| entry.expect_carried(of))
            }
            _ if CARRIED.contains(&self.kind.as_str()) => Ok(()),
            _ => Err(Error::Damaged(format!(
                "cannot back up {of}: it has a property of the type {}, which the query API does not take back\n  hint: keep \
                 such values in another form, as a list of numbers, or back this database up with neo4j-admin",
                self.kind
            ))),
        }
    }
}

fn unexpected(doing: &str, what: &str) -> Error {
    Error::Unreachable {
        doing: doing.to_owned(),
        cause: format!("the answer is not what was expected: {what}"),
    }
}

fn columns<const N: usize>(row: Vec<Typed>, doing: &str) -> Result<[Typed; N], Error> {
    row.try_into()
        .map_err(|_| unexpected(doing, "a row has more or fewer columns"))
}

fn first(rows: Vec<Vec<Typed>>, doing: &str) -> Result<Typed, Error> {
    rows.into_iter()
        .flatten()
        .next()
        .ok_or_else(|| unexpected(doing, "it has no row"))
}

fn file_of<'a>(manifest: &'a Manifest, path: &str) -> Result<&'a File, Error> {
    manifest
        .files
        .iter()
        .find(|file| file.path == path)
        .ok_or_else(|| {
            Error::Damaged(format!(
                "the backup {} of neo4j is damaged: its manifest does not name {path}",
                manifest.folder()
            ))
        })
}

async fn declarations(vault: &Vault, manifest: &Manifest, file: &File) -> Result<Vec<Declaration>, Error> {
    let mut lines = Reader::new(Box::pin(vault.read(manifest, file)), SCHEMA.to_owned());
    let mut declarations = Vec::new();
    while let Some(declaration) = lines.next::<Declaration>().await? {
        // They are the only statements that come from the bucket.
        if !declaration.create.starts_with("CREATE ") {
            return Err(Error::Damaged(format!(
                "{SCHEMA} is damaged: what is called {} creates neither a constraint nor an index",
                declaration.name
            )));
        }
        declarations.push(declaration);
    }
    Ok(declarations)
}

/// Whether there is one of the same name that is another.
fn differs(there: &Declaration, wanted: &[Declaration]) -> bool {
    wanted
        .iter()
        .any(|wanted| wanted.name == there.name && wanted.create != there.create)
}

fn lines_of<T: Serialize>(records: &[T]) -> Bytes {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record).expect("lines are plain data");
        lines.push(b'\n');
    }
    Bytes::from(lines)
}

/// A name as Cypher takes it. Cypher reads `\u0060` as a backtick, also between backticks, so such a name cannot be said.
fn quoted(name: &str) -> Result<String, Error> {
    if name.contains("\\u") {
        return Err(Error::Damaged(format!(
            "the label, type or name {name} cannot be carried: Cypher would read what follows the backslash as a character\n  \
             hint: rename it"
        )));
    }
    Ok(format!("`{}`", name.replace('`', "``")))
}
