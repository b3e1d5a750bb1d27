//! What OpenMemory gives and takes, and what it may do wrong at it.

use std::sync::{Arc, Mutex};

use tempfile::{TempDir, tempdir};

use crate::wire::{Ended, Request, answer, cut_off, file, run, serve};

const WHOLE: &str = concat!(
    r#"{"table":"memories","id":1,"text":"likes tea"}"#,
    "\n",
    r#"{"table":"memories","id":2,"text":"Zürich"}"#,
    "\n",
    r#"{"end":{"records":2}}"#,
    "\n"
);

fn backup(store: &TempDir, url: &str) -> Ended {
    run(
        store.path(),
        &["openmemory", "backup"],
        &[("OPENMEMORY_URL", url), ("OPENMEMORY_TOKEN", "a-secret-token")],
    )
}

fn restore(store: &TempDir, url: &str, overwrite: &str) -> Ended {
    run(
        store.path(),
        &["openmemory", "restore"],
        &[("OPENMEMORY_URL", url), ("RESTORE_OVERWRITE", overwrite)],
    )
}

/// A server that answers each request so.
fn always(bytes: Vec<u8>) -> String {
    serve(move |_| bytes.clone())
}

/// A store with a backup of `WHOLE`.
fn kept() -> TempDir {
    let store = tempdir().expect("a folder");
    backup(&store, &always(answer("200 OK", WHOLE.as_bytes()))).expect(0, "");
    store
}

/// A server that keeps what it was asked, and answers so.
fn listening(status: &'static str, body: &'static str) -> (String, Arc<Mutex<Vec<Request>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&requests);
    let url = serve(move |request| {
        kept.lock().expect("no test failed in it").push(request);
        answer(status, body.as_bytes())
    });
    (url, requests)
}

#[test]
fn memories_come_back_byte_for_byte() {
    let store = tempdir().expect("a folder");
    let (url, requests) = listening("200 OK", WHOLE);
    backup(&store, &url).expect(0, "");
    {
        let requests = requests.lock().expect("no test failed in it");
        assert_eq!(requests[0].line, "GET /memory/openmemory/export");
        assert_eq!(requests[0].headers["authorization"], "Bearer a-secret-token");
    }
    let (url, requests) = listening("200 OK", r#"{"imported":2}"#);
    restore(&store, &url, "false").expect(0, "");
    let requests = requests.lock().expect("no test failed in it");
    assert_eq!(requests[0].line, "POST /memory/openmemory/import?overwrite=false");
    assert_eq!(requests[0].headers["content-type"], "application/x-ndjson");
    assert_eq!(String::from_utf8_lossy(&requests[0].body), WHOLE);
}

#[test]
fn an_empty_openmemory_has_a_backup_too() {
    let store = tempdir().expect("a folder");
    let url = always(answer("200 OK", b"{\"end\":{\"records\":0}}\n"));
    backup(&store, &url).expect(0, "");
    let manifest = file(store.path(), "openmemory", "manifest.json").expect("it is complete");
    let manifest = std::fs::read_to_string(manifest).expect("it can be read");
    assert!(manifest.contains(r#""records": 0"#), "{manifest}");
}

/// None of these may count as a backup.
#[test]
fn an_export_that_is_not_whole_is_no_backup() {
    let lines = |count| WHOLE.split_inclusive('\n').take(count).collect::<String>();
    let missing_end = lines(2);
    let half_a_line = &WHOLE[..WHOLE.len() - 5];
    let no_line_break = WHOLE.trim_end();
    let too_few = lines(1) + "{\"end\":{\"records\":2}}\n";
    let not_the_end = lines(1) + "{\"end\":{}}\n";
    for (export, said) in [
        (missing_end.as_str(), "it was cut off"),
        (half_a_line, "in the middle of a line"),
        (no_line_break, "in the middle of a line"),
        ("", "it is empty"),
        (&too_few, "tells of 2 records, and 1 came"),
        (&not_the_end, "it was cut off"),
    ] {
        let store = tempdir().expect("a folder");
        backup(&store, &always(answer("200 OK", export.as_bytes()))).expect(3, said);
        assert_eq!(
            file(store.path(), "openmemory", "manifest.json"),
            None,
            "{export}"
        );
        restore(&store, "http://127.0.0.1:1", "false").expect(3, "no complete backup");
    }
}

#[test]
fn a_connection_that_breaks_leaves_no_file() {
    let store = tempdir().expect("a folder");
    backup(&store, &always(cut_off("200 OK", &WHOLE.as_bytes()[..60], 40))).expect(1, "cut off");
    assert_eq!(file(store.path(), "openmemory", "memories.jsonl"), None);
}

#[test]
fn a_token_that_is_not_taken_is_named_and_not_printed() {
    let store = tempdir().expect("a folder");
    let ended = backup(&store, &always(answer("401 Unauthorized", b"no")));
    ended.expect(1, "OPENMEMORY_TOKEN");
    assert!(!format!("{ended:?}").contains("a-secret-token"), "{ended:?}");
}

#[test]
fn memories_that_are_there_are_left_alone() {
    let store = kept();
    let (url, _) = listening("409 Conflict", "");
    restore(&store, &url, "false").expect(3, "it holds memories already");
    let (url, requests) = listening("200 OK", r#"{"imported":2}"#);
    restore(&store, &url, "true").expect(0, "");
    let requests = requests.lock().expect("no test failed in it");
    assert_eq!(requests[0].line, "POST /memory/openmemory/import?overwrite=true");
}

#[test]
fn an_import_of_fewer_records_is_reported() {
    let store = kept();
    let (url, _) = listening("200 OK", r#"{"imported":1}"#);
    restore(&store, &url, "false").expect(3, "imported 1 records");
}

#[test]
fn a_damaged_file_is_not_sent() {
    let store = kept();
    let path = file(store.path(), "openmemory", "memories.jsonl").expect("it is complete");
    std::fs::write(&path, WHOLE.replace("tea", "gin")).expect("it can be written");
    let (url, requests) = listening("200 OK", r#"{"imported":2}"#);
    restore(&store, &url, "false").expect(3, "damaged");
    assert!(requests.lock().expect("no test failed in it").is_empty());
}
