//! The words of the API and of its controllers: labels that controllers add, pods of custom resources, annotations of load
//! balancers and Ingress controllers, image references, quantities, the directories of databases, and schedules of Velero.

use phoenix_policies::{RULES, Verdict};

use crate::shapes::all_are;
use crate::support::{documents, verdicts};

fn rows_are(rows: &[(&str, String, &str)]) {
    let rows: Vec<_> = rows
        .iter()
        .map(|(rule, text, expected)| (*rule, text.as_str(), *expected))
        .collect();
    all_are(&rows, str::to_owned);
}

fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n")
}

#[test]
fn selectors_match_the_labels_that_controllers_add() {
    let service = |selector: &str, others: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: n}}\nspec: {{selector: {{{selector}}}}}\n---\n{}",
            others.trim_end_matches("---\n")
        )
    };
    let workload = |version: &str, kind: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: n}}\nspec: {{{spec}template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: a, image: a}}]}}}}}}\n---\n"
        )
    };
    let set = |spec: &str| workload("apps/v1", "StatefulSet", "db", spec);
    let scaled = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a, namespace: n}\nspec: {scaleTargetRef: {kind: StatefulSet, name: db}, maxReplicas: 9}\n";
    let custom = |version: &str, kind: &str, name: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: n}}\nspec: {{replicas: 2}}\n---\n"
        )
    };
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: load, namespace: n}\nspec: {jobTemplate: {spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a}]}}}}}\n";
    let deployment = workload("apps/v1", "Deployment", "db", "");
    let job = workload("batch/v1", "Job", "load", "");
    let indexed = workload(
        "batch/v1",
        "Job",
        "load",
        "completionMode: Indexed, completions: 3, ",
    );
    let rollout = workload("argoproj.io/v1alpha1", "Rollout", "db", "");
    let pod_name = |name: &str| format!("statefulset.kubernetes.io/pod-name: {name}");
    let index = |index: &str| format!("apps.kubernetes.io/pod-index: \"{index}\"");
    let rule = "selectors-match";
    rows_are(&[
        (rule, service(&pod_name("db-0"), &set("")), "pass"),
        (rule, service(&pod_name("db-1"), &set("")), "fail"),
        (rule, service(&pod_name("db-1"), &set("replicas: 2, ")), "pass"),
        (rule, service(&pod_name("db-2"), &set("replicas: 2, ")), "fail"),
        (rule, service(&pod_name("other-0"), &set("")), "fail"),
        (
            rule,
            service(&pod_name("db-0"), &set("replicas: 2, ordinals: {start: 1}, ")),
            "fail",
        ),
        (
            rule,
            service(&pod_name("db-2"), &set("replicas: 2, ordinals: {start: 1}, ")),
            "pass",
        ),
        (
            rule,
            service(&pod_name("db-5"), &format!("{}{scaled}", set(""))),
            "unknown",
        ),
        (
            rule,
            service(
                &pod_name("db-5"),
                &set("replicas: 3eeb2bf0-c639-47a8-9e75-3b44932eb421, "),
            ),
            "unknown",
        ),
        (rule, service(&index("1"), &set("replicas: 2, ")), "pass"),
        (rule, service(&index("2"), &set("replicas: 2, ")), "fail"),
        (
            rule,
            service(
                &format!("{}, {}", pod_name("db-0"), index("1")),
                &set("replicas: 2, "),
            ),
            "fail",
        ),
        (
            rule,
            service(&format!("app: db, {}", index("1")), &set("replicas: 2, ")),
            "pass",
        ),
        (rule, service(&pod_name("db-0"), &deployment), "fail"),
        (rule, service("job-name: load", &job), "pass"),
        (rule, service("batch.kubernetes.io/job-name: load", &job), "pass"),
        (rule, service("batch.kubernetes.io/job-name: other", &job), "fail"),
        (
            rule,
            service("batch.kubernetes.io/job-name: load", &deployment),
            "fail",
        ),
        (
            rule,
            service("batch.kubernetes.io/job-name: load-29", cron),
            "unknown",
        ),
        (rule, service("batch.kubernetes.io/job-name: load", cron), "fail"),
        (
            rule,
            service("batch.kubernetes.io/job-completion-index: \"2\"", &indexed),
            "pass",
        ),
        (
            rule,
            service("batch.kubernetes.io/job-completion-index: \"3\"", &indexed),
            "fail",
        ),
        (
            rule,
            service("batch.kubernetes.io/job-completion-index: \"0\"", &job),
            "fail",
        ),
        (
            rule,
            service("batch.kubernetes.io/controller-uid: x", &job),
            "unknown",
        ),
        (
            rule,
            service("app: db, pod-template-hash: abc", &deployment),
            "unknown",
        ),
        (rule, service("app: db, pod-template-hash: abc", &set("")), "fail"),
        (
            rule,
            service("app: db, controller-revision-hash: db-1", &set("")),
            "unknown",
        ),
        (
            rule,
            service("app: db, rollouts-pod-template-hash: abc", &rollout),
            "unknown",
        ),
        (rule, service("app: db", &rollout), "pass"),
        (rule, service("app: other", &rollout), "fail"),
        (
            rule,
            service(
                "deploymentconfig: db",
                &workload("apps.openshift.io/v1", "DeploymentConfig", "db", ""),
            ),
            "pass",
        ),
        (
            rule,
            service(
                "serving.knative.dev/service: db",
                &workload("serving.knative.dev/v1", "Service", "db", ""),
            ),
            "pass",
        ),
        // Pods that an operator creates are not in the input.
        (
            rule,
            service(
                "app: db",
                &custom("monitoring.coreos.com/v1", "Prometheus", "k8s"),
            ),
            "unknown",
        ),
        (
            rule,
            service("app: db", &custom("example.org/v1", "Database", "db")),
            "unknown",
        ),
        (
            rule,
            service(
                "app: db",
                &custom("monitoring.coreos.com/v1", "ServiceMonitor", "db"),
            ),
            "fail",
        ),
        (
            rule,
            service("app: db", &custom("networking.istio.io/v1", "Sidecar", "db")),
            "fail",
        ),
        // Labels of an operator, and of the pod itself.
        (
            rule,
            service("longhorn.io/component: share-manager", &deployment),
            "unknown",
        ),
        (
            rule,
            service("app.kubernetes.io/name: other", &deployment),
            "fail",
        ),
        (
            rule,
            service("component: kube-scheduler", &deployment)
                .replace("namespace: n", "namespace: kube-system"),
            "unknown",
        ),
        (rule, service("app: db, role: primary", &set("")), "unknown"),
        (rule, service("app: other, role: primary", &set("")), "fail"),
        (
            rule,
            service("vault-active: \"true\", app: db", &set("")),
            "unknown",
        ),
        (
            rule,
            service(
                "gateway.networking.k8s.io/gateway-name: g",
                &custom("gateway.networking.k8s.io/v1", "Gateway", "g"),
            ),
            "unknown",
        ),
        (
            rule,
            service("gateway.networking.k8s.io/gateway-name: g", &deployment),
            "fail",
        ),
    ]);
}

#[test]
fn budgets_policies_and_autoscalers_find_the_pods_of_custom_resources() {
    let rollout = "---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec: {replicas: 3, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}}\n";
    let select = |version: &str, kind: &str, field: &str, app: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {{maxUnavailable: 1, {field}: {{matchLabels: {{app: {app}}}}}}}\n{rollout}"
        )
    };
    let budget = |app: &str| select("policy/v1", "PodDisruptionBudget", "selector", app);
    let policy = |app: &str| select("networking.k8s.io/v1", "NetworkPolicy", "podSelector", app);
    let scaler = |kind: &str, name: &str| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: a}}\nspec: {{scaleTargetRef: {{kind: {kind}, name: {name}}}}}\n{rollout}"
        )
    };
    let rule = "selectors-match";
    rows_are(&[
        (rule, budget("web"), "pass"),
        (rule, budget("other"), "fail"),
        (rule, policy("web"), "pass"),
        (rule, policy("other"), "fail"),
        (rule, scaler("Rollout", "web"), "pass"),
        (rule, scaler("Rollout", "other"), "unknown"),
        (rule, scaler("Deployment", "web"), "fail"),
        (rule, scaler("DaemonSet", "web"), "fail"),
    ]);
    let rollout = rollout.trim_start_matches("---\n");
    rows_are(&[
        (
            "disruption-budget-set",
            format!(
                "{rollout}---\n{}",
                budget("web").replace("---\n", "").replace(rollout, "")
            ),
            "pass",
        ),
        ("disruption-budget-set", rollout.to_owned(), "fail"),
        ("replicas-minimum", rollout.to_owned(), "pass"),
        (
            "replicas-minimum",
            rollout.replace("replicas: 3", "replicas: 1"),
            "fail",
        ),
    ]);
}

#[test]
fn pod_rules_evaluate_every_pod_template_of_a_custom_resource() {
    let bad = "{metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: a, securityContext: {privileged: true}}]}}";
    let good = bad.replace("true", "false");
    let custom = |version: &str, kind: &str, spec: &str| {
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n")
    };
    let rule = "no-privileged-containers";
    let mut rows = Vec::new();
    for (version, kind, spec) in [
        ("argoproj.io/v1alpha1", "Rollout", "{template: @T}"),
        ("serving.knative.dev/v1", "Service", "{template: @T}"),
        ("apps.openshift.io/v1", "DeploymentConfig", "{template: @T}"),
        ("apps.kruise.io/v1alpha1", "CloneSet", "{template: @T}"),
        ("apps.kruise.io/v1beta1", "StatefulSet", "{template: @T}"),
        ("kubeflow.org/v1", "Notebook", "{template: @T}"),
        ("keda.sh/v1alpha1", "ScaledJob", "{jobTargetRef: {template: @T}}"),
        (
            "batch.volcano.sh/v1alpha1",
            "Job",
            "{tasks: [{template: @G}, {template: @T}]}",
        ),
        (
            "jobset.x-k8s.io/v1alpha2",
            "JobSet",
            "{replicatedJobs: [{template: {spec: {template: @T}}}]}",
        ),
        (
            "ray.io/v1",
            "RayCluster",
            "{headGroupSpec: {template: @G}, workerGroupSpecs: [{template: @T}]}",
        ),
        ("agents.x-k8s.io/v1alpha1", "Sandbox", "{podTemplate: @T}"),
        ("example.org/v1", "Anything", "{template: @T}"),
    ] {
        let spec = spec.replace("@G", &good);
        rows.push((rule, custom(version, kind, &spec.replace("@T", bad)), "fail"));
        rows.push((rule, custom(version, kind, &spec.replace("@T", &good)), "pass"));
    }
    // A controller merges its own fields with a container without an image.
    let partial = "{nodeSets: [{podTemplate: {spec: {containers: [{name: elasticsearch, securityContext: {privileged: true}}]}}}]}";
    let elastic = |spec: &str| custom("elasticsearch.k8s.elastic.co/v1", "Elasticsearch", spec);
    rows.push((rule, elastic(partial), "fail"));
    rows.push(("drop-all-capabilities", elastic(partial), "unknown"));
    rows.push(("no-mutable-image-tag", elastic(partial), "unknown"));
    rows.push((rule, elastic("{nodeSets: [{count: 3}]}"), "unknown"));
    for (version, kind) in [
        ("monitoring.coreos.com/v1", "Prometheus"),
        ("serving.kserve.io/v1beta1", "InferenceService"),
        ("postgresql.cnpg.io/v1", "Cluster"),
        ("argoproj.io/v1alpha1", "Workflow"),
    ] {
        rows.push((rule, custom(version, kind, "{replicas: 2}"), "unknown"));
    }
    rows_are(&rows);
}

#[test]
fn no_rule_passes_pods_that_it_cannot_see() {
    let prometheus = documents(
        "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {name: a, namespace: n}\nspec: {replicas: 2}\n",
    );
    // Names and namespaces are those of the object.
    let about_the_object = ["no-default-namespace"];
    let mut checked = 0;
    for rule in RULES.iter().filter(|rule| !rule.kinds.is_empty()) {
        for (_, verdict) in verdicts(rule, &prometheus) {
            checked += 1;
            let passes = verdict == Verdict::Pass && !about_the_object.contains(&rule.id);
            assert!(!passes, "{} passes", rule.id);
        }
    }
    assert!(checked > 30, "{checked} rules are about pods");
}

#[test]
fn images_are_compared_by_what_they_refer_to() {
    let digest = "a".repeat(64);
    let volume = |reference: &str| {
        pod(&format!(
            "{{containers: [{{name: a, image: \"registry.example/a:1@sha256:{digest}\"}}], volumes: [{{name: m, image: {{{reference}}}}}]}}"
        ))
    };
    let container = |image: &str| pod(&format!("{{containers: [{{name: a, image: \"{image}\"}}]}}"));
    let ephemeral = |image: &str| {
        pod(&format!(
            "{{containers: [], ephemeralContainers: [{{name: a, image: \"{image}\"}}]}}"
        ))
    };
    let (tag, pinned, registry) = (
        "no-mutable-image-tag",
        "image-digest-pinned",
        "image-registry-allowed",
    );
    rows_are(&[
        (tag, volume("reference: evil.io/x:latest"), "fail"),
        (tag, volume("reference: evil.io/x:1"), "pass"),
        (tag, volume("reference: evil.io/x"), "fail"),
        (tag, volume("pullPolicy: Always"), "unknown"),
        (pinned, volume("reference: evil.io/x:1"), "fail"),
        (
            pinned,
            volume(&format!("reference: \"registry.example/x@sha256:{digest}\"")),
            "pass",
        ),
        (registry, volume("reference: evil.io/x:1"), "fail"),
        (registry, volume("reference: registry.example/x:1"), "pass"),
        (
            pinned,
            container(&format!("a@sha256:{}", digest.to_uppercase())),
            "fail",
        ),
        (pinned, ephemeral("a:1"), "fail"),
        (registry, container("REGISTRY.example/a"), "pass"),
        (registry, container("registry.example:5000/a"), "fail"),
        (registry, container("docker.io/registry.example/a"), "fail"),
    ]);
}

#[test]
fn quantities_of_another_resource_are_no_limit() {
    let limits = |limits: &str| {
        pod(&format!(
            "{{containers: [{{name: a, resources: {{limits: {{{limits}}}}}}}]}}"
        ))
    };
    let requests = |requests: &str| {
        pod(&format!(
            "{{containers: [{{name: a, resources: {{requests: {{{requests}}}}}}}]}}"
        ))
    };
    let mut rows = Vec::new();
    for (memory, expected) in [
        ("512Mi", "pass"),
        ("512M", "pass"),
        ("0.5Gi", "pass"),
        ("1e9", "pass"),
        ("536870912", "pass"),
        ("1288490188800m", "pass"),
        ("512m", "fail"),
        ("512", "fail"),
        ("512k", "fail"),
        ("1u", "fail"),
        ("512MB", "fail"),
        ("1Gib", "fail"),
        ("lots", "fail"),
        ("-1Gi", "fail"),
        ("0", "fail"),
        ("9Ei", "fail"),
    ] {
        rows.push((
            "resource-limits-set",
            limits(&format!("memory: {memory}")),
            expected,
        ));
    }
    for (cpu, expected) in [
        ("500m", "pass"),
        ("2", "pass"),
        ("0.1", "pass"),
        ("512Mi", "fail"),
        ("1G", "fail"),
        ("100n", "fail"),
        ("half", "fail"),
    ] {
        rows.push((
            "resource-requests-set",
            requests(&format!("memory: 1Gi, cpu: {cpu}")),
            expected,
        ));
    }
    rows_are(&rows);
}

#[test]
fn host_paths_are_compared_as_the_node_resolves_them() {
    let rows: Vec<_> = [
        ("/var//run/./docker.sock", "fail"),
        ("/run/containerd/../docker.sock", "fail"),
        ("//run//containerd/", "fail"),
        ("/var/run/", "fail"),
        ("/", "fail"),
        ("/run/./crio", "fail"),
        ("/run/host-containerd/containerd.sock", "fail"),
        (r"\\\\.\\pipe\\docker_engine", "fail"),
        ("/run/user", "fail"),
        ("/run/user/1001", "fail"),
        ("/var/run/user/65534/podman", "fail"),
        ("/run/user/0/containerd/containerd.sock", "fail"),
        ("/run/user/1000/pulse", "pass"),
        ("/run/username", "pass"),
        ("/var/runner", "pass"),
        ("/var/log", "pass"),
    ]
    .into_iter()
    .map(|(path, expected)| {
        let volume =
            format!("{{containers: [{{name: a}}], volumes: [{{name: v, hostPath: {{path: \"{path}\"}}}}]}}");
        ("no-runtime-socket-mount", pod(&volume), expected)
    })
    .collect();
    rows_are(&rows);
}

#[test]
fn load_balancers_are_internal_if_their_controller_makes_them_so() {
    let service = |annotations: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a, annotations: {{{annotations}}}}}\nspec: {{type: LoadBalancer{spec}}}\n"
        )
    };
    let aws = "service.beta.kubernetes.io/aws-load-balancer";
    let mut rows = Vec::new();
    for (annotations, spec, expected) in [
        (format!("{aws}-scheme: internal"), "", "pass"),
        (format!("{aws}-scheme: internet-facing"), "", "fail"),
        (format!("{aws}-internal: \"true\""), "", "pass"),
        (format!("{aws}-internal: \"false\""), "", "fail"),
        (format!("{aws}-scheme: internet-facing, {aws}-internal: \"true\""), "", "fail"),
        (format!("{aws}-scheme: internal, {aws}-internal: \"false\""), "", "pass"),
        (String::new(), ", loadBalancerClass: service.k8s.aws/nlb", "pass"),
        (format!("{aws}-scheme: internet-facing"), ", loadBalancerClass: service.k8s.aws/nlb", "fail"),
        (
            format!("{aws}-scheme: internet-facing"),
            ", loadBalancerSourceRanges: [10.0.0.0/8]",
            "pass",
        ),
        ("networking.gke.io/load-balancer-type: Internal".into(), "", "pass"),
        (
            "networking.gke.io/load-balancer-type: External, cloud.google.com/load-balancer-type: Internal".into(),
            "",
            "fail",
        ),
        ("service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"".into(), "", "pass"),
        ("service.beta.kubernetes.io/azure-load-balancer-internal: \"false\"".into(), "", "fail"),
        ("service.beta.kubernetes.io/azure-allowed-ip-ranges: 10.0.0.0/8".into(), "", "pass"),
        ("service.beta.kubernetes.io/azure-allowed-ip-ranges: 0.0.0.0/0".into(), "", "fail"),
        ("service.beta.kubernetes.io/oci-load-balancer-internal: \"true\"".into(), "", "pass"),
        (
            "oci.oraclecloud.com/load-balancer-type: nlb, service.beta.kubernetes.io/oci-load-balancer-internal: \"true\"".into(),
            "",
            "fail",
        ),
        (
            "oci.oraclecloud.com/load-balancer-type: nlb, oci-network-load-balancer.oraclecloud.com/internal: \"true\"".into(),
            "",
            "pass",
        ),
        ("service.beta.kubernetes.io/do-loadbalancer-network: INTERNAL".into(), "", "pass"),
        ("service.beta.kubernetes.io/do-loadbalancer-network: EXTERNAL".into(), "", "fail"),
        ("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type: intranet".into(), "", "pass"),
        ("service.beta.kubernetes.io/openstack-internal-load-balancer: \"true\"".into(), "", "pass"),
        ("load-balancer.hetzner.cloud/disable-public-network: \"true\"".into(), "", "pass"),
        ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid: subnet-1".into(), "", "pass"),
        ("yandex.cloud/load-balancer-type: internal".into(), "", "pass"),
        ("metallb.io/address-pool: office".into(), "", "unknown"),
        (String::new(), ", loadBalancerSourceRanges: [10.0.0.0]", "fail"),
        (String::new(), "", "fail"),
    ] {
        rows.push(("load-balancer-restricted", service(&annotations, spec), expected));
    }
    rows_are(&rows);
}

#[test]
fn ingress_controllers_are_read_by_their_annotations() {
    let ingress = |annotations: &str, tls: bool| {
        let tls = if tls {
            "tls: [{hosts: [a.example], secretName: a}], "
        } else {
            ""
        };
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a, annotations: {{{annotations}}}}}\nspec: {{{tls}rules: [{{host: a.example}}]}}\n"
        )
    };
    let nginx = "nginx.ingress.kubernetes.io";
    let alb = "alb.ingress.kubernetes.io";
    let arn = format!("{alb}/certificate-arn: \"arn:aws:acm:eu:1:certificate/a\"");
    let both = format!("{alb}/listen-ports: '[{{\"HTTP\": 80}}, {{\"HTTPS\": 443}}]'");
    let mut rows = Vec::new();
    for (annotations, tls, expected) in [
        (String::new(), true, "pass"),
        (String::new(), false, "fail"),
        (format!("{nginx}/ssl-redirect: \"false\""), true, "fail"),
        (format!("{nginx}/ssl-redirect: \"true\""), true, "pass"),
        (
            format!("{nginx}/ssl-redirect: \"false\", {nginx}/force-ssl-redirect: \"true\""),
            true,
            "pass",
        ),
        (format!("{nginx}/force-ssl-redirect: \"true\""), false, "unknown"),
        (
            format!("{nginx}/force-ssl-redirect: \"true\", {nginx}/ssl-passthrough: \"true\""),
            false,
            "pass",
        ),
        ("haproxy.org/ssl-redirect: \"false\"".into(), true, "fail"),
        (
            "haproxy-ingress.github.io/ssl-redirect: \"false\"".into(),
            true,
            "fail",
        ),
        (
            "ingress.kubernetes.io/ssl-redirect: \"false\"".into(),
            true,
            "fail",
        ),
        ("kubernetes.io/ingress.allow-http: \"true\"".into(), true, "fail"),
        ("kubernetes.io/ingress.allow-http: \"false\"".into(), true, "pass"),
        (
            "kubernetes.io/ingress.allow-http: \"false\"".into(),
            false,
            "fail",
        ),
        ("konghq.com/protocols: \"http,https\"".into(), true, "fail"),
        ("konghq.com/protocols: https".into(), true, "pass"),
        ("networking.gke.io/managed-certificates: a".into(), false, "pass"),
        (
            "ingress.gcp.kubernetes.io/pre-shared-cert: a".into(),
            false,
            "pass",
        ),
        (
            "networking.gke.io/managed-certificates: a, kubernetes.io/ingress.allow-http: \"true\"".into(),
            false,
            "fail",
        ),
        (
            "networking.gke.io/managed-certificates: \"\"".into(),
            false,
            "fail",
        ),
        (arn.clone(), false, "pass"),
        (format!("{arn}, {both}"), false, "fail"),
        (
            format!("{arn}, {both}, {alb}/ssl-redirect: \"443\""),
            false,
            "pass",
        ),
        (format!("{both}, {alb}/ssl-redirect: \"443\""), true, "pass"),
        (both.clone(), true, "fail"),
        (
            format!("{arn}, {both}, {alb}/actions.ssl-redirect: '{{}}'"),
            false,
            "unknown",
        ),
        (
            format!("{alb}/listen-ports: '[{{\"HTTPS\": 443}}]'"),
            false,
            "pass",
        ),
        (format!("{alb}/listen-ports: '[{{\"HTTP\": 80}}]'"), false, "fail"),
        (format!("{arn}, {alb}/listen-ports: nonsense"), false, "unknown"),
        (
            "traefik.ingress.kubernetes.io/router.tls: \"true\"".into(),
            false,
            "pass",
        ),
        (
            "traefik.ingress.kubernetes.io/router.entrypoints: websecure".into(),
            false,
            "unknown",
        ),
        (
            "traefik.ingress.kubernetes.io/router.entrypoints: web".into(),
            false,
            "fail",
        ),
        (
            "appgw.ingress.kubernetes.io/appgw-ssl-certificate: a".into(),
            false,
            "pass",
        ),
        ("route.openshift.io/termination: edge".into(), false, "pass"),
    ] {
        rows.push(("ingress-tls-required", ingress(&annotations, tls), expected));
    }
    let gateway = |class: &str, protocol: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: a}}\nspec: {{gatewayClassName: {class}, listeners: [{{protocol: {protocol}}}]}}\n"
        )
    };
    rows.push(("ingress-tls-required", gateway("istio", "HTTPS"), "pass"));
    rows.push(("ingress-tls-required", gateway("istio", "HBONE"), "pass"));
    rows.push(("ingress-tls-required", gateway("istio", "HTTP"), "fail"));
    rows.push((
        "ingress-tls-required",
        gateway("istio-waypoint", "HBONE"),
        "aside",
    ));
    let server = |protocol: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: a}}\nspec: {{servers: [{{port: {{number: 1, protocol: {protocol}}}, hosts: [\"*\"]}}]}}\n"
        )
    };
    rows.push(("external-host-explicit", server("TCP"), "pass"));
    rows.push(("external-host-explicit", server("HTTPS"), "fail"));
    rows_are(&rows);
}

#[test]
fn databases_keep_their_data_where_their_image_writes_it() {
    let set = |image: &str, container: &str, path: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{containers: [{{name: db, image: \"{image}\"{container}, volumeMounts: [{{name: data, mountPath: {path}}}]}}]}}}}, volumeClaimTemplates: [{{metadata: {{name: data}}}}]}}\n"
        )
    };
    let pgdata = |path: &str| format!(", env: [{{name: PGDATA, value: {path}}}]");
    let mut rows = Vec::new();
    for (image, container, path, expected) in [
        ("postgres:17", String::new(), "/var/lib/postgresql/data", "pass"),
        ("postgres:17", String::new(), "/var/lib/postgresql", "fail"),
        (
            "postgres:17",
            String::new(),
            "/var/lib//postgresql/./data/",
            "pass",
        ),
        (
            "postgres:17.2-alpine",
            String::new(),
            "/var/lib/postgresql",
            "fail",
        ),
        (
            "postgres:17",
            pgdata("/var/lib/postgresql/data/pgdata"),
            "/var/lib/postgresql/data",
            "pass",
        ),
        ("postgres:17", pgdata("/pg/data"), "/pg", "pass"),
        (
            "postgres:17",
            pgdata("/pg/data"),
            "/var/lib/postgresql/data",
            "fail",
        ),
        ("postgres:18", String::new(), "/var/lib/postgresql", "pass"),
        ("postgres:18", String::new(), "/var/lib/postgresql/data", "fail"),
        (
            "postgres:18",
            String::new(),
            "/var/lib/postgresql/18/docker",
            "pass",
        ),
        (
            "postgres:18",
            pgdata("/var/lib/postgresql/data/pgdata"),
            "/var/lib/postgresql/data",
            "pass",
        ),
        (
            "postgres:latest",
            String::new(),
            "/var/lib/postgresql/data",
            "unknown",
        ),
        ("postgres", pgdata("/pg/data"), "/pg", "pass"),
        ("postgres", String::new(), "/data", "fail"),
        (
            "pgvector/pgvector:0.8.0-pg17",
            String::new(),
            "/var/lib/postgresql",
            "fail",
        ),
        (
            "pgvector/pgvector:pg18",
            String::new(),
            "/var/lib/postgresql",
            "pass",
        ),
        (
            "bitnami/postgresql:17",
            String::new(),
            "/bitnami/postgresql",
            "pass",
        ),
        (
            "bitnami/postgresql:17",
            String::new(),
            "/var/lib/postgresql/data",
            "fail",
        ),
        ("mysql:8", String::new(), "/var/lib/mysql", "pass"),
        ("mysql:8", String::new(), "/var/lib", "fail"),
        ("mysql:8", ", args: [\"--datadir=/data\"]".into(), "/data", "pass"),
        ("mariadb:11", String::new(), "/var/lib/mysql/other", "fail"),
        ("mongo:8", String::new(), "/data/db", "pass"),
        ("mongo:8", String::new(), "/data", "fail"),
        ("mongo:8", ", args: [--dbpath, /mongo]".into(), "/mongo", "pass"),
        ("neo4j:5", String::new(), "/data", "pass"),
        ("neo4j:5", String::new(), "/data/databases", "fail"),
        ("qdrant/qdrant:v1.15", String::new(), "/qdrant/storage", "pass"),
        ("qdrant/qdrant:v1.15", String::new(), "/qdrant", "pass"),
        (
            "qdrant/qdrant:v1.15",
            String::new(),
            "/qdrant/storage/snapshots",
            "fail",
        ),
        (
            "elasticsearch:8.1.0",
            String::new(),
            "/usr/share/elasticsearch/data",
            "pass",
        ),
        ("influxdb:1.8", String::new(), "/var/lib/influxdb", "pass"),
        ("influxdb:2.7", String::new(), "/var/lib/influxdb", "fail"),
        ("influxdb:2.7", String::new(), "/var/lib/influxdb2", "pass"),
        ("influxdb:3-core", String::new(), "/var/lib/influxdb3", "pass"),
        ("rabbitmq:4", String::new(), "/var/lib/rabbitmq", "pass"),
        ("rabbitmq:4", String::new(), "/var/lib/rabbitmq/mnesia", "pass"),
        ("rabbitmq:4", String::new(), "/var/lib", "fail"),
        ("redis:8", String::new(), "/data", "pass"),
        ("redis:8", String::new(), "/var/lib/redis", "fail"),
        (
            "redis:8",
            ", args: [/etc/redis/redis.conf]".into(),
            "/var/lib/redis",
            "unknown",
        ),
        (
            "redis:8",
            ", args: [/etc/redis/redis.conf]".into(),
            "/data",
            "pass",
        ),
        (
            "valkey/valkey:8",
            ", args: [--dir, /keys]".into(),
            "/keys",
            "pass",
        ),
        (
            "etcd:v3.5.1",
            ", command: [etcd, --data-dir=/etcd]".into(),
            "/etcd",
            "pass",
        ),
        ("team/app:1", String::new(), "/data", "aside"),
    ] {
        rows.push((
            "data-not-on-ephemeral-volume",
            set(image, &container, path),
            expected,
        ));
    }
    let deployment = |image: &str, container: &str, volume: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {{spec: {{volumes: [{volume}], containers: [{{name: db, image: \"{image}\"{container}, volumeMounts: [{{name: data, mountPath: /data}}]}}]}}}}}}\n"
        )
    };
    for (image, container, volume, expected) in [
        ("redis:8", "", "{name: data, emptyDir: {}}", "aside"),
        (
            "redis:8",
            ", args: [--appendonly, \"yes\"]",
            "{name: data, emptyDir: {}}",
            "fail",
        ),
        ("neo4j:5", "", "{name: data, emptyDir: {}}", "fail"),
        ("neo4j:5", "", "{name: data}", "fail"),
        ("neo4j:5", "", "{name: data, ephemeral: {}}", "fail"),
        ("neo4j:5", "", "{name: data, csi: {driver: a}}", "unknown"),
        ("neo4j:5", "", "{name: data, nfs: {server: a, path: /a}}", "pass"),
        (
            "neo4j:5",
            "",
            "{name: data, persistentVolumeClaim: {claimName: a}}",
            "pass",
        ),
    ] {
        rows.push((
            "data-not-on-ephemeral-volume",
            deployment(image, container, volume),
            expected,
        ));
    }
    rows_are(&rows);
}

#[test]
fn a_schedule_of_velero_covers_what_it_includes() {
    let set = |pod: &str, labels: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db, namespace: n}}\nspec: {{selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db, tier: data}}{pod}}}, spec: {{containers: [{{name: a}}]}}}}, volumeClaimTemplates: [{{metadata: {{name: data{labels}}}}}]}}\n---\n"
        )
    };
    let schedule = |spec: &str| {
        format!(
            "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {{name: s, namespace: velero}}\nspec: {{{spec}}}\n"
        )
    };
    let daily = |template: &str| schedule(&format!("schedule: \"0 1 * * *\", template: {{{template}}}"));
    let plain = set("", "");
    let asks = set(
        ", annotations: {backup.velero.io/backup-volumes: \"data, other\"}",
        "",
    );
    let excludes = set(
        ", annotations: {backup.velero.io/backup-volumes-excludes: data}",
        "",
    );
    let mut rows = Vec::new();
    for (set, schedule, expected) in [
        (&plain, daily(""), "pass"),
        (&plain, schedule("schedule: \"0 1 * * *\""), "pass"),
        (&plain, schedule("paused: true, schedule: \"0 1 * * *\""), "fail"),
        (&plain, schedule("schedule: \"0 0 31 2 *\""), "fail"),
        (&plain, daily("includedNamespaces: [n]"), "pass"),
        (&plain, daily("includedNamespaces: [\"*\"]"), "pass"),
        (&plain, daily("includedNamespaces: [other]"), "fail"),
        (&plain, daily("includedNamespaces: [\"n*\"]"), "pass"),
        (&plain, daily("includedNamespaces: [\"n-*\"]"), "fail"),
        (&plain, daily("excludedNamespaces: [n]"), "fail"),
        (&plain, daily("includedResources: [configmaps]"), "fail"),
        (
            &plain,
            daily("includedResources: [persistentvolumeclaims, persistentvolumes]"),
            "pass",
        ),
        (&plain, daily("includedResources: [pvc, pv]"), "pass"),
        (&plain, daily("includedResources: [\"*\"]"), "pass"),
        (
            &plain,
            daily("includedResources: [persistentvolumeclaims]"),
            "unknown",
        ),
        (
            &plain,
            daily("excludedResources: [persistentvolumeclaims]"),
            "fail",
        ),
        (&plain, daily("excludedResources: [secrets]"), "pass"),
        (
            &plain,
            daily("includedNamespaceScopedResources: [configmaps]"),
            "fail",
        ),
        (
            &plain,
            daily("excludedNamespaceScopedResources: [persistentvolumeclaims]"),
            "fail",
        ),
        (&plain, daily("snapshotVolumes: false"), "fail"),
        (&asks, daily("snapshotVolumes: false"), "unknown"),
        (
            &plain,
            daily("snapshotVolumes: false, snapshotMoveData: true"),
            "fail",
        ),
        (
            &plain,
            daily("snapshotVolumes: false, defaultVolumesToFsBackup: true"),
            "pass",
        ),
        (
            &plain,
            daily("snapshotVolumes: false, defaultVolumesToFsBackup: true, excludedResources: [pods]"),
            "fail",
        ),
        (
            &excludes,
            daily("snapshotVolumes: false, defaultVolumesToFsBackup: true"),
            "fail",
        ),
        (&excludes, daily("defaultVolumesToFsBackup: true"), "pass"),
        (&plain, daily("labelSelector: {matchLabels: {app: db}}"), "pass"),
        (
            &plain,
            daily("labelSelector: {matchLabels: {tier: data}}"),
            "pass",
        ),
        (
            &plain,
            daily("labelSelector: {matchLabels: {app: other}}"),
            "fail",
        ),
        (
            &plain,
            daily("orLabelSelectors: [{matchLabels: {app: other}}, {matchLabels: {app: db}}]"),
            "pass",
        ),
        (
            &plain,
            daily("orLabelSelectors: [{matchLabels: {app: other}}]"),
            "fail",
        ),
        (
            &plain,
            daily("resourcePolicy: {kind: configmap, name: p}"),
            "unknown",
        ),
        (
            &set("", ", labels: {velero.io/exclude-from-backup: \"true\"}"),
            daily(""),
            "fail",
        ),
    ] {
        rows.push(("backup-covers-data", format!("{set}{schedule}"), expected));
    }
    rows_are(&rows);
}
