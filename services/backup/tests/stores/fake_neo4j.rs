//! A fake Neo4j that supports only the statements of the backup, in the typed JSON of the query API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use phoenix_testing::http::{HttpStub, Request, Response};
use serde_json::{Value, json};

const MARK: &str = "PhoenixRestore";
const OLD_ID: &str = "phoenixRestoreId";

/// A node: labels, and properties with types.
pub type Node = (Vec<String>, BTreeMap<String, Value>);

/// The content of the graph.
#[derive(Clone, Default)]
pub struct Graph {
    pub nodes: BTreeMap<String, Node>,
    /// Type, start, end, properties.
    pub relationships: BTreeMap<String, (String, String, String, BTreeMap<String, Value>)>,
    pub constraints: BTreeMap<String, String>,
    pub indexes: BTreeMap<String, String>,
    next: u64,
}

/// The server.
pub struct Neo4j {
    pub url: String,
    _stub: HttpStub,
    graph: Arc<Mutex<Graph>>,
}

/// An injected fault.
pub enum Fault {
    /// Returns this response without executing the statement.
    Instead(Response),
    /// Executes the statement and returns this response.
    After(Response),
}

impl Neo4j {
    pub fn serve(graph: Graph) -> Self {
        Self::with_faults(graph, |_| None)
    }

    /// `fault` is called with each statement.
    pub fn with_faults(graph: Graph, fault: impl Fn(&str) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let graph = Arc::new(Mutex::new(graph));
        let served = Arc::clone(&graph);
        let stub = HttpStub::start(move |request| {
            assert_eq!(request.line(), "POST /db/neo4j/query/v2");
            assert_eq!(request.header("accept"), "application/vnd.neo4j.query");
            // neo4j:a-secret-password
            if request.header("authorization") != "Basic bmVvNGo6YS1zZWNyZXQtcGFzc3dvcmQ=" {
                return Response::new(401, "{}");
            }
            let (statement, parameters) = question(request);
            // The server does not let a client write that asked to read.
            let writes = ["CREATE", "MERGE", "DROP", "DELETE", "REMOVE", "SET "];
            if request.json()["accessMode"] == "Read" && writes.iter().any(|word| statement.contains(word)) {
                return error_in_the_body("Neo.ClientError.Statement.AccessMode");
            }
            let fault = fault(&statement);
            if let Some(Fault::Instead(response)) = fault {
                return response;
            }
            let mut graph = served.lock().expect("no statement is unknown");
            if statement.starts_with("CREATE ")
                && !statement.contains(" IF NOT EXISTS ")
                && graph.is_declared(&declared_name(&statement))
            {
                return error_in_the_body("Neo.ClientError.Schema.ConstraintWithNameAlreadyExists");
            }
            let values = graph.run(&statement, &parameters);
            match fault {
                Some(Fault::After(response)) => response,
                _ => Response::json(202, &json!({"data": {"fields": [], "values": values}})),
            }
        });
        Self {
            url: stub.url(),
            _stub: stub,
            graph,
        }
    }

    pub fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().expect("no statement is unknown")
    }
}

/// An error in the body of a successful response.
pub fn error_in_the_body(code: &str) -> Response {
    Response::json(
        202,
        &json!({"errors": [{"code": code, "message": "it went wrong"}]}),
    )
}

fn question(request: &Request) -> (String, Value) {
    let body = request.json();
    let statement = body["statement"].as_str().expect("a statement").to_owned();
    (statement, body["parameters"].clone())
}

pub fn text(text: &str) -> Value {
    json!({"$type": "String", "_value": text})
}

fn number(number: usize) -> Value {
    json!({"$type": "Integer", "_value": number.to_string()})
}

fn map(entries: &BTreeMap<String, Value>) -> Value {
    json!({"$type": "Map", "_value": entries})
}

fn string<'a>(row: &'a Value, key: &str) -> &'a str {
    row["_value"][key]["_value"].as_str().expect("a text")
}

/// The quoted names after this text. A name can contain the text too.
fn names(statement: &str, before: &str) -> Vec<String> {
    let doubled = statement.replace("``", "\0");
    let mut rest = doubled.as_str();
    let mut names = Vec::new();
    while let Some((_, behind)) = rest.split_once(before) {
        let inner = behind.strip_prefix('`').expect("names are quoted");
        let (name, behind) = inner.split_once('`').expect("quotes have an end");
        names.push(name.replace('\0', "`"));
        rest = behind;
    }
    names
}

/// The name in a statement that creates a constraint or an index.
fn declared_name(statement: &str) -> String {
    let mut quoted = statement.split('`').skip(1);
    let name = quoted.next().or(statement.split(' ').nth(2));
    name.expect("a name").to_owned()
}

/// A row of `SHOW CONSTRAINTS` or `SHOW INDEXES`, from the statement that created it.
fn shown(name: &str, statement: &str) -> Vec<Value> {
    let kinds = [
        ("IS UNIQUE", "UNIQUENESS"),
        ("NODE KEY", "NODE_KEY"),
        ("RELATIONSHIP KEY", "RELATIONSHIP_KEY"),
        ("IS NOT NULL", "NODE_PROPERTY_EXISTENCE"),
        ("IS :: ", "NODE_PROPERTY_TYPE"),
        ("RANGE INDEX", "RANGE"),
        ("TEXT INDEX", "TEXT"),
        ("VECTOR INDEX", "VECTOR"),
        ("CREATE FULLTEXT", "FULLTEXT"),
    ];
    let kind = kinds.iter().rfind(|(words, _)| statement.contains(words));
    let (_, kind) = kind.expect("a known kind");
    let (definition, options) = statement.split_once(" OPTIONS ").unwrap_or((statement, ""));
    let (entity, labels, properties) = if !statement.contains('`') {
        ("NODE", vec![MARK.to_owned()], vec![OLD_ID.to_owned()])
    } else if definition.contains("()-[r:") {
        ("RELATIONSHIP", names(definition, "[r:"), names(definition, "r."))
    } else {
        let labels = names(definition, "(n:").into_iter().chain(names(definition, "|"));
        ("NODE", labels.collect(), names(definition, "n."))
    };
    let mut config = BTreeMap::new();
    for setting in options
        .trim_start_matches("{indexConfig: {")
        .trim_end_matches('}')
        .split(", ")
    {
        if let Some((key, value)) = setting.split_once("`: ") {
            let value = match value {
                "true" | "false" => json!({"$type": "Boolean", "_value": value == "true"}),
                _ if value.starts_with('\'') => text(value.trim_matches('\'')),
                _ => json!({"$type": "Integer", "_value": value}),
            };
            config.insert(key.trim_matches('`').to_owned(), value);
        }
    }
    let provider = ("indexProvider".to_owned(), text("range-1.0"));
    let options = BTreeMap::from([provider, ("indexConfig".to_owned(), map(&config))]);
    let list = |items: Vec<String>| {
        let items: Vec<_> = items.iter().map(|item| text(item)).collect();
        json!({"$type": "List", "_value": items})
    };
    vec![
        text(name),
        text(kind),
        text(entity),
        list(labels),
        list(properties),
        if statement.contains("CONSTRAINT") {
            map(&BTreeMap::new())
        } else {
            map(&options)
        },
    ]
}

impl Graph {
    /// Adds a node and returns its identity.
    pub fn node(&mut self, labels: &[&str], properties: &[(&str, Value)]) -> String {
        self.next += 1;
        let id = format!("4:graph:{:06}", self.next);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let properties = properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        self.nodes.insert(id.clone(), (labels, properties));
        id
    }

    /// Adds a relationship.
    pub fn relate(&mut self, start: &str, kind: &str, end: &str) {
        self.next += 1;
        let id = format!("5:graph:{:06}", self.next);
        let properties = BTreeMap::from([(
            "since".to_owned(),
            json!({"$type": "Date", "_value": "2026-11-23"}),
        )]);
        self.relationships.insert(
            id,
            (kind.to_owned(), start.to_owned(), end.to_owned(), properties),
        );
    }

    /// The content without identities, which change in a restore.
    pub fn content(&self) -> Vec<String> {
        let name = |id: &String| format!("{:?}", self.nodes[id]);
        let mut content: Vec<_> = self.nodes.keys().map(name).collect();
        content.extend(self.relationships.values().map(|(kind, start, end, properties)| {
            format!("{} {kind} {} {properties:?}", name(start), name(end))
        }));
        content.extend(self.constraints.iter().map(|one| format!("{one:?}")));
        content.extend(self.indexes.iter().map(|one| format!("{one:?}")));
        content.sort();
        content
    }

    /// Whether a constraint or an index has this name.
    fn is_declared(&self, name: &str) -> bool {
        self.constraints.contains_key(name) || self.indexes.contains_key(name)
    }

    fn marked(&self) -> Vec<String> {
        let is_marked = |(_, (labels, _)): &(&String, &Node)| labels.iter().any(|label| label == MARK);
        self.nodes
            .iter()
            .filter(is_marked)
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn by_old_id(&self, old: &str) -> Option<String> {
        let same = |(_, (_, properties)): &(&String, &Node)| properties.get(OLD_ID) == Some(&text(old));
        self.nodes.iter().find(same).map(|(id, _)| id.clone())
    }

    fn run(&mut self, statement: &str, parameters: &Value) -> Vec<Vec<Value>> {
        let after = parameters["after"]["_value"].as_str().unwrap_or_default();
        let rows = parameters["rows"]["_value"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let begins = |start: &str| statement.starts_with(start);
        if begins("CALL dbms.components()") {
            vec![vec![text("5.26.21")]]
        } else if begins("MATCH (n:PhoenixRestore) RETURN count(n)") {
            vec![vec![number(self.marked().len())]]
        } else if begins("MATCH (n) RETURN count(n)") {
            vec![vec![number(self.nodes.len())]]
        } else if begins("SHOW ") {
            let declared = if begins("SHOW CONSTRAINTS") {
                &self.constraints
            } else {
                &self.indexes
            };
            declared
                .iter()
                .map(|(name, create)| shown(name, create))
                .collect()
        } else if begins("CREATE ") {
            let name = declared_name(statement);
            if self.is_declared(&name) {
                return Vec::new();
            }
            let declared = if begins("CREATE CONSTRAINT") {
                &mut self.constraints
            } else {
                &mut self.indexes
            };
            declared.insert(name, statement.to_owned());
            Vec::new()
        } else if begins("DROP ") {
            let name = statement.split(' ').nth(2).expect("a name").trim_matches('`');
            self.constraints.remove(name);
            self.indexes.remove(name);
            Vec::new()
        } else if begins("MATCH (n) WHERE elementId(n) > $after") {
            assert!(statement.contains("ORDER BY elementId(n) LIMIT 500"));
            let page = self.nodes.iter().filter(|(id, _)| id.as_str() > after).take(500);
            page.map(|(id, (labels, properties))| {
                let labels: Vec<_> = labels.iter().map(|label| text(label)).collect();
                vec![
                    text(id),
                    json!({"$type": "List", "_value": labels}),
                    map(properties),
                ]
            })
            .collect()
        } else if begins("MATCH (a)-[r]->(b) WHERE elementId(r) > $after") {
            assert!(statement.contains("ORDER BY elementId(r) LIMIT 500"));
            let page = self
                .relationships
                .iter()
                .filter(|(id, _)| id.as_str() > after)
                .take(500);
            page.map(|(id, (kind, start, end, properties))| {
                vec![text(id), text(kind), text(start), text(end), map(properties)]
            })
            .collect()
        } else if begins("MATCH (n) WITH n LIMIT 1000 DETACH DELETE n") {
            let gone: Vec<_> = self.nodes.keys().take(1000).cloned().collect();
            self.nodes.retain(|id, _| !gone.contains(id));
            self.relationships
                .retain(|_, (_, start, end, _)| !gone.contains(start) && !gone.contains(end));
            vec![vec![number(gone.len())]]
        } else if begins("UNWIND $rows AS row MERGE (n:PhoenixRestore {phoenixRestoreId: row.id})") {
            let labels = names(statement, ", n:");
            for row in &rows {
                let old = string(row, "id");
                let id = self.by_old_id(old).unwrap_or_else(|| self.node(&[MARK], &[]));
                let (its_labels, properties) = self.nodes.get_mut(&id).expect("it was found or made");
                *its_labels = [vec![MARK.to_owned()], labels.clone()].concat();
                properties.insert(OLD_ID.to_owned(), text(old));
                for (key, value) in row["_value"]["properties"]["_value"].as_object().expect("a map") {
                    properties.insert(key.clone(), value.clone());
                }
            }
            vec![vec![number(rows.len())]]
        } else if begins("UNWIND $rows AS row MATCH (a:PhoenixRestore") {
            let kind = names(statement, "MERGE (a)-[r:").remove(0);
            let mut count = 0;
            for row in &rows {
                let (Some(start), Some(end)) = (
                    self.by_old_id(string(row, "start")),
                    self.by_old_id(string(row, "end")),
                ) else {
                    continue;
                };
                count += 1;
                let old = text(string(row, "id"));
                let mut there = self.relationships.values();
                if there.any(|(_, _, _, properties)| properties.get(OLD_ID) == Some(&old)) {
                    continue;
                }
                self.relate(&start, &kind, &end);
                let mut last = self.relationships.last_entry().expect("just made");
                let properties = &mut last.get_mut().3;
                properties.clear();
                properties.insert(OLD_ID.to_owned(), old);
                for (key, value) in row["_value"]["properties"]["_value"].as_object().expect("a map") {
                    properties.insert(key.clone(), value.clone());
                }
            }
            vec![vec![number(count)]]
        } else if begins("MATCH ()-[r]->() WHERE r.phoenixRestoreId IS NOT NULL") {
            let relationships = self.relationships.values_mut();
            let count = relationships.filter_map(|one| one.3.remove(OLD_ID)).count();
            vec![vec![number(count)]]
        } else if begins("MATCH (n:PhoenixRestore) WITH n LIMIT 5000 REMOVE") {
            let marked = self.marked();
            for id in &marked {
                let (labels, properties) = self.nodes.get_mut(id).expect("it is marked");
                labels.retain(|label| label != MARK);
                properties.remove(OLD_ID);
            }
            vec![vec![number(marked.len())]]
        } else {
            panic!("the statement is unknown: {statement}")
        }
    }
}
