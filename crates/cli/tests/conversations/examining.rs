//! Doctor: what it finds without anything, and with a cluster to ask.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Answer, Checkout, script};

/// Doctor with programs of our own on PATH, beside git and what a shell needs.
fn doctor(checkout: &Checkout, arguments: &[&str]) -> Answer {
    let programs = checkout.path("programs");
    std::fs::create_dir_all(&programs).unwrap();
    for (name, says) in [
        ("cargo", "cargo 1.95.0"),
        ("rustc", "rustc 1.95.0"),
        ("git", "git version 2.39.5"),
    ] {
        script(&programs.join(name), &format!("#!/bin/sh\necho '{says}'\n"));
    }
    let mut command = checkout.command(&["doctor"]);
    command.args(arguments).env("PATH", &programs);
    if checkout.path("kubeconfig").exists() {
        command.env("KUBECONFIG", checkout.path("kubeconfig"));
    }
    checkout.answer(&mut command)
}

fn line<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .out
        .lines()
        .find(|line| line.split_whitespace().nth(1) == Some(name))
        .unwrap_or_else(|| panic!("no line for {name}: {answer}"))
}

#[test]
fn without_pulumi_and_a_cluster_it_says_what_is_missing_and_goes_on() {
    let checkout = Checkout::bare();
    let answer = doctor(&checkout, &[]);
    assert_eq!(answer.code, 1, "{answer}");
    assert!(line(&answer, "pulumi").starts_with("FAIL"), "{answer}");
    assert!(line(&answer, "kubeconfig").starts_with("warn"), "{answer}");
    assert!(line(&answer, "git").starts_with("ok"), "{answer}");
    assert!(answer.out.contains("stack prod"), "{answer}");
}

#[test]
fn an_engine_that_is_too_old_fails() {
    let checkout = Checkout::bare();
    std::fs::create_dir_all(checkout.path("programs")).unwrap();
    script(&checkout.path("programs/pulumi"), "#!/bin/sh\necho v3.200.1\n");
    let answer = doctor(&checkout, &[]);
    assert!(
        line(&answer, "pulumi").contains("3.200.1, but at least 3.255.0 is needed"),
        "{answer}"
    );
}

#[test]
fn a_stack_is_not_ready_while_it_has_placeholders_and_secrets_without_values() {
    let checkout = Checkout::bare();
    let answer = doctor(&checkout, &["dev"]);
    assert_eq!(answer.code, 1);
    assert!(line(&answer, "placeholders").starts_with("FAIL"), "{answer}");
    assert!(answer.out.contains("phoenix:cluster.context — "), "{answer}");
    assert!(line(&answer, "secrets").starts_with("FAIL"), "{answer}");
    assert!(
        answer.out.contains("phoenix:openaiApiKey has no value"),
        "{answer}"
    );
    assert!(line(&answer, "kubeconfig").starts_with("FAIL"), "{answer}");
}

#[test]
fn the_mark_of_the_sandbox_is_found_in_a_checkout() {
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.dev.yaml",
        "  phoenix:environment: dev\n",
        "  phoenix:environment: dev\n  phoenix:sandbox: true\n",
    );
    let answer = doctor(&checkout, &[]);
    assert!(
        answer
            .out
            .contains("phoenix:sandbox is set at stacks/Pulumi.dev.yaml:"),
        "{answer}"
    );
}

#[test]
fn all_problems_of_a_stack_file_are_shown() {
    let checkout = Checkout::bare();
    checkout.edit(
        "stacks/Pulumi.prod.yaml",
        "environment: prod",
        "environment: production",
    );
    checkout.edit("stacks/Pulumi.dev.yaml", "mode: single", "mode: cluster");
    let answer = doctor(&checkout, &[]);
    assert!(
        answer.out.contains("must be one of dev, staging, prod"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("phoenix:qdrant.replicas is 1, but a cluster needs"),
        "{answer}"
    );
}

/// An API server that tells its version and which kinds it serves, until the test ends.
fn api_server(serves_istio: bool) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut request).unwrap();
            let mut header = String::new();
            while reader.read_line(&mut header).unwrap() > 2 {
                header.clear();
            }
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = api_answer(path, serves_istio);
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
        }
    });
    port
}

fn api_answer(path: &str, serves_istio: bool) -> (&'static str, String) {
    if path == "/version" {
        let version = serde_json::json!({
            "major": "1", "minor": "37", "gitVersion": "v1.37.2", "gitCommit": "", "gitTreeState": "", "buildDate": "",
            "goVersion": "", "compiler": "", "platform": "",
        });
        return ("200 OK", version.to_string());
    }
    let api_version = path.trim_start_matches("/apis/");
    if api_version.contains("istio.io") && !serves_istio {
        let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "not found", "reason": "NotFound", "code": 404});
        return ("404 Not Found", status.to_string());
    }
    let kinds = [
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "CronJob",
        "Job",
        "AuthorizationPolicy",
        "PeerAuthentication",
        "RequestAuthentication",
        "VirtualService",
        "DestinationRule",
        "Gateway",
        "ServiceEntry",
        "Sidecar",
        "Telemetry",
        "PrometheusRule",
        "ServiceMonitor",
        "PodMonitor",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    ];
    let resources: Vec<Value> = kinds
        .iter()
        .map(|kind| serde_json::json!({"name": kind.to_lowercase(), "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]}))
        .collect();
    ("200 OK", serde_json::json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": resources}).to_string())
}

/// A dev stack whose context is known, and a kubeconfig that has it.
fn checkout_with_cluster(port: u16) -> Checkout {
    let checkout = Checkout::bare();
    let text = std::fs::read_to_string(checkout.path("stacks/Pulumi.dev.yaml")).unwrap();
    let known = text.replace(
        "    context:\n      placeholder: the kubeconfig context of your development cluster\n",
        "    context: here\n",
    );
    assert_ne!(text, known);
    checkout.write("stacks/Pulumi.dev.yaml", &known);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: 'http://127.0.0.1:{port}'}}\nusers:\n- name: u\n  user: {{}}\n\
         contexts:\n- name: here\n  context: {{cluster: c, user: u}}\n"
    );
    checkout.write("kubeconfig", &kubeconfig);
    checkout
}

#[test]
fn a_cluster_that_knows_every_kind_is_fine() {
    let checkout = checkout_with_cluster(api_server(true));
    let answer = doctor(&checkout, &["dev"]);
    assert!(line(&answer, "API").contains("v1.37.2 answers"), "{answer}");
    assert!(line(&answer, "kinds").starts_with("ok"), "{answer}");
}

#[test]
fn a_cluster_without_istio_fails_with_the_kinds_it_does_not_know() {
    let checkout = checkout_with_cluster(api_server(false));
    let answer = doctor(&checkout, &["dev", "--format", "json"]);
    assert_eq!(answer.code, 1);
    let document: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(document["ready"], false);
    let kinds = document["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "kinds")
        .unwrap();
    assert_eq!(kinds["status"], "fail");
    assert!(
        kinds["found"]
            .as_str()
            .unwrap()
            .contains("AuthorizationPolicy (security.istio.io/v1)"),
        "{kinds}"
    );
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    let closed = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let checkout = checkout_with_cluster(closed);
    let started = std::time::Instant::now();
    let answer = doctor(&checkout, &["dev"]);
    assert!(line(&answer, "API").contains("does not answer"), "{answer}");
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_context_that_the_kubeconfig_does_not_have_is_told_with_those_it_has() {
    let checkout = checkout_with_cluster(1);
    checkout.edit("kubeconfig", "name: here", "name: there");
    let answer = doctor(&checkout, &["dev"]);
    assert!(
        line(&answer, "context").contains("here is not in the kubeconfig"),
        "{answer}"
    );
    assert!(
        answer
            .out
            .contains("hint: use one of there as phoenix:cluster.context"),
        "{answer}"
    );
}
