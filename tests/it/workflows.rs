//! The workflows: what a job that runs code of a pull request or of a dependency may not have.

use std::fs;

use phoenix_manifests::yaml;
use serde_json::Value;

use crate::support::root;

/// The workflows, by file name.
fn workflows() -> Vec<(String, Value)> {
    let files = fs::read_dir(root().join(".github/workflows")).unwrap();
    let mut workflows: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let document = yaml::read(&text).unwrap().remove(0).value;
            (path.file_name().unwrap().to_string_lossy().into_owned(), document)
        })
        .collect();
    workflows.sort_by(|left, right| left.0.cmp(&right.0));
    assert!(workflows.len() >= 5, "{}", workflows.len());
    workflows
}

fn jobs(workflow: &Value) -> impl Iterator<Item = (&String, &Value)> {
    workflow["jobs"].as_object().unwrap().iter()
}

fn steps(job: &Value) -> impl Iterator<Item = &Value> {
    job["steps"].as_array().unwrap().iter()
}

/// Whether a set of permissions allows more than reading.
fn allows_writing(permissions: &Value) -> bool {
    match permissions {
        Value::Object(scopes) => scopes.values().any(|access| access != "read" && access != "none"),
        other => other != "read-all",
    }
}

#[test]
fn a_job_that_can_write_runs_nothing_of_the_repository() {
    assert!(allows_writing(&Value::from("write-all")) && allows_writing(&Value::Null));
    let mut writing = 0;
    for (file, workflow) in workflows() {
        assert!(
            workflow["permissions"].is_object() && !allows_writing(&workflow["permissions"]),
            "{file}: the default token can write; set `permissions` at the top"
        );
        for (name, job) in jobs(&workflow) {
            if job["permissions"].is_null() || !allows_writing(&job["permissions"]) {
                continue;
            }
            writing += 1;
            for step in steps(job) {
                let action = step["uses"].as_str().unwrap_or_default();
                let command = step["run"].as_str().unwrap_or_default();
                assert!(
                    !action.starts_with("actions/checkout@")
                        && !action.starts_with("./")
                        && !command.contains("cargo "),
                    "{file}: the job {name} can write and runs code of the repository"
                );
            }
        }
    }
    assert!(writing > 0, "no job publishes a release");
}

#[test]
fn events_with_secrets_do_not_run_code_of_a_fork() {
    for (file, workflow) in workflows() {
        let events = &workflow["on"];
        assert!(events.is_object(), "{file}");
        assert!(events.get("pull_request_target").is_none(), "{file}");
    }
}

#[test]
fn actions_are_pinned_by_commit() {
    let mut actions = 0;
    for (file, workflow) in workflows() {
        for (_, job) in jobs(&workflow) {
            for action in steps(job).filter_map(|step| step["uses"].as_str()) {
                actions += 1;
                let (_, commit) = action.split_once('@').unwrap_or_default();
                assert!(
                    commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{file}: {action}"
                );
            }
        }
    }
    assert!(actions > 5, "{actions}");
}

#[test]
fn a_checkout_leaves_no_token_behind() {
    for (file, workflow) in workflows() {
        for (name, job) in jobs(&workflow) {
            for step in steps(job).filter(|step| {
                step["uses"]
                    .as_str()
                    .is_some_and(|action| action.starts_with("actions/checkout@"))
            }) {
                assert_eq!(step["with"]["persist-credentials"], false, "{file}: {name}");
            }
        }
    }
}

#[test]
fn no_script_contains_what_somebody_else_wrote() {
    // An expression is inserted into the text of a script before a shell parses it. An environment variable is not.
    for (file, workflow) in workflows() {
        for (name, job) in jobs(&workflow) {
            for script in steps(job).filter_map(|step| step["run"].as_str()) {
                assert!(!script.contains("${{"), "{file}: {name}: {script}");
            }
        }
    }
}

#[test]
fn a_run_for_another_workflow_uses_the_code_of_the_main_branch() {
    let mut found = 0;
    for (file, workflow) in workflows() {
        if workflow["on"].get("workflow_run").is_none() {
            continue;
        }
        found += 1;
        for (name, job) in jobs(&workflow) {
            for step in steps(job).filter(|step| {
                step["uses"]
                    .as_str()
                    .is_some_and(|action| action.starts_with("actions/checkout@"))
            }) {
                assert_eq!(
                    step["with"]["ref"], "${{ github.event.repository.default_branch }}",
                    "{file}: {name}"
                );
            }
        }
    }
    assert!(found > 0, "no workflow posts comments");
}
