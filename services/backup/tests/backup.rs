//! The program as a Job runs it, with a server that behaves like Qdrant, OpenMemory and S3 and injects faults.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests read the files that the program writes"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use phoenix_testing::http::{HttpStub, Request, Response};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const KEY: &str = "the-secret-key";
const MAC_KEY: &str = "the-key-of-manifests-with-38-characters";
const SNAPSHOT: &[u8] = b"what a snapshot holds";

/// An injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    WrongChecksum,
    CutOff,
    DiskFull,
    OnceUnavailable,
    Vanished,
    NeverSnapshots,
    FewerPoints,
    ExportCutOff,
    PartRefused,
    NameTaken,
    Replaced,
}

struct State {
    fault: Fault,
    asked: Vec<String>,
    points: BTreeMap<String, u64>,
    uploaded: Vec<Vec<u8>>,
    objects: BTreeMap<String, Vec<u8>>,
    parts: Vec<Vec<u8>>,
}

/// A server on a free port. It stops with the test.
struct Fake {
    stub: HttpStub,
    state: Arc<Mutex<State>>,
}

impl Fake {
    fn new(fault: Fault) -> Self {
        let state = Arc::new(Mutex::new(State {
            fault,
            asked: Vec::new(),
            points: [("memories".to_owned(), 3)].into(),
            uploaded: Vec::new(),
            objects: BTreeMap::new(),
            parts: Vec::new(),
        }));
        let shared = Arc::clone(&state);
        let stub = HttpStub::start(move |request| answer(&shared, request));
        Self { stub, state }
    }

    fn asked(&self, what: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|asked| asked.contains(what)).count()
    }

    fn command(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-backup"));
        command
            .args(arguments)
            .env_clear()
            .env("BACKUP_STORE", store)
            .env("BACKUP_ATTEMPTS", "2")
            .env("BACKUP_MAC_KEY_QDRANT", MAC_KEY)
            .env("BACKUP_MAC_KEY_OPENMEMORY", MAC_KEY)
            .env("QDRANT_PEERS", self.stub.url())
            .env("QDRANT_API_KEY", KEY)
            .env("OPENMEMORY_URL", self.stub.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, folder: &TempDir, arguments: &[&str]) -> (i32, String) {
        said(self.command(&url(folder), arguments).output().unwrap())
    }
}

fn url(folder: &TempDir) -> String {
    format!("file://{}", folder.path().display())
}

fn said(output: Output) -> (i32, String) {
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    for key in [KEY, MAC_KEY] {
        assert!(!text.contains(key), "a key is shown: {text}");
    }
    (output.status.code().unwrap_or(-1), text)
}

fn sha256(bytes: &[u8]) -> String {
    let digits: Vec<_> = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    digits.concat()
}

fn answer(state: &Mutex<State>, request: &Request) -> Response {
    let mut state = state.lock().unwrap();
    let asked = request.line();
    state.asked.push(asked.clone());
    let (path, query, body) = (request.path(), request.query(), &request.body);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let ok = |result: String| Response::new(200, format!("{{\"result\":{result},\"status\":\"ok\"}}"));
    let fails = |status: u16, text: &str| Response::new(status, text);
    if parts[0] == "bucket" {
        return bucket(&mut state, request);
    }
    if parts[0] == "memory" {
        if parts[2] == "import" {
            state.uploaded.push(body.clone());
            return if query == "overwrite=true" {
                fails(200, "{\"imported\":2}")
            } else {
                fails(409, "there are memories")
            };
        }
        let text = if state.fault == Fault::ExportCutOff {
            "{\"id\":1}\n{\"id\":2}\n"
        } else {
            "{\"id\":1}\n{\"id\":2}\n{\"end\":{\"records\":2}}\n"
        };
        return fails(200, text);
    }
    if request.header("api-key") != KEY {
        return fails(401, "Must provide an API key");
    }
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", [""]) => fails(200, "{\"title\":\"qdrant\",\"version\":\"1.19.0\"}"),
        ("GET", ["cluster"]) => ok("{\"status\":\"disabled\"}".to_owned()),
        ("GET", ["aliases"]) => {
            ok("{\"aliases\":[{\"alias_name\":\"now\",\"collection_name\":\"memories\"}]}".to_owned())
        }
        ("GET", ["collections"]) => {
            let names: Vec<_> = state
                .points
                .keys()
                .map(|name| format!("{{\"name\":\"{name}\"}}"))
                .collect();
            ok(format!("{{\"collections\":[{}]}}", names.join(",")))
        }
        ("POST", ["collections", name, "points", "count"]) => match state.points.get(*name) {
            Some(points) => ok(format!("{{\"count\":{points}}}")),
            None => fails(404, "Collection doesn't exist"),
        },
        ("POST", ["collections", name, "snapshots"]) => {
            let tries = state.asked.iter().filter(|other| **other == asked).count();
            let checksum = match state.fault {
                Fault::DiskFull => return fails(507, "No space left on device"),
                Fault::OnceUnavailable if tries == 1 => return fails(503, "starting"),
                Fault::Vanished => {
                    state.points.remove(*name);
                    return fails(404, "Collection doesn't exist");
                }
                Fault::NeverSnapshots => {
                    drop(state);
                    std::thread::sleep(std::time::Duration::from_secs(2));
                    sha256(SNAPSHOT)
                }
                Fault::WrongChecksum => sha256(b"something else"),
                _ => sha256(SNAPSHOT),
            };
            ok(format!(
                "{{\"name\":\"one.snapshot\",\"size\":{},\"checksum\":\"{checksum}\"}}",
                SNAPSHOT.len()
            ))
        }
        ("GET", ["collections", _, "snapshots", "one.snapshot"]) => {
            if state.fault == Fault::CutOff {
                Response::new(200, &SNAPSHOT[..5]).cut_off(SNAPSHOT.len() - 5)
            } else {
                Response::new(200, SNAPSHOT)
            }
        }
        ("POST", ["collections", name, "snapshots", "upload"]) => {
            let points = if state.fault == Fault::FewerPoints { 1 } else { 3 };
            state.points.insert((*name).to_owned(), points);
            state.uploaded.push(body.clone());
            ok("true".to_owned())
        }
        ("DELETE", ["collections", name]) => {
            state.points.remove(*name);
            ok("true".to_owned())
        }
        ("POST", ["collections", "aliases"]) | ("DELETE", _) => ok("true".to_owned()),
        _ => fails(400, "the fake does not know this"),
    }
}

/// The parts of S3 that the program requires. Listings have two objects per page.
fn bucket(state: &mut State, request: &Request) -> Response {
    let (path, query, body) = (request.path(), request.query(), &request.body);
    let reply = |status: u16, text: &str| Response::new(status, text).header("etag", "\"e\"");
    let creates = request.header("if-none-match") == "*";
    let exists = state.objects.contains_key(path);
    match request.method.as_str() {
        "POST" if query.contains("uploadId=") => {
            assert!(creates, "an upload could overwrite an object");
            if exists {
                return reply(412, "<Error><Code>PreconditionFailed</Code></Error>");
            }
            let whole = std::mem::take(&mut state.parts).concat();
            state.objects.insert(path.to_owned(), whole);
            reply(
                200,
                "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>",
            )
        }
        "POST" => reply(
            200,
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        ),
        "PUT" if query.contains("partNumber=") => {
            if state.fault == Fault::PartRefused {
                return reply(403, "<Error><Code>AccessDenied</Code></Error>");
            }
            state.parts.push(body.clone());
            reply(200, "")
        }
        "PUT" => {
            assert!(creates, "an object could be overwritten");
            if exists || state.fault == Fault::NameTaken {
                return reply(412, "<Error><Code>PreconditionFailed</Code></Error>");
            }
            state.objects.insert(path.to_owned(), body.clone());
            reply(200, "")
        }
        "GET" if query.contains("list-type=2") => page(state, query),
        "GET" => match state.objects.get(path) {
            Some(object) => {
                if state.fault == Fault::Replaced && path.ends_with(".snapshot") {
                    return reply(412, "<Error><Code>PreconditionFailed</Code></Error>");
                }
                assert_eq!(
                    request.header("if-match"),
                    "\"e\"",
                    "another version could be read"
                );
                let range = request.header("range").trim_start_matches("bytes=");
                let (from, to) = range.split_once('-').expect("a range");
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                Response::new(206, &object[from..=to])
                    .header("etag", "\"e\"")
                    .header("content-range", format!("bytes {from}-{to}/{}", object.len()))
                    .header("last-modified", "Sun, 22 Nov 2026 01:10:00 GMT")
            }
            None => reply(404, "<Error><Code>NoSuchKey</Code></Error>"),
        },
        "DELETE" => reply(204, ""),
        _ => reply(404, "<Error><Code>NoSuchKey</Code></Error>"),
    }
}

/// A page of a listing. The token is the number of objects before it.
fn page(state: &State, query: &str) -> Response {
    let token = query
        .split('&')
        .find_map(|part| part.strip_prefix("continuation-token="));
    let first: usize = token.map_or(0, |token| token.parse().unwrap());
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S.000Z");
    let contents: Vec<_> = state
        .objects
        .iter()
        .skip(first)
        .take(2)
        .map(|(path, object)| {
            format!(
                "<Contents><Key>{}</Key><Size>{}</Size><LastModified>{now}</LastModified><ETag>&quot;e&quot;</ETag></Contents>",
                path.trim_start_matches("/bucket/"),
                object.len()
            )
        })
        .collect();
    let next = match first + 2 {
        next if next < state.objects.len() => {
            format!("<NextContinuationToken>{next}</NextContinuationToken>")
        }
        _ => String::new(),
    };
    Response::new(
        200,
        format!("<ListBucketResult>{}{next}</ListBucketResult>", contents.concat()),
    )
}

/// The paths of all files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found.sort();
    found
}

fn manifests(folder: &TempDir) -> usize {
    files(folder.path())
        .iter()
        .filter(|file| file.ends_with("manifest.json"))
        .count()
}

#[test]
fn a_backup_is_complete_and_leaves_no_snapshot_behind() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    let (code, said) = fake.run(&folder, &["qdrant", "backup"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(manifests(&folder), 1);
    assert_eq!(
        fake.asked("DELETE /collections/memories/snapshots/one.snapshot"),
        1
    );
    let (code, said) = fake.run(&folder, &["qdrant", "verify"]);
    assert!(
        code == 0 && said.contains("verified: memories/peer-0.snapshot"),
        "{said}"
    );
}

/// Each fault with the exit code, the message, and the number of deleted snapshots.
#[test]
fn a_backup_that_fails_has_no_manifest_and_removes_its_snapshot() {
    for (fault, code, words, removed) in [
        (Fault::WrongChecksum, 3, "Qdrant reports the checksum", 1),
        (Fault::CutOff, 1, "incomplete", 1),
        (Fault::DiskFull, 1, "No space left on device", 0),
    ] {
        let (fake, folder) = (Fake::new(fault), TempDir::new().unwrap());
        let (was, said) = fake.run(&folder, &["qdrant", "backup"]);
        assert_eq!(was, code, "{fault:?}: {said}");
        assert!(
            said.contains(words) && said.contains("memories"),
            "{fault:?}: {said}"
        );
        assert_eq!(manifests(&folder), 0, "{fault:?}");
        assert_eq!(
            fake.asked("DELETE /collections/memories/snapshots"),
            removed,
            "{fault:?}"
        );
        let (code, said) = fake.run(&folder, &["qdrant", "restore"]);
        assert!(
            code == 3 && said.contains("there is no complete backup of qdrant"),
            "{said}"
        );
    }
}

#[test]
fn transient_errors_are_retried_unless_a_snapshot_may_exist() {
    let (fake, folder) = (Fake::new(Fault::OnceUnavailable), TempDir::new().unwrap());
    assert_eq!(fake.run(&folder, &["qdrant", "backup"]).0, 0);
    assert_eq!(fake.asked("POST /collections/memories/snapshots"), 2);
    let fake = Fake::new(Fault::DiskFull);
    assert_eq!(fake.run(&folder, &["qdrant", "backup"]).0, 1);
    assert_eq!(fake.asked("POST /collections/memories/snapshots"), 1);
}

#[test]
fn a_collection_deleted_during_the_backup_is_skipped() {
    let (fake, folder) = (Fake::new(Fault::Vanished), TempDir::new().unwrap());
    let (code, said) = fake.run(&folder, &["qdrant", "backup"]);
    assert!(
        code == 0 && said.contains("memories, which was deleted during the backup"),
        "{said}"
    );
}

#[test]
fn an_invalid_key_is_reported_and_not_printed() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    let mut command = fake.command(&url(&folder), &["qdrant", "backup"]);
    let (code, said) = said(command.env("QDRANT_API_KEY", "another-key").output().unwrap());
    assert!(
        code == 1 && said.contains("401") && said.contains("QDRANT_API_KEY"),
        "{said}"
    );
    assert!(!said.contains("another-key"), "{said}");
}

#[test]
fn wrong_settings_are_exit_code_2() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    assert_eq!(
        said(
            fake.command("ftp://somewhere/x", &["qdrant", "backup"])
                .output()
                .unwrap()
        )
        .0,
        2
    );
    let mut command = fake.command(&url(&folder), &["qdrant", "backup"]);
    let two = format!("{0},{0}", fake.stub.url());
    let (code, said) = said(command.env("QDRANT_PEERS", two).output().unwrap());
    assert!(
        code == 2 && said.contains("Qdrant has 1 peers, but 2 are configured"),
        "{said}"
    );
}

#[test]
fn a_restore_refuses_what_is_not_empty_and_sends_what_was_copied() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    assert_eq!(fake.run(&folder, &["qdrant", "backup"]).0, 0);
    let (code, said_first) = fake.run(&folder, &["qdrant", "restore"]);
    assert!(
        code == 3 && said_first.contains("contains 3 points"),
        "{said_first}"
    );
    assert_eq!(fake.asked("snapshots/upload"), 0);
    let mut command = fake.command(&url(&folder), &["qdrant", "restore"]);
    let (code, said) = said(command.env("RESTORE_OVERWRITE", "true").output().unwrap());
    assert!(
        code == 0 && said.contains("restored: memories with 3 points"),
        "{said}"
    );
    let uploaded = fake.state.lock().unwrap().uploaded.concat();
    assert!(uploaded.windows(SNAPSHOT.len()).any(|part| part == SNAPSHOT));
    assert_eq!(
        fake.asked(&format!(
            "priority=snapshot&wait=true&checksum={}",
            sha256(SNAPSHOT)
        )),
        1
    );
    assert_eq!(fake.asked("POST /collections/aliases"), 1);
}

#[test]
fn a_changed_file_is_never_sent_to_a_peer() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    assert_eq!(fake.run(&folder, &["qdrant", "backup"]).0, 0);
    let file = files(folder.path())
        .into_iter()
        .find(|file| file.ends_with(".snapshot"))
        .unwrap();
    let mut changed = SNAPSHOT.to_vec();
    changed[0] ^= 1;
    std::fs::write(file, changed).unwrap();
    let (code, said) = fake.run(&folder, &["qdrant", "restore", "--overwrite"]);
    assert!(code == 3 && said.contains("but the manifest specifies"), "{said}");
    assert_eq!(fake.asked("snapshots/upload"), 0);
}

#[test]
fn a_drill_counts_and_removes_its_scratch_collection_also_where_it_fails() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    assert_eq!(fake.run(&folder, &["qdrant", "backup"]).0, 0);
    let (code, said) = fake.run(&folder, &["drill"]);
    assert!(
        code == 0 && said.contains("can be restored: memories with 3 points"),
        "{said}"
    );
    fake.state.lock().unwrap().fault = Fault::FewerPoints;
    let (code, said) = fake.run(&folder, &["drill"]);
    assert!(
        code == 3 && said.contains("has 1 points after the restore"),
        "{said}"
    );
    let points = fake.state.lock().unwrap().points.clone();
    assert_eq!(points, [("memories".to_owned(), 3)].into());
}

#[test]
fn sigterm_while_a_snapshot_is_made_removes_it() {
    let (fake, folder) = (Fake::new(Fault::NeverSnapshots), TempDir::new().unwrap());
    let child = fake
        .command(&url(&folder), &["qdrant", "backup"])
        .spawn()
        .unwrap();
    while fake.asked("POST /collections/memories/snapshots") == 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let (code, said) = said(child.wait_with_output().unwrap());
    assert!(code == 1 && said.contains("SIGTERM"), "{said}");
    assert_eq!(
        fake.asked("DELETE /collections/memories/snapshots/one.snapshot"),
        1
    );
    assert_eq!(manifests(&folder), 0);
}

#[test]
fn an_export_of_memories_without_its_end_is_no_backup() {
    let (fake, folder) = (Fake::new(Fault::ExportCutOff), TempDir::new().unwrap());
    let (code, words) = fake.run(&folder, &["openmemory", "backup"]);
    assert!(code == 3 && words.contains("incomplete"), "{words}");
    assert_eq!(manifests(&folder), 0);
    fake.state.lock().unwrap().fault = Fault::None;
    // The first one took the name of its second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let (code, words) = fake.run(&folder, &["openmemory", "backup"]);
    assert!(code == 0 && words.contains("2 records"), "{words}");
    assert_eq!(fake.run(&folder, &["openmemory", "restore"]).0, 3);
    let (code, words) = fake.run(&folder, &["openmemory", "restore", "--overwrite"]);
    assert!(code == 0 && words.contains("restored: 2 records"), "{words}");
}

#[test]
fn pruning_keeps_the_last_complete_backup_and_running_ones() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    assert_eq!(fake.run(&folder, &["qdrant", "backup"]).0, 0);
    let qdrant = folder.path().join("qdrant");
    for remains in ["20200101T000000Z", "29990101T000000Z", "not-ours"] {
        std::fs::create_dir(qdrant.join(remains)).unwrap();
        std::fs::write(qdrant.join(remains).join("half"), "x").unwrap();
        let file = std::fs::File::options()
            .append(true)
            .open(qdrant.join(remains).join("half"));
        let old = std::time::SystemTime::UNIX_EPOCH;
        file.unwrap().set_modified(old).unwrap();
    }
    let arguments = [
        "prune",
        "--keep-last",
        "0",
        "--keep-daily",
        "0",
        "--keep-weekly",
        "0",
        "--keep-monthly",
        "0",
    ];
    let (code, said) = fake.run(&folder, &[&arguments[..], &["--dry-run"]].concat());
    assert!(
        code == 0 && said.contains("qdrant/20200101T000000Z would be removed"),
        "{said}"
    );
    assert!(qdrant.join("20200101T000000Z/half").exists());
    assert_eq!(fake.run(&folder, &arguments).0, 0);
    assert!(!qdrant.join("20200101T000000Z/half").exists());
    assert!(qdrant.join("29990101T000000Z/half").exists());
    assert!(qdrant.join("not-ours/half").exists());
    assert_eq!(manifests(&folder), 1);
}

fn in_bucket(fake: &Fake, arguments: &[&str]) -> (i32, String) {
    let mut command = fake.command("s3://bucket/phoenix", arguments);
    command
        .env("BACKUP_STORE_ENDPOINT", fake.stub.url())
        .env("BACKUP_STORE_REGION", "eu-1")
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", KEY);
    said(command.output().unwrap())
}

fn to_bucket(fake: &Fake) -> (i32, String) {
    in_bucket(fake, &["qdrant", "backup"])
}

#[test]
fn an_object_store_gets_the_manifest_last_and_an_aborted_upload_leaves_no_object() {
    let fake = Fake::new(Fault::None);
    let (code, said) = to_bucket(&fake);
    assert_eq!(code, 0, "{said}");
    let state = fake.state.lock().unwrap();
    assert_eq!(state.objects.len(), 3, "{:?}", state.objects.keys());
    assert!(state.objects.values().any(|object| object == SNAPSHOT));
    let written: Vec<_> = state
        .asked
        .iter()
        .filter(|asked| asked.starts_with("PUT /bucket/") && !asked.contains("partNumber"))
        .collect();
    assert!(
        written.len() == 2 && written[0].ends_with("manifest.mac") && written[1].ends_with("manifest.json"),
        "{written:?}"
    );
    drop(state);

    let fake = Fake::new(Fault::PartRefused);
    let (code, said) = to_bucket(&fake);
    assert!(
        code == 1 && said.contains("cannot write phoenix/qdrant/"),
        "{said}"
    );
    assert_eq!(fake.state.lock().unwrap().objects.len(), 0);
    assert_eq!(fake.asked("DELETE /bucket/"), 1, "the upload is aborted");
    assert_eq!(fake.asked("DELETE /collections/memories/snapshots"), 1);
}

/// A backup never reads or lists: its credentials need no such permission.
#[test]
fn a_backup_only_writes_to_the_object_store() {
    let fake = Fake::new(Fault::None);
    assert_eq!(to_bucket(&fake).0, 0);
    for method in ["GET", "HEAD", "DELETE"] {
        assert_eq!(fake.asked(&format!("{method} /bucket")), 0, "{method}");
    }
}

#[test]
fn an_existing_object_is_not_overwritten() {
    let fake = Fake::new(Fault::NameTaken);
    let (code, said) = to_bucket(&fake);
    assert!(
        code == 1 && said.contains("backups are never overwritten"),
        "{said}"
    );
    // Another client takes the name of a file while it is uploaded.
    let fake = Fake::new(Fault::None);
    for second in 0..60 {
        let begun = chrono::Utc::now() + chrono::TimeDelta::seconds(second);
        let folder = begun.format("%Y%m%dT%H%M%SZ");
        let path = format!("/bucket/phoenix/qdrant/{folder}/memories/peer-0.snapshot");
        fake.state.lock().unwrap().objects.insert(path, b"mine".to_vec());
    }
    let (code, said) = to_bucket(&fake);
    assert!(
        code == 1 && said.contains("backups are never overwritten"),
        "{said}"
    );
    let state = fake.state.lock().unwrap();
    assert!(state.objects.values().all(|object| object == b"mine"));
}

#[test]
fn a_backup_is_read_from_a_listing_of_several_pages_and_only_in_the_listed_version() {
    let fake = Fake::new(Fault::None);
    assert_eq!(to_bucket(&fake).0, 0);
    let (code, said) = in_bucket(&fake, &["qdrant", "verify"]);
    assert!(
        code == 0 && said.contains("verified: memories/peer-0.snapshot"),
        "{said}"
    );
    assert_eq!(fake.asked("continuation-token=2"), 1);
    fake.state.lock().unwrap().fault = Fault::Replaced;
    let (code, said) = in_bucket(&fake, &["qdrant", "restore", "--overwrite"]);
    assert!(code == 3 && said.contains("or was replaced"), "{said}");
    assert_eq!(fake.asked("snapshots/upload"), 0);
}

#[test]
fn a_drill_deletes_what_an_interrupted_drill_left_behind() {
    let (fake, folder) = (Fake::new(Fault::None), TempDir::new().unwrap());
    assert_eq!(fake.run(&folder, &["qdrant", "backup"]).0, 0);
    let former = "phoenix-drill-former".to_owned();
    fake.state.lock().unwrap().points.insert(former, 3);
    let (code, said) = fake.run(&folder, &["drill"]);
    assert_eq!(code, 0, "{said}");
    let points = fake.state.lock().unwrap().points.clone();
    assert_eq!(points, [("memories".to_owned(), 3)].into());
}
