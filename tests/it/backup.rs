//! Backups: every store with data has a backup, a restore, and an alert on a missing backup. Each Job has access only to what
//! it needs.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodSpec, ServiceAccount};
use phoenix::config::check;
use phoenix::connections::{Peer, Traffic, connections};
use phoenix::names::{BACKUP_NEO4J, BACKUP_QDRANT, QDRANT, RESTORE_DRILL, RESTORE_QDRANT, Workload};
use phoenix::platform;
use phoenix_graph::Graph;
use serde_json::{Value, json};

use crate::support::{STACKS, keys, stack};
use phoenix_testing::alerts::{alerts, rules};

/// The `CronJob`s of the system, by name.
fn jobs(graph: &Graph) -> BTreeMap<String, CronJobSpec> {
    let all = graph.all::<CronJob>().into_iter();
    all.filter(|(object, _)| object.component == "backup")
        .map(|(object, job)| (object.id.name.clone(), job.spec.unwrap()))
        .collect()
}

fn pod(job: &CronJobSpec) -> PodSpec {
    let job = job.job_template.spec.clone().unwrap();
    job.template.spec.unwrap()
}

/// The variables of a Job: the value, or the Secret and its key.
fn variables(job: &CronJobSpec) -> BTreeMap<String, String> {
    let container = pod(job).containers.remove(0);
    let env = container.env.unwrap().into_iter();
    env.map(|variable| {
        let secret = variable.value_from.and_then(|source| source.secret_key_ref);
        let text = match secret {
            Some(secret) => format!("{} of {}", secret.key, secret.name),
            None => variable.value.unwrap(),
        };
        (variable.name, text)
    })
    .collect()
}

fn reported(name: &str, pointer: &str, value: Value) -> String {
    let mut keys = keys(name);
    let (key, rest) = pointer.split_once('/').unwrap();
    let mut place = keys.get_mut(&format!("phoenix:{key}")).unwrap();
    for part in rest.split('/') {
        place = place.as_object_mut().unwrap().entry(part).or_insert(Value::Null);
    }
    *place = value;
    check(&keys).unwrap_err().to_string()
}

#[test]
fn every_store_that_keeps_data_has_a_backup_a_restore_and_an_alert_on_its_age() {
    for name in STACKS {
        let graph = stack(name).graph;
        let without_data: Vec<String> = serde_json::from_value(
            keys(name)["phoenix:policies"]["assume"]["ephemeralClaims"]["value"].clone(),
        )
        .unwrap();
        let mut claims: BTreeSet<String> = graph
            .all::<PersistentVolumeClaim>()
            .into_iter()
            .map(|(object, _)| object.id.name.clone())
            .collect();
        for (_, set) in graph.all::<StatefulSet>() {
            let templates = set.spec.unwrap().volume_claim_templates.unwrap_or_default();
            claims.extend(templates.into_iter().map(|claim| claim.metadata.name.unwrap()));
        }
        claims.retain(|claim| !without_data.contains(&format!("sophia-memory/{claim}")));
        let expected = ["data", "memory-pvc", "qdrant-snapshots", "qdrant-storage"];
        assert_eq!(claims, expected.map(str::to_owned).into(), "{name}");

        let rules = alerts(&rules(&graph));
        let expression = |alert: &str| {
            let rule = rules.iter().find(|rule| rule.alert.as_deref() == Some(alert));
            serde_json::to_value(&rule.unwrap().expr).unwrap().to_string()
        };
        let (overdue, drill) = (
            expression("MemoryBackupOverdue"),
            expression("MemoryRestoreDrillOverdue"),
        );
        let jobs = jobs(&graph);
        for claim in claims {
            let backup = graph.all::<CronJob>().into_iter().find_map(|(object, job)| {
                let copied = job.metadata.annotations?.remove("phoenix.ai/backs-up")?;
                copied
                    .split(',')
                    .any(|copied| copied == claim)
                    .then(|| object.id.name.clone())
            });
            let backup = backup.unwrap_or_else(|| panic!("{name}: nothing copies {claim}"));
            assert_eq!(jobs[&backup].suspend, Some(false), "{name} {backup}");
            let restore = backup.replace("backup-", "restore-");
            assert_eq!(jobs[&restore].suspend, Some(true), "{name} {restore}");
            assert!(overdue.contains(&backup), "{name}: no alert for {backup}");
        }
        assert!(drill.contains("restore-drill"), "{name}");
        // Pruning is no copy, and a restore is never due.
        assert!(
            !overdue.contains("prune") && !overdue.contains("restore-"),
            "{name}"
        );
        assert!(!drill.contains("restore-qdrant"), "{name}");
    }
}

#[test]
fn restores_are_started_manually_and_overwrite_only_on_request() {
    for name in STACKS {
        let jobs = jobs(&stack(name).graph);
        let restores = ["restore-neo4j", "restore-openmemory", "restore-qdrant"];
        let by_hand: Vec<_> = jobs.iter().filter(|(_, job)| job.suspend == Some(true)).collect();
        assert_eq!(
            by_hand.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            restores
        );
        for (restore, job) in by_hand {
            assert_eq!(
                job.schedule, "0 0 31 2 *",
                "{restore}: a day that there is would start it"
            );
            assert_eq!(variables(job)["RESTORE_OVERWRITE"], "false", "{restore}");
            assert_eq!(variables(job)["RESTORE_FROM"], "latest", "{restore}");
            let job = job.job_template.spec.as_ref().unwrap();
            assert_eq!(
                job.backoff_limit,
                Some(0),
                "{restore}: whether it is tried again, its person decides"
            );
        }
    }
}

#[test]
fn backup_jobs_do_not_overlap_end_before_their_alert_and_retry_sensibly() {
    let jobs = jobs(&stack("prod").graph);
    let daily = |hour: &str| format!("{hour} * * *");
    for (name, schedule) in [
        ("backup-qdrant", daily("10 1")),
        ("backup-neo4j", daily("40 1")),
        ("backup-openmemory", daily("10 2")),
        ("backup-prune", daily("10 4")),
        ("restore-drill", "40 4 * * 0".to_owned()),
    ] {
        let spec = &jobs[name];
        assert_eq!(spec.schedule, schedule, "{name}");
        assert_eq!(spec.time_zone.as_deref(), Some("Etc/UTC"), "{name}");
        assert_eq!(spec.concurrency_policy.as_deref(), Some("Forbid"), "{name}");
        assert!(spec.starting_deadline_seconds.is_some(), "{name}");
        let job = spec.job_template.spec.as_ref().unwrap();
        // The alert fires 26 hours after the last success, and the next run begins after 24.
        assert!(job.active_deadline_seconds.unwrap() <= 2 * 3600, "{name}");
        assert!(job.ttl_seconds_after_finished.is_some(), "{name}");
        let rules = &job.pod_failure_policy.as_ref().unwrap().rules;
        let codes = rules[0].on_exit_codes.as_ref().unwrap();
        assert_eq!(
            (rules[0].action.as_str(), &codes.values[..]),
            ("FailJob", &[2, 3][..])
        );
        assert_eq!(
            codes.container_name.as_deref(),
            Some(pod(spec).containers[0].name.as_str()),
            "the exit code is of the program, not of its sidecar"
        );
    }
}

#[test]
fn each_job_gets_only_the_settings_it_needs() {
    let jobs = jobs(&stack("prod").graph);
    let store = [
        "BACKUP_STORE",
        "BACKUP_STORE_ENDPOINT",
        "BACKUP_STORE_REGION",
        "TMPDIR",
    ];
    let restore = ["RESTORE_FROM", "RESTORE_OVERWRITE"];
    // Of the keys that authenticate backups, each Job has that of its own store, and pruning has all.
    let qdrant = ["BACKUP_MAC_KEY_QDRANT", "QDRANT_API_KEY", "QDRANT_PEERS"];
    let neo4j = [
        "BACKUP_MAC_KEY_NEO4J",
        "NEO4J_PASSWORD",
        "NEO4J_URL",
        "NEO4J_USER",
    ];
    let openmemory = ["BACKUP_MAC_KEY_OPENMEMORY", "OPENMEMORY_URL"];
    let kept = [
        "BACKUP_MAC_KEY_NEO4J",
        "BACKUP_MAC_KEY_OPENMEMORY",
        "BACKUP_MAC_KEY_QDRANT",
        "BACKUP_KEEP_DAILY",
        "BACKUP_KEEP_LAST",
        "BACKUP_KEEP_MONTHLY",
        "BACKUP_KEEP_WEEKLY",
    ];
    let nothing: &[&str] = &[];
    let expected: [(&str, &str, &[&str], &[&str]); 8] = [
        ("backup-qdrant", "qdrant backup", &qdrant, nothing),
        ("restore-qdrant", "qdrant restore", &qdrant, &restore),
        ("restore-drill", "drill", &qdrant, nothing),
        ("backup-neo4j", "neo4j backup", &neo4j, nothing),
        ("restore-neo4j", "neo4j restore", &neo4j, &restore),
        ("backup-openmemory", "openmemory backup", &openmemory, nothing),
        ("restore-openmemory", "openmemory restore", &openmemory, &restore),
        ("backup-prune", "prune", &kept, nothing),
    ];
    assert_eq!(jobs.len(), expected.len());
    for (name, verb, own, more) in expected {
        let job = &jobs[name];
        let container = pod(job).containers.remove(0);
        assert_eq!(container.args.unwrap().join(" "), verb, "{name}");
        let names: BTreeSet<String> = variables(job).into_keys().collect();
        let wanted = store.iter().chain(own).chain(more);
        assert_eq!(names, wanted.map(|&name| name.to_owned()).collect(), "{name}");
        assert_eq!(
            pod(job).service_account_name.as_deref(),
            Some(name),
            "each has its own service account"
        );
    }
    for store in ["qdrant", "neo4j", "openmemory"] {
        let variable = format!("BACKUP_MAC_KEY_{}", store.to_uppercase());
        for job in [
            format!("backup-{store}"),
            format!("restore-{store}"),
            "backup-prune".to_owned(),
        ] {
            assert_eq!(
                variables(&jobs[&job])[&variable],
                format!("{store} of backup-mac-keys"),
                "{job}"
            );
        }
    }
    let peers = &variables(&jobs["backup-qdrant"])["QDRANT_PEERS"];
    let peer =
        |number| format!("http://qdrant-{number}.qdrant-headless.sophia-memory.svc.cluster.local:6333");
    assert_eq!(
        *peers,
        [0, 1, 2].map(peer).join(","),
        "every peer by its own name"
    );
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

/// Production with a role for each Job.
fn with_roles() -> BTreeMap<String, Value> {
    let mut changed = keys("prod");
    let store = &mut changed.get_mut("phoenix:backup").unwrap()["objectStore"];
    store["region"] = json!("eu-central-1");
    let of = |store: &str| json!({"backup": role(&format!("writes-{store}")), "restore": role(&format!("reads-{store}"))});
    store["cloudRoles"] = json!({
        "qdrant": of("qdrant"), "neo4j": of("neo4j"), "openmemory": of("openmemory"), "prune": role("deletes"),
    });
    changed
}

#[test]
fn each_job_has_the_role_of_its_store_and_only_pruning_can_delete() {
    let config = check(&with_roles()).unwrap();
    let graph = platform::build(&config);
    let roles: BTreeMap<String, String> = graph
        .all::<ServiceAccount>()
        .into_iter()
        .filter(|(object, _)| object.component == "backup")
        .map(|(object, account)| {
            let role = account
                .metadata
                .annotations
                .unwrap()
                .remove("eks.amazonaws.com/role-arn");
            let role = role.unwrap();
            (
                object.id.name.clone(),
                role.rsplit('/').next().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [
        ("backup-neo4j", "writes-neo4j"),
        ("backup-openmemory", "writes-openmemory"),
        ("backup-prune", "deletes"),
        ("backup-qdrant", "writes-qdrant"),
        ("restore-drill", "reads-qdrant"),
        ("restore-neo4j", "reads-neo4j"),
        ("restore-openmemory", "reads-openmemory"),
        ("restore-qdrant", "reads-qdrant"),
    ];
    let expected = expected.map(|(account, role)| (account.to_owned(), role.to_owned()));
    assert_eq!(roles, expected.into());
    let sts = connections(&config)
        .iter()
        .filter(
            |row| matches!(&row.to, Peer::External(host) if host.host == "sts.eu-central-1.amazonaws.com"),
        )
        .count();
    assert_eq!(sts, 8, "a role is asked for where the cloud gives it");
    assert!(!graph.yaml().contains("AWS_SECRET_ACCESS_KEY"));

    // Without roles there is a key, in a Secret, and nobody asks for a role.
    let dev = stack("dev");
    let reading = variables(&jobs(&dev.graph)["backup-qdrant"]);
    assert_eq!(reading["AWS_ACCESS_KEY_ID"], "access-key-id of backup-store");
    assert_eq!(
        reading["AWS_SECRET_ACCESS_KEY"],
        "secret-access-key of backup-store"
    );
    assert!(!dev.graph.yaml().contains("role-arn"));
}

#[test]
fn a_role_of_two_jobs_and_a_missing_role_are_errors() {
    let reported = |change: &dyn Fn(&mut Value)| {
        let mut changed = with_roles();
        change(&mut changed.get_mut("phoenix:backup").unwrap()["objectStore"]["cloudRoles"]);
        check(&changed).unwrap_err().to_string()
    };
    for (store, kind) in [
        ("qdrant", "restore"),
        ("neo4j", "backup"),
        ("openmemory", "restore"),
    ] {
        let reported = reported(&|roles| roles[store][kind] = json!(role("writes-qdrant")));
        assert!(
            reported.contains(&format!(
                "phoenix:backup.objectStore.cloudRoles.{store}.{kind} is the same role as qdrant.backup"
            )),
            "{reported}"
        );
    }
    let same = reported(&|roles| roles["prune"] = json!(role("reads-neo4j")));
    assert!(
        same.contains("cloudRoles.prune is the same role as neo4j.restore"),
        "{same}"
    );
    let missing = reported(&|roles| drop(roles.as_object_mut().unwrap().remove("neo4j")));
    assert!(
        missing.contains(
            "phoenix:backup.objectStore.cloudRoles.neo4j is missing, but the stack has a knowledge graph"
        ),
        "{missing}"
    );
    let mut without_graph = with_roles();
    without_graph.remove("phoenix:knowledgeGraph");
    let store = &mut without_graph.get_mut("phoenix:backup").unwrap()["objectStore"];
    store["cloudRoles"].as_object_mut().unwrap().remove("neo4j");
    assert!(check(&without_graph).is_ok());
}

#[test]
fn the_keys_of_manifests_differ_between_stores() {
    use phoenix::config::secret::{
        BACKUP_NEO4J_MAC_KEY, BACKUP_OPENMEMORY_MAC_KEY, BACKUP_QDRANT_MAC_KEY, contradictions,
    };
    let rows = [
        &BACKUP_QDRANT_MAC_KEY,
        &BACKUP_NEO4J_MAC_KEY,
        &BACKUP_OPENMEMORY_MAC_KEY,
    ];
    let reported = |values: [&'static str; 3]| {
        let value = |key: &str| {
            rows.iter()
                .position(|row| row.full_key() == key)
                .map(|at| values[at])
        };
        contradictions(&rows, value).to_string()
    };
    assert_eq!(reported(["a", "b", "c"]), "");
    assert_eq!(reported(["a,d", "b,e", "c"]), "");
    for values in [["a", "a", "c"], ["a", "b,a", "c"], ["a,d", "d,b", "c"]] {
        let reported = reported(values);
        assert!(
            reported
                .contains("phoenix:backupNeo4jMacKey contains the same key as phoenix:backupQdrantMacKey"),
            "{reported}"
        );
    }
    assert!(reported(["a", "b", "b"]).contains("phoenix:backupOpenmemoryMacKey contains the same key as"));
}

#[test]
fn the_graph_is_reached_only_for_single_queries() {
    for row in connections(&stack("prod").config) {
        let is_backup = matches!(&row.from, Peer::Workload(from) if from.system == "backup");
        if let (true, Peer::Workload(to), Traffic::Http { methods, paths, .. }) =
            (is_backup, &row.to, &row.traffic)
            && to.name == "knowledge-graph"
        {
            assert_eq!((*methods, *paths), (&["POST"][..], &["/db/neo4j/query/v2"][..]));
            let reads = row.from == Peer::Workload(BACKUP_NEO4J);
            assert_eq!(
                reads,
                row.why.contains("cannot prevent its user from writing"),
                "{}",
                row.why
            );
        }
    }
}

#[test]
fn no_backup_can_lose_data_and_the_drill_touches_only_what_it_made() {
    let rows = connections(&stack("prod").config);
    let ways = |from: Workload| -> Vec<(Vec<&str>, Vec<&str>)> {
        let rows = rows
            .iter()
            .filter(|row| row.from == Peer::Workload(from) && row.to == Peer::Workload(QDRANT));
        rows.map(|row| match row.traffic {
            Traffic::Http { methods, paths, .. } => (methods.to_vec(), paths.to_vec()),
            _ => panic!("bytes could say anything"),
        })
        .collect()
    };
    for (methods, paths) in ways(BACKUP_QDRANT) {
        if methods.contains(&"DELETE") {
            assert_eq!(paths, ["/collections/{*}/snapshots/{*}"]);
        }
        assert!(!methods.contains(&"PUT") && !methods.is_empty() && !paths.is_empty());
    }
    for (methods, paths) in ways(RESTORE_DRILL) {
        if methods != ["GET"] {
            assert_eq!(paths, ["/collections/phoenix-drill-*"]);
        }
    }
    for (methods, _) in ways(RESTORE_QDRANT) {
        assert!(!methods.contains(&"DELETE"));
    }
    // Nobody calls a Job.
    let called = rows
        .iter()
        .filter(|row| matches!(row.to, Peer::Workload(target) if target.system == "backup"))
        .count();
    assert_eq!(called, 0);
}

#[test]
fn a_stack_without_backups_has_nothing_of_them_and_production_has_them() {
    let mut dev = keys("dev");
    dev.remove("phoenix:backup");
    let left: Vec<_> = platform::build(&check(&dev).unwrap())
        .objects()
        .filter(|object| object.body().to_string().contains("backup-") || object.component == "backup")
        .map(|object| object.id.to_string())
        .collect();
    assert_eq!(left, Vec::<String>::new());
    let mut prod = keys("prod");
    prod.remove("phoenix:backup");
    let reported = check(&prod).unwrap_err().to_string();
    assert!(
        reported.contains("phoenix:backup is missing, but production must be able to restore lost memories"),
        "{reported}"
    );
}

#[test]
fn a_stack_without_a_knowledge_graph_has_no_backup_of_it() {
    let mut keys = keys("prod");
    keys.remove("phoenix:knowledgeGraph");
    let graph = platform::build(&check(&keys).unwrap());
    assert!(!jobs(&graph).keys().any(|name| name.ends_with("neo4j")));
    assert!(!graph.yaml().contains("BACKUP_MAC_KEY_NEO4J"));
    assert!(!graph.yaml().contains("backup-neo4j"));
}

#[test]
fn backup_errors_name_their_key() {
    for (pointer, value, expected) in [
        (
            "backup/schedule/qdrant",
            json!("25:00"),
            "phoenix:backup.schedule.qdrant is \"25:00\", which is not a time of day such as \"01:10\"",
        ),
        (
            "backup/schedule/drill/day",
            json!("caturday"),
            "phoenix:backup.schedule.drill.day",
        ),
        (
            "backup/deadlineMinutes",
            json!(121),
            "phoenix:backup.deadlineMinutes",
        ),
        ("backup/retention/last", json!(0), "phoenix:backup.retention.last"),
        (
            "backup/objectStore/bucket",
            json!("Backups"),
            "phoenix:backup.objectStore.bucket is \"Backups\", which is not a bucket name",
        ),
        (
            "backup/objectStore/prefix",
            json!("../other"),
            "phoenix:backup.objectStore.prefix is \"../other\", which is not a path prefix",
        ),
        (
            "backup/objectStore/cloudRoles/prune",
            json!("prune"),
            "phoenix:backup.objectStore.cloudRoles.prune is \"prune\", which is not the ARN of a role",
        ),
        (
            "backup/image",
            json!("team/phoenix-backup:1.0.0"),
            "phoenix:backup.image is team/phoenix-backup:1.0.0, but production requires images with a digest",
        ),
        (
            "namespace/quota/pods",
            json!(20),
            "phoenix:namespace.quota.pods is too small",
        ),
    ] {
        let reported = reported("prod", pointer, value);
        assert!(reported.contains(expected), "{pointer}: {reported}");
    }
}
