//! Faults that no single item shows: what rules, ports, selectors, policies, roles and bindings allow together, and names and
//! labels that exempt nothing.

use phoenix_policies::{ObjectSource, Settings, Verdict, evaluate};
use serde_json::json;

use crate::support::{documents, graph, of_rule, settings};

/// The most severe verdict of a rule on all objects of a YAML text.
fn verdict(rule: &str, text: &str, settings: &Settings) -> &'static str {
    verdict_on("", rule, text, settings)
}

/// The most severe verdict of a rule on the objects whose kind contains a word.
fn verdict_on(kind: &str, rule: &str, text: &str, settings: &Settings) -> &'static str {
    let rule = phoenix_policies::rules::find(rule).unwrap();
    let mut verdicts = of_rule(rule, &evaluate(&graph(&documents(text)), settings));
    verdicts.retain(|(subject, _)| subject.split(' ').next().unwrap().contains(kind));
    let has = |is: fn(&Verdict) -> bool| verdicts.iter().any(|(_, verdict)| is(verdict));
    if has(|verdict| matches!(verdict, Verdict::Fail(_))) {
        "fail"
    } else if has(|verdict| matches!(verdict, Verdict::Unknown(_))) {
        "unknown"
    } else if has(|verdict| matches!(verdict, Verdict::Pass)) {
        "pass"
    } else {
        "aside"
    }
}

fn all_are(rows: &[(&str, &str, &str)], whole: impl Fn(&str) -> String) {
    let wrong: Vec<_> = rows
        .iter()
        .map(|(rule, text, expected)| (rule, text, expected, verdict(rule, &whole(text), &settings())))
        .filter(|(_, _, expected, verdict)| *expected != verdict)
        .map(|(rule, text, expected, verdict)| format!("{rule}: {verdict} instead of {expected} for {text}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn blocks_of_several_rules_and_policies_are_added() {
    const ALL: &str = "network-policy-not-allow-all";
    let rows = [
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/1}}]}, {from: [{ipBlock: {cidr: 128.0.0.0/1}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: \"::/1\"}}]}, {from: [{ipBlock: {cidr: \"8000::/1\"}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: \"2000::/3\"}}]}]",
            "fail",
        ),
        (ALL, "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/1}}]}]", "pass"),
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [192.0.2.0/24]}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [0.0.0.0/1]}}]}]",
            "pass",
        ),
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [0.0.0.0/1]}}]}, {from: [{ipBlock: {cidr: 0.0.0.0/2}}, {ipBlock: {cidr: 64.0.0.0/2}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: \"000.0.0.0/0\"}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{ipBlock: {cidr: \"::ffff:0.0.0.0/96\"}}]}]",
            "fail",
        ),
        // Each half may use another port, so that no port is open to all.
        (
            ALL,
            "ingress: [{ports: [{port: 80}], from: [{ipBlock: {cidr: 0.0.0.0/1}}]}, {ports: [{port: 81}], from: [{ipBlock: {cidr: 128.0.0.0/1}}]}]",
            "pass",
        ),
        (
            ALL,
            "ingress: [{ports: [{port: 80, endPort: 90}], from: [{ipBlock: {cidr: 0.0.0.0/1}}]}, {ports: [{port: 81}], from: [{ipBlock: {cidr: 128.0.0.0/1}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{ports: [{port: 80, protocol: UDP}], from: [{ipBlock: {cidr: 0.0.0.0/1}}]}, {ports: [{port: 80}], from: [{ipBlock: {cidr: 128.0.0.0/1}}]}]",
            "pass",
        ),
        (
            ALL,
            "ingress: [{ports: [{port: web}], from: [{ipBlock: {cidr: 0.0.0.0/1}}]}, {ports: [{port: web}], from: [{ipBlock: {cidr: 128.0.0.0/1}}]}]",
            "fail",
        ),
        // Selectors.
        (
            ALL,
            "ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: nosuch, operator: DoesNotExist}]}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: nosuch, operator: DoesNotExist}]}}]}]",
            "fail",
        ),
        (
            ALL,
            "egress: [{to: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: Exists}]}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{namespaceSelector: {matchLabels: {a: b}}}, {namespaceSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: Exists}]}}]}, {from: [{namespaceSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}}]}]",
            "fail",
        ),
        (
            ALL,
            "ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: Exists}]}}]}]",
            "pass",
        ),
        (
            ALL,
            "ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: DoesNotExist}]}}]}]",
            "pass",
        ),
        (
            ALL,
            "ingress: [{from: [{podSelector: {matchExpressions: [{key: nosuch, operator: DoesNotExist}]}}]}]",
            "pass",
        ),
    ];
    all_are(&rows, |spec| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: a}}\nspec: {{podSelector: {{}}, {spec}}}\n"
        )
    });
    let half = |name: &str, selector: &str, block: &str| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\nspec: {{podSelector: {selector}, ingress: [{{from: [{{ipBlock: {{cidr: {block}}}}}]}}]}}\n"
        )
    };
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: a, tier: t}}\nspec: {containers: [{name: a}]}\n";
    let (low, high) = ("0.0.0.0/1", "128.0.0.0/1");
    let (app, tier) = ("{matchLabels: {app: a}}", "{matchLabels: {tier: t}}");
    for (text, expected) in [
        (half("x", app, low) + &half("y", app, high), "fail"),
        (half("x", app, low) + &half("y", "{}", high), "fail"),
        (half("x", app, low) + &half("y", tier, high) + pod, "fail"),
        (half("x", app, low) + &half("y", tier, high), "pass"),
        (half("x", app, low) + &half("y", app, "10.0.0.0/8"), "pass"),
    ] {
        assert_eq!(verdict(ALL, &text, &settings()), expected, "{text}");
    }
}

#[test]
fn ports_and_metadata_services_are_counted_over_all_rules() {
    const RULE: &str = "egress-destinations-restricted";
    let to =
        |ports: &str, block: &str| format!("{{ports: [{ports}], to: [{{ipBlock: {{cidr: \"{block}\"}}}}]}}");
    let mut rows = vec![
        (to("{port: 2, endPort: 65535}", "10.0.0.0/8"), "fail"),
        (to("{port: 1024, endPort: 65535}", "10.0.0.0/8"), "fail"),
        (to("{port: 1, endPort: 30000}, {port: 30001, endPort: 65535}", "10.0.0.0/8"), "fail"),
        (to("{port: 30000, endPort: 32767}", "10.0.0.0/8"), "pass"),
        (to("{port: 2, endPort: 65535, protocol: UDP}", "10.0.0.0/8"), "fail"),
        (
            format!("{}, {}", to("{port: 1, endPort: 10000}", "10.0.0.0/8"), to("{port: 20001, endPort: 30000}", "10.1.0.0/16")),
            "fail",
        ),
        (
            format!("{}, {}", to("{port: 1, endPort: 10000}", "10.0.0.0/8"), to("{port: 20001, endPort: 30000}", "172.16.0.0/12")),
            "pass",
        ),
        (to("{port: 443}", "0.0.0.0/0"), "fail"),
        (to("{port: 443}", "8.8.8.0/24"), "pass"),
        (
            "{ports: [{port: 443}], to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]}".to_owned(),
            "fail",
        ),
        (
            "{ports: [{port: 443}], to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16, 168.63.129.16/32, 100.100.100.200/32, 192.0.0.192/32]}}]}"
                .to_owned(),
            "pass",
        ),
        ("{ports: [{port: 443}], to: [{ipBlock: {cidr: \"::/0\", except: [\"fc00::/7\"]}}]}".to_owned(), "pass"),
    ];
    for address in [
        "169.254.169.254/32",
        "169.254.170.2/32",
        "169.254.170.23/32",
        "168.63.129.16/32",
        "168.63.0.0/16",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "fd00:ec2::254/128",
        "fd00:ec2::23/128",
        "fd20:ce::254/128",
        "::ffff:169.254.169.254/128",
        "::/0",
    ] {
        rows.push((to("{port: 80}", address), "fail"));
    }
    let rows: Vec<_> = rows
        .iter()
        .map(|(text, expected)| (RULE, text.as_str(), *expected))
        .collect();
    all_are(&rows, |rules| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: a}}\nspec: {{podSelector: {{}}, policyTypes: [Egress], egress: [{rules}]}}\n"
        )
    });
}

#[test]
fn a_namespace_denies_by_default_if_its_policies_together_do() {
    const RULE: &str = "namespace-default-deny";
    let policy = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: a}}\nspec: {{policyTypes: [Ingress, Egress], {spec}}}\n"
        )
    };
    let deny = policy("deny", "podSelector: {}");
    let half = |block: &str| format!("{{from: [{{ipBlock: {{cidr: {block}}}}}]}}");
    let other = |api: &str, kind: &str, more: &str| {
        format!("---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: o{more}}}\n")
    };
    let rows = [
        (deny.clone(), "pass"),
        (
            deny.clone() + &policy("b", "podSelector: {matchLabels: {app: a}}, ingress: [{}]"),
            "pass",
        ),
        (
            deny.clone() + &policy("b", "podSelector: {}, ingress: [{}]"),
            "fail",
        ),
        (
            deny.clone()
                + &policy(
                    "b",
                    "podSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}, ingress: [{}]",
                ),
            "fail",
        ),
        (
            deny.clone()
                + &policy(
                    "b",
                    &format!(
                        "podSelector: {{}}, ingress: [{}, {}]",
                        half("0.0.0.0/1"),
                        half("128.0.0.0/1")
                    ),
                ),
            "fail",
        ),
        (
            deny.clone()
                + &policy(
                    "b",
                    &format!("podSelector: {{}}, ingress: [{}]", half("0.0.0.0/1")),
                )
                + &policy(
                    "c",
                    &format!("podSelector: {{}}, ingress: [{}]", half("128.0.0.0/1")),
                ),
            "fail",
        ),
        (
            deny.clone()
                + &policy(
                    "b",
                    "podSelector: {}, ingress: [{ports: [{port: 1, endPort: 30000}]}, {ports: [{port: 30001, endPort: 65535}]}]",
                ),
            "fail",
        ),
        (
            deny.clone()
                + &policy(
                    "b",
                    "podSelector: {}, egress: [{to: [{namespaceSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}}]}]",
                ),
            "fail",
        ),
        (
            deny.clone()
                + &policy(
                    "b",
                    "podSelector: {}, egress: [{ports: [{port: 53, protocol: UDP}]}]",
                ),
            "pass",
        ),
        // Two selectors that together match every pod.
        (
            policy(
                "b",
                "podSelector: {matchExpressions: [{key: x, operator: Exists}]}",
            ) + &policy(
                "c",
                "podSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}",
            ),
            "pass",
        ),
        (
            policy(
                "b",
                "podSelector: {matchExpressions: [{key: x, operator: In, values: [y]}]}",
            ) + &policy(
                "c",
                "podSelector: {matchExpressions: [{key: x, operator: NotIn, values: [y, z]}]}",
            ),
            "fail",
        ),
        (
            policy(
                "b",
                "podSelector: {matchExpressions: [{key: x, operator: DoesNotExist}]}",
            ),
            "fail",
        ),
        // Policies of other APIs.
        (
            other("cilium.io/v2", "CiliumNetworkPolicy", ", namespace: a"),
            "unknown",
        ),
        (
            other("cilium.io/v2", "CiliumNetworkPolicy", ", namespace: b"),
            "fail",
        ),
        (
            other("cilium.io/v2", "CiliumClusterwideNetworkPolicy", ""),
            "unknown",
        ),
        (
            other("crd.projectcalico.org/v1", "GlobalNetworkPolicy", ""),
            "unknown",
        ),
        (
            other("projectcalico.org/v3", "NetworkPolicy", ", namespace: a"),
            "unknown",
        ),
        (
            other("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", ""),
            "unknown",
        ),
        // Restricts only connections to other destinations.
        (
            other("k8s.ovn.org/v1", "EgressFirewall", ", namespace: a"),
            "fail",
        ),
        (
            policy("b", "podSelector: {}").replace("[Ingress, Egress]", "[Ingress]")
                + &other("k8s.ovn.org/v1", "EgressFirewall", ", namespace: a"),
            "unknown",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(text, expected)| (RULE, text.as_str(), *expected))
        .collect();
    all_are(&rows, |policies| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n{policies}")
    });
}

#[test]
fn permissions_are_what_a_subject_gets_from_all_rules_and_roles() {
    const ESCALATE: &str = "rbac-no-escalation-verbs";
    let impersonate = |resources: &str, verbs: &str, names: &str| {
        format!(
            "[{{apiGroups: [\"\", authentication.k8s.io], resources: [{resources}], verbs: [\"{verbs}\"]{names}}}]"
        )
    };
    let bind = |names: &str| {
        format!(
            "[{{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], resourceNames: [{names}]}}]"
        )
    };
    let of = |group: &str, resource: &str, verb: &str| {
        format!("[{{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [{verb}]}}]")
    };
    let plane = "rbac-no-control-plane-verbs";
    let rows = [
        (ESCALATE, impersonate("groups", "impersonate", ", resourceNames: [\"system:masters\"]"), "fail"),
        (ESCALATE, impersonate("users", "impersonate", ", resourceNames: [jane]"), "unknown"),
        (ESCALATE, impersonate("userextras/scopes", "impersonate", ""), "fail"),
        (ESCALATE, impersonate("userextras/scopes", "impersonate", ", resourceNames: [view]"), "pass"),
        (ESCALATE, impersonate("uids", "impersonate", ""), "fail"),
        (ESCALATE, impersonate("serviceaccounts", "impersonate:serviceaccount", ""), "fail"),
        (ESCALATE, impersonate("users", "impersonate:user-info", ""), "fail"),
        (ESCALATE, impersonate("nodes", "impersonate:arbitrary-node", ""), "fail"),
        (ESCALATE, impersonate("pods", "impersonate-on:user-info:list", ""), "pass"),
        (ESCALATE, bind("cluster-admin"), "fail"),
        (ESCALATE, bind("view"), "pass"),
        (ESCALATE, bind("elsewhere"), "unknown"),
        (ESCALATE, bind("\"system:controller:clusterrole-aggregation-controller\""), "fail"),
        (ESCALATE, bind("a"), "unknown"),
        ("rbac-no-secret-read", "[{apiGroups: [\"\"], resources: [secrets], verbs: [list], resourceNames: [\"\"]}]".to_owned(), "fail"),
        ("rbac-no-secret-read", "[{apiGroups: [\"\"], resources: [secrets], verbs: [get], resourceNames: [a]}]".to_owned(), "pass"),
        ("rbac-no-pod-exec", of("", "pods/proxy", "get"), "fail"),
        ("rbac-no-pod-exec", of("", "*/proxy", "create"), "fail"),
        ("rbac-no-wildcards", of("apps", "*/scale", "update"), "fail"),
        (plane, of("", "nodes/proxy", "get"), "fail"),
        (plane, of("networking.istio.io", "envoyfilters", "create"), "fail"),
        (plane, of("extensions.istio.io", "wasmplugins", "patch"), "fail"),
        (plane, of("networking.istio.io", "virtualservices", "create"), "pass"),
        (plane, of("", "namespaces", "patch"), "fail"),
        (plane, of("", "namespaces", "create"), "pass"),
        (plane, of("cilium.io", "ciliumnetworkpolicies", "delete"), "fail"),
        (plane, of("k8s.ovn.org", "egressfirewalls", "delete"), "fail"),
        (plane, of("apiregistration.k8s.io", "apiservices", "create"), "fail"),
        (plane, of("certificates.k8s.io", "signers", "approve"), "fail"),
        (plane, "[{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [sign], resourceNames: [\"issuers.cert-manager.io/*\"]}]".to_owned(), "pass"),
        (plane, "[{apiGroups: [certificates.k8s.io], resources: [signers], verbs: [sign], resourceNames: [\"kubernetes.io/kube-apiserver-client\"]}]".to_owned(), "fail"),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, text, expected)| (*rule, text.as_str(), *expected))
        .collect();
    all_are(&rows, |rules| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: a}}\nrules: {rules}\n"
        )
    });

    let role = |name: &str, labels: &str, rules: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {name}, labels: {{{labels}}}}}\nrules: [{rules}]\n"
        )
    };
    let all = |verbs: &str| format!("{{apiGroups: [\"*\"], resources: [\"*\"], verbs: [{verbs}]}}");
    let (read, write) = (all("get, list, watch"), all("create, update, patch, delete"));
    let binding = |kind: &str, name: &str, role: &str, subject: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: n}}\nroleRef: {{kind: ClusterRole, name: \"{role}\"}}\nsubjects: [{subject}]\n"
        )
    };
    let cluster = |name: &str, role: &str, subject: &str| {
        let own = format!("name: {name}, namespace: n");
        binding("ClusterRoleBinding", name, role, subject).replace(&own, &format!("name: {name}"))
    };
    let user = "{kind: User, name: u}";
    let account = "{kind: ServiceAccount, name: s, namespace: n}";
    let halves = role("r", "", &read) + &role("w", "", &write);
    let admin = "rbac-no-cluster-admin";
    let secret = "{apiGroups: [\"\"], resources: [secrets], verbs: [get]}";
    for (rule, text, expected) in [
        (
            admin,
            role("r", "", &format!("{read}, {write}")) + &cluster("b", "r", user),
            "fail",
        ),
        (
            admin,
            halves.clone() + &cluster("b", "r", user) + &cluster("c", "w", user),
            "fail",
        ),
        (
            admin,
            halves.clone() + &cluster("b", "r", user) + &cluster("c", "w", account),
            "pass",
        ),
        (
            admin,
            halves.clone()
                + &cluster("b", "r", account)
                + &cluster("c", "w", "{kind: Group, name: \"system:serviceaccounts:n\"}"),
            "fail",
        ),
        (
            admin,
            halves.clone()
                + &cluster("b", "r", account)
                + &cluster("c", "w", "{kind: User, name: \"system:serviceaccount:n:s\"}"),
            "fail",
        ),
        (
            admin,
            halves.clone() + &cluster("b", "r", user) + &binding("RoleBinding", "c", "w", user),
            "fail",
        ),
        (admin, cluster("b", "system:evil", user), "unknown"),
        (
            ESCALATE,
            cluster("b", "system:kube-controller-manager", user),
            "fail",
        ),
        (
            "rbac-no-secret-read",
            cluster("b", "system:kube-controller-manager", user),
            "fail",
        ),
        (
            plane,
            cluster("b", "system:kube-controller-manager", user),
            "fail",
        ),
        (
            ESCALATE,
            cluster("b", "system:controller:clusterrole-aggregation-controller", user),
            "fail",
        ),
        (
            ESCALATE,
            cluster("b", "system:controller:generic-garbage-collector", user),
            "fail",
        ),
        ("rbac-no-secret-read", cluster("b", "system:node", user), "fail"),
        (
            "rbac-no-secret-read",
            cluster("b", "system:basic-user", user),
            "pass",
        ),
        // A role that is aggregated into a built-in one, directly or through another.
        (
            "rbac-no-secret-read",
            role(
                "r",
                "rbac.authorization.k8s.io/aggregate-to-view: \"true\"",
                secret,
            ) + &cluster("b", "view", user),
            "fail",
        ),
        (
            "rbac-no-secret-read",
            role("view", "", secret) + &cluster("b", "view", user),
            "fail",
        ),
        (ESCALATE, cluster("b", "admin", user), "fail"),
    ] {
        let text = text.trim_start_matches("---\n");
        assert_eq!(
            verdict_on("Binding", rule, text, &settings()),
            expected,
            "{rule}: {text}"
        );
    }
}

#[test]
fn names_and_labels_exempt_only_objects_that_a_cluster_created() {
    let binding = |name: &str, subject: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: \"{name}\", labels: {{kubernetes.io/bootstrapping: rbac-defaults}}}}\nroleRef: {{kind: ClusterRole, name: cluster-admin}}\nsubjects: [{subject}]\n"
        )
    };
    let role = |name: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: \"{name}\", labels: {{kubernetes.io/bootstrapping: rbac-defaults}}}}\nrules: [{{apiGroups: [\"*\"], resources: [\"*\"], verbs: [\"*\"]}}]\n"
        )
    };
    let namespace = |name: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    let masters = "{kind: Group, name: \"system:masters\"}";
    let admin = "rbac-no-cluster-admin";
    let static_pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {kubernetes.io/config.mirror: a}}\n";
    let own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-root-ca.crt, namespace: default}\n";
    let mut cluster = settings();
    cluster.objects_from = ObjectSource::Cluster;
    for (rule, text, in_manifests, in_cluster) in [
        (
            admin,
            binding("system:evil", "{kind: User, name: u}"),
            "fail",
            "fail",
        ),
        (admin, binding("cluster-admin", masters), "fail", "aside"),
        (
            admin,
            binding(
                "cluster-admin",
                &format!("{masters}, {{kind: User, name: \"system:anonymous\"}}"),
            ),
            "fail",
            "fail",
        ),
        (
            admin,
            binding(
                "cluster-admin",
                &format!("{masters}, {{kind: User, name: \"system:serviceaccount:evil:sa\"}}"),
            ),
            "fail",
            "fail",
        ),
        (
            admin,
            binding("cluster-admin", "{kind: Group, name: \"system:authenticated\"}"),
            "fail",
            "fail",
        ),
        (
            admin,
            binding(
                "cluster-admin",
                "{kind: Group, name: \"system:serviceaccounts:kube-system\"}",
            ),
            "fail",
            "fail",
        ),
        (
            admin,
            binding("cluster-admin", "{kind: User, name: \"system:masters\"}"),
            "fail",
            "fail",
        ),
        (
            "rbac-no-broad-subjects",
            binding(
                "system:discovery",
                "{kind: Group, name: \"system:authenticated\"}",
            ),
            "fail",
            "aside",
        ),
        (
            "rbac-no-broad-subjects",
            binding(
                "system:discovery",
                "{kind: Group, name: \"system:unauthenticated\"}",
            ),
            "fail",
            "fail",
        ),
        (
            admin,
            binding("cluster-admin", &format!("{masters}, {{kind: User, name: u}}")),
            "fail",
            "fail",
        ),
        (
            admin,
            binding(
                "system:controller:job-controller",
                "{kind: ServiceAccount, name: a, namespace: b}",
            ),
            "fail",
            "fail",
        ),
        (
            "rbac-no-broad-subjects",
            binding("cluster-admin", masters),
            "fail",
            "aside",
        ),
        ("rbac-no-wildcards", role("system:evil"), "fail", "fail"),
        ("rbac-no-wildcards", role("cluster-admin"), "fail", "aside"),
        (
            "rbac-no-wildcards",
            role("system:controller:generic-garbage-collector"),
            "fail",
            "aside",
        ),
        ("namespace-default-deny", namespace("kube-evil"), "fail", "fail"),
        (
            "namespace-default-deny",
            namespace("kube-system"),
            "fail",
            "aside",
        ),
        (
            "namespace-pod-security-restricted",
            namespace("kube-evil"),
            "fail",
            "fail",
        ),
        (
            "namespace-pod-security-restricted",
            namespace("kube-public"),
            "fail",
            "aside",
        ),
        (
            "namespace-quota-set",
            namespace("kube-node-lease"),
            "fail",
            "aside",
        ),
        ("no-naked-pods", static_pod.to_owned(), "fail", "aside"),
        ("no-default-namespace", own.to_owned(), "fail", "aside"),
    ] {
        assert_eq!(verdict(rule, &text, &settings()), in_manifests, "{rule}: {text}");
        assert_eq!(
            verdict(rule, &text, &cluster),
            in_cluster,
            "{rule} in a cluster: {text}"
        );
    }
}

#[test]
fn budgets_and_quotas_count_only_if_they_have_an_effect() {
    let budget = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        )
    };
    let app = "selector: {matchLabels: {app: a}}";
    let rows = [
        (budget("x", &format!("maxUnavailable: 1, {app}")), "pass"),
        (budget("x", &format!("maxUnavailable: -1, {app}")), "fail"),
        (budget("x", &format!("minAvailable: -1, {app}")), "fail"),
        (budget("x", &format!("maxUnavailable: \"-5%\", {app}")), "fail"),
        (budget("x", &format!("maxUnavailable: \"1\", {app}")), "fail"),
        (budget("x", &format!("maxUnavailable: 0, {app}")), "fail"),
        (budget("x", &format!("maxUnavailable: 100%, {app}")), "fail"),
        (budget("x", &format!("maxUnavailable: 3, {app}")), "fail"),
        (budget("x", &format!("minAvailable: 0, {app}")), "fail"),
        (budget("x", &format!("minAvailable: 100%, {app}")), "fail"),
        (
            budget("x", &format!("minAvailable: 1, maxUnavailable: 1, {app}")),
            "fail",
        ),
        (budget("x", &format!("minAvailable: 2, {app}")), "pass"),
        (
            budget("x", &format!("maxUnavailable: 1, {app}"))
                + &budget("y", "maxUnavailable: 1, selector: {}"),
            "fail",
        ),
        (
            budget("x", &format!("maxUnavailable: 1, {app}"))
                + &budget("y", "maxUnavailable: 1, selector: {matchLabels: {tier: t}}"),
            "fail",
        ),
        (
            budget("x", &format!("maxUnavailable: 1, {app}"))
                + &budget("y", "maxUnavailable: 1, selector: {matchLabels: {app: b}}"),
            "pass",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(text, expected)| ("disruption-budget-set", text.as_str(), *expected))
        .collect();
    all_are(&rows, |budgets| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{replicas: 3, template: {{metadata: {{labels: {{app: a, tier: t}}}}, spec: {{containers: [{{name: a}}]}}}}}}\n{budgets}"
        )
    });
    let range = "---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: a, namespace: a}\nspec: {limits: [{type: Container, default: {memory: 1Gi}}]}\n";
    let rows = [
        ("{hard: {pods: \"9\"}}", "pass"),
        ("{hard: {}}", "fail"),
        ("{}", "fail"),
        ("{hard: {pods: \"9\"}, scopes: [BestEffort]}", "fail"),
        (
            "{hard: {pods: \"9\"}, scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: Exists}]}}",
            "fail",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(text, expected)| ("namespace-quota-set", *text, *expected))
        .collect();
    let quota = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: a}}\n---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: a, namespace: a}}\nspec: {spec}\n"
        )
    };
    all_are(&rows, |spec| quota(spec) + range);
    let empty = quota("{hard: {pods: \"9\"}}") + &range.replace(", default: {memory: 1Gi}", "");
    assert_eq!(verdict("namespace-quota-set", &empty, &settings()), "fail");
}

#[test]
fn a_token_is_mounted_for_accounts_with_permissions_and_own_objects_need_a_class() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: n}\nspec: {serviceAccountName: s, containers: [{name: a}]}\n";
    let binding = |subject: &str| {
        format!(
            "{pod}---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: b}}\nroleRef: {{kind: ClusterRole, name: view}}\nsubjects: [{subject}]\n"
        )
    };
    let token = |text: &str| verdict("no-token-automount", text, &settings());
    assert_eq!(token(pod), "fail");
    assert_eq!(
        token(&binding("{kind: ServiceAccount, name: s, namespace: n}")),
        "pass"
    );
    assert_eq!(
        token(&binding("{kind: ServiceAccount, name: s, namespace: other}")),
        "fail"
    );
    let none = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: view}\nrules: []\n";
    assert_eq!(
        token(&(binding("{kind: ServiceAccount, name: s, namespace: n}") + none)),
        "fail"
    );
    let of_default =
        binding("{kind: ServiceAccount, name: default, namespace: n}").replace("serviceAccountName: s, ", "");
    assert_eq!(token(&of_default), "fail");

    let secret =
        |labels: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a, labels: {{{labels}}}}}\n");
    let class = |labels: &str, settings: &Settings| {
        verdict("data-classification-labelled", &secret(labels), settings)
    };
    let part_of = |name: &str| format!("app.kubernetes.io/part-of: {name}");
    assert_eq!(class(&part_of("phoenix"), &settings()), "fail");
    assert_eq!(class(&part_of("argocd"), &settings()), "aside");
    assert_eq!(class("", &settings()), "aside");
    assert_eq!(
        class("phoenix.ai/data-classification: unheard-of", &settings()),
        "fail"
    );
    let value = json!({"rules": {"data-classification-labelled": {"partOf": []}}});
    let everyone = Settings::read(&value, crate::support::today()).unwrap();
    assert_eq!(class("", &everyone), "fail");
}

#[test]
fn extensions_and_ingresses_bring_no_unverified_server_and_no_code() {
    let rows = [
        (
            "api-extension-verifies-server",
            "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: a}\nspec: {service: {name: a}, insecureSkipTLSVerify: true}",
            "fail",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: apiregistration.k8s.io/v1beta1\nkind: APIService\nmetadata: {name: a}\nspec: {service: {name: a}, insecureSkipTLSVerify: true}",
            "fail",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: a}\nspec: {service: {name: a}, caBundle: YQ==}",
            "pass",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: a}\nspec: {version: v1}",
            "aside",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: a}\nwebhooks: [{clientConfig: {url: \"http://a.example\"}}]",
            "fail",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: a}\nwebhooks: [{clientConfig: {insecureSkipTLSVerify: true}}]",
            "fail",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: a}\nwebhooks: [{clientConfig: {service: {name: a}}}]",
            "pass",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\nspec: {conversion: {webhook: {clientConfig: {url: \"http://a.example\"}}}}",
            "fail",
        ),
        (
            "api-extension-verifies-server",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\nspec: {}",
            "aside",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a, annotations: {nginx.ingress.kubernetes.io/server-snippet: x}}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, annotations: {nginx.org/location-snippets: x}}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, annotations: {own.example/auth-snippet: x}}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, annotations: {nginx.ingress.kubernetes.io/rewrite-target: /}}",
            "pass",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: {haproxy.org/backend-config-snippet: x}}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {allow-snippet-annotations: \"true\"}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {allow-snippet-annotations: \"false\", annotations-risk-level: Critical}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {allow-snippet-annotations: \"1\"}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {allow-snippet-annotations: T}",
            "fail",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {allow-snippet-annotations: \"false\"}",
            "pass",
        ),
        (
            "ingress-no-snippets",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {other: x}",
            "aside",
        ),
    ];
    all_are(&rows, str::to_owned);
}
