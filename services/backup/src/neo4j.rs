//! Neo4j: the graph as JSON Lines, through the HTTP query API, because the Community edition has no online backup.
//!
//! Values are stored in the API's typed JSON, so that types such as dates are preserved. Each page is read in a separate
//! transaction, so concurrent changes may or may not be included. Relationships are read before nodes, so that a
//! relationship lacks a node only if both were deleted during the backup. Such a relationship is skipped by the restore.
//!
//! During a restore, nodes and relationships carry their old identity. A request can therefore be repeated, and an
//! incomplete restore can be detected.

mod backup;
mod restore;
mod schema;
mod value;
mod verify;

use std::collections::BTreeMap;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::error::Error;
use crate::server::{Request, Retry, RetryPolicy, Server};
use value::{Typed, unexpected};

const HINT: &str = "check NEO4J_USER and NEO4J_PASSWORD; the server keeps the password of its first start";
/// The content type of typed JSON.
const TYPED_JSON: &str = "application/vnd.neo4j.query";
/// The number of nodes or relationships in a page, which is held in memory.
const PAGE_SIZE: usize = 500;

const NODES: &str = "nodes.jsonl";
const RELATIONSHIPS: &str = "relationships.jsonl";
/// The file with constraints and indexes.
pub(crate) const SCHEMA: &str = "schema.jsonl";

/// The label and the property that nodes and relationships carry until the restore is complete.
const RESTORE_LABEL: &str = "PhoenixRestore";
const OLD_ID: &str = "phoenixRestoreId";

/// A client for a Neo4j server and its database `neo4j`.
pub struct Neo4j {
    server: Server,
    retry_policy: RetryPolicy,
    access_mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueryRequest<'a> {
    statement: &'a str,
    access_mode: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'a str, Typed>,
}

/// A response. The status does not indicate success: an error after the first row is in the body of a 202.
#[derive(Deserialize)]
struct QueryResponse {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<QueryError>,
}

#[derive(Deserialize)]
struct Data {
    values: Vec<Vec<Typed>>,
}

#[derive(Deserialize)]
struct QueryError {
    code: String,
    message: String,
}

/// A line of `nodes.jsonl`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    id: String,
    labels: Vec<String>,
    properties: Typed,
}

/// A line of `relationships.jsonl`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Relationship {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    start: String,
    end: String,
    properties: Typed,
}

/// The number of restored nodes and relationships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The number of nodes.
    pub nodes: u64,
    /// The number of relationships.
    pub relationships: u64,
}

impl Neo4j {
    /// A client for the server at this address.
    pub fn new(
        url: &Url,
        user: &str,
        password: &SecretString,
        retry_policy: RetryPolicy,
    ) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(TYPED_JSON));
        let server = Server::new(url.clone(), headers, retry_policy, HINT)?
            .with_content_type(TYPED_JSON)
            .with_password(user, password.expose_secret());
        Ok(Self {
            server,
            retry_policy,
            access_mode: "Write",
        })
    }

    /// A client whose statements the server does not allow to write.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self {
            access_mode: "Read",
            ..self
        }
    }

    /// The number of nodes with the label of a restore.
    async fn marked(&self) -> Result<u64, Error> {
        self.count(
            &format!("MATCH (n:{RESTORE_LABEL}) RETURN count(n)"),
            "count the nodes of a restore of Neo4j",
        )
        .await
    }

    async fn count(&self, statement: &str, doing: &str) -> Result<u64, Error> {
        self.one(statement, doing).await?.into_number(doing)
    }

    async fn one(&self, statement: &str, doing: &str) -> Result<Typed, Error> {
        first(self.query(statement, BTreeMap::new(), doing).await?, doing)
    }

    async fn change(&self, statement: &str, doing: &str) -> Result<(), Error> {
        self.query(statement, BTreeMap::new(), doing).await.map(drop)
    }

    /// Runs a statement in a separate transaction. All statements in this module are idempotent except those that create a
    /// constraint or an index: if such a statement is repeated, it fails and the restore must be repeated.
    async fn query(
        &self,
        statement: &str,
        parameters: BTreeMap<&str, Typed>,
        doing: &str,
    ) -> Result<Vec<Vec<Typed>>, Error> {
        let request = Request {
            method: Method::POST,
            path: &["db", "neo4j", "query", "v2"],
            query: &[],
            body: Some(&QueryRequest {
                statement,
                access_mode: self.access_mode,
                parameters,
            }),
            retry: Retry::Always,
            doing,
        };
        let mut attempt = 1;
        loop {
            let response: QueryResponse = self.server.send(&request).await?;
            let Some(QueryError { code, message }) = response.errors.into_iter().next() else {
                return response
                    .data
                    .map(|data| data.values)
                    .ok_or_else(|| unexpected(doing, "it contains neither data nor errors"));
            };
            // A lock conflict or a change of leader: the transaction was rolled back and can be retried.
            if attempt < self.retry_policy.attempts && code.starts_with("Neo.TransientError.") {
                sleep(self.server.pause(attempt)).await;
                attempt += 1;
                continue;
            }
            return Err(Error::Rejected {
                doing: doing.to_owned(),
                status: StatusCode::ACCEPTED,
                message: format!(", then {code}: {message}"),
            });
        }
    }
}

fn columns<const N: usize>(row: Vec<Typed>, doing: &str) -> Result<[Typed; N], Error> {
    row.try_into()
        .map_err(|_| unexpected(doing, "a row has an unexpected number of columns"))
}

fn first(rows: Vec<Vec<Typed>>, doing: &str) -> Result<Typed, Error> {
    rows.into_iter()
        .flatten()
        .next()
        .ok_or_else(|| unexpected(doing, "it contains no row"))
}

/// A quoted name in Cypher. Cypher interprets `\u0060` as a backtick, even in a quoted name, so such names are rejected.
fn quoted(name: &str) -> Result<String, Error> {
    if name.contains("\\u") {
        return Err(Error::Damaged(format!(
            "the label, type or name {name} cannot be backed up: Cypher interprets \\u as an escape sequence\n  \
             hint: rename it"
        )));
    }
    Ok(format!("`{}`", name.replace('`', "``")))
}
