//! Backup and restore of a graph, with a server that injects faults.

use std::sync::atomic::{AtomicBool, Ordering};

use phoenix_testing::http::{HttpStub, Response};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::fake_neo4j::{Fault, Graph, Neo4j, error_in_the_body, text};
use crate::program::{Ended, file, run};

const PASSWORD: &str = "a-secret-password";

fn go(store: &TempDir, neo4j: &Neo4j, verb: &str, overwrite: &str) -> Ended {
    run(
        store.path(),
        &["neo4j", verb],
        &[
            ("NEO4J_URL", &neo4j.url),
            ("NEO4J_USER", "neo4j"),
            ("NEO4J_PASSWORD", PASSWORD),
            ("RESTORE_OVERWRITE", overwrite),
        ],
    )
}

fn backup(store: &TempDir, neo4j: &Neo4j) -> Ended {
    go(store, neo4j, "backup", "false")
}

fn restore(store: &TempDir, neo4j: &Neo4j) -> Ended {
    go(store, neo4j, "restore", "false")
}

fn typed(kind: &str, value: &str) -> Value {
    json!({"$type": kind, "_value": value})
}

/// Two people who know each other, with values of all supported types.
fn people() -> Graph {
    let mut graph = Graph::default();
    let ada = graph.node(
        &["Person", "odd `label`, n:X"],
        &[
            ("name", text("Ada \"`\n ü")),
            ("born", typed("Date", "1815-12-10")),
            ("large", typed("Integer", "9223372036854775807")),
            ("half", typed("Float", "0.5")),
            ("alive", json!({"$type": "Boolean", "_value": false})),
            ("home", typed("Point", "SRID=4326;POINT (-0.118092 51.509865)")),
            (
                "days",
                json!({"$type": "List", "_value": [typed("Duration", "P1D")]}),
            ),
        ],
    );
    let bob = graph.node(&[], &[("name", text("Bob"))]);
    graph.relate(&ada, "KNOWS `well`", &bob);
    graph.relate(&bob, "KNOWS `well`", &ada);
    graph.relate(&bob, "IS", &bob);
    graph.constraints.insert(
        "person".to_owned(),
        "CREATE CONSTRAINT `person` FOR (n:`Person`) REQUIRE (n.`name`) IS UNIQUE".to_owned(),
    );
    graph.indexes.insert(
        "born".to_owned(),
        "CREATE RANGE INDEX `born` FOR (n:`Person`) ON (n.`born`)".to_owned(),
    );
    graph.indexes.insert(
        "since".to_owned(),
        "CREATE RANGE INDEX `since` FOR ()-[r:`KNOWS ``well```]-() ON (r.`since`)".to_owned(),
    );
    graph.indexes.insert(
        "words".to_owned(),
        "CREATE FULLTEXT INDEX `words` FOR (n:`Person`|`Note`) ON EACH [n.`name`, n.`text`] OPTIONS {indexConfig: \
         {`fulltext.analyzer`: 'standard-no-stop-words', `fulltext.eventually_consistent`: false}}"
            .to_owned(),
    );
    graph
}

/// A store with a backup of `people`.
fn with_backup() -> TempDir {
    let store = tempdir().expect("a folder");
    backup(&store, &Neo4j::serve(people())).expect(0, "");
    store
}

/// A fault at the first statement that contains this text.
fn once(
    at: &'static str,
    fault: impl Fn() -> Fault + Send + Sync + 'static,
) -> impl Fn(&str) -> Option<Fault> + Send + Sync {
    let done = AtomicBool::new(false);
    move |statement| (statement.contains(at) && !done.swap(true, Ordering::SeqCst)).then(&fault)
}

/// A fault at every statement that contains this text.
fn each(
    at: &'static str,
    fault: impl Fn() -> Fault + Send + Sync + 'static,
) -> impl Fn(&str) -> Option<Fault> + Send + Sync {
    move |statement| statement.contains(at).then(&fault)
}

fn expect_no_backup(store: &TempDir) {
    assert_eq!(file(store.path(), "neo4j", "manifest.json"), None);
}

#[test]
fn all_types_and_names_are_restored() {
    let store = with_backup();
    let target = Neo4j::serve(Graph::default());
    restore(&store, &target).expect(0, "");
    assert_eq!(target.graph().content(), people().content());
}

#[test]
fn a_graph_of_several_pages_is_restored_completely() {
    let mut graph = Graph::default();
    // Exactly two full pages, so that the third one is empty.
    let nodes: Vec<_> = (0..1000)
        .map(|number| graph.node(&["N"], &[("number", typed("Integer", &number.to_string()))]))
        .collect();
    for pair in nodes.windows(2).take(501) {
        graph.relate(&pair[0], "NEXT", &pair[1]);
    }
    let content = graph.content();
    let store = tempdir().expect("a folder");
    backup(&store, &Neo4j::serve(graph)).expect(0, "");
    let manifest = file(store.path(), "neo4j", "manifest.json").expect("it is complete");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(manifest).expect("it can be read")).expect("it is JSON");
    let counted: Vec<_> = manifest["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| (file["path"].as_str(), file["records"].as_u64()))
        .collect();
    assert_eq!(
        counted,
        [
            (Some("schema.jsonl"), Some(0)),
            (Some("relationships.jsonl"), Some(501)),
            (Some("nodes.jsonl"), Some(1000))
        ]
    );
    assert_eq!(manifest["server"], "5.26.21");
    let target = Neo4j::serve(Graph::default());
    restore(&store, &target).expect(0, "");
    assert_eq!(target.graph().content(), content);
}

#[test]
fn a_graph_with_nodes_is_replaced_only_on_request() {
    let store = with_backup();
    let mut other = Graph::default();
    other.node(&["Other"], &[]);
    let index = "CREATE RANGE INDEX `other` FOR (n:`Other`) ON (n.`x`)";
    other.indexes.insert("other".to_owned(), index.to_owned());
    let before = other.content();
    let target = Neo4j::serve(other);
    restore(&store, &target).expect(3, "the graph contains 1 nodes");
    assert_eq!(target.graph().content(), before);
    go(&store, &target, "restore", "true").expect(0, "");
    assert_eq!(target.graph().content(), people().content());
}

#[test]
fn existing_equal_constraints_are_kept() {
    let store = with_backup();
    let mut same = Graph::default();
    same.constraints = people().constraints;
    let target = Neo4j::serve(same.clone());
    restore(&store, &target).expect(0, "");
    assert_eq!(target.graph().content(), people().content());

    let mut other = same;
    other.constraints.insert(
        "person".to_owned(),
        "CREATE CONSTRAINT `person` FOR (n:`Person`) REQUIRE (n.`id`) IS UNIQUE".to_owned(),
    );
    let before = other.content();
    let target = Neo4j::serve(other);
    restore(&store, &target).expect(3, "the constraint or index person");
    assert_eq!(target.graph().content(), before);
}

#[test]
fn an_error_in_a_successful_response_is_an_error() {
    for at in [
        "CALL dbms",
        "SHOW CONSTRAINTS",
        "elementId(r) > $after",
        "elementId(n) > $after",
    ] {
        let code = "Neo.ClientError.Statement.SyntaxError";
        let fault = each(at, move || Fault::Instead(error_in_the_body(code)));
        let store = tempdir().expect("a folder");
        backup(&store, &Neo4j::with_faults(people(), fault)).expect(1, code);
        expect_no_backup(&store);
    }
}

#[test]
fn transient_errors_are_retried() {
    let busy = "Neo.TransientError.Transaction.DeadlockDetected";
    for fault in [
        error_in_the_body(busy),
        Response::new(503, "{}"),
        Response::new(202, "{\"data\":{\"fie").cut_off(100),
    ] {
        let fault = once("elementId(n) > $after", move || Fault::Instead(fault.clone()));
        let store = tempdir().expect("a folder");
        backup(&store, &Neo4j::with_faults(people(), fault)).expect(0, "");
        let target = Neo4j::serve(Graph::default());
        restore(&store, &target).expect(0, "");
        assert_eq!(target.graph().content(), people().content());
    }
}

#[test]
fn permanent_errors_end_the_backup() {
    let busy = "Neo.TransientError.Transaction.DeadlockDetected";
    for (fault, said) in [
        (error_in_the_body(busy), busy),
        (Response::new(500, "broken"), "500"),
        (Response::new(202, "{\"data\":{\"fie").cut_off(100), "incomplete"),
        (Response::new(202, "{\"data\":{\"fie"), "unexpected format"),
        (Response::new(202, "{}"), "neither data nor errors"),
    ] {
        let fault = each("elementId(n) > $after", move || Fault::Instead(fault.clone()));
        let store = tempdir().expect("a folder");
        backup(&store, &Neo4j::with_faults(people(), fault)).expect(1, said);
        expect_no_backup(&store);
    }
}

#[test]
fn a_page_with_a_lost_response_is_not_restored_twice() {
    let store = with_backup();
    for at in ["MERGE (n:PhoenixRestore", "MERGE (a)-[r:"] {
        let lost = once(at, || Fault::After(Response::new(202, "{").cut_off(100)));
        let target = Neo4j::with_faults(Graph::default(), lost);
        restore(&store, &target).expect(0, "");
        assert_eq!(target.graph().content(), people().content(), "{at}");
    }
}

#[test]
fn a_rejected_password_is_reported_and_not_printed() {
    let store = tempdir().expect("a folder");
    let neo4j = Neo4j::serve(people());
    let ended = run(
        store.path(),
        &["neo4j", "backup"],
        &[("NEO4J_URL", &neo4j.url), ("NEO4J_PASSWORD", "a-wrong-password")],
    );
    ended.expect(1, "NEO4J_PASSWORD");
    assert!(!format!("{ended:?}").contains("a-wrong-password"), "{ended:?}");
    expect_no_backup(&store);
}

#[test]
fn an_unsupported_type_stops_the_backup() {
    let vector = json!({"$type": "Vector", "_value": {"coordinatesType": "FLOAT", "coordinates": ["1.0"]}});
    let inside = json!({"$type": "List", "_value": [vector]});
    for value in [vector, inside] {
        let mut graph = people();
        graph.node(&["Embedded"], &[("embedding", value)]);
        let store = tempdir().expect("a folder");
        backup(&store, &Neo4j::serve(graph)).expect(3, "a property of type Vector");
        expect_no_backup(&store);
    }
}

#[test]
fn an_unsupported_constraint_stops_the_backup() {
    let mut graph = people();
    graph.constraints.insert(
        "typed".to_owned(),
        "CREATE CONSTRAINT `typed` FOR (n:`Person`) REQUIRE (n.`born`) IS :: DATE".to_owned(),
    );
    let store = tempdir().expect("a folder");
    backup(&store, &Neo4j::serve(graph)).expect(3, "the type NODE_PROPERTY_TYPE is not supported");
    expect_no_backup(&store);
}

/// Its user could write, because the Community edition has no read-only users.
#[test]
fn all_statements_of_a_backup_are_read_only() {
    let store = tempdir().expect("a folder");
    let server = HttpStub::start(|request| {
        assert_eq!(request.json()["accessMode"], "Read");
        Response::new(500, "")
    });
    let go = |verb| {
        let variables = [
            ("NEO4J_URL", server.url()),
            ("NEO4J_PASSWORD", PASSWORD.to_owned()),
        ];
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        run(store.path(), &["neo4j", verb], &variables)
    };
    go("backup").expect(1, "500");
    assert!(!server.requests().is_empty());
    // The fake rejects statements that write.
    backup(&store, &Neo4j::serve(people())).expect(0, "");
}

#[test]
fn a_name_with_an_escape_sequence_stops_the_backup() {
    let mut graph = people();
    graph.node(&["X\\u0060) DETACH DELETE n //"], &[]);
    let store = tempdir().expect("a folder");
    backup(&store, &Neo4j::serve(graph)).expect(3, "cannot be backed up");
    expect_no_backup(&store);
}

#[test]
fn an_incomplete_restore_is_detected() {
    let store = with_backup();
    let stop = once("MERGE (a)-[r:", || {
        Fault::Instead(error_in_the_body("Neo.ClientError.General.Forbidden"))
    });
    let target = Neo4j::with_faults(Graph::default(), stop);
    restore(&store, &target).expect(1, "restore relationships");
    backup(&tempdir().expect("a folder"), &target).expect(3, "nodes of an incomplete restore");
    restore(&store, &target).expect(3, "some belong to an incomplete restore");
    go(&store, &target, "restore", "true").expect(0, "");
    assert_eq!(target.graph().content(), people().content());
}

/// A restore is complete when its labels are removed, even if its constraint remains.
#[test]
fn the_constraint_of_a_restore_is_not_part_of_a_backup() {
    let drop = each("DROP CONSTRAINT phoenixRestoreId", || {
        Fault::Instead(error_in_the_body("Neo.ClientError.General.Forbidden"))
    });
    let restored = Neo4j::with_faults(Graph::default(), drop);
    restore(&with_backup(), &restored).expect(1, "finish the restore");
    assert!(restored.graph().constraints.contains_key("phoenixRestoreId"));

    let store = tempdir().expect("a folder");
    backup(&store, &restored).expect(0, "");
    let schema = file(store.path(), "neo4j", "schema.jsonl").expect("it is complete");
    let schema = std::fs::read_to_string(schema).expect("it can be read");
    assert!(!schema.contains("phoenixRestoreId"), "{schema}");
    for target in [Neo4j::serve(Graph::default()), restored] {
        let overwrite = if target.graph().nodes.is_empty() {
            "false"
        } else {
            "true"
        };
        // The last step of the second one still fails.
        let ended = go(&store, &target, "restore", overwrite);
        let mut content = target.graph().content();
        content.retain(|line| !line.contains("phoenixRestoreId"));
        assert_eq!(content, people().content(), "{ended:?}");
    }
}

#[test]
fn a_damaged_file_changes_nothing() {
    for name in ["schema.jsonl", "nodes.jsonl", "relationships.jsonl"] {
        let store = with_backup();
        let path = file(store.path(), "neo4j", name).expect("it is complete");
        let mut bytes = std::fs::read(&path).expect("it can be read");
        let last = bytes.len() - 4;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).expect("it can be written");
        let mut before = Graph::default();
        before.node(&["Other"], &[]);
        let content = before.content();
        let target = Neo4j::serve(before);
        go(&store, &target, "restore", "true").expect(3, name);
        assert_eq!(target.graph().content(), content);
    }
}

#[test]
fn a_relationship_of_a_deleted_node_is_skipped_and_counted() {
    let mut graph = people();
    let bob = graph.node(&[], &[]);
    graph.relate("4:graph:gone", "IS", &bob);
    let store = tempdir().expect("a folder");
    backup(&store, &Neo4j::serve(graph)).expect(0, "");
    let target = Neo4j::serve(Graph::default());
    restore(&store, &target).expect(0, "skipped 1 relationships");
    assert_eq!(target.graph().relationships.len(), 3);
}
