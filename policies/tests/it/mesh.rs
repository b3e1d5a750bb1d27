//! Rules about Istio, checked by what the mesh does with the objects.

use phoenix_graph::Object;
use phoenix_policies::Verdict;

use crate::support::{documents, verdicts};

/// The verdict of a rule on the first document.
fn word(rule: &str, text: &str) -> &'static str {
    let rule = phoenix_policies::rules::find(rule).unwrap_or_else(|| panic!("there is no rule {rule}"));
    let documents = documents(text);
    let first = Object::from_json("tests", documents[0].clone()).unwrap().id;
    let verdicts = verdicts(rule, &documents);
    let of_first = verdicts.iter().find(|(subject, _)| *subject == first.to_string());
    match &of_first.expect("the rule checks the object").1 {
        Verdict::Pass | Verdict::AssumedPass(_) => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::NotApplicable(_) => "aside",
        Verdict::Unknown(_) => "unknown",
    }
}

fn all_are(rows: &[(&str, String, &str)]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|(rule, text, expected)| {
            let verdict = word(rule, text);
            (verdict != *expected).then(|| format!("{rule}: {verdict} instead of {expected} for\n{text}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Documents, one after another.
fn together(parts: &[&str]) -> String {
    parts.join("---\n")
}

fn namespace(labels: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: a, labels: {{{labels}}}}}\n")
}

fn pod(metadata: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: a, {metadata}}}\nspec: {{containers: [{{name: app, ports: [{{containerPort: 8080}}]}}]}}\n"
    )
}

fn security(kind: &str, metadata: &str, spec: &str) -> String {
    format!("apiVersion: security.istio.io/v1\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n")
}

fn networking(kind: &str, metadata: &str, spec: &str) -> String {
    format!("apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n")
}

fn service(name: &str, spec: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: a}}\nspec: {spec}\n")
}

const INJECTED: &str = "istio-injection: enabled";

#[test]
fn a_policy_counts_only_if_it_is_in_force() {
    const MTLS: &str = "mesh-mtls-strict";
    const DENY: &str = "mesh-authz-default-deny";
    let strict = security(
        "PeerAuthentication",
        "name: a, namespace: a",
        "{mtls: {mode: STRICT}}",
    );
    let deny = security("AuthorizationPolicy", "name: a, namespace: a", "{}");
    let mtls =
        |namespaced: &str, metadata: &str| together(&[&pod(metadata), &namespace(namespaced), &strict]);
    let with = |policy: &str| together(&[&pod("labels: {app: a}"), &namespace(INJECTED), policy]);
    let annotated = |annotation: &str| mtls(INJECTED, &format!("annotations: {{{annotation}}}"));
    let of_own_proxy = |container: &str| {
        let text = mtls(INJECTED, "labels: {app: a}");
        text.replace(
            "containers: [",
            &format!("containers: [{{name: istio-proxy, {container}}}, "),
        )
    };
    all_are(&[
        (MTLS, mtls(INJECTED, "labels: {app: a}"), "pass"),
        // Injection: the exact values, and the label before the annotation.
        (
            MTLS,
            mtls(INJECTED, "labels: {sidecar.istio.io/inject: \"True\"}"),
            "pass",
        ),
        (
            MTLS,
            mtls(INJECTED, "labels: {sidecar.istio.io/inject: \"false\"}"),
            "aside",
        ),
        (
            MTLS,
            mtls(INJECTED, "annotations: {sidecar.istio.io/inject: \"false\"}"),
            "aside",
        ),
        (
            MTLS,
            mtls(
                INJECTED,
                "labels: {sidecar.istio.io/inject: \"true\"}, annotations: {sidecar.istio.io/inject: \"false\"}",
            ),
            "pass",
        ),
        (
            MTLS,
            mtls(
                "istio-injection: disabled",
                "labels: {sidecar.istio.io/inject: \"true\"}",
            ),
            "aside",
        ),
        (
            MTLS,
            mtls("a: b", "labels: {sidecar.istio.io/inject: \"true\"}"),
            "pass",
        ),
        (
            MTLS,
            mtls("a: b", "annotations: {sidecar.istio.io/inject: \"true\"}"),
            "aside",
        ),
        (
            MTLS,
            mtls("a: b", "labels: {sidecar.istio.io/inject: \"True\"}"),
            "aside",
        ),
        (MTLS, mtls("a: b", "labels: {istio.io/rev: stable}"), "pass"),
        (MTLS, mtls("istio.io/rev: stable", "labels: {app: a}"), "pass"),
        (
            MTLS,
            mtls("istio.io/dataplane-mode: ambient", "labels: {app: a}"),
            "pass",
        ),
        (
            MTLS,
            mtls(
                "istio.io/dataplane-mode: ambient",
                "labels: {istio.io/dataplane-mode: none}",
            ),
            "aside",
        ),
        // Traffic that does not pass through the proxy.
        (MTLS, annotated("sidecar.istio.io/interceptionMode: NONE"), "fail"),
        (
            MTLS,
            annotated("proxy.istio.io/config: '{\"interceptionMode\":\"NONE\"}'"),
            "fail",
        ),
        (
            MTLS,
            annotated("proxy.istio.io/config: 'interceptionMode: NONE'"),
            "fail",
        ),
        (
            MTLS,
            annotated("proxy.istio.io/config: 'interceptionMode: TPROXY'"),
            "pass",
        ),
        (
            MTLS,
            annotated("proxy.istio.io/config: 'interception_mode: 2'"),
            "fail",
        ),
        (
            MTLS,
            annotated("proxy.istio.io/config: \"# interceptionMode: NONE\\nconcurrency: 2\""),
            "pass",
        ),
        (
            MTLS,
            annotated("proxy.istio.io/config: 'proxyMetadata: {interceptionMode: NONE}'"),
            "pass",
        ),
        (MTLS, annotated("proxy.istio.io/config: '{'"), "unknown"),
        (
            MTLS,
            annotated("sidecar.istio.io/interceptionMode: 04da6b54-80e4-46f7-96ec-b56ff0331ba9"),
            "unknown",
        ),
        (
            MTLS,
            annotated("traffic.sidecar.istio.io/excludeInboundPorts: 04da6b54-80e4-46f7-96ec-b56ff0331ba9"),
            "unknown",
        ),
        (
            MTLS,
            annotated("traffic.sidecar.istio.io/excludeInboundPorts: \"8080\""),
            "fail",
        ),
        (
            MTLS,
            annotated("traffic.sidecar.istio.io/includeInboundPorts: \"\""),
            "fail",
        ),
        (
            MTLS,
            annotated("traffic.sidecar.istio.io/excludeOutboundPorts: \"443\""),
            "pass",
        ),
        (
            MTLS,
            of_own_proxy("image: evil.example/proxy, command: [sleep]"),
            "fail",
        ),
        (MTLS, of_own_proxy("image: auto, resources: {}"), "pass"),
        (
            MTLS,
            of_own_proxy("image: docker.io/istio/proxyv2:1.31.0"),
            "pass",
        ),
        (MTLS, of_own_proxy("image: evil.example/not-proxyv2:1"), "fail"),
        (MTLS, of_own_proxy("image: evil.example/proxyv2-tools"), "fail"),
        (
            MTLS,
            of_own_proxy("image: 04da6b54-80e4-46f7-96ec-b56ff0331ba9"),
            "unknown",
        ),
        // The root namespace.
        (
            MTLS,
            with(&security(
                "PeerAuthentication",
                "name: a, namespace: istio-system",
                "{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}",
            )),
            "fail",
        ),
        (
            MTLS,
            with(&security(
                "PeerAuthentication",
                "name: a, namespace: istio-system",
                "{mtls: {mode: STRICT}}",
            )),
            "pass",
        ),
        (DENY, with(&deny), "pass"),
        (
            DENY,
            with(&deny.replace(
                "namespace: a",
                "namespace: a, annotations: {istio.io/dry-run: \"true\"}",
            )),
            "fail",
        ),
        (
            DENY,
            with(&deny.replace(
                "namespace: a",
                "namespace: a, annotations: {istio.io/dry-run: \"false\"}",
            )),
            "pass",
        ),
        (
            DENY,
            with(&security(
                "AuthorizationPolicy",
                "name: a, namespace: istio-system",
                "{selector: {matchLabels: {app: a}}}",
            )),
            "pass",
        ),
        (
            DENY,
            with(&security(
                "AuthorizationPolicy",
                "name: a, namespace: a",
                "{targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: w}]}",
            )),
            "fail",
        ),
        (
            DENY,
            with(&security("AuthorizationPolicy", "name: a, namespace: b", "{}")),
            "fail",
        ),
        (
            DENY,
            together(&[
                &pod("annotations: {sidecar.istio.io/interceptionMode: NONE}"),
                &namespace(INJECTED),
                &deny,
            ]),
            "fail",
        ),
    ]);
}

#[test]
fn a_bypass_of_the_proxy_is_found_in_every_form() {
    const RULE: &str = "no-mesh-bypass";
    let of = |labels: &str, metadata: &str| {
        together(&[
            &pod(metadata),
            &namespace(labels),
            &security(
                "PeerAuthentication",
                "name: a, namespace: istio-system",
                "{mtls: {mode: STRICT}}",
            ),
        ])
    };
    let annotated = |annotation: &str| of(INJECTED, &format!("annotations: {{{annotation}}}"));
    let control_plane = of("a: b", "labels: {sidecar.istio.io/inject: \"false\"}")
        .replace("namespace: a,", "namespace: istio-system,");
    all_are(&[
        (
            "mesh-injection-enforced",
            namespace("istio-injection: enabled, istio.io/rev: stable"),
            "fail",
        ),
        (
            "mesh-injection-enforced",
            namespace("istio-injection: disabled, istio.io/rev: stable"),
            "aside",
        ),
        (RULE, of(INJECTED, "labels: {app: a}"), "pass"),
        (
            RULE,
            of(INJECTED, "labels: {sidecar.istio.io/inject: \"True\"}"),
            "pass",
        ),
        (
            RULE,
            of(INJECTED, "labels: {sidecar.istio.io/inject: \"false\"}"),
            "fail",
        ),
        (RULE, annotated("sidecar.istio.io/inject: \"false\""), "fail"),
        (
            RULE,
            of(
                "istio.io/dataplane-mode: ambient",
                "labels: {istio.io/dataplane-mode: none}",
            ),
            "fail",
        ),
        (
            RULE,
            of(
                "istio.io/dataplane-mode: ambient",
                "labels: {sidecar.istio.io/inject: \"false\"}",
            ),
            "pass",
        ),
        (
            RULE,
            of(INJECTED, "labels: {istio.io/dataplane-mode: none}"),
            "pass",
        ),
        (
            RULE,
            annotated("proxy.istio.io/config: '{\"interceptionMode\":\"NONE\"}'"),
            "fail",
        ),
        (
            RULE,
            annotated("proxy.istio.io/config: '{\"holdApplicationUntilProxyStarts\":true}'"),
            "pass",
        ),
        (
            RULE,
            annotated("proxy.istio.io/config: 'customConfigFile: /etc/envoy.yaml'"),
            "fail",
        ),
        (
            RULE,
            annotated("proxy.istio.io/config: 'custom_config_file: /etc/envoy.yaml'"),
            "fail",
        ),
        (RULE, annotated("proxy.istio.io/config: 'a: b: c'"), "unknown"),
        (
            RULE,
            annotated("traffic.sidecar.istio.io/excludeInterfaces: eth1"),
            "fail",
        ),
        (
            RULE,
            annotated("sidecar.istio.io/userVolume: '[{\"name\":\"a\",\"hostPath\":{\"path\":\"/\"}}]'"),
            "fail",
        ),
        (
            RULE,
            annotated("sidecar.istio.io/userVolume: '[{\"name\":\"a\",\"emptyDir\":{}}]'"),
            "pass",
        ),
        (
            RULE,
            of(INJECTED, "labels: {app: a}").replace(
                "containers: [",
                "containers: [{name: istio-proxy, image: evil.example/proxyv3, command: [sleep]}, ",
            ),
            "fail",
        ),
        (
            RULE,
            of(INJECTED, "labels: {app: a}")
                .replace("containers: [", "containers: [{name: istio-proxy, image: auto}, "),
            "pass",
        ),
        // Workloads that are not in the mesh, such as its control plane.
        (RULE, control_plane, "aside"),
        (
            RULE,
            of(
                "a: b",
                "annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: \"443\"}",
            ),
            "aside",
        ),
        (
            RULE,
            of(
                "a: b",
                "labels: {sidecar.istio.io/inject: \"true\"}, annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: \"443\"}",
            ),
            "fail",
        ),
        (
            "mesh-injection-enforced",
            together(&[
                &namespace("istio-injection: enabled, istio.io/dataplane-mode: ambient"),
                &pod("labels: {app: a}"),
            ]),
            "fail",
        ),
        (
            "mesh-injection-enforced",
            together(&[
                &namespace("istio.io/rev: stable, istio.io/dataplane-mode: ambient"),
                &pod("labels: {app: a}"),
            ]),
            "fail",
        ),
        (
            "mesh-injection-enforced",
            together(&[
                &namespace("istio-injection: disabled, istio.io/dataplane-mode: ambient"),
                &pod("labels: {app: a}"),
            ]),
            "pass",
        ),
        (
            "mesh-injection-enforced",
            together(&[
                &namespace("istio.io/dataplane-mode: ambient"),
                &pod("labels: {app: a}"),
            ]),
            "pass",
        ),
    ]);
}

#[test]
fn a_policy_without_effect_is_reported() {
    const RULE: &str = "istio-policy-takes-effect";
    let of = |policy: &str, metadata: &str| together(&[policy, &namespace(INJECTED), &pod(metadata)]);
    let selecting = "selector: {matchLabels: {app: a}}";
    let deny = |port: &str| {
        security(
            "AuthorizationPolicy",
            "name: p, namespace: a",
            &format!(
                "{{{selecting}, action: DENY, rules: [{{to: [{{operation: {{ports: [\"{port}\"]}}}}]}}]}}"
            ),
        )
    };
    let bound = |kind: &str, group: &str| {
        security(
            "AuthorizationPolicy",
            "name: p, namespace: a",
            &format!("{{targetRefs: [{{kind: {kind}, group: {group}, name: w}}]}}"),
        )
    };
    let waypoint = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: w, namespace: a}\nspec: {gatewayClassName: istio-waypoint}\n";
    let peer = |namespace: &str, spec: &str| {
        security(
            "PeerAuthentication",
            &format!("name: p, namespace: {namespace}"),
            spec,
        )
    };
    let telemetry = |name: &str, spec: &str| {
        format!(
            "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: {name}, namespace: a}}\nspec: {spec}\n"
        )
    };
    all_are(&[
        (RULE, of(&deny("8080"), "labels: {app: a}"), "pass"),
        (RULE, of(&deny("8081"), "labels: {app: a}"), "fail"),
        (RULE, of(&deny("8080"), "labels: {app: b}"), "fail"),
        (
            RULE,
            of(
                &deny("8080").replace(
                    "namespace: a}",
                    "namespace: a, annotations: {istio.io/dry-run: \"true\"}}",
                ),
                "labels: {app: a}",
            ),
            "fail",
        ),
        (
            RULE,
            of(
                &deny("8080"),
                "labels: {app: a, sidecar.istio.io/inject: \"false\"}",
            ),
            "fail",
        ),
        (
            RULE,
            of(
                &deny("8080"),
                "labels: {app: a, gateway.networking.k8s.io/gateway-name: g}",
            ),
            "fail",
        ),
        (
            RULE,
            of(
                &peer(
                    "istio-system",
                    &format!("{{{selecting}, mtls: {{mode: STRICT}}}}"),
                ),
                "labels: {app: a}",
            ),
            "fail",
        ),
        (
            RULE,
            of(
                &peer(
                    "a",
                    "{mtls: {mode: STRICT}, portLevelMtls: {\"8080\": {mode: STRICT}}}",
                ),
                "labels: {app: a}",
            ),
            "fail",
        ),
        (
            RULE,
            of(
                &peer(
                    "a",
                    &format!("{{{selecting}, portLevelMtls: {{\"9999\": {{mode: STRICT}}}}}}"),
                ),
                "labels: {app: a}",
            ),
            "fail",
        ),
        // Targets.
        (
            RULE,
            together(&[&bound("Gateway", "gateway.networking.k8s.io"), waypoint]),
            "pass",
        ),
        (RULE, bound("Gateway", "gateway.networking.k8s.io"), "fail"),
        (RULE, bound("Deployment", "apps"), "fail"),
        (RULE, bound("GatewayClass", "gateway.networking.k8s.io"), "fail"),
        (
            RULE,
            together(&[
                &bound("Service", "\"\""),
                &namespace("istio.io/dataplane-mode: ambient, istio.io/use-waypoint: w"),
                &service("w", "{ports: [{port: 80}]}"),
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &bound("Service", "\"\""),
                &namespace("istio.io/dataplane-mode: ambient"),
                &service("w", "{ports: [{port: 80}]}"),
            ]),
            "fail",
        ),
        // Ambient mode: only a waypoint handles requests.
        (
            RULE,
            together(&[
                &security(
                    "RequestAuthentication",
                    "name: p, namespace: a",
                    "{jwtRules: [{issuer: i}]}",
                ),
                &namespace("istio.io/dataplane-mode: ambient"),
                &pod("labels: {app: a}"),
            ]),
            "fail",
        ),
        (
            RULE,
            together(&[
                &security("AuthorizationPolicy", "name: p, namespace: a", "{}"),
                &namespace("istio.io/dataplane-mode: ambient"),
                &pod("labels: {app: a}"),
            ]),
            "pass",
        ),
        // Two of a kind.
        (
            RULE,
            together(&[
                &telemetry("p", "{accessLogging: [{}]}"),
                &telemetry("q", "{tracing: [{}]}"),
            ]),
            "fail",
        ),
        (
            RULE,
            together(&[
                &telemetry("p", "{accessLogging: [{}]}"),
                &telemetry("q", &format!("{{{selecting}, tracing: [{{}}]}}")),
                &pod("labels: {app: a}"),
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &networking("Sidecar", "name: p, namespace: a", "{}"),
                &networking("Sidecar", "name: q, namespace: a", "{}"),
            ]),
            "fail",
        ),
    ]);
}

#[test]
fn access_logs_have_to_cover_received_requests() {
    let of = |entries: &str| {
        together(&[
            &pod("labels: {app: a}"),
            &namespace(INJECTED),
            &format!(
                "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {{name: t, namespace: a}}\nspec: {{accessLogging: [{entries}]}}\n"
            ),
        ])
    };
    let rows = [
        ("{providers: [{name: l}]}", "pass"),
        ("{}", "pass"),
        ("{match: {mode: CLIENT}}", "fail"),
        ("{match: {mode: SERVER}}", "pass"),
        ("{match: {mode: CLIENT_AND_SERVER}}", "pass"),
        ("{disabled: true}", "fail"),
        (
            "{providers: [{name: l}]}, {match: {mode: SERVER}, disabled: true}",
            "fail",
        ),
        (
            "{providers: [{name: l}]}, {match: {mode: SERVER}, disabled: true, providers: [{name: other}]}",
            "pass",
        ),
        (
            "{providers: [{name: l}]}, {match: {mode: CLIENT}, disabled: true}",
            "pass",
        ),
        // Entries that may disable what others enable.
        (
            "{providers: [{name: l}]}, {disabled: 1c4a061d-8072-4f0a-a4cb-0ff528b18fe7}",
            "unknown",
        ),
        (
            "{}, {match: {mode: 04da6b54-80e4-46f7-96ec-b56ff0331ba9}, disabled: true}",
            "unknown",
        ),
        (
            "{}, {match: {mode: 04da6b54-80e4-46f7-96ec-b56ff0331ba9}}",
            "pass",
        ),
        (
            "{providers: [{name: 04da6b54-80e4-46f7-96ec-b56ff0331ba9}], disabled: true}",
            "fail",
        ),
        (
            "{providers: [{name: 04da6b54-80e4-46f7-96ec-b56ff0331ba9}]}",
            "unknown",
        ),
    ];
    all_are(&rows.map(|(entries, expected)| ("mesh-access-logging-on", of(entries), expected)));
    // A gateway counts as the client of its destinations.
    let at_gateway = |entries: &str| {
        let gateway = "labels: {app: a}, annotations: {inject.istio.io/templates: gateway}";
        of(entries).replace("labels: {app: a}", gateway)
    };
    all_are(&[
        (
            "mesh-access-logging-on",
            at_gateway("{match: {mode: CLIENT}}"),
            "pass",
        ),
        (
            "mesh-access-logging-on",
            at_gateway("{match: {mode: SERVER}}"),
            "fail",
        ),
    ]);
}

#[test]
fn a_rule_names_its_callers_and_its_operations() {
    const CALLERS: &str = "authz-no-wildcard-source";
    const ALL: &str = "authz-no-allow-all";
    const OPERATIONS: &str = "authz-operations-listed";
    let of = |rule: &str| {
        security(
            "AuthorizationPolicy",
            "name: p, namespace: a",
            &format!("{{rules: [{rule}]}}"),
        )
    };
    let from = |source: &str| of(&format!("{{from: [{{source: {source}}}]}}"));
    let when = |key: &str, values: &str| of(&format!("{{when: [{{key: \"{key}\", values: {values}}}]}}"));
    let to = |operation: &str| {
        of(&format!(
            "{{from: [{{source: {{namespaces: [b]}}}}], to: [{operation}]}}"
        ))
    };
    all_are(&[
        // Address blocks that together include every caller, or all but one block of the internet.
        (
            CALLERS,
            of("{from: [{source: {ipBlocks: [0.0.0.0/1]}}, {source: {ipBlocks: [128.0.0.0/1]}}]}"),
            "fail",
        ),
        (
            CALLERS,
            of(
                "{from: [{source: {ipBlocks: [0.0.0.0/1]}}]}, {from: [{source: {remoteIpBlocks: [128.0.0.0/1]}}]}",
            ),
            "fail",
        ),
        (
            CALLERS,
            of(
                "{from: [{source: {ipBlocks: [0.0.0.0/1]}}, {source: {ipBlocks: [128.0.0.0/1], namespaces: [b]}}]}",
            ),
            "pass",
        ),
        (
            CALLERS,
            from(
                "{ipBlocks: [1.0.0.0/8, 2.0.0.0/7, 4.0.0.0/6, 8.0.0.0/5, 16.0.0.0/4, 32.0.0.0/3, 64.0.0.0/2, 128.0.0.0/1]}",
            ),
            "fail",
        ),
        (CALLERS, from("{ipBlocks: [10.0.0.0/8, 192.168.0.0/16]}"), "pass"),
        (CALLERS, from("{principals: [cluster.local/ns/b/sa/b]}"), "pass"),
        (CALLERS, from("{principals: [\"cluster.local/*\"]}"), "fail"),
        (
            CALLERS,
            from("{principals: [\"cluster.local/ns/x/sa/*\"]}"),
            "fail",
        ),
        (CALLERS, from("{principals: [\"*/sa/b\"]}"), "fail"),
        (CALLERS, from("{principals: [\"*/ns/b/sa/b\"]}"), "pass"),
        (
            CALLERS,
            from("{principals: [cluster.local/ns/b/sa/b, \"*\"]}"),
            "fail",
        ),
        (CALLERS, from("{principals: [\"*\"], namespaces: [b]}"), "pass"),
        (CALLERS, from("{namespaces: [\"team-*\"]}"), "fail"),
        (CALLERS, from("{notNamespaces: [b]}"), "fail"),
        (CALLERS, from("{ipBlocks: [0.0.0.0/1, 128.0.0.0/1]}"), "fail"),
        (CALLERS, from("{ipBlocks: [10.0.0.0/8]}"), "pass"),
        (CALLERS, from("{requestPrincipals: [\"*\"]}"), "pass"),
        (
            CALLERS,
            of("{from: [{source: {namespaces: [b]}}, {source: {principals: [\"*\"]}}]}"),
            "fail",
        ),
        (CALLERS, when("source.namespace", "[\"*\"]"), "fail"),
        (CALLERS, when("source.namespace", "[b]"), "pass"),
        (CALLERS, when("source.principal", "[\"cluster.local/*\"]"), "fail"),
        (CALLERS, when("source.ip", "[0.0.0.0/0]"), "fail"),
        (CALLERS, when("request.auth.claims[groups]", "[admin]"), "pass"),
        (CALLERS, when("request.headers[x]", "[a]"), "fail"),
        (ALL, of("{}"), "fail"),
        (ALL, of("{to: [{operation: {paths: [\"*\"]}}]}"), "fail"),
        (ALL, of("{to: [{operation: {paths: [\"/*\"]}}]}"), "fail"),
        (
            ALL,
            of("{to: [{operation: {methods: [GET]}}, {operation: {}}]}"),
            "fail",
        ),
        (ALL, of("{to: [{operation: {methods: [GET]}}]}"), "pass"),
        (OPERATIONS, from("{namespaces: [b]}"), "fail"),
        (OPERATIONS, to("{operation: {ports: [\"80\"]}}"), "pass"),
        (OPERATIONS, to("{operation: {paths: [\"/*\"]}}"), "fail"),
        (
            OPERATIONS,
            to("{operation: {paths: [\"/*\"], methods: [GET]}}"),
            "pass",
        ),
        (
            OPERATIONS,
            from("{namespaces: [b]}").replace("{rules", "{selector: {matchLabels: {app: a}}, rules"),
            "aside",
        ),
        (
            OPERATIONS,
            from("{namespaces: [b]}").replace("{rules", "{action: DENY, rules"),
            "aside",
        ),
    ]);
}

#[test]
fn a_route_from_outside_requires_a_token_in_every_alternative() {
    const RULE: &str = "external-api-authenticated";
    let backend = together(&[
        &service("a", "{selector: {app: a}, ports: [{port: 80, name: http}]}"),
        &pod("labels: {app: a}"),
    ]);
    let route = |spec: &str| networking("VirtualService", "name: v, namespace: a", spec);
    let http = "{gateways: [g], http: [{route: [{destination: {host: a}}]}]}";
    let jwt = security(
        "RequestAuthentication",
        "name: r, namespace: a",
        "{jwtRules: [{issuer: i}]}",
    );
    let allow = |rules: &str| {
        security(
            "AuthorizationPolicy",
            "name: p, namespace: a",
            &format!("{{rules: [{rules}]}}"),
        )
    };
    let gateway = networking(
        "Gateway",
        "name: g, namespace: a",
        "{selector: {istio: edge}, servers: []}",
    );
    let gateway_pod = pod("labels: {istio: edge}").replace("namespace: a", "namespace: istio-ingress");
    let of = |rules: &str| together(&[&route(http), &backend, &jwt, &allow(rules)]);
    // The same with the gateway's pods, so that its namespace is known.
    let with_gateway = |rules: &str| together(&[&of(rules), &gateway, &gateway_pod]);
    let deny = |rule: &str, allowed: &str| {
        let policy = security(
            "AuthorizationPolicy",
            "name: d, namespace: a",
            &format!("{{action: DENY, rules: [{rule}]}}"),
        );
        together(&[&with_gateway(allowed), &policy])
    };
    let token = "{source: {requestPrincipals: [\"*\"]}}";
    let ingress = "{source: {namespaces: [istio-ingress]}}";
    let at_gateway = |kind: &str, spec: &str| {
        security(
            kind,
            "name: e, namespace: istio-ingress",
            &format!("{{selector: {{matchLabels: {{istio: edge}}}}, {spec}}}"),
        )
    };
    all_are(&[
        (RULE, of(&format!("{{from: [{token}]}}")), "pass"),
        (
            RULE,
            with_gateway(&format!("{{from: [{token}, {ingress}]}}")),
            "fail",
        ),
        (
            RULE,
            with_gateway(&format!("{{from: [{token}]}}, {{from: [{ingress}]}}")),
            "fail",
        ),
        // Without its pods, the namespace of the gateway is not known: its name says nothing.
        (RULE, of(&format!("{{from: [{token}, {ingress}]}}")), "unknown"),
        (
            RULE,
            with_gateway(&format!(
                "{{from: [{token}, {{source: {{serviceAccounts: [gw]}}}}]}}"
            )),
            "pass",
        ),
        (
            RULE,
            with_gateway(&format!(
                "{{from: [{token}, {{source: {{serviceAccounts: [istio-ingress/gw]}}}}]}}"
            )),
            "fail",
        ),
        // An operation that matches everything is no restriction.
        (
            RULE,
            with_gateway(&format!("{{from: [{token}]}}, {{from: [{ingress}], to: []}}")),
            "fail",
        ),
        (
            RULE,
            with_gateway(&format!(
                "{{from: [{token}]}}, {{from: [{ingress}], to: [{{operation: {{}}}}]}}"
            )),
            "fail",
        ),
        (
            RULE,
            with_gateway(&format!(
                "{{from: [{token}]}}, {{from: [{ingress}], to: [{{operation: {{paths: [\"/{{**}}\"]}}}}]}}"
            )),
            "fail",
        ),
        (
            RULE,
            with_gateway(&format!(
                "{{from: [{token}]}}, {{from: [{ingress}], to: [{{operation: {{notPaths: [/health]}}}}]}}"
            )),
            "fail",
        ),
        (
            RULE,
            with_gateway(&format!("{{from: [{token}]}}, {{to: [{{operation: {{}}}}]}}")),
            "fail",
        ),
        // A DENY policy suffices if it denies every request without a token.
        (
            RULE,
            deny(
                "{from: [{source: {notRequestPrincipals: [\"*\"]}}]}",
                &format!("{{from: [{ingress}]}}"),
            ),
            "pass",
        ),
        (
            RULE,
            deny(
                "{from: [{source: {notRequestPrincipals: [\"*\"], namespaces: [x]}}]}",
                &format!("{{from: [{ingress}]}}"),
            ),
            "fail",
        ),
        (
            RULE,
            deny(
                "{from: [{source: {notRequestPrincipals: [\"*\"]}}], to: [{operation: {paths: [/admin]}}]}",
                &format!("{{from: [{ingress}]}}"),
            ),
            "fail",
        ),
        (
            RULE,
            deny(
                "{from: [{source: {notRequestPrincipals: [\"*\"]}}], when: [{key: source.ip, values: [10.0.0.0/8]}]}",
                &format!("{{from: [{ingress}]}}"),
            ),
            "fail",
        ),
        (
            RULE,
            deny(
                "{when: [{key: request.auth.principal, notValues: [\"*\"]}]}",
                &format!("{{from: [{ingress}]}}"),
            ),
            "pass",
        ),
        // What is behind the route is not in the input.
        (
            RULE,
            of(&format!("{{from: [{token}]}}")).replace("selector: {app: a}, ports", "ports"),
            "unknown",
        ),
        (
            RULE,
            of(&format!("{{from: [{token}]}}"))
                .replace("selector: {app: a}, ports", "selector: {app: z}, ports"),
            "unknown",
        ),
        (
            RULE,
            with_gateway(&format!(
                "{{from: [{token}]}}, {{from: [{ingress}], to: [{{operation: {{paths: [/health]}}}}]}}"
            )),
            "pass",
        ),
        (
            RULE,
            of(&format!(
                "{{from: [{token}]}}, {{from: [{{source: {{namespaces: [batch]}}}}]}}"
            )),
            "unknown",
        ),
        (
            RULE,
            with_gateway(&format!(
                "{{from: [{token}]}}, {{from: [{{source: {{namespaces: [batch]}}}}]}}"
            )),
            "pass",
        ),
        (
            RULE,
            of("{when: [{key: \"request.auth.claims[groups]\", values: [admin]}]}"),
            "pass",
        ),
        (
            RULE,
            of("{when: [{key: request.auth.principal, values: [\"*\"]}]}"),
            "pass",
        ),
        (
            RULE,
            of("{from: [{source: {namespaces: [istio-ingress], requestPrincipals: [\"*\"]}}]}"),
            "pass",
        ),
        (
            RULE,
            of(&format!("{{from: [{token}]}}")).replace("{jwtRules: [{issuer: i}]}", "{}"),
            "fail",
        ),
        (
            RULE,
            of("{from: [{source: {notRequestPrincipals: [\"*\"]}}]}")
                .replace("{rules", "{action: DENY, rules"),
            "pass",
        ),
        (
            RULE,
            of(&format!("{{from: [{token}]}}")).replace(
                "name: p, namespace: a",
                "name: p, namespace: a, annotations: {istio.io/dry-run: \"true\"}",
            ),
            "fail",
        ),
        // The routes of a delegate are exposed as well.
        (
            RULE,
            together(&[
                &route("{gateways: [g], http: [{delegate: {name: d}}]}"),
                &networking(
                    "VirtualService",
                    "name: d, namespace: a",
                    "{http: [{route: [{destination: {host: a}}]}]}",
                ),
                &backend,
                &jwt,
            ]),
            "fail",
        ),
        // Connections carry no tokens, and some routes are not for the gateway.
        (
            RULE,
            together(&[
                &route("{gateways: [g], tcp: [{route: [{destination: {host: a}}]}]}"),
                &backend,
            ]),
            "aside",
        ),
        (
            RULE,
            together(&[
                &route("{gateways: [g], tls: [{route: [{destination: {host: a}}]}]}"),
                &backend,
            ]),
            "aside",
        ),
        (
            RULE,
            together(&[
                &route(
                    "{gateways: [g, mesh], http: [{match: [{gateways: [mesh]}], route: [{destination: {host: a}}]}]}",
                ),
                &backend,
                &gateway,
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &route(http),
                "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: a}\nspec: {gatewayClassName: istio-waypoint}\n",
                &backend,
            ]),
            "aside",
        ),
        // Tokens that the gateway requires.
        (
            RULE,
            together(&[
                &route(http),
                &backend,
                &gateway,
                &at_gateway("RequestAuthentication", "jwtRules: [{issuer: i}]"),
                &at_gateway("AuthorizationPolicy", &format!("rules: [{{from: [{token}]}}]")),
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &route(http),
                &backend,
                &gateway,
                &at_gateway("RequestAuthentication", "jwtRules: [{issuer: i}]"),
            ]),
            "fail",
        ),
    ]);
}

#[test]
fn the_validation_of_tokens_is_not_weakened() {
    const RULE: &str = "jwt-validation-strict";
    let of = |rules: &str| {
        security(
            "RequestAuthentication",
            "name: r, namespace: a",
            &format!("{{jwtRules: [{rules}]}}"),
        )
    };
    let good = "{issuer: i, audiences: [a], jwksUri: \"https://i.example/jwks\"}";
    let other = security(
        "RequestAuthentication",
        "name: s, namespace: a",
        "{jwtRules: [{issuer: j, audiences: [a], jwksUri: \"https://j.example\"}]}",
    );
    all_are(&[
        (RULE, of(good), "pass"),
        (
            RULE,
            of("{issuer: i, jwksUri: \"https://i.example/jwks\"}"),
            "fail",
        ),
        (
            RULE,
            of("{issuer: i, audiences: [a], jwksUri: \"http://i.example/jwks\"}"),
            "fail",
        ),
        (
            RULE,
            of("{issuer: i, audiences: [a], fromParams: [access_token]}"),
            "fail",
        ),
        (RULE, of("{issuer: i, audiences: [a], jwks: '{}'}"), "pass"),
        (
            RULE,
            of("{issuer: \"https://i.example\", audiences: [a]}"),
            "pass",
        ),
        (RULE, of("{issuer: \"http://i.example\", audiences: [a]}"), "fail"),
        (
            RULE,
            of(&format!("{good}, {{issuer: j, audiences: [a], jwks: '{{}}'}}")),
            "fail",
        ),
        (
            RULE,
            together(&[
                &of("{issuer: i, audiences: [a], jwks: '{}'}"),
                &other,
                &namespace(INJECTED),
                &pod("labels: {app: a}"),
            ]),
            "fail",
        ),
        (
            RULE,
            security("RequestAuthentication", "name: r, namespace: a", "{}"),
            "fail",
        ),
    ]);
}

#[test]
fn an_extension_of_a_proxy_with_policies_is_reported() {
    const RULE: &str = "no-proxy-extension";
    let filter = |namespace: &str, spec: &str| {
        networking("EnvoyFilter", &format!("name: f, namespace: {namespace}"), spec)
    };
    let deny = security("AuthorizationPolicy", "name: p, namespace: a", "{}");
    let with =
        |extension: &str| together(&[extension, &pod("labels: {app: a}"), &namespace(INJECTED), &deny]);
    let with_gateway = |extension: &str| {
        let metadata = "labels: {app: a}, annotations: {inject.istio.io/templates: gateway}";
        together(&[extension, &pod(metadata), &namespace(INJECTED), &deny])
    };
    let lua = "configPatches: [{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND}}]";
    let wasm = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: w, namespace: a}\nspec: {selector: {matchLabels: {app: a}}, url: \"oci://r.example/x\"}\n";
    all_are(&[
        (RULE, with(&filter("a", &format!("{{{lua}}}"))), "fail"),
        (RULE, with(&filter("istio-system", &format!("{{{lua}}}"))), "fail"),
        (
            RULE,
            with(&filter(
                "istio-system",
                &format!("{{workloadSelector: {{labels: {{app: a}}}}, {lua}}}"),
            )),
            "fail",
        ),
        (RULE, with(&filter("b", &format!("{{{lua}}}"))), "pass"),
        (
            RULE,
            with(&filter(
                "a",
                "{configPatches: [{applyTo: HTTP_FILTER, match: {context: SIDECAR_OUTBOUND}}]}",
            )),
            "pass",
        ),
        (
            RULE,
            with(&filter(
                "a",
                "{configPatches: [{applyTo: HTTP_FILTER, match: {context: GATEWAY}}]}",
            )),
            "pass",
        ),
        (RULE, with(wasm), "fail"),
        (
            RULE,
            with(&wasm.replace("WasmPlugin", "TrafficExtension")),
            "fail",
        ),
        (
            RULE,
            with(&wasm.replace("url:", "match: [{mode: CLIENT}], url:")),
            "pass",
        ),
        (
            RULE,
            with(&wasm.replace("url:", "match: [{mode: SERVER}], url:")),
            "fail",
        ),
        // A gateway counts as the client of its destinations.
        (
            RULE,
            with_gateway(&wasm.replace("url:", "match: [{mode: CLIENT}], url:")),
            "fail",
        ),
        (
            RULE,
            with_gateway(&wasm.replace("url:", "match: [{mode: SERVER}], url:")),
            "pass",
        ),
        (
            RULE,
            together(&[
                &filter("a", &format!("{{{lua}}}")),
                &pod("labels: {app: a}"),
                &namespace(INJECTED),
            ]),
            "pass",
        ),
    ]);
}

#[test]
fn every_reference_of_a_route_is_resolved() {
    const RULE: &str = "virtual-service-references-resolve";
    let route = |spec: &str| networking("VirtualService", "name: v, namespace: a", spec);
    let a = service("a", "{ports: [{port: 80, name: http}]}");
    let with = |spec: &str, others: &[&str]| {
        let own = route(spec);
        let mut parts = vec![own.as_str(), a.as_str()];
        parts.extend(others);
        together(&parts)
    };
    let http =
        |rest: &str| format!("{{hosts: [a], http: [{{route: [{{destination: {{host: a}}}}]{rest}}}]}}");
    let to =
        |destination: &str| format!("{{hosts: [a], http: [{{route: [{{destination: {destination}}}]}}]}}");
    let entry = |spec: &str| networking("ServiceEntry", "name: e, namespace: b", spec);
    let gateway = networking(
        "Gateway",
        "name: g, namespace: a",
        "{selector: {istio: i}, servers: [{hosts: [\"b/*\", \"*/a.example\"], port: {number: 443}}]}",
    );
    let standard = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: a}\nspec: {gatewayClassName: istio}\n";
    let rule = |spec: &str| networking("DestinationRule", "name: d, namespace: a", spec);
    all_are(&[
        (RULE, with(&http(""), &[]), "pass"),
        (
            RULE,
            with(&to("{host: a.a.svc.cluster.local, port: {number: 80}}"), &[]),
            "pass",
        ),
        (RULE, with(&to("{host: a, port: {number: 81}}"), &[]), "fail"),
        (RULE, with(&to("{host: a.a}"), &[]), "fail"),
        (RULE, with(&to("{host: a.a.svc}"), &[]), "fail"),
        (
            RULE,
            with(&to("{host: kubernetes.default.svc.cluster.local}"), &[]),
            "unknown",
        ),
        (RULE, with(&http(", mirror: {host: a}"), &[]), "pass"),
        (RULE, with(&http(", mirror: {host: nosuch}"), &[]), "fail"),
        (
            RULE,
            with(&http(", mirrors: [{destination: {host: nosuch}}]"), &[]),
            "fail",
        ),
        (RULE, with(&http(", mirror: {host: a, subset: v2}"), &[]), "fail"),
        (RULE, with(&http(", match: [{gateways: [nosuch]}]"), &[]), "fail"),
        (RULE, with(&http(", match: [{gateways: [mesh]}]"), &[]), "pass"),
        (
            RULE,
            with(
                "{hosts: [a], gateways: [g], http: [{delegate: {name: d}}]}",
                &[standard],
            ),
            "fail",
        ),
        (
            RULE,
            with(
                "{hosts: [a], gateways: [g], http: [{delegate: {name: d}}]}",
                &[
                    standard,
                    &networking(
                        "VirtualService",
                        "name: d, namespace: a",
                        "{http: [{route: [{destination: {host: a}}]}]}",
                    ),
                ],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                "{hosts: [a], gateways: [g], http: [{delegate: {name: d, namespace: b}}]}",
                &[
                    standard,
                    &networking(
                        "VirtualService",
                        "name: d, namespace: b",
                        "{exportTo: [\".\"], http: []}",
                    ),
                ],
            ),
            "fail",
        ),
        // Gateways of both APIs, and the hosts that they serve.
        (
            RULE,
            with(
                "{hosts: [a.example], gateways: [g], http: [{route: [{destination: {host: a}}]}]}",
                &[&gateway],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                "{hosts: [b.example], gateways: [g], http: [{route: [{destination: {host: a}}]}]}",
                &[&gateway],
            ),
            "fail",
        ),
        (
            RULE,
            with(
                "{hosts: [b.example], gateways: [g], http: [{route: [{destination: {host: a}}]}]}",
                &[standard],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                "{hosts: [a.example], gateways: [b/g], http: [{route: [{destination: {host: a}}]}]}",
                &[&gateway],
            ),
            "fail",
        ),
        (
            RULE,
            with(
                "{hosts: [a.example, c.example], gateways: [g, h], http: [{route: [{destination: {host: a}}]}]}",
                &[
                    &gateway,
                    &networking(
                        "Gateway",
                        "name: h, namespace: a",
                        "{servers: [{hosts: [c.example]}]}",
                    ),
                ],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                "{hosts: [a.example], gateways: [h], http: [{route: [{destination: {host: a}}]}]}",
                &[&networking(
                    "Gateway",
                    "name: h, namespace: a",
                    "{selector: {istio: i}}",
                )],
            ),
            "fail",
        ),
        // ServiceEntries, with wildcards, ports and export.
        (
            RULE,
            with(
                &to("{host: x.eu.example.org}"),
                &[&entry("{hosts: [\"*.eu.example.org\"], ports: [{number: 443}]}")],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                &to("{host: eu.example.org}"),
                &[&entry("{hosts: [\"*.eu.example.org\"], ports: [{number: 443}]}")],
            ),
            "fail",
        ),
        (
            RULE,
            with(
                &to("{host: x.example, port: {number: 80}}"),
                &[&entry("{hosts: [x.example], ports: [{number: 443}]}")],
            ),
            "fail",
        ),
        (
            RULE,
            with(
                &to("{host: x.example}"),
                &[&entry(
                    "{hosts: [x.example], ports: [{number: 443}], exportTo: [\".\"]}",
                )],
            ),
            "fail",
        ),
        (
            RULE,
            with(
                &to("{host: x.example}"),
                &[&entry(
                    "{hosts: [x.example], ports: [{number: 443}], exportTo: [a]}",
                )],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                &to("{host: x.example}"),
                &[&entry(
                    "{hosts: [x.example], ports: [{number: 443}, {number: 80}]}",
                )],
            ),
            "fail",
        ),
        // Subsets.
        (
            RULE,
            with(
                &to("{host: a, subset: v1}"),
                &[&rule("{host: a, subsets: [{name: v1}]}")],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                &to("{host: a, subset: v1}"),
                &[&rule("{host: \"*.a.svc.cluster.local\", subsets: [{name: v1}]}")],
            ),
            "pass",
        ),
        (
            RULE,
            with(
                &to("{host: x.example, subset: v1}"),
                &[
                    &entry("{hosts: [x.example], ports: [{number: 443}]}"),
                    &rule("{host: x.example, subsets: [{name: v2}]}"),
                ],
            ),
            "fail",
        ),
        (
            RULE,
            with(
                &to("{host: a, subset: v1}"),
                &[&rule("{host: a, exportTo: [b], subsets: [{name: v1}]}")],
            ),
            "fail",
        ),
    ]);
}

#[test]
fn a_route_of_the_mesh_takes_over_its_own_host_only() {
    const RULE: &str = "mesh-route-host-explicit";
    let route =
        |name: &str, spec: &str| networking("VirtualService", &format!("name: {name}, namespace: a"), spec);
    let host = |host: &str| route("v", &format!("{{hosts: [\"{host}\"]}}"));
    all_are(&[
        (RULE, host("a"), "pass"),
        (RULE, host("*"), "fail"),
        (RULE, host("*.local"), "fail"),
        (RULE, host("*.svc.cluster.local"), "fail"),
        (RULE, host("*.a.svc.cluster.local"), "fail"),
        (RULE, host("*.wikipedia.org"), "pass"),
        (RULE, route("v", "{hosts: [\"*\"], gateways: [g]}"), "aside"),
        (RULE, route("v", "{hosts: [\"*\"], gateways: [g, mesh]}"), "fail"),
        (
            RULE,
            together(&[&host("a"), &route("w", "{hosts: [a.a.svc.cluster.local]}")]),
            "fail",
        ),
        (
            RULE,
            together(&[&host("a"), &route("w", "{hosts: [a], gateways: [g]}")]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &route("v", "{hosts: [a], exportTo: [b]}"),
                &route("w", "{hosts: [a], exportTo: [\".\"]}"),
            ]),
            "pass",
        ),
    ]);
}

#[test]
fn the_other_references_of_the_mesh_are_resolved() {
    const RULE: &str = "references-resolve";
    let rule = |spec: &str| networking("DestinationRule", "name: d, namespace: a", spec);
    let backend = together(&[
        &service(
            "a",
            "{selector: {app: a}, ports: [{port: 443, targetPort: 8443}]}",
        ),
        &pod("labels: {app: a, version: v1}"),
    ]);
    let sidecar = |host: &str| {
        together(&[
            &networking(
                "Sidecar",
                "name: s, namespace: a",
                &format!("{{egress: [{{hosts: [\"{host}\"]}}]}}"),
            ),
            &backend,
        ])
    };
    let entry = networking(
        "ServiceEntry",
        "name: e, namespace: a",
        "{hosts: [x.example, \"*.y.example\"]}",
    );
    let gateway = |spec: &str| networking("Gateway", "name: g, namespace: a", spec);
    let edge = "apiVersion: v1\nkind: Pod\nmetadata: {name: e, namespace: a, labels: {istio: edge}, annotations: {inject.istio.io/templates: gateway}}\nspec: {containers: [{name: istio-proxy, image: auto}]}\n";
    let edge = together(&[
        edge,
        &namespace(INJECTED),
        &service(
            "e",
            "{selector: {istio: edge}, ports: [{port: 443, targetPort: 8443}]}",
        ),
    ]);
    all_are(&[
        (
            RULE,
            together(&[
                &rule("{host: a, subsets: [{name: r, labels: {topology.kubernetes.io/region: west}}]}"),
                &backend,
            ]),
            "pass",
        ),
        (RULE, together(&[&rule("{host: a}"), &backend]), "pass"),
        (RULE, together(&[&rule("{host: nosuch}"), &backend]), "fail"),
        (
            RULE,
            together(&[&rule("{host: a.b.svc.cluster.local}"), &backend]),
            "fail",
        ),
        (RULE, together(&[&rule("{host: x.example}"), &entry]), "pass"),
        (RULE, together(&[&rule("{host: z.y.example}"), &entry]), "pass"),
        (RULE, together(&[&rule("{host: z.example}"), &entry]), "fail"),
        (
            RULE,
            together(&[
                &rule("{host: a, subsets: [{name: v1, labels: {version: v1}}]}"),
                &backend,
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &rule("{host: a, subsets: [{name: v2, labels: {version: v2}}]}"),
                &backend,
            ]),
            "fail",
        ),
        (
            RULE,
            together(&[
                &rule("{host: a, workloadSelector: {matchLabels: {app: b}}}"),
                &backend,
            ]),
            "fail",
        ),
        (RULE, sidecar("./*"), "pass"),
        (RULE, sidecar("*/*"), "pass"),
        (RULE, sidecar("./a.a.svc.cluster.local"), "pass"),
        (RULE, sidecar("a/a.a.svc.cluster.local"), "pass"),
        (RULE, sidecar("b/a.a.svc.cluster.local"), "fail"),
        (RULE, sidecar("./nosuch.a.svc.cluster.local"), "fail"),
        (RULE, sidecar("nosuch/*"), "fail"),
        (RULE, sidecar("istio-system/*"), "unknown"),
        (RULE, sidecar("a.a.svc.cluster.local"), "fail"),
        (
            RULE,
            together(&[
                &networking(
                    "ServiceEntry",
                    "name: s, namespace: a",
                    "{hosts: [x.example], workloadSelector: {labels: {app: a}}}",
                ),
                &backend,
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &networking(
                    "ServiceEntry",
                    "name: s, namespace: a",
                    "{hosts: [x.example], workloadSelector: {labels: {app: b}}}",
                ),
                &backend,
            ]),
            "fail",
        ),
        (
            RULE,
            together(&[
                &networking(
                    "ServiceEntry",
                    "name: s, namespace: a",
                    "{hosts: [x.example], workloadSelector: {labels: {app: vm}}}",
                ),
                &networking(
                    "WorkloadEntry",
                    "name: w, namespace: a",
                    "{address: 192.0.2.1, labels: {app: vm}}",
                ),
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &gateway("{selector: {istio: edge}, servers: [{port: {number: 8443}}]}"),
                &edge,
            ]),
            "pass",
        ),
        (
            RULE,
            together(&[
                &gateway("{selector: {istio: edge}, servers: [{port: {number: 9443}}]}"),
                &edge,
            ]),
            "fail",
        ),
        (
            RULE,
            together(&[
                &gateway("{selector: {istio: other}, servers: [{port: {number: 8443}}]}"),
                &edge,
            ]),
            "fail",
        ),
        (
            RULE,
            gateway("{selector: {istio: edge}, servers: [{port: {number: 8443}}]}"),
            "unknown",
        ),
        (
            RULE,
            together(&[
                &gateway(
                    "{selector: {istio: edge}, servers: [{port: {number: 443}, tls: {credentialName: c}}]}",
                ),
                &edge,
            ]),
            "unknown",
        ),
        (
            RULE,
            together(&[
                &gateway(
                    "{selector: {istio: edge}, servers: [{port: {number: 443}, tls: {credentialName: c}}]}",
                ),
                &edge,
                "apiVersion: v1\nkind: Secret\nmetadata: {name: c, namespace: a}\n",
            ]),
            "pass",
        ),
    ]);
}

#[test]
fn references_of_gateway_api_routes_and_principals_are_resolved() {
    const RULE: &str = "references-resolve";
    let gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: a}\nspec: {listeners: [{name: https}]}\n";
    let backend = service("a", "{ports: [{port: 80}]}");
    let route = |spec: &str| {
        let own = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r, namespace: a}}\nspec: {spec}\n"
        );
        together(&[&own, gateway, &backend])
    };
    let to = |backend: &str| {
        route(&format!(
            "{{parentRefs: [{{name: g}}], rules: [{{backendRefs: [{backend}]}}]}}"
        ))
    };
    let account = |name: &str| {
        format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: b}}\n")
    };
    let policy = security(
        "AuthorizationPolicy",
        "name: p, namespace: a",
        "{rules: [{from: [{source: {principals: [cluster.local/ns/b/sa/b]}}]}]}",
    );
    all_are(&[
        (RULE, to("{name: a, port: 80}"), "pass"),
        (RULE, to("{name: a, port: 81}"), "fail"),
        (RULE, to("{name: nosuch, port: 80}"), "fail"),
        (
            RULE,
            to("{name: bucket, kind: Bucket, group: example.org}"),
            "pass",
        ),
        (RULE, route("{parentRefs: [{name: nosuch}]}"), "fail"),
        (
            RULE,
            route("{parentRefs: [{name: g, sectionName: https}]}"),
            "pass",
        ),
        (
            RULE,
            route("{parentRefs: [{name: g, sectionName: http}]}"),
            "fail",
        ),
        (
            RULE,
            route("{parentRefs: [{name: a, kind: Service, group: \"\"}]}"),
            "pass",
        ),
        (
            RULE,
            route("{rules: [{filters: [{requestMirror: {backendRef: {name: nosuch, port: 80}}}]}]}"),
            "fail",
        ),
        (
            "istio-policy-takes-effect",
            together(&[&policy, &account("b")]),
            "pass",
        ),
        (
            "istio-policy-takes-effect",
            together(&[&policy, &account("other")]),
            "fail",
        ),
        ("istio-policy-takes-effect", policy.clone(), "pass"),
    ]);
}

#[test]
fn only_declared_hosts_are_reachable() {
    const RULE: &str = "mesh-egress-registry-only";
    let entry = |spec: &str| networking("ServiceEntry", "name: e, namespace: a", spec);
    let sidecar =
        |name: &str, spec: &str| networking("Sidecar", &format!("name: {name}, namespace: a"), spec);
    let only = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}";
    let of = |metadata: &str, labels: &str, others: &[&str]| {
        let own = [pod(metadata), namespace(labels)];
        let mut parts: Vec<&str> = own.iter().map(String::as_str).collect();
        parts.extend(others);
        together(&parts)
    };
    let selecting = format!("{{workloadSelector: {{labels: {{app: a}}}}, {only}}}");
    all_are(&[
        (
            RULE,
            together(&[
                &entry("{hosts: [a.example], addresses: [0.0.0.0/1]}"),
                &entry("{hosts: [b.example], addresses: [128.0.0.0/1]}").replace("name: e", "name: f"),
            ]),
            "fail",
        ),
        (
            RULE,
            entry("{hosts: [a.example], ports: [{number: 443, protocol: TLS}], resolution: DNS}"),
            "pass",
        ),
        (
            RULE,
            entry(
                "{hosts: [a.example], addresses: [0.0.0.0/0], ports: [{number: 443, protocol: TCP}], resolution: NONE}",
            ),
            "fail",
        ),
        (
            RULE,
            entry(
                "{hosts: [a.example], addresses: [0.0.0.0/1, 128.0.0.0/1], ports: [{number: 443, protocol: TCP}], resolution: NONE}",
            ),
            "fail",
        ),
        (
            RULE,
            entry(
                "{hosts: [a.example], addresses: [192.0.2.0/24], ports: [{number: 443, protocol: TCP}], resolution: NONE}",
            ),
            "pass",
        ),
        (
            RULE,
            entry("{hosts: [a.example], ports: [{number: 443, protocol: TCP}], resolution: NONE}"),
            "fail",
        ),
        (
            RULE,
            entry("{hosts: [a.example], ports: [{number: 443, protocol: TLS}], resolution: NONE}"),
            "pass",
        ),
        (RULE, entry("{hosts: [\"*.example\"]}"), "fail"),
        (
            RULE,
            of(
                "labels: {app: a}",
                INJECTED,
                &[&sidecar("s", &format!("{{{only}}}"))],
            ),
            "pass",
        ),
        (
            RULE,
            of(
                "labels: {app: a}",
                INJECTED,
                &[&sidecar("s", "{outboundTrafficPolicy: {}}")],
            ),
            "pass",
        ),
        (
            RULE,
            of(
                "labels: {app: a}",
                INJECTED,
                &[&sidecar("s", &format!("{{{only}}}")), &sidecar("t", &selecting)],
            ),
            "pass",
        ),
        (
            RULE,
            of(
                "labels: {app: a}",
                INJECTED,
                &[&sidecar("s", &selecting), &sidecar("t", &selecting)],
            ),
            "fail",
        ),
        (
            RULE,
            of(
                "labels: {app: a}",
                INJECTED,
                &[
                    &sidecar("s", &format!("{{{only}}}")),
                    &sidecar("t", &format!("{{{only}}}")),
                ],
            ),
            "fail",
        ),
        (
            RULE,
            of(
                "annotations: {traffic.sidecar.istio.io/excludeOutboundIPRanges: 0.0.0.0/0}",
                INJECTED,
                &[&sidecar("s", &format!("{{{only}}}"))],
            ),
            "fail",
        ),
        (
            RULE,
            of(
                "labels: {app: a}",
                "istio.io/dataplane-mode: ambient",
                &[&sidecar("s", &format!("{{{only}}}"))],
            ),
            "fail",
        ),
        (
            RULE,
            of(
                "labels: {app: a}",
                INJECTED,
                &[&networking(
                    "Sidecar",
                    "name: s, namespace: istio-system",
                    &selecting,
                )],
            ),
            "fail",
        ),
        (
            RULE,
            of(
                "labels: {app: a}",
                INJECTED,
                &[&networking(
                    "Sidecar",
                    "name: s, namespace: istio-system",
                    &format!("{{{only}}}"),
                )],
            ),
            "pass",
        ),
    ]);
}

#[test]
fn the_protocol_of_a_port_is_one_that_istio_knows() {
    const RULE: &str = "service-port-protocol-declared";
    let of = |port: &str, labels: &str| {
        together(&[
            &service("a", &format!("{{selector: {{app: a}}, ports: [{port}]}}")),
            &namespace(labels),
            &pod("labels: {app: a}"),
            &security("PeerAuthentication", "name: p, namespace: istio-system", "{}"),
        ])
    };
    let rows = [
        ("{port: 80, appProtocol: http}", "pass"),
        ("{port: 80, appProtocol: postgresql}", "fail"),
        ("{port: 80, appProtocol: kubernetes.io/h2c}", "pass"),
        ("{port: 80, appProtocol: kubernetes.io/ws}", "pass"),
        ("{port: 80, appProtocol: kubernetes.io/wss}", "pass"),
        ("{port: 80, appProtocol: kubernetes.io/foo}", "fail"),
        ("{port: 80, appProtocol: example.com/foo, name: http}", "fail"),
        ("{port: 80, name: HTTP-web}", "pass"),
        ("{port: 80, name: grpc-web}", "pass"),
        ("{port: 80, name: http2}", "pass"),
        ("{port: 80, name: web}", "fail"),
        ("{port: 80, name: httpx}", "fail"),
        ("{port: 80}", "fail"),
        ("{port: 3306}", "pass"),
        ("{port: 27017, name: db}", "pass"),
        ("{port: 80, protocol: UDP}", "pass"),
    ];
    let mut all: Vec<_> = rows
        .map(|(port, expected)| (RULE, of(port, INJECTED), expected))
        .to_vec();
    all.push((RULE, of("{port: 80}", "a: b"), "aside"));
    all.push((
        RULE,
        of("{port: 80}", INJECTED).replace("namespace: a", "namespace: kube-system"),
        "aside",
    ));
    all.push((
        RULE,
        of("{port: 80}", INJECTED).replace(
            "labels: {app: a}}",
            "labels: {app: a, sidecar.istio.io/inject: \"false\"}}",
        ),
        "aside",
    ));
    let other = |port: &str| service("b", &format!("{{selector: {{app: a}}, ports: [{port}]}}"));
    let http = of("{port: 80, name: http}", INJECTED);
    all.push((
        RULE,
        together(&[&http, &other("{port: 80, name: tcp-b}")]),
        "fail",
    ));
    all.push((
        RULE,
        together(&[&http, &other("{port: 80, name: http-b}")]),
        "pass",
    ));
    all.push((
        RULE,
        together(&[&http, &other("{port: 81, name: tcp-b}")]),
        "pass",
    ));
    let alias = |port: &str| {
        let service = service("a", &format!("{{type: ExternalName, ports: [{port}]}}"));
        together(&[&service, &namespace(INJECTED)])
    };
    all.push((RULE, alias("{port: 443, name: tcp}"), "fail"));
    all.push((RULE, alias("{port: 443, name: tls}"), "pass"));
    all_are(&all);
}

#[test]
fn gateways_and_destinations_are_checked_as_proxies_read_them() {
    const VERIFIES: &str = "destination-rule-verifies-server";
    let rule = |spec: &str| networking("DestinationRule", "name: d, namespace: a", spec);
    let tls = |tls: &str| rule(&format!("{{host: x.example, trafficPolicy: {{tls: {{{tls}}}}}}}"));
    let credential = tls("mode: SIMPLE, credentialName: c");
    let egress = networking(
        "VirtualService",
        "name: v, namespace: a",
        "{gateways: [egress], hosts: [x.example], http: [{route: [{destination: {host: x.example}}]}]}",
    );
    let listener = |protocol: &str, class: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: w, namespace: a}}\nspec: {{gatewayClassName: {class}, listeners: [{{name: l, port: 1, protocol: {protocol}}}]}}\n"
        )
    };
    let gateway = |server: &str| {
        networking(
            "Gateway",
            "name: g, namespace: a",
            &format!("{{servers: [{server}]}}"),
        )
    };
    all_are(&[
        (VERIFIES, credential.clone(), "fail"),
        (
            VERIFIES,
            credential.replace("{host", "{workloadSelector: {matchLabels: {app: a}}, host"),
            "pass",
        ),
        (VERIFIES, together(&[&credential, &egress]), "pass"),
        (VERIFIES, tls("mode: SIMPLE, caCertificates: /etc/ca.pem"), "pass"),
        (
            VERIFIES,
            tls("mode: MUTUAL, credentialName: c, subjectAltNames: [x.example]"),
            "fail",
        ),
        (VERIFIES, tls("mode: SIMPLE"), "fail"),
        (
            "ingress-tls-required",
            listener("HBONE", "istio-waypoint"),
            "aside",
        ),
        (
            "ingress-tls-required",
            listener("HBONE", "istio-east-west"),
            "pass",
        ),
        ("ingress-tls-required", listener("HTTP", "istio"), "fail"),
        (
            "external-host-explicit",
            gateway("{hosts: [\"*\"], port: {number: 1, protocol: TCP}}"),
            "pass",
        ),
        (
            "external-host-explicit",
            gateway("{hosts: [\"*\"], port: {number: 443, protocol: TLS}, tls: {mode: PASSTHROUGH}}"),
            "fail",
        ),
        (
            "external-host-explicit",
            networking(
                "VirtualService",
                "name: v, namespace: a",
                "{gateways: [g], hosts: [\"*\"], tcp: []}",
            ),
            "aside",
        ),
    ]);
}

#[test]
fn a_rule_about_requests_needs_a_proxy_that_reads_them() {
    const RULE: &str = "authz-requests-where-requests-are";
    let policy = |bound: &str| {
        security(
            "AuthorizationPolicy",
            "name: p, namespace: a",
            &format!("{{{bound}rules: [{{to: [{{operation: {{methods: [GET]}}}}]}}]}}"),
        )
    };
    let service = service(
        "a",
        "{selector: {app: a}, ports: [{port: 80, name: http, targetPort: 8080}]}",
    );
    let of = |policy: &str, labels: &str| {
        together(&[policy, &namespace(labels), &pod("labels: {app: a}"), &service])
    };
    all_are(&[
        (RULE, of(&policy(""), INJECTED), "pass"),
        (RULE, of(&policy(""), "istio.io/dataplane-mode: ambient"), "fail"),
        (
            RULE,
            of(
                &policy("targetRefs: [{kind: Service, group: \"\", name: a}], "),
                "istio.io/dataplane-mode: ambient, istio.io/use-waypoint: w",
            ),
            "pass",
        ),
        // A policy that is not in force is reported by another rule.
        (
            RULE,
            of(&policy(""), "istio.io/dataplane-mode: ambient")
                .replace("name: p,", "name: p, annotations: {istio.io/dry-run: \"true\"},"),
            "pass",
        ),
    ]);
}

#[test]
fn a_policy_may_select_single_pods_and_pods_of_a_controller() {
    const RULE: &str = "istio-policy-takes-effect";
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: a}\nspec: {replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: app}]}}}\n";
    let prometheus = "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: p, namespace: a}\nspec: {}\n";
    let selecting = |labels: &str| {
        security(
            "PeerAuthentication",
            "name: p, namespace: a",
            &format!("{{selector: {{matchLabels: {{{labels}}}}}, mtls: {{mode: STRICT}}}}"),
        )
    };
    let of = |labels: &str| together(&[&selecting(labels), set, &namespace(INJECTED)]);
    all_are(&[
        (RULE, of("app: db"), "pass"),
        (RULE, of("statefulset.kubernetes.io/pod-name: db-0"), "pass"),
        (RULE, of("statefulset.kubernetes.io/pod-name: db-9"), "fail"),
        (RULE, of("apps.kubernetes.io/pod-index: \"7\""), "fail"),
        (
            RULE,
            together(&[&selecting("app: prometheus"), prometheus, &namespace(INJECTED)]),
            "unknown",
        ),
    ]);
}

#[test]
fn a_redirect_to_https_does_not_replace_the_checks_of_a_port_with_tls() {
    const RULE: &str = "gateway-tls-enforced";
    let of = |protocol: &str, tls: &str| {
        networking(
            "Gateway",
            "name: g, namespace: a",
            &format!(
                "{{servers: [{{port: {{number: 443, protocol: {protocol}}}, tls: {{httpsRedirect: true{tls}}}}}]}}"
            ),
        )
    };
    all_are(&[
        (RULE, of("HTTP", ""), "pass"),
        (RULE, of("HTTPS", ", mode: SIMPLE, credentialName: c"), "pass"),
        (
            RULE,
            of(
                "HTTPS",
                ", mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_0",
            ),
            "fail",
        ),
        (
            RULE,
            of(
                "https",
                ", mode: SIMPLE, credentialName: c, maxProtocolVersion: TLSV1_1",
            ),
            "fail",
        ),
        (RULE, of("TLS", ", mode: SIMPLE"), "fail"),
    ]);
}
