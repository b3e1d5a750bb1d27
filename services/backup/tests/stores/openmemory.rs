//! Backup and restore of OpenMemory, with a server that injects faults.

use phoenix_testing::http::{HttpStub, Response};
use tempfile::{TempDir, tempdir};

use crate::program::{Ended, file, run};

const WHOLE: &str = concat!(
    r#"{"table":"memories","id":1,"text":"likes tea"}"#,
    "\n",
    r#"{"table":"memories","id":2,"text":"Zürich"}"#,
    "\n",
    r#"{"end":{"records":2}}"#,
    "\n"
);

fn backup(store: &TempDir, server: &HttpStub) -> Ended {
    run(
        store.path(),
        &["openmemory", "backup"],
        &[
            ("OPENMEMORY_URL", &server.url()),
            ("OPENMEMORY_TOKEN", "a-secret-token"),
        ],
    )
}

fn restore(store: &TempDir, server: &HttpStub, overwrite: &str) -> Ended {
    run(
        store.path(),
        &["openmemory", "restore"],
        &[
            ("OPENMEMORY_URL", &server.url()),
            ("RESTORE_OVERWRITE", overwrite),
        ],
    )
}

/// A server that returns this response to every request.
fn always(response: Response) -> HttpStub {
    HttpStub::start(move |_| response.clone())
}

/// A store with a backup of `WHOLE`.
fn with_backup() -> TempDir {
    let store = tempdir().expect("a folder");
    backup(&store, &always(Response::new(200, WHOLE))).expect(0, "");
    store
}

#[test]
fn memories_are_restored_byte_for_byte() {
    let store = tempdir().expect("a folder");
    let server = always(Response::new(200, WHOLE));
    backup(&store, &server).expect(0, "");
    let requests = server.requests();
    assert_eq!(requests[0].line(), "GET /memory/openmemory/export");
    assert_eq!(requests[0].header("authorization"), "Bearer a-secret-token");
    let server = always(Response::new(200, r#"{"imported":2}"#));
    restore(&store, &server, "false").expect(0, "");
    let requests = server.requests();
    assert_eq!(
        requests[0].line(),
        "POST /memory/openmemory/import?overwrite=false"
    );
    assert_eq!(requests[0].header("content-type"), "application/x-ndjson");
    assert_eq!(String::from_utf8_lossy(&requests[0].body), WHOLE);
}

/// Valid JSON, with values that not every parser accepts.
#[test]
fn every_export_with_a_backup_can_be_restored() {
    let deep = format!(r#"{{"nested":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for line in [r#"{"text":"\ud83d"}"#, r#"{"score":1e999}"#, deep.as_str()] {
        let export = format!("{line}\n{{\"end\":{{\"records\":1}}}}\n");
        let store = tempdir().expect("a folder");
        backup(&store, &always(Response::new(200, export.clone()))).expect(0, "");
        let server = always(Response::new(200, r#"{"imported":1}"#));
        restore(&store, &server, "false").expect(0, "");
        assert_eq!(String::from_utf8_lossy(&server.requests()[0].body), export);
    }
}

#[test]
fn an_empty_openmemory_has_a_backup() {
    let store = tempdir().expect("a folder");
    let url = always(Response::new(200, "{\"end\":{\"records\":0}}\n"));
    backup(&store, &url).expect(0, "");
    let manifest = file(store.path(), "openmemory", "manifest.json").expect("it is complete");
    let manifest = std::fs::read_to_string(manifest).expect("it can be read");
    assert!(manifest.contains(r#""records": 0"#), "{manifest}");
}

/// None of these exports is a backup.
#[test]
fn an_incomplete_export_is_not_a_backup() {
    let lines = |count| WHOLE.split_inclusive('\n').take(count).collect::<String>();
    let missing_end = lines(2);
    let half_a_line = &WHOLE[..WHOLE.len() - 5];
    let no_line_break = WHOLE.trim_end();
    let too_few = lines(1) + "{\"end\":{\"records\":2}}\n";
    let not_the_end = lines(1) + "{\"end\":{}}\n";
    for (export, said) in [
        (missing_end.as_str(), "it is incomplete"),
        (half_a_line, "ends with an incomplete line"),
        (no_line_break, "ends with an incomplete line"),
        ("", "it is empty"),
        (&too_few, "reports 2 records, but 1 were received"),
        (&not_the_end, "it is incomplete"),
    ] {
        let store = tempdir().expect("a folder");
        backup(&store, &always(Response::new(200, export))).expect(3, said);
        assert_eq!(
            file(store.path(), "openmemory", "manifest.json"),
            None,
            "{export}"
        );
        restore(&store, &always(Response::hangup()), "false").expect(3, "no complete backup");
    }
}

#[test]
fn an_interrupted_connection_leaves_no_file() {
    let store = tempdir().expect("a folder");
    backup(&store, &always(Response::new(200, &WHOLE[..60]).cut_off(40))).expect(1, "incomplete");
    assert_eq!(file(store.path(), "openmemory", "memories.jsonl"), None);
}

#[test]
fn a_rejected_token_is_reported_and_not_printed() {
    let store = tempdir().expect("a folder");
    let ended = backup(&store, &always(Response::new(401, "no")));
    ended.expect(1, "OPENMEMORY_TOKEN");
    assert!(!format!("{ended:?}").contains("a-secret-token"), "{ended:?}");
}

#[test]
fn existing_memories_are_not_replaced() {
    let store = with_backup();
    let server = always(Response::new(409, ""));
    restore(&store, &server, "false").expect(3, "it contains memories");
    let server = always(Response::new(200, r#"{"imported":2}"#));
    restore(&store, &server, "true").expect(0, "");
    let requests = server.requests();
    assert_eq!(
        requests[0].line(),
        "POST /memory/openmemory/import?overwrite=true"
    );
}

#[test]
fn an_import_of_fewer_records_is_reported() {
    let store = with_backup();
    let server = always(Response::new(200, r#"{"imported":1}"#));
    restore(&store, &server, "false").expect(3, "imported 1 records");
}

#[test]
fn a_damaged_file_is_not_sent() {
    let store = with_backup();
    let path = file(store.path(), "openmemory", "memories.jsonl").expect("it is complete");
    std::fs::write(&path, WHOLE.replace("tea", "gin")).expect("it can be written");
    let server = always(Response::new(200, r#"{"imported":2}"#));
    restore(&store, &server, "false").expect(3, "damaged");
    assert!(server.requests().is_empty());
}
