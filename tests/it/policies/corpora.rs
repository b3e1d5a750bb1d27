//! Published manifests with known results: how often our rules agree, and the reasons for differences.
//!
//! The manifests are not part of the repository; the test reads them from `../shared/corpora`. If they are missing, the test
//! prints a note, and the committed table stays unchanged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use phoenix_manifests::Manifests;
use phoenix_policies::{Enforcement, Rule, Settings, evaluate};
use serde_json::{Value, json};

use super::stacks::today;
use crate::generated::is_as_generated;
use crate::support::root;

/// Polaris' checks by the folder of their files, and the rule with the same requirement, with settings of the rule.
const POLARIS: &[(&str, &str, &str)] = &[
    ("automountServiceAccountToken", "no-token-automount", "{}"),
    ("clusterrolePodExecAttach", "rbac-no-pod-exec", "{}"),
    ("clusterrolebindingClusterAdmin", "rbac-no-cluster-admin", "{}"),
    ("clusterrolebindingPodExecAttach", "rbac-no-pod-exec", "{}"),
    (
        "cpuLimitsMissing",
        "resource-limits-set",
        "{\"resources\": [\"cpu\"]}",
    ),
    (
        "cpuRequestsMissing",
        "resource-requests-set",
        "{\"resources\": [\"cpu\"]}",
    ),
    ("dangerousCapabilities", "no-added-capabilities", "{}"),
    ("deploymentMissingReplicas", "replicas-minimum", "{}"),
    ("hostIPCSet", "no-host-namespaces", "{}"),
    ("hostNetworkSet", "no-host-namespaces", "{}"),
    ("hostPIDSet", "no-host-namespaces", "{}"),
    ("hostPathSet", "no-host-path-volumes", "{}"),
    ("hostPortSet", "no-host-ports", "{}"),
    ("hostProcess", "no-host-namespaces", "{}"),
    ("insecureCapabilities", "drop-all-capabilities", "{}"),
    (
        "livenessProbeMissing",
        "health-probes-set",
        "{\"probes\": [\"livenessProbe\"]}",
    ),
    ("memoryLimitsMissing", "resource-limits-set", "{}"),
    (
        "memoryRequestsMissing",
        "resource-requests-set",
        "{\"resources\": [\"memory\"]}",
    ),
    ("missingNetworkPolicy", "workload-has-network-policy", "{}"),
    ("missingPodDisruptionBudget", "disruption-budget-set", "{}"),
    ("nakedPod", "no-naked-pods", "{}"),
    ("notReadOnlyRootFilesystem", "read-only-root-filesystem", "{}"),
    ("pdbDisruptionsIsZero", "disruption-budget-set", "{}"),
    ("privilegeEscalationAllowed", "no-privilege-escalation", "{}"),
    ("procMount", "default-proc-mount", "{}"),
    (
        "readinessProbeMissing",
        "health-probes-set",
        "{\"probes\": [\"readinessProbe\"]}",
    ),
    ("rolePodExecAttach", "rbac-no-pod-exec", "{}"),
    (
        "rolebindingClusterAdminClusterRole",
        "rbac-no-cluster-admin",
        "{}",
    ),
    ("rolebindingClusterAdminRole", "rbac-no-cluster-admin", "{}"),
    ("rolebindingClusterRolePodExecAttach", "rbac-no-pod-exec", "{}"),
    ("rolebindingRolePodExecAttach", "rbac-no-pod-exec", "{}"),
    ("runAsPrivileged", "no-privileged-containers", "{}"),
    ("runAsRootAllowed", "run-as-non-root", "{}"),
    ("sensitiveConfigmapContent", "no-credentials-in-configmap", "{}"),
    ("sensitiveContainerEnvVar", "no-credentials-in-env", "{}"),
    ("tagNotSpecified", "no-mutable-image-tag", "{}"),
    ("tlsSettingsMissing", "ingress-tls-required", "{}"),
    ("topologySpreadConstraint", "spread-across-failure-domains", "{}"),
];

/// Gatekeeper's templates, by folder, and the test of the suite (`*` for all of them).
const GATEKEEPER: &[(&str, &str, &str, &str)] = &[
    (
        "general/automount-serviceaccount-token",
        "*",
        "no-token-automount",
        "{}",
    ),
    (
        "general/block-loadbalancer-services",
        "*",
        "load-balancer-restricted",
        "{}",
    ),
    (
        "general/block-nodeport-services",
        "*",
        "service-exposure-restricted",
        "{}",
    ),
    (
        "general/block-wildcard-ingress",
        "*",
        "external-host-explicit",
        "{}",
    ),
    ("general/disallowanonymous", "*", "rbac-no-broad-subjects", "{}"),
    ("general/disallowedtags", "*", "no-mutable-image-tag", "{}"),
    (
        "general/ephemeralstoragelimit",
        "*",
        "resource-limits-set",
        "{\"resources\": [\"ephemeral-storage\"]}",
    ),
    ("general/externalip", "*", "service-exposure-restricted", "{}"),
    ("general/httpsonly", "*", "ingress-tls-required", "{}"),
    ("general/imagedigests", "*", "image-digest-pinned", "{}"),
    (
        "general/allowedrepos",
        "*",
        "image-registry-allowed",
        "{\"registries\": [\"docker.io/openpolicyagent\"]}",
    ),
    ("general/poddisruptionbudget", "*", "disruption-budget-set", "{}"),
    ("general/requiredprobes", "*", "health-probes-set", "{}"),
    ("general/verifydeprecatedapi", "*", "no-removed-api", "{}"),
    (
        "pod-security-policy/allow-privilege-escalation",
        "*",
        "no-privilege-escalation",
        "{}",
    ),
    (
        "pod-security-policy/apparmor",
        "*",
        "mac-profile-not-weakened",
        "{}",
    ),
    (
        "pod-security-policy/capabilities",
        "capabilities-restricted",
        "drop-all-capabilities",
        "{}",
    ),
    (
        "pod-security-policy/flexvolume-drivers",
        "*",
        "restricted-volume-types",
        "{}",
    ),
    ("pod-security-policy/forbidden-sysctls", "*", "safe-sysctls", "{}"),
    (
        "pod-security-policy/host-filesystem",
        "*",
        "no-host-path-volumes",
        "{}",
    ),
    (
        "pod-security-policy/host-namespaces",
        "*",
        "no-host-namespaces",
        "{}",
    ),
    (
        "pod-security-policy/host-network-ports",
        "*",
        "no-host-ports",
        "{}",
    ),
    (
        "pod-security-policy/host-probes-lifecycle",
        "*",
        "no-probe-host-override",
        "{}",
    ),
    (
        "pod-security-policy/host-process",
        "*",
        "no-host-namespaces",
        "{}",
    ),
    (
        "pod-security-policy/privileged-containers",
        "*",
        "no-privileged-containers",
        "{}",
    ),
    ("pod-security-policy/proc-mount", "*", "default-proc-mount", "{}"),
    (
        "pod-security-policy/read-only-root-filesystem",
        "*",
        "read-only-root-filesystem",
        "{}",
    ),
    (
        "pod-security-policy/seccompv2",
        "seccomp-restricted",
        "seccomp-runtime-default",
        "{}",
    ),
    (
        "pod-security-policy/selinux",
        "*",
        "mac-profile-not-weakened",
        "{}",
    ),
    ("pod-security-policy/users", "*", "run-as-non-root", "{}"),
    (
        "pod-security-policy/volumes",
        "*",
        "restricted-volume-types",
        "{}",
    ),
];

/// Files whose check has another requirement than the rule: a part of the path, and the reason.
const ABOUT_SOMETHING_ELSE: &[(&str, &str)] = &[
    (
        "/update.yaml",
        "an AdmissionReview of an update, which Gatekeeper admits because the field is immutable; a manifest has no such history",
    ),
    (
        "exempt",
        "the sample's constraint exempts the image by name; our exemption is a waiver",
    ),
    (
        "(full-wildcard)",
        "the sample's constraint exempts all images by name",
    ),
    (
        "(wildcard-prefix)",
        "the sample's constraint exempts images by name",
    ),
    (
        "binding_points_to_missing_ref",
        "Polaris treats a missing role as bad; we report its permissions as unknown",
    ),
    (
        "gce_calico",
        "Polaris exempts a binding of one cloud provider by name, which any user can choose; ours is a waiver",
    ),
    (
        "defaultclusterrolebinding_clusteradmin",
        "Polaris exempts the binding by name, which any user can choose; we check for the label that the API server sets on its own bindings",
    ),
    (
        "rolebindingRolePodExecAttach/success.role_binding_cluster_role_binding",
        "the check covers Roles only, and this binding names a ClusterRole that allows everything",
    ),
    (
        "polaris/insecureCapabilities/success",
        "Polaris accepts dropping single capabilities; the standard requires ALL",
    ),
    (
        "netpol_missing_egress_rules",
        "a policy for egress without rules denies all egress, which protects the workload",
    ),
    (
        "netpol_missing_ingress_rules",
        "a policy for ingress without rules denies all ingress, which protects the workload",
    ),
    (
        "polaris/missingPodDisruptionBudget/failure",
        "one replica, for which a budget would only block evictions",
    ),
    (
        "polaris/topologySpreadConstraint/failure",
        "one replica, which cannot be spread",
    ),
    (
        "polaris/pdbDisruptionsIsZero/success.none",
        "a budget without limits allows all evictions; the check covers budgets that allow none",
    ),
    (
        "polaris/pdbDisruptionsIsZero/success.both",
        "the API server refuses a budget with both limits",
    ),
    (
        "success.system_prefix",
        "Polaris exempts names that begin with `system:`; every author of a manifest can choose such a name",
    ),
    (
        "clusterrolePodExecAttach/success.defaultclusterrole_",
        "Polaris exempts built-in roles by name; in a file, every author can choose such a name",
    ),
    (
        "clusterrolebindingPodExecAttach/success.defaultclusterrolebinding_system-controller-generic-garbage-collector",
        "Polaris exempts built-in bindings by name; in a file, every author can choose such a name",
    ),
    (
        "polaris/nakedPod/success",
        "a Pod without an owner: Polaris cannot determine this in a file, and passes it",
    ),
    (
        "disallowanonymous/samples/no-anonymous-bindings/example_allowed",
        "the sample's constraint allows that role to all users, by name",
    ),
    (
        "example_disallowed_ephemeral_storage_limit_1Pi",
        "the sample's constraint has an upper bound; our rule requires a limit of any size",
    ),
    (
        "externalip/samples/allowed-ip/example_allowed",
        "the sample's constraint allows that address",
    ),
    (
        "tls-optional",
        "the sample's constraint does not require TLS in the Ingress",
    ),
    (
        "verifydeprecatedapi/samples",
        "the sample requires API versions of Kubernetes 1.26 or 1.29; we require the versions served today",
    ),
    (
        "apparmor/example_allowed_override",
        "the pod disables AppArmor and its container enables it again; the standard forbids disabling it for the pod",
    ),
    (
        "psp-flexvolume-drivers/example_allowed",
        "the sample's constraint allows that driver; the standard allows none",
    ),
    (
        "psp-forbidden-sysctls/example_allowed",
        "the sample's constraint forbids what Kubernetes classifies as safe",
    ),
    (
        "psp-host-filesystem/example_allowed",
        "the sample's constraint allows that path",
    ),
    (
        "psp-host-network-ports/example_allowed",
        "the sample's constraint allows a range of ports, or covers the node's network",
    ),
];

/// Agreements and disagreements of a rule.
#[derive(Default)]
struct Tally {
    right_failures: usize,
    right_passes: usize,
    false_alarms: usize,
    missed: usize,
    excluded: usize,
}

struct Case {
    file: String,
    text: String,
    /// Further objects that the check was given.
    beside: Vec<String>,
    bad: bool,
    rule: &'static Rule,
    options: Value,
}

fn is_reported_as_bad(case: &Case) -> bool {
    let mut rules = serde_json::Map::new();
    rules.insert(case.rule.id.to_owned(), case.options.clone());
    let mut settings = Settings::read(&json!({"rules": rules}), today()).unwrap();
    settings.enforce(case.rule, Enforcement::Mandatory);
    let mut manifests = Manifests::new();
    manifests.read(&case.file, case.text.clone());
    for text in &case.beside {
        manifests.read("beside", text.clone());
    }
    assert!(
        manifests.errors.is_empty(),
        "{}: {:?}",
        case.file,
        manifests.errors
    );
    let report = evaluate(&manifests.graph, &settings);
    // A check of bindings does not cover the roles in its files, and vice versa.
    let is_finding = |failure: &phoenix_policies::report::Failure| {
        let kind = &report.subjects[failure.subject].kind;
        !case.rule.id.starts_with("rbac-") || kind.ends_with("Binding") == case.file.contains("binding")
    };
    report.of(case.rule).unwrap().failed.iter().any(is_finding)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn polaris(corpora: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (check, rule, options) in POLARIS {
        for path in files(&corpora.join("polaris").join(check)) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let bad = name.starts_with("failure");
            if !bad && !name.starts_with("success") {
                continue;
            }
            cases.push(Case {
                file: format!("polaris/{check}/{name}"),
                text: std::fs::read_to_string(&path).unwrap(),
                beside: Vec::new(),
                bad,
                rule: phoenix_policies::rules::find(rule).unwrap(),
                options: serde_json::from_str(options).unwrap(),
            });
        }
    }
    cases
}

fn gatekeeper(corpora: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for (folder, wanted, rule, options) in GATEKEEPER {
        let folder_path = corpora.join("gatekeeper").join(folder);
        let text = std::fs::read_to_string(folder_path.join("suite.yaml")).unwrap();
        let suite = phoenix_manifests::yaml::read(&text).unwrap().remove(0).value;
        for test in suite["tests"].as_array().unwrap() {
            let name = test["name"].as_str().unwrap();
            if *wanted != "*" && name != *wanted {
                continue;
            }
            for case in test["cases"].as_array().into_iter().flatten() {
                let object = case["object"].as_str().unwrap();
                let first = case.pointer("/assertions/0/violations");
                let bad = match first {
                    Some(Value::String(word)) => word == "yes",
                    Some(Value::Bool(yes)) => *yes,
                    Some(Value::Number(number)) => number.as_i64() != Some(0),
                    _ => true,
                };
                let read = |path: &str| std::fs::read_to_string(folder_path.join(path)).unwrap();
                let beside = case["inventory"].as_array().into_iter().flatten();
                cases.push(Case {
                    file: format!("gatekeeper/{folder}/{object} ({name})"),
                    text: read(object),
                    beside: beside.filter_map(Value::as_str).map(read).collect(),
                    bad,
                    rule: phoenix_policies::rules::find(rule).unwrap(),
                    options: serde_json::from_str(options).unwrap(),
                });
            }
        }
    }
    cases
}

#[test]
fn results_match_published_corpora_or_have_a_reason() {
    let corpora = root().join("../shared/corpora");
    if !corpora.is_dir() {
        eprintln!(
            "SKIPPED: {} is not there, so docs/policy-accuracy.md is not held against it",
            corpora.display()
        );
        return;
    }
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut disagreements = Vec::new();
    let mut used = BTreeMap::new();
    for case in polaris(&corpora).into_iter().chain(gatekeeper(&corpora)) {
        let tally = tallies.entry(case.rule.id).or_default();
        let says = is_reported_as_bad(&case);
        let reason = ABOUT_SOMETHING_ELSE
            .iter()
            .find(|(file, _)| case.file.contains(file));
        if let Some((file, _)) = reason.filter(|_| says != case.bad) {
            tally.excluded += 1;
            *used.entry(*file).or_insert(0) += 1;
            continue;
        }
        match (says, case.bad) {
            (true, true) => tally.right_failures += 1,
            (false, false) => tally.right_passes += 1,
            (true, false) => {
                tally.false_alarms += 1;
                disagreements.push(format!("{}: {} is good, they say", case.rule.id, case.file));
            }
            (false, true) => {
                tally.missed += 1;
                disagreements.push(format!("{}: {} is bad, they say", case.rule.id, case.file));
            }
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    let idle: Vec<_> = ABOUT_SOMETHING_ELSE
        .iter()
        .filter(|(file, _)| !used.contains_key(file))
        .collect();
    assert!(idle.is_empty(), "these exclusions excuse nothing: {idle:?}");
    is_as_generated("docs/policy-accuracy.md", &page(&tallies, &used));
}

fn page(tallies: &BTreeMap<&str, Tally>, used: &BTreeMap<&str, i32>) -> String {
    let mut text = String::from(
        "# Accuracy of the policies\n\n<!-- Generated by a test; change the test, not this file. -->\n\nThe rules are evaluated on manifests from two \
         projects, whose authors marked each manifest as good or bad: the tests of Polaris' checks and of Gatekeeper's library. Each file is evaluated \
         by the rule with the same requirement, with settings like those of the check. An unknown result counts as missed. A file is excluded if the \
         requirement of its check differs from that of our rule; the reasons are listed below.\n\n| rule | bad, found | bad, missed | good, passed | good, failed | precision | recall | \
         excluded |\n|---|---|---|---|---|---|---|---|\n",
    );
    let share = |part: usize, whole: usize| {
        if whole == 0 {
            "–".to_owned()
        } else {
            format!(
                "{:.2}",
                f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
            )
        }
    };
    for (rule, tally) in tallies {
        let _ = writeln!(
            text,
            "| `{rule}` | {} | {} | {} | {} | {} | {} | {} |",
            tally.right_failures,
            tally.missed,
            tally.right_passes,
            tally.false_alarms,
            share(tally.right_failures, tally.right_failures + tally.false_alarms),
            share(tally.right_failures, tally.right_failures + tally.missed),
            tally.excluded
        );
    }
    text.push_str(&credentials());
    text.push_str("\n## Excluded files\n\n| files | count | reason |\n|---|---|---|\n");
    for (file, why) in ABOUT_SOMETHING_ELSE {
        let _ = writeln!(
            text,
            "| `{file}` | {} | {why} |",
            used.get(file).copied().unwrap_or_default()
        );
    }
    text
}

/// How precisely the rules find credentials, as the tests of the policies measured it.
fn credentials() -> String {
    let path =
        "policies/tests/it/snapshots/it__credentials__credentials_are_found_with_few_false_alarms.snap";
    let snapshot = std::fs::read_to_string(root().join(path)).unwrap();
    let (_, measured) = snapshot.split_once("\n---\n").unwrap();
    format!(
        "\n## Credentials\n\nThe rules `no-credentials-in-env`, `no-credentials-in-configmap` and `no-credentials-in-fields` evaluate names and values \
         separately. They report a value in a known form (a token, a private key, a URL with a password) under any name, and a literal value under a name \
         that denotes a credential. References, template placeholders, encrypted values, paths, URLs, switches and numbers are not literals. Default \
         passwords such as `changeme` are literals, because they work if the manifest is applied.\n\nPrecision and recall are measured on single settings in the formats of \
         real projects, in `policies/tests/it/credentials`: variables, arguments, scripts, headers, files in ConfigMaps, annotations and custom \
         resources. The same author wrote the rules and the cases. The rules were developed with the first part. They were corrected twice, each time after a \
         first run on cases that had not been used to develop them: 154 credentials and 200 harmless cases, now in the first part (precision 0.96, \
         recall 0.95), and later the held-out part (precision 0.95, recall 0.96). The figures of these first runs predict the results for new cases \
         better than the table, which shows the current rules. Values are generated at each run. The cases are not a sample of real \
         repositories, so the figures compare versions of the rules and do not predict results elsewhere.\n\n{measured}"
    )
}
