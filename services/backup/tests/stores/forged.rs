//! Forged, changed, moved and replayed backups, and what a restore does with them.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use phoenix_testing::http::{HttpStub, Response};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::fake_neo4j::{Graph, Neo4j};
use crate::planted::{Planted, code, folder, received};
use crate::program::{Ended, key, run};

fn days_ago(days: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(days)
}

fn server() -> HttpStub {
    HttpStub::start(|request| {
        if request.method == "GET" {
            return Response::new(200, "{\"id\":1}\n{\"end\":{\"records\":1}}\n");
        }
        let lines = String::from_utf8_lossy(&request.body).lines().count();
        Response::json(200, &json!({"imported": lines - 1}))
    })
}

fn restore_from(store: &Path, server: &HttpStub, name: &str) -> Ended {
    run(
        store,
        &["openmemory", "restore", "--from", name],
        &[("OPENMEMORY_URL", &server.url())],
    )
}

fn restore(store: &Path, server: &HttpStub) -> Ended {
    restore_from(store, server, "latest")
}

fn list(store: &Path, of: &str) -> String {
    let ended = run(store, &["list", "--store", of], &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.out
}

/// A store with a good backup of yesterday, and one of today, which `change` has made.
fn with(change: impl FnOnce(&mut Planted)) -> (TempDir, Planted) {
    let store = tempdir().expect("a folder");
    Planted::memories(days_ago(1), 2).write(store.path());
    let mut planted = Planted::memories(days_ago(0), 2);
    change(&mut planted);
    (store, planted)
}

/// `latest` must restore the backup of yesterday, and the one of today must be rejected for this reason.
#[track_caller]
fn expect_rejected(store: &TempDir, planted: &Planted, reason: &str) {
    let server = server();
    let name = &planted.folder;
    let listed = list(store.path(), "openmemory");
    let line = listed.lines().find(|line| line.starts_with(name.as_str()));
    assert!(line.is_some_and(|line| line.contains(reason)), "{listed}");
    let ended = restore_from(store.path(), &server, name);
    ended.expect(3, reason);
    assert!(server.requests().is_empty(), "nothing is sent");
    let ended = restore(store.path(), &server);
    ended.expect(0, &format!("skipped the backup {name}"));
    ended.expect(0, "restored: 2 records");
}

#[test]
fn a_planted_backup_is_like_one_of_the_program() {
    let (store, planted) = with(|_| {});
    planted.write(store.path());
    let server = server();
    restore(store.path(), &server).expect(0, &format!("using the backup {}", planted.folder));
    assert_eq!(server.requests()[0].body, planted.files[0].1);
}

#[test]
fn a_manifest_without_a_valid_code_is_rejected() {
    let (store, planted) = with(|_| {});
    let manifest = serde_json::to_vec(&planted.manifest).expect("JSON");
    let valid = code(&key("openmemory"), "openmemory", &planted.folder, &manifest);
    let code = |key: &str, store: &str, folder: &str| code(key, store, folder, &manifest).into_bytes();
    let own = key("openmemory");
    for invalid in [
        Vec::new(),
        b"0".to_vec(),
        [b'0'; 64].to_vec(),
        valid.as_bytes()[..62].to_vec(),
        // The keys of the other Jobs, and an earlier key that is not valid any more.
        code(&key("qdrant"), "openmemory", &planted.folder),
        code(&key("neo4j"), "openmemory", &planted.folder),
        code("a-retired-key-of-32-characters-00", "openmemory", &planted.folder),
        // The right key for another store, prefix or time.
        code(&own, "qdrant", &planted.folder),
        code(&own, "staging/openmemory", &planted.folder),
        code(&own, "openmemory", &folder(days_ago(1))),
    ] {
        planted.write_raw(store.path(), &manifest, Some(&invalid));
        expect_rejected(&store, &planted, "authentication code is invalid");
    }
    let (store, planted) = with(|_| {});
    planted.write_signed_by(store.path(), None);
    expect_rejected(&store, &planted, "no authentication code");
}

#[test]
fn a_changed_manifest_is_rejected() {
    let (store, planted) = with(|_| {});
    let at = planted.write(store.path());
    let text = std::fs::read_to_string(at.join("manifest.json")).expect("it can be read");
    for changed in [
        text.replace("\"peers\":1", "\"peers\":2"),
        format!("{text}\n"),
        text[..text.len() - 1].to_owned(),
        String::new(),
        "{}".to_owned(),
    ] {
        std::fs::write(at.join("manifest.json"), changed).expect("it can be written");
        expect_rejected(&store, &planted, "authentication code is invalid");
    }
}

#[test]
fn a_backup_under_the_name_of_another_is_rejected() {
    // A replay of an old backup, with its own code and with a new one.
    let (store, mut planted) = with(|_| {});
    let old = Planted::memories(days_ago(100), 2);
    let manifest = serde_json::to_vec(&old.manifest).expect("JSON");
    let stolen = code(&key("openmemory"), "openmemory", &old.folder, &manifest);
    planted.files.clone_from(&old.files);
    planted.write_raw(store.path(), &manifest, Some(stolen.as_bytes()));
    expect_rejected(&store, &planted, "authentication code is invalid");
    planted.manifest = old.manifest;
    planted.write(store.path());
    expect_rejected(&store, &planted, "belongs to another backup");

    let (store, planted) = with(|planted| planted.manifest["store"] = json!("neo4j"));
    planted.write(store.path());
    expect_rejected(&store, &planted, "belongs to another backup");
}

/// A change of a good backup.
type Change = Box<dyn FnOnce(&mut Planted)>;

/// Even the owner of the key cannot write these.
#[test]
fn an_inconsistent_manifest_is_rejected() {
    let path =
        |path: &'static str| move |planted: &mut Planted| planted.manifest["files"][0]["path"] = json!(path);
    let set = |key: &'static str, value: Value| -> Change {
        Box::new(move |planted: &mut Planted| planted.manifest["files"][0][key] = value)
    };
    let mut changes: Vec<(Change, &str)> = Vec::new();
    for name in [
        "../memories.jsonl",
        "/etc/passwd",
        "a/../../memories.jsonl",
        "./memories.jsonl",
        "a//memories.jsonl",
        "",
        "..\\memories.jsonl",
        "memories.jsonl\n",
        "manifest.json",
        "manifest.mac",
    ] {
        changes.push((Box::new(path(name)), "invalid path"));
    }
    changes.push((set("bytes", json!(u64::MAX)), "impossible size"));
    changes.push((set("bytes", json!(1_u64 << 60)), "impossible size"));
    changes.push((set("bytes", json!(1)), "its size differs"));
    changes.push((set("bytes", json!(-1)), "cannot be parsed"));
    changes.push((set("sha256", json!("")), "no SHA-256 checksum"));
    changes.push((set("collection", json!("memories")), "does not say what"));
    changes.push((set("peer", json!(0)), "does not say what"));
    changes.push((
        Box::new(|planted| {
            let entry = planted.manifest["files"][0].clone();
            planted.manifest["files"]
                .as_array_mut()
                .expect("a list")
                .push(entry);
        }),
        "lists memories.jsonl twice",
    ));
    changes.push((
        Box::new(|planted| {
            let mut entry = planted.manifest["files"][0].clone();
            entry["path"] = json!("missing");
            planted.manifest["files"]
                .as_array_mut()
                .expect("a list")
                .push(entry);
        }),
        "missing is missing",
    ));
    changes.push((
        Box::new(|planted| planted.manifest["format"] = json!(1)),
        "format version 1",
    ));
    changes.push((
        Box::new(|planted| planted.manifest["format"] = json!(3)),
        "format version 3",
    ));
    for (change, reason) in changes {
        let (store, planted) = with(change);
        planted.write(store.path());
        expect_rejected(&store, &planted, reason);
    }
}

#[test]
fn a_huge_manifest_is_not_read() {
    let (store, planted) = with(|_| {});
    let at = planted.write(store.path());
    let file = std::fs::File::options()
        .write(true)
        .open(at.join("manifest.json"));
    // A sparse file.
    file.expect("a file")
        .set_len(1 << 40)
        .expect("it can be extended");
    expect_rejected(&store, &planted, "too large");
    let at = planted.write(store.path());
    std::fs::write(at.join("manifest.mac"), vec![b'0'; 1 << 20]).expect("it can be written");
    expect_rejected(&store, &planted, "too large");
}

#[test]
fn a_truncated_or_missing_file_is_found_before_the_restore() {
    let (store, planted) = with(|_| {});
    let at = planted.write(store.path());
    std::fs::write(at.join("memories.jsonl"), &planted.files[0].1[..20]).expect("it can be written");
    expect_rejected(&store, &planted, "its size differs");
    std::fs::remove_file(at.join("memories.jsonl")).expect("it can be deleted");
    expect_rejected(&store, &planted, "memories.jsonl is missing");
}

#[test]
fn swapped_files_of_the_same_size_are_found_before_the_restore() {
    let store = tempdir().expect("a folder");
    let (one, two) = (
        Planted::memories(days_ago(2), 3),
        Planted::memories(days_ago(1), 3),
    );
    let (first, second) = (one.write(store.path()), two.write(store.path()));
    assert_eq!(one.files[0].1.len(), two.files[0].1.len());
    std::fs::copy(first.join("memories.jsonl"), second.join("memories.jsonl")).expect("it can be copied");
    let server = server();
    restore(store.path(), &server).expect(3, "the checksum of memories.jsonl");
    assert!(server.requests().is_empty());
}

#[test]
fn a_link_out_of_the_store_is_not_restored() {
    let (store, planted) = with(|_| {});
    let at = planted.write(store.path());
    let outside = tempdir().expect("a folder");
    let secret = outside.path().join("secret");
    let length = planted.files[0].1.len();
    std::fs::write(&secret, vec![b'x'; length]).expect("it can be written");
    std::fs::remove_file(at.join("memories.jsonl")).expect("it can be deleted");
    std::os::unix::fs::symlink(&secret, at.join("memories.jsonl")).expect("a link");
    let server = server();
    restore_from(store.path(), &server, &planted.folder).expect(3, "memories.jsonl");
    assert!(server.requests().is_empty());
}

#[test]
fn files_that_the_manifest_does_not_list_are_reported_and_not_used() {
    let (store, planted) = with(|_| {});
    let at = planted.write(store.path());
    std::fs::write(at.join("more.jsonl"), "{}\n").expect("it can be written");
    received(&at, planted.modified);
    let listed = list(store.path(), "openmemory");
    assert!(
        listed.contains("contains 1 objects that its manifest does not list"),
        "{listed}"
    );
    let server = server();
    restore(store.path(), &server).expect(0, &planted.folder);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn the_newest_backup_with_data_whose_time_is_confirmed_is_restored() {
    let store = tempdir().expect("a folder");
    let good = Planted::memories(days_ago(4), 2);
    good.write(store.path());
    Planted::memories(days_ago(3), 0).write(store.path());
    let mut future = Planted::memories(days_ago(-400), 2);
    future.modified = days_ago(0);
    future.write(store.path());
    let mut late = Planted::memories(days_ago(2), 2);
    late.modified += TimeDelta::hours(25);
    late.write(store.path());
    let server = server();
    let ended = restore(store.path(), &server);
    ended.expect(0, &format!("using the backup {}", good.folder));
    for said in [
        "it is empty",
        "its time is in the future",
        "does not match the time",
    ] {
        assert!(ended.err.contains(said), "{ended:?}");
    }
    // An operator can choose it by name, for example after the bucket was copied.
    restore_from(store.path(), &server, &late.folder).expect(0, "warning: the backup");
}

#[test]
fn during_a_rotation_backups_of_both_keys_are_restored() {
    let (old, new) = (
        key("openmemory"),
        "the-new-key-of-the-store-with-40-characters".to_owned(),
    );
    let store = tempdir().expect("a folder");
    let earlier = Planted::memories(days_ago(2), 2);
    earlier.write(store.path());
    let server = server();
    let both = format!("{new},{old}");
    let go = |arguments: &[&str], key: &str| {
        run(
            store.path(),
            arguments,
            &[
                ("OPENMEMORY_URL", &server.url()),
                ("BACKUP_MAC_KEY_OPENMEMORY", key),
            ],
        )
    };
    go(&["openmemory", "restore"], &both).expect(0, "restored: 2 records");
    go(&["openmemory", "backup"], &both).expect(0, "complete");
    // The new one is signed with the new key, so the previous key can be removed when the old backups have expired.
    go(&["openmemory", "restore"], &new).expect(0, "restored: 1 records");
    go(&["openmemory", "restore", "--from", &earlier.folder], &new).expect(3, "code is invalid");
}

#[test]
fn without_a_valid_key_nothing_is_written_or_restored() {
    let store = tempdir().expect("a folder");
    let server = server();
    for (key, said) in [
        ("", "fewer than 32 characters"),
        ("short", "fewer than 32 characters"),
        (
            "the-new-key-of-the-store-with-40-characters,",
            "fewer than 32 characters",
        ),
    ] {
        for verb in ["backup", "restore"] {
            run(
                store.path(),
                &["openmemory", verb],
                &[
                    ("OPENMEMORY_URL", &server.url()),
                    ("BACKUP_MAC_KEY_OPENMEMORY", key),
                ],
            )
            .expect(2, said);
        }
    }
    let ended = crate::program::run_without_keys(
        store.path(),
        &["openmemory", "backup"],
        &[("OPENMEMORY_URL", &server.url())],
    );
    ended.expect(2, "BACKUP_MAC_KEY_OPENMEMORY is not set");
    crate::program::run_without_keys(store.path(), &["prune"], &[]).expect(2, "no key is set");
    assert_eq!(store.path().read_dir().expect("a folder").count(), 0);
}

#[test]
fn a_file_is_never_overwritten() {
    let store = tempdir().expect("a folder");
    let server = server();
    let mut taken = Vec::new();
    // The names of the next minute.
    for second in 0..60 {
        let at = store
            .path()
            .join("openmemory")
            .join(folder(Utc::now() + TimeDelta::seconds(second)));
        std::fs::create_dir_all(&at).expect("a folder");
        std::fs::write(at.join("memories.jsonl"), "mine").expect("it can be written");
        taken.push(at.join("memories.jsonl"));
    }
    run(
        store.path(),
        &["openmemory", "backup"],
        &[("OPENMEMORY_URL", &server.url())],
    )
    .expect(1, "backups are never overwritten");
    for path in taken {
        assert_eq!(std::fs::read_to_string(path).expect("it can be read"), "mine");
    }
}

/// Lines of a graph: schema, relationships and nodes.
fn graph(schema: &str, relationships: &str, nodes: &str) -> Planted {
    let count = |text: &str| text.matches('\n').count() as u64;
    let file = |path, text: &str| (path, text.as_bytes().to_vec(), count(text));
    Planted::new(
        "neo4j",
        days_ago(1),
        vec![
            file("schema.jsonl", schema),
            file("relationships.jsonl", relationships),
            file("nodes.jsonl", nodes),
        ],
    )
}

/// With a valid manifest and valid checksums: what a mistake in a backup, or the owner of the key, could write.
#[test]
fn a_graph_with_an_invalid_line_changes_nothing() {
    let node = |id: &str| {
        format!(
            "{{\"id\":\"{id}\",\"labels\":[\"A\"],\"properties\":{{\"$type\":\"Map\",\"_value\":{{}}}}}}\n"
        )
    };
    let nodes = node("1") + &node("2");
    let index = "{\"name\":\"i\",\"kind\":\"range_index\",\"entity\":\"node\",\"labels\":[\"A\"],\"properties\":[\"p\"]}\n";
    let relationship = "{\"id\":\"3\",\"type\":\"T\",\"start\":\"1\",\"end\":\"2\",\"properties\":{\"$type\":\"Map\",\"_value\":{}}}\n";
    let go = |planted: &Planted| {
        let store = tempdir().expect("a folder");
        planted.write(store.path());
        let mut before = Graph::default();
        before.node(&["Other"], &[]);
        let content = before.content();
        let neo4j = Neo4j::serve(before);
        let ended = run(
            store.path(),
            &["neo4j", "restore", "--overwrite"],
            &[("NEO4J_URL", &neo4j.url), ("NEO4J_PASSWORD", "a-secret-password")],
        );
        let changed = neo4j.graph().content() != content;
        (ended, changed)
    };
    let (ended, changed) = go(&graph(index, relationship, &nodes));
    assert!(ended.code == Some(0) && changed, "{ended:?}");

    // Earlier versions of the program stored the constraint of a restore that did not finish.
    let left = "{\"name\":\"phoenixRestoreId\",\"kind\":\"uniqueness_constraint\",\"entity\":\"node\",\
                \"labels\":[\"PhoenixRestore\"],\"properties\":[\"phoenixRestoreId\"]}\n";
    let (ended, changed) = go(&graph(left, relationship, &nodes));
    assert!(ended.code == Some(0) && changed, "{ended:?}");

    for (schema, relationships, nodes, said) in [
        // A statement of an attacker, in the former format and in the name of an index.
        (
            "{\"name\":\"x\",\"create\":\"CREATE USER eve SET PLAINTEXT PASSWORD 'x' CHANGE NOT REQUIRED\"}\n",
            relationship,
            nodes.as_str(),
            "schema.jsonl",
        ),
        (
            "{\"name\":\"\\\\u0060\",\"kind\":\"range_index\",\"entity\":\"node\",\"labels\":[\"A\"],\"properties\":[\"p\"]}\n",
            relationship,
            &nodes,
            "schema.jsonl",
        ),
        (&index.repeat(2), relationship, &nodes, "repeats a name"),
        (index, &relationship.repeat(2), &nodes, "repeated or out of order"),
        (
            index,
            relationship,
            &(node("2") + &node("1")),
            "repeated or out of order",
        ),
        (
            index,
            relationship,
            &nodes.replace("\"Map\"", "\"Vector\""),
            "unknown type Vector",
        ),
        (
            index,
            relationship,
            &nodes.replace("\"A\"", "\"\\\\u0060\""),
            "nodes.jsonl",
        ),
        (
            index,
            &relationship.replace("\"T\"", "\"\\\\u0060\""),
            &nodes,
            "relationships.jsonl",
        ),
        (index, relationship, &nodes[..nodes.len() - 1], "middle of line 2"),
        (index, relationship, &nodes[..nodes.len() - 9], "middle of line 2"),
        (
            index,
            relationship,
            &(nodes.clone() + "{\"id\":\n"),
            "line 3 cannot be read",
        ),
        (
            index,
            relationship,
            &(nodes.clone() + "\n"),
            "line 3 cannot be read",
        ),
    ] {
        let (ended, changed) = go(&graph(schema, relationships, nodes));
        ended.expect(3, said);
        assert!(!changed, "{said}");
    }
    // More and fewer lines than the manifest specifies.
    for records in [1, 3] {
        let mut planted = graph(index, relationship, &nodes);
        planted.manifest["files"][2]["records"] = json!(records);
        let (ended, changed) = go(&planted);
        ended.expect(3, "but the manifest specifies");
        assert!(!changed, "{records}");
    }
}

#[test]
fn memories_with_an_invalid_line_are_not_sent() {
    for (lines, records, said) in [
        (
            "{\"id\":1}\n{\"end\":{\"records\":1}}\n",
            2,
            "but the manifest specifies 2",
        ),
        (
            "{\"id\":1}\n{\"end\":{\"records\":2}}\n",
            2,
            "reports 2 records, but 1",
        ),
        ("{\"id\":1}\n{\"id\":2}\n", 2, "it is incomplete"),
        (
            "{\"id\":1}\n{\"end\":{\"records\":1}}",
            1,
            "ends with an incomplete line",
        ),
        (
            "[1]\n{\"end\":{\"records\":1}}\n",
            1,
            "line 1 is not a JSON object",
        ),
        (
            "{\"id\":\n{\"end\":{\"records\":1}}\n",
            1,
            "line 1 is not a JSON object",
        ),
    ] {
        let store = tempdir().expect("a folder");
        let file = ("memories.jsonl", lines.as_bytes().to_vec(), records);
        Planted::new("openmemory", days_ago(1), vec![file]).write(store.path());
        let server = server();
        restore(store.path(), &server).expect(3, said);
        assert!(server.requests().is_empty(), "{lines}");
    }
}
