//! The rendered policies allow exactly what the connection table lists.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use phoenix::config::{JwtKeys, StackConfig, check};
use phoenix::connections::{Connection, connections};
use phoenix::platform;
use proptest::prelude::*;
use serde_json::Value;

use crate::generators::good;
use crate::mutations::{Mutation, mutations};
use crate::support::{STACKS, stack};
use phoenix_testing::evaluator::{Difference, Layer, Manifest, Setting, Table, Tokens, Walk, documents};

const LAYERS: [Layer; 7] = [
    Layer::MutualTls,
    Layer::UserIdentity,
    Layer::SidecarHosts,
    Layer::Egress,
    Layer::Ingress,
    Layer::Authorization,
    Layer::EndToEnd,
];

fn setting(config: &StackConfig) -> Setting {
    Setting {
        workloads: config.workloads(),
        trust_domain: config.cluster.mesh.trust_domain.to_string(),
        root: config.cluster.mesh.namespace.to_string(),
        private_networks: config.cluster.private_networks.clone(),
        tokens: config.trust.jwt.as_ref().map(|jwt| Tokens {
            issuer: jwt.issuer.clone(),
            audiences: jwt.audiences.clone(),
            keys: match &jwt.keys {
                JwtKeys::Uri(keys) | JwtKeys::Inline(keys) => keys.clone(),
            },
        }),
    }
}

fn reported(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

/// The rows of a stack, and the facts about its cluster.
struct Expectation {
    rows: Vec<Connection>,
    setting: Setting,
}

impl Expectation {
    fn of(config: &StackConfig) -> Self {
        Self {
            rows: connections(config),
            setting: setting(config),
        }
    }

    /// Differences in documents, up to a limit; an object that a cluster would reject is an error.
    fn differences(
        &self,
        documents: &[Value],
        layers: &[Layer],
        limit: usize,
    ) -> Result<Vec<Difference>, String> {
        self.differences_of(BTreeMap::new(), documents, layers, limit)
    }

    /// The same for the pods with these labels only.
    fn differences_of(
        &self,
        selected: BTreeMap<String, String>,
        documents: &[Value],
        layers: &[Layer],
        limit: usize,
    ) -> Result<Vec<Difference>, String> {
        let table = Table {
            rows: &self.rows,
            setting: &self.setting,
        };
        let manifest = Manifest::read(documents)?;
        let walk = Walk::new(&manifest, table)?;

        assert!(walk.size() > 100_000, "only {} cases were walked", walk.size());
        Ok(walk.of(selected).differences(layers, limit))
    }
}

#[test]
fn the_shipped_stacks_allow_exactly_what_their_tables_list() {
    for name in STACKS {
        let stack = stack(name);
        let documents = documents(&stack.graph.yaml()).unwrap();
        let differences = Expectation::of(&stack.config)
            .differences(&documents, &LAYERS, 20)
            .unwrap();
        assert_eq!(reported(&differences), Vec::<String>::new(), "{name}");
    }
}

/// What is changed, and where, kind by kind.
fn mutated() -> BTreeMap<&'static str, &'static [&'static str]> {
    let policy: &[&str] = &["/spec", "/metadata/namespace"];
    BTreeMap::from([
        ("NetworkPolicy", policy),
        ("AuthorizationPolicy", policy),
        ("PeerAuthentication", policy),
        ("RequestAuthentication", policy),
        ("Sidecar", policy),
        ("Namespace", &["/metadata/labels/istio-injection"]),
        (
            "Deployment",
            &[
                "/spec/template/metadata/labels/app",
                "/spec/template/spec/serviceAccountName",
            ],
        ),
        (
            "StatefulSet",
            &[
                "/spec/template/metadata/labels/app",
                "/spec/template/spec/serviceAccountName",
            ],
        ),
    ])
}

/// The layers that a kind of object is about; it can change nothing in the others.
fn layers_of(kind: &str) -> &'static [Layer] {
    match kind {
        "NetworkPolicy" => &[Layer::Egress, Layer::Ingress],
        "AuthorizationPolicy" => &[Layer::Authorization, Layer::UserIdentity],
        "PeerAuthentication" => &[Layer::MutualTls, Layer::Authorization],
        "RequestAuthentication" => &[Layer::UserIdentity, Layer::Authorization],
        "Sidecar" => &[Layer::SidecarHosts],
        _ => &LAYERS,
    }
}

/// Changes that change no meaning: a part of what they are called, and why.
const HARMLESS: [(&str, &str); 34] = [
    (": protocol left out", "a port without a protocol is one of TCP"),
    (
        "/spec: policyTypes left out",
        "a policy with rules for both directions is for both",
    ),
    (
        "/spec/policyTypes: [\"Ingress\",\"Egress\"] made []",
        "an empty list is filled in like a missing one",
    ),
    (
        "deny-all /spec: podSelector left out",
        "a policy without a selector is for every pod",
    ),
    ("/spec: action left out", "a policy without an action allows"),
    (
        "made \"*luster.local/",
        "the mesh has one trust domain, and its sidecars take no other's certificates",
    ),
    ("requestPrincipals: \"*\" added", "it is listed twice"),
    (
        "/spec/egress/0/hosts/",
        "of several entries for a host, the one of the own namespace wins",
    ),
    (
        "outboundTrafficPolicy",
        "a policy without a mode is REGISTRY_ONLY",
    ),
    ("elector", "more pods than before are restricted"),
    ("when/0/values: \"*\" added", "it is listed twice"),
    (
        "sophia-memory-no-user /spec/rules/0: to left out",
        "no caller is allowed on other ports",
    ),
    (
        "sophia-memory-no-user /spec/rules/1: to left out",
        "no caller is allowed on other ports",
    ),
    (
        "sophia-memory-no-user /spec/rules/2: to left out",
        "no caller is allowed on other ports",
    ),
    (
        "sophia-memory-of-all-people /spec/rules/0/to/0/operation: ports left out",
        "no caller is allowed on other ports",
    ),
    (
        "sophia-memory-of-all-people /spec/rules/0/to/0/operation/ports: ",
        "no caller is allowed on other ports",
    ),
    ("/sa/memory-syn*", A_JOB_IS_NAMED_TWICE),
    ("/sa/backup-openmemor*", A_JOB_IS_NAMED_TWICE),
    ("/sa/restore-openmemor*", A_JOB_IS_NAMED_TWICE),
    (
        "StatefulSet redis /spec/template/spec/serviceAccountName",
        "the session cache opens no connections, so its identity is never checked",
    ),
    (
        "StatefulSet knowledge-graph /spec/template/spec/serviceAccountName",
        "the knowledge graph opens no connections, so its identity is never checked",
    ),
    (
        "forwardOriginalToken left out",
        "a token is not passed on by default",
    ),
    (
        "openmemory-mcp-server /spec/ingress: item 2 left out",
        CHAT_IS_LET_IN_TWICE,
    ),
    (
        "sophia-memory-authz /spec/rules: item 3 left out",
        CHAT_IS_LET_IN_TWICE,
    ),
    (
        "sophia-memory-authz /spec/rules: item 10 left out",
        CHAT_IS_LET_IN_TWICE,
    ),
    (
        "\"cluster.local/ns/sophia-ai/sa/sophia-unified-chat\" made",
        CHAT_IS_LET_IN_TWICE,
    ),
    (
        "sophia-memory-authz /spec/rules/10/from/0/source/requestPrincipals/0: \"*\" made \"*x\"",
        CHAT_IS_LET_IN_TWICE,
    ),
    (
        "sophia-memory-authz /spec/rules/10/to/0/operation/methods: item",
        CHAT_IS_LET_IN_TWICE,
    ),
    (
        "AuthorizationPolicy sophia-unified-chat-other-callers",
        CALLERS_OF_THE_CHAT_ARE_CHECKED_TWICE,
    ),
    (
        "sophia-unified-chat-authz /spec/rules/0/from/0/source/namespaces/0",
        CALLERS_OF_THE_CHAT_ARE_CHECKED_TWICE,
    ),
    (
        "sophia-unified-chat-authz /spec/rules/1/from/0/source/principals/0: \"cluster.local/ns/monitoring/sa/prometheus\" made \"cluster.local/ns/monitoring/sa/prometheu*\"",
        CALLERS_OF_THE_CHAT_ARE_CHECKED_TWICE,
    ),
    ("Sidecar default", "it restricts pods that are not in the table"),
    (
        "Sidecar knowledge-graph",
        "the Sidecar of all other pods leaves them no host either",
    ),
    (
        "Sidecar redis",
        "the Sidecar of all other pods leaves them no host either",
    ),
];

/// One policy allows the callers of the chat, another denies all others.
const CALLERS_OF_THE_CHAT_ARE_CHECKED_TWICE: &str = "a caller that is not in both policies is denied";

/// One policy allows a Job the bulk endpoints, another denies them to all other callers.
const A_JOB_IS_NAMED_TWICE: &str = "a caller that is not in both policies is denied";

/// The rows of the chat exist for its egress rules.
const CHAT_IS_LET_IN_TWICE: &str = "the chat is allowed what all pods of its namespace are allowed";

#[test]
fn every_mutation_of_a_policy_is_detected() {
    let stack = stack("prod");
    let expectation = Expectation::of(&stack.config);
    let documents = documents(&stack.graph.yaml()).unwrap();
    let mutations = mutations(&documents, &mutated());
    assert!(
        mutations.len() > 500,
        "only {} changes were tried",
        mutations.len()
    );
    let is_unnoticed = |mutation: &Mutation| {
        let changed = mutation.apply(&documents);
        let selected = mutation.selected.clone();
        let reported = expectation.differences_of(selected, &changed, layers_of(&mutation.kind), 1);
        reported.is_ok_and(|differences| differences.is_empty())
    };
    let unnoticed_from = |start: usize| -> Vec<String> {
        let half = mutations.iter().skip(start).step_by(2);
        let unnoticed = half.filter(|mutation| is_unnoticed(mutation));
        unnoticed.map(|mutation| mutation.title.clone()).collect()
    };
    let mut unnoticed = std::thread::scope(|scope| {
        let odd = scope.spawn(|| unnoticed_from(1));
        let mut all = unnoticed_from(0);
        all.extend(odd.join().expect("the walk does not panic"));
        all
    });
    for (part, why) in HARMLESS {
        let before = unnoticed.len();
        unnoticed.retain(|title| !title.contains(part));
        assert!(unnoticed.len() < before, "no change is harmless because {why}");
    }
    assert_eq!(unnoticed, Vec::<String>::new());
}

/// What a hand could do to the rendering of prod: what is replaced, by what, and from where on.
const EDITS: [(&str, &str, &str, &str); 14] = [
    (
        "any caller may enter",
        "name: openmemory-mcp-server\n  namespace: sophia-memory\nspec:\n  egress:",
        "  - from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: sophia-ai\n    ports:",
        "  - ports:",
    ),
    (
        "everything may leave to everywhere",
        "name: openmemory-mcp-server\n  namespace: sophia-memory\nspec:\n  egress:",
        "        except:\n        - \"100.64.0.0/10\"\n        - \"168.63.129.16/32\"\n        - \"169.254.0.0/16\"\n        - \"192.0.0.0/24\"\n        - \"10.0.0.0/8\"\n        - \"172.16.0.0/12\"\n        - \"192.168.0.0/16\"\n",
        "",
    ),
    (
        "a port is a range",
        "name: qdrant\n  namespace: sophia-memory\nspec:\n  egress:",
        "    - port: 6335\n",
        "    - endPort: 6400\n      port: 6335\n",
    ),
    (
        "packets are not denied by default",
        "kind: NetworkPolicy",
        "  policyTypes:\n  - Ingress\n  - Egress\n",
        "  policyTypes:\n  - Ingress\n",
    ),
    (
        "plain text is taken",
        "kind: PeerAuthentication",
        "mode: STRICT",
        "mode: PERMISSIVE",
    ),
    (
        "any path may be asked for",
        "name: sophia-memory-authz",
        "        - /memory/*\n",
        "        - \"*\"\n",
    ),
    (
        "a path is a beginning",
        "name: qdrant-authz",
        "        - /metrics\n",
        "        - /metrics*\n",
    ),
    (
        "caller and operation are two rules",
        "name: qdrant-authz",
        "    to:\n",
        "  - to:\n",
    ),
    (
        "a caller is any of its namespace",
        "name: qdrant-authz",
        "sa/prometheus",
        "*",
    ),
    (
        "a policy selects too little",
        "name: qdrant-authz",
        "      app: qdrant\n",
        "      app: qdrnt\n",
    ),
    (
        "a method is refused",
        "name: sophia-memory-authz",
        "        - POST\n",
        "",
    ),
    (
        "no token is asked for",
        "name: sophia-memory-authz",
        "        requestPrincipals:\n        - \"*\"\n",
        "",
    ),
    (
        "every host is led to",
        "kind: Sidecar",
        "    - \"./api.openai.com\"\n",
        "    - \"*/*\"\n",
    ),
    (
        "unknown hosts are let out",
        "    - \"./api.openai.com\"\n",
        "mode: REGISTRY_ONLY",
        "mode: ALLOW_ANY",
    ),
];

#[test]
fn a_manual_edit_is_reported_with_peers_port_method_and_path() {
    let stack = stack("prod");
    let expectation = Expectation::of(&stack.config);
    let rendered = stack.graph.yaml();
    let mut texts = Vec::new();
    for (title, after, before, then) in EDITS {
        let start = rendered
            .find(after)
            .unwrap_or_else(|| panic!("{title}: {after} is there"));
        let (head, tail) = rendered.split_at(start);
        assert!(tail.contains(before), "{title}: {before} is there");
        let edited = format!("{head}{}", tail.replacen(before, then, 1));
        let differences = expectation
            .differences(&documents(&edited).unwrap(), &LAYERS, 2)
            .unwrap();
        assert!(!differences.is_empty(), "{title}");
        texts.push(title.to_owned());
        texts.extend(differences.iter().map(|difference| format!("  {difference}")));
    }
    assert_snapshot!(texts.join("\n"));
}

proptest! {
    // Each case is a walk over a whole stack.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_valid_configuration_allows_exactly_what_its_table_lists(keys in good()) {
        let config = check(&keys).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
        let documents = documents(&platform::build(&config).yaml()).unwrap();
        let differences = Expectation::of(&config).differences(&documents, &LAYERS, 5).unwrap();
        prop_assert_eq!(reported(&differences), Vec::<String>::new());
    }
}
