//! The graph database, as lines of JSON by its HTTP query API: the Community edition has no backup of a running server.
//!
//! Values stay as they come, in the API's typed JSON, so that a date comes back as a date. Pages are read one after the
//! other, each a transaction of its own: what changes meanwhile is in the copy or not, and a relationship whose node came
//! too late is left out and counted.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

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

/// A label and a property that restored nodes carry until their relationships are there.
const MARK: &str = "PhoenixRestore";
const OLD_ID: &str = "phoenixRestoreId";

/// A Neo4j server and its database `neo4j`.
pub struct Neo4j {
    server: Server,
}

/// A value with its type; of no interest here but to be carried.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Typed {
    #[serde(rename = "$type")]
    kind: String,
    #[serde(rename = "_value")]
    value: serde_json::Value,
}

#[derive(Serialize)]
struct Statement<'a> {
    statement: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'a str, Typed>,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Data {
    values: Vec<Vec<Typed>>,
}

#[derive(Deserialize)]
struct Said {
    code: String,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct Node {
    id: String,
    labels: Vec<String>,
    properties: Typed,
}

#[derive(Serialize, Deserialize)]
struct Relationship {
    #[serde(rename = "type")]
    kind: String,
    start: String,
    end: String,
    properties: Typed,
}

/// A constraint or an index, as the statement that makes it.
#[derive(Serialize, Deserialize)]
struct Declaration {
    name: String,
    create: String,
}

/// How much there was, or was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Nodes.
    pub nodes: u64,
    /// Relationships.
    pub relationships: u64,
}

impl Typed {
    fn string(text: &str) -> Self {
        Self {
            kind: "String".to_owned(),
            value: text.into(),
        }
    }

    fn list(items: Vec<Self>) -> Self {
        Self {
            kind: "List".to_owned(),
            value: serde_json::to_value(items).expect("values are plain data"),
        }
    }

    fn map(entries: BTreeMap<&str, Self>) -> Self {
        Self {
            kind: "Map".to_owned(),
            value: serde_json::to_value(entries).expect("values are plain data"),
        }
    }

    fn into_string(self, doing: &str) -> Result<String, Error> {
        match self.value {
            serde_json::Value::String(text) => Ok(text),
            _ => Err(unexpected(
                doing,
                &format!("a {} in the place of a text", self.kind),
            )),
        }
    }

    fn into_strings(self, doing: &str) -> Result<Vec<String>, Error> {
        let items: Vec<Self> =
            serde_json::from_value(self.value).map_err(|error| unexpected(doing, &error.to_string()))?;
        items.into_iter().map(|item| item.into_string(doing)).collect()
    }

    /// Whole numbers are texts in typed JSON, because JSON's own cannot hold the large ones.
    fn into_number(self, doing: &str) -> Result<u64, Error> {
        let text = self.into_string(doing)?;
        text.parse()
            .map_err(|_| unexpected(doing, "something in the place of a number"))
    }
}

fn unexpected(doing: &str, what: &str) -> Error {
    Error::Unreachable {
        doing: doing.to_owned(),
        cause: format!("the answer is not what was expected: {what}"),
    }
}

impl Neo4j {
    /// The server at this address.
    pub fn new(url: &Url, user: &str, password: &SecretString, patience: Patience) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(TYPED));
        let server = Server::new(url.clone(), headers, patience, HINT)?.speaking(TYPED);
        Ok(Self {
            server: server.with_password(user, password.expose_secret()),
        })
    }

    /// Copies the graph, and how it is indexed and constrained.
    pub async fn backup(&self, vault: &Vault, begun: DateTime<Utc>) -> Result<Manifest, Error> {
        let folder = manifest::folder(begun);
        let version = self
            .one(
                "CALL dbms.components() YIELD versions RETURN versions[0]",
                "ask Neo4j for its version",
            )
            .await?
            .into_string("ask Neo4j for its version")?;
        let mut files = Vec::new();

        let mut schema = vault.write(Store::Neo4j, &folder, SCHEMA, None).await?;
        let mut declarations = 0;
        for declaration in self.schema().await? {
            write_line(&mut schema, &declaration).await?;
            declarations += 1;
        }
        files.push((schema.finish().await?, declarations));

        let doing = "export the nodes of Neo4j";
        let (file, count) = self
            .export(
                vault.write(Store::Neo4j, &folder, NODES, None).await?,
                "MATCH (n) WHERE elementId(n) > $after WITH n ORDER BY elementId(n) LIMIT 500 \
                 RETURN elementId(n), labels(n), properties(n)",
                doing,
                |row| {
                    let [id, labels, properties] = row;
                    Ok(Node {
                        id: id.into_string(doing)?,
                        labels: labels.into_strings(doing)?,
                        properties,
                    })
                },
            )
            .await?;
        files.push((file, count));

        let doing = "export the relationships of Neo4j";
        let (file, count) = self
            .export(
                vault.write(Store::Neo4j, &folder, RELATIONSHIPS, None).await?,
                "MATCH (a)-[r]->(b) WHERE elementId(r) > $after WITH a, r, b ORDER BY elementId(r) LIMIT 500 \
                 RETURN elementId(r), type(r), elementId(a), elementId(b), properties(r)",
                doing,
                |row| {
                    let [_, kind, start, end, properties] = row;
                    Ok(Relationship {
                        kind: kind.into_string(doing)?,
                        start: start.into_string(doing)?,
                        end: end.into_string(doing)?,
                        properties,
                    })
                },
            )
            .await?;
        files.push((file, count));

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
            files: files
                .into_iter()
                .map(|(file, records)| File {
                    records: Some(records),
                    ..file
                })
                .collect(),
        };
        vault.complete(&manifest).await?;
        Ok(manifest)
    }

    /// Writes page after page, each from where the last ended. The first column is what pages are ordered by.
    async fn export<const N: usize, T: Serialize>(
        &self,
        mut upload: Upload,
        statement: &str,
        doing: &str,
        read: impl Fn([Typed; N]) -> Result<T, Error>,
    ) -> Result<(File, u64), Error> {
        let mut after = String::new();
        let mut count = 0;
        loop {
            let page: Result<_, Error> = async {
                let rows = self
                    .run(
                        statement,
                        [("after", Typed::string(&after))].into(),
                        Again::Always,
                        doing,
                    )
                    .await?;
                let last = rows.len() < PAGE;
                let mut lines = Vec::new();
                for row in rows {
                    let row: [Typed; N] = row
                        .try_into()
                        .map_err(|_| unexpected(doing, "a row of another length"))?;
                    row[0].clone().into_string(doing)?.clone_into(&mut after);
                    serde_json::to_writer(&mut lines, &read(row)?).expect("lines are plain data");
                    lines.push(b'\n');
                    count += 1;
                }
                upload.write(Bytes::from(lines)).await?;
                Ok(last)
            }
            .await;
            match page {
                Ok(false) => {}
                Ok(true) => return Ok((upload.finish().await?, count)),
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
            for row in self.run(statement, BTreeMap::new(), Again::Always, doing).await? {
                let [name, create] = row
                    .try_into()
                    .map_err(|_| unexpected(doing, "a row of another length"))?;
                declarations.push(Declaration {
                    name: name.into_string(doing)?,
                    create: create.into_string(doing)?,
                });
            }
        }
        Ok(declarations)
    }

    /// Puts a backup back into an empty database; `overwrite` empties it before.
    pub async fn restore(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        overwrite: bool,
    ) -> Result<Counts, Error> {
        let file = |name: &str| {
            manifest
                .files
                .iter()
                .find(|file| file.path == name)
                .ok_or_else(|| {
                    Error::Damaged(format!(
                        "the backup {} is damaged: its manifest does not name {name}",
                        manifest.folder()
                    ))
                })
        };
        let (schema, nodes, relationships) = (file(SCHEMA)?, file(NODES)?, file(RELATIONSHIPS)?);
        // Everything that could refuse comes before the first change.
        let there = self
            .count("MATCH (n) RETURN count(n)", "count the nodes of Neo4j")
            .await?;
        if there > 0 && !overwrite {
            return Err(Error::NotEmpty(format!(
                "the graph holds {there} nodes, and a restore would replace them\n  hint: look at what is there first; \
                 RESTORE_OVERWRITE=true replaces them"
            )));
        }
        for file in [schema, nodes, relationships] {
            vault.check(manifest, file).await?;
        }
        self.empty().await?;
        self.change(
            &format!("CREATE INDEX {OLD_ID} IF NOT EXISTS FOR (n:{MARK}) ON (n.{OLD_ID})"),
            "prepare the restore",
        )
        .await?;
        self.change("CALL db.awaitIndexes(300)", "prepare the restore")
            .await?;
        let counts = Counts {
            nodes: self.restore_nodes(vault, manifest, nodes).await?,
            relationships: self.restore_relationships(vault, manifest, relationships).await?,
        };
        if counts.nodes != nodes.records.unwrap_or_default() {
            return Err(Error::Damaged(format!(
                "{} nodes were restored, and the backup {} has {}",
                counts.nodes,
                manifest.folder(),
                nodes.records.unwrap_or_default()
            )));
        }
        self.until_none(
            &format!("MATCH (n:{MARK}) WITH n LIMIT 5000 REMOVE n.{OLD_ID}, n:{MARK} RETURN count(n)"),
            "take the marks of the restore away",
        )
        .await?;
        self.change(&format!("DROP INDEX {OLD_ID} IF EXISTS"), "end the restore")
            .await?;
        // After the data: a constraint is checked faster at once than for each node.
        let mut lines = Reader::new(Box::pin(vault.read(manifest, schema)), SCHEMA.to_owned());
        while let Some(declaration) = lines.next::<Declaration>().await? {
            let doing = format!("create the constraint or index {}", declaration.name);
            self.change(&declaration.create, &doing).await?;
        }
        Ok(counts)
    }

    async fn empty(&self) -> Result<(), Error> {
        self.until_none(
            "MATCH (n) WITH n LIMIT 1000 DETACH DELETE n RETURN count(*)",
            "empty the graph",
        )
        .await?;
        for (kind, declarations) in [
            ("CONSTRAINT", self.names("CONSTRAINTS").await?),
            ("INDEX", self.names("INDEXES").await?),
        ] {
            for name in declarations {
                // A constraint takes its index with it.
                let doing = format!("drop what is called {name}");
                self.change(&format!("DROP {kind} {} IF EXISTS", quoted(&name)), &doing)
                    .await?;
            }
        }
        Ok(())
    }

    async fn names(&self, kind: &str) -> Result<Vec<String>, Error> {
        let doing = "list the constraints and indexes of Neo4j";
        let filter = if kind == "INDEXES" {
            "YIELD name, type, owningConstraint WHERE owningConstraint IS NULL AND type <> 'LOOKUP'"
        } else {
            "YIELD name"
        };
        let rows = self
            .run(
                &format!("SHOW {kind} {filter} RETURN name"),
                BTreeMap::new(),
                Again::Always,
                doing,
            )
            .await?;
        rows.into_iter()
            .flatten()
            .map(|name| name.into_string(doing))
            .collect()
    }

    async fn restore_nodes(&self, vault: &Vault, manifest: &Manifest, file: &File) -> Result<u64, Error> {
        let doing = "restore nodes of Neo4j";
        let mut lines = Reader::new(Box::pin(vault.read(manifest, file)), NODES.to_owned());
        let mut count = 0;
        loop {
            // A statement cannot take labels as parameters in every Neo4j 5, so nodes of the same labels go together.
            let mut by_labels: BTreeMap<Vec<String>, Vec<Typed>> = BTreeMap::new();
            let mut read = 0;
            while read < PAGE
                && let Some(node) = lines.next::<Node>().await?
            {
                read += 1;
                let row =
                    Typed::map([("id", Typed::string(&node.id)), ("properties", node.properties)].into());
                by_labels.entry(node.labels).or_default().push(row);
            }
            for (labels, rows) in by_labels {
                let labels: Vec<_> = std::iter::once(MARK.to_owned())
                    .chain(labels.iter().map(|label| quoted(label)))
                    .collect();
                let labels = labels.join(":");
                count += self
                    .insert(
                        &format!(
                            "UNWIND $rows AS row CREATE (n:{labels}) SET n = row.properties SET n.{OLD_ID} = row.id \
                             RETURN count(n)"
                        ),
                        rows,
                        doing,
                    )
                    .await?;
            }
            if read < PAGE {
                return Ok(count);
            }
        }
    }

    async fn restore_relationships(
        &self,
        vault: &Vault,
        manifest: &Manifest,
        file: &File,
    ) -> Result<u64, Error> {
        let doing = "restore relationships of Neo4j";
        let mut lines = Reader::new(Box::pin(vault.read(manifest, file)), RELATIONSHIPS.to_owned());
        let (mut count, mut wanted) = (0, 0);
        loop {
            let mut by_kind: BTreeMap<String, Vec<Typed>> = BTreeMap::new();
            let mut read = 0;
            while read < PAGE
                && let Some(relationship) = lines.next::<Relationship>().await?
            {
                read += 1;
                let row = Typed::map(
                    [
                        ("start", Typed::string(&relationship.start)),
                        ("end", Typed::string(&relationship.end)),
                        ("properties", relationship.properties),
                    ]
                    .into(),
                );
                by_kind.entry(relationship.kind).or_default().push(row);
            }
            for (kind, rows) in by_kind {
                wanted += rows.len() as u64;
                count += self
                    .insert(
                        &format!(
                            "UNWIND $rows AS row MATCH (a:{MARK} {{{OLD_ID}: row.start}}) MATCH (b:{MARK} {{{OLD_ID}: \
                             row.end}}) CREATE (a)-[r:{}]->(b) SET r = row.properties RETURN count(r)",
                            quoted(&kind)
                        ),
                        rows,
                        doing,
                    )
                    .await?;
            }
            if read < PAGE {
                break;
            }
        }
        if count < wanted {
            eprintln!(
                "{} relationships were left out: a node of each was added or deleted while the backup was made",
                wanted - count
            );
        }
        Ok(count)
    }

    async fn insert(&self, statement: &str, rows: Vec<Typed>, doing: &str) -> Result<u64, Error> {
        let rows = self
            // Asked again, it could insert twice.
            .run(
                statement,
                [("rows", Typed::list(rows))].into(),
                Again::WhereRefused,
                doing,
            )
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
        first(
            self.run(statement, BTreeMap::new(), Again::Always, doing).await?,
            doing,
        )
    }

    async fn change(&self, statement: &str, doing: &str) -> Result<(), Error> {
        self.run(statement, BTreeMap::new(), Again::WhereRefused, doing)
            .await?;
        Ok(())
    }

    async fn run(
        &self,
        statement: &str,
        parameters: BTreeMap<&str, Typed>,
        again: Again,
        doing: &str,
    ) -> Result<Vec<Vec<Typed>>, Error> {
        let answer: Answer = self
            .server
            .ask(&Question {
                method: Method::POST,
                path: &["db", "neo4j", "query", "v2"],
                query: &[],
                body: Some(&Statement {
                    statement,
                    parameters,
                }),
                again,
                doing,
            })
            .await?;
        if let Some(error) = answer.errors.first() {
            return Err(unexpected(doing, &format!("{}: {}", error.code, error.message)));
        }
        Ok(answer.data.map(|data| data.values).unwrap_or_default())
    }
}

fn first(rows: Vec<Vec<Typed>>, doing: &str) -> Result<Typed, Error> {
    rows.into_iter()
        .flatten()
        .next()
        .ok_or_else(|| unexpected(doing, "no row"))
}

async fn write_line(upload: &mut Upload, line: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec(line).expect("lines are plain data");
    text.push(b'\n');
    upload.write(Bytes::from(text)).await
}

/// A name as Cypher takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
