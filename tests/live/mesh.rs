//! What the mesh's own analyzer says of us: of files, and of a cluster. Of files it only checks a part: whatever needs
//! pods or Secrets it skips without a word.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::{Command, Output};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams};
use serde_json::{Value, json};

use crate::live::{Live, PHOENIX, graph, root, said};

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn the_mesh_finds_nothing_wrong_with_any_stack() {
    let folder = tempfile::tempdir().unwrap();
    for stack in ["dev", "staging", "prod"] {
        let file = folder.path().join(format!("{stack}.yaml"));
        std::fs::write(&file, graph(stack).yaml()).unwrap();
        let output = analyze(&["--use-kube=false".as_ref(), file.as_os_str()]);
        assert!(
            output.status.success() && said(&output).contains("No validation issues found"),
            "{stack}: {}",
            said(&output)
        );
    }
    // The control: what is wrong is found, so that finding nothing means something.
    let bad = folder.path().join("bad.yaml");
    let route = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: lost\n  namespace: sophia-memory\nspec:\n  hosts: [lost.local]\n  gateways: [nowhere]\n  http:\n  - route:\n    - destination:\n        host: nobody.sophia-memory.svc.cluster.local\n";
    let yaml = graph("prod").yaml() + route;
    std::fs::write(&bad, yaml).unwrap();
    let output = analyze(&["--use-kube=false".as_ref(), bad.as_os_str()]);
    assert!(
        !output.status.success() && said(&output).contains("IST0101"),
        "{}",
        said(&output)
    );
}

#[test]
#[ignore = "needs the real tools; .ci/run runs it, or: cargo test --test live -- --ignored --test-threads=1"]
fn the_mesh_finds_nothing_wrong_with_prod_in_a_cluster() {
    let live = Live::new();
    let output = live.phoenix(&["sandbox", "up", "prod", "--no-deploy"]);
    assert!(output.status.success(), "{}", said(&output));
    let graph = graph("prod");
    let objects: Vec<_> = graph
        .in_apply_order()
        .into_iter()
        .filter(|object| object.id.kind != "Secret")
        .map(|object| object.body().clone())
        .collect();
    live.sandbox().cluster().unwrap().apply(&objects).unwrap();
    live.sandbox().cluster().unwrap().apply(&gateway()).unwrap();
    let output = analyze_cluster(&live);
    assert!(
        output.status.success() && said(&output).contains("No validation issues found"),
        "{}",
        said(&output)
    );
    // The controls: what only a cluster can show is looked at.
    live.ask(|client| async move {
        let secrets: Api<Secret> = Api::namespaced(client, "istio-ingress");
        secrets
            .delete("sophia-memory-tls", &DeleteParams::default())
            .await
            .unwrap();
    });
    let output = analyze_cluster(&live);
    assert!(
        !output.status.success() && said(&output).contains("credentialName not found"),
        "{}",
        said(&output)
    );
    let mut lost = objects
        .iter()
        .find(|object| object["kind"] == "VirtualService" && object["spec"].get("http").is_some())
        .unwrap()
        .clone();
    lost["spec"]["http"][1]["route"][0]["destination"]["host"] =
        json!("nobody.sophia-memory.svc.cluster.local");
    live.sandbox().cluster().unwrap().apply(&[lost]).unwrap();
    let output = analyze_cluster(&live);
    assert!(
        said(&output).contains("Referenced host not found"),
        "{}",
        said(&output)
    );
}

/// The gateway as a cluster has it: not ours, and the reason why it stands in for itself here.
fn gateway() -> Vec<Value> {
    let certificate = rcgen::generate_simple_self_signed(["sophia-memory.local".to_owned()]).unwrap();
    let metadata =
        |name: &str| json!({"name": name, "namespace": "istio-ingress", "labels": {"istio": "ingress"}});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-ingress"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("istio-ingress")}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata("istio-ingress"), "spec": {
            "serviceAccountName": "istio-ingress",
            "containers": [{"name": "istio-proxy", "image": "example.invalid/proxy", "ports": [{"containerPort": 443}]}],
        }}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata("istio-ingress"), "spec": {
            "selector": {"istio": "ingress"}, "ports": [{"name": "https", "port": 443}],
        }}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("sophia-memory-tls"),
            "type": "kubernetes.io/tls",
            "stringData": {
                "tls.crt": certificate.cert.pem(), "tls.key": certificate.signing_key.serialize_pem(),
            },
        }),
    ]
}

/// The sandbox has no injector and namespaces of nobody, which is not what is asked about here.
fn analyze_cluster(live: &Live) -> Output {
    let kubeconfig = live.sandbox().kubeconfig();
    analyze(&[
        "--kubeconfig".as_ref(),
        kubeconfig.as_os_str(),
        "--suppress=IST0102=Namespace *".as_ref(),
        "--suppress=IST0103=Pod *".as_ref(),
    ])
}

fn analyze(arguments: &[&OsStr]) -> Output {
    // The mesh knows who writes the audit trail, as docs/audit-trail.md asks of it.
    let mut mesh = tempfile::NamedTempFile::new().unwrap();
    mesh.write_all(
        b"extensionProviders:\n- name: phoenix-audit\n  envoyFileAccessLog: {path: /dev/stdout}\n",
    )
    .unwrap();
    Command::new(istioctl())
        .args(["analyze", "-A", "--meshConfigFile"])
        .arg(mesh.path())
        .args(arguments)
        .output()
        .unwrap()
}

fn istioctl() -> String {
    let output = Command::new(PHOENIX)
        .current_dir(root())
        .args(["sandbox", "tools", "--all"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let listed = String::from_utf8(output.stdout).unwrap();
    let line = listed.lines().find(|line| line.starts_with("istioctl ")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}
