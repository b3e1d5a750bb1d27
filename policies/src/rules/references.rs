//! Whether what an object names is there.

use crate::control::Control::{ChangeControl, ContingencyPlan, Redundancy};
use crate::judging::{Judging, Subject};
use crate::pod::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, REPLICATION_CONTROLLER, STATEFUL_SET,
};
use crate::read::{Node, Read};
use crate::rule::{Enforcement, Kind, Level, Rule, Severity};
use crate::rules::mesh_authorization::service_of;
use crate::rules::services::SERVICE;
use crate::rules::storage::CLAIM;
use crate::rules::{containers, pod};
use crate::settings::{Default, Setting};

const CONFIG_MAP: Kind = Kind::core("ConfigMap");
const SECRET: Kind = Kind::core("Secret");
const ACCOUNT: Kind = Kind::core("ServiceAccount");
const DESTINATION_RULE: Kind = Kind::new(&["networking.istio.io"], "DestinationRule");

static ELSEWHERE: Setting = Setting {
    name: "madeByCluster",
    meaning: "names of ConfigMaps and service accounts that the cluster makes in every namespace",
    default: Default::Texts(&["kube-root-ca.crt", "istio-ca-root-cert", "default"]),
};

/// Names.
pub static REFERENCES_RESOLVE: Rule = Rule {
    id: "references-resolve",
    title: "Whatever a workload names is there",
    meaning: "Judges workloads and DestinationRules. Fails where a ConfigMap, a claim or a service account that a pod names was not given in its namespace (unless it is optional, or made by the cluster), where a mount names no volume of the pod, where the Service of a StatefulSet was not given, or where the host of a DestinationRule is the short or the full name of a Service that was not given. A Secret that was not given is unknown, since people and operators make Secrets. Where the settings say that not everything was given, all that is missing is unknown.",
    why: "Such a pod never starts, and a rule for a Service that is not there guards nothing; both are seen in an outage only.",
    remedy: "Compare the names and the namespaces.",
    kinds: &[
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        REPLICATION_CONTROLLER,
        JOB,
        CRON_JOB,
        DESTINATION_RULE,
    ],
    level: Level::Stack,
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&ELSEWHERE],
    evidence: &[ChangeControl, Redundancy, ContingencyPlan],
    limits: &["keys within ConfigMaps and Secrets are not looked up"],
    good: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: conf, configMap: {name: conf}}]\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: a}\n",
    bad: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: a}\nspec:\n  containers: [{name: app}]\n  volumes: [{name: conf, configMap: {name: conf}}]\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: a}\n",
    check: |subject, judging| {
        if subject.pod.is_some() {
            of_pod(subject, judging);
            of_containers(subject, judging);
        } else if let Some(host) = judging.text(subject.body, "spec.host")
            // A name without dots is one of the own namespace; what else is not the full name of a Service is a host outside.
            && (!host.contains('.') || host.ends_with(".svc.cluster.local"))
            && let Some((name, namespace)) = service_of(host, subject.namespace())
            && !judging.world.has(SERVICE, namespace, name)
        {
            missing(
                "spec.host",
                format!("there is no Service {namespace}/{name}"),
                judging,
            );
        }
    },
};

fn missing(place: impl Into<String>, message: String, judging: &mut Judging<'_>) {
    if judging.world.is_complete() {
        judging.fail(place, message);
    } else {
        judging.unknown(format!("{}: {message}", place.into()));
    }
}

/// Looks up the object that stands at a path, unless the reference is optional.
fn look_up(kind: Kind, node: Node<'_>, reference: &str, name: &str, within: &str, judging: &mut Judging<'_>) {
    if node.field(reference).is_absent() || judging.flag(node, &format!("{reference}.optional")) == Some(true)
    {
        return;
    }
    let path = format!("{reference}.{name}");
    if let Some(name) = judging.text(node, &path) {
        is_there(kind, name, within, &node.at(&path), judging);
    }
}

fn is_there(kind: Kind, name: &str, within: &str, place: &str, judging: &mut Judging<'_>) {
    let by_cluster =
        [CONFIG_MAP, ACCOUNT].contains(&kind) && judging.option_texts(&ELSEWHERE).contains(&name);
    if by_cluster || judging.world.has(kind, within, name) {
        return;
    }
    let message = format!("there is no {} {name} in the namespace {within}", kind.name);
    if kind != SECRET {
        missing(place, message, judging);
    } else if !is_made(name, within, judging) {
        judging.unknown(format!(
            "{place}: whether there will be a Secret {name}, which was not given"
        ));
    }
}

/// Whether something that was given makes this Secret.
fn is_made(name: &str, within: &str, judging: &Judging<'_>) -> bool {
    let makers = [
        (
            Kind::new(&["external-secrets.io"], "ExternalSecret"),
            "spec.target.name",
        ),
        (
            Kind::new(&["bitnami.com"], "SealedSecret"),
            "spec.template.metadata.name",
        ),
        (Kind::new(&["cert-manager.io"], "Certificate"), "spec.secretName"),
    ];
    makers.iter().any(|(kind, field)| {
        judging.world.within(*kind, within).any(|maker| {
            match Node::new(maker.body(), "").text(field) {
                Read::Known(made) => made == name,
                // Without a name of its own the Secret has the maker's.
                Read::Absent => maker.id.name == name,
                Read::Unknown => false,
            }
        })
    })
}

fn of_pod(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(pod) = pod(subject, judging) else { return };
    let within = subject.namespace();
    let account = pod
        .spec()
        .text("serviceAccountName")
        .or(|| pod.spec().text("serviceAccount"));
    let place = pod.spec().at("serviceAccountName");
    match account {
        Read::Known("") | Read::Absent => {}
        Read::Known(account) => is_there(ACCOUNT, account, within, &place, judging),
        Read::Unknown => judging.unknown(place),
    }
    for volume in judging.items(pod.spec(), "volumes") {
        look_up(CONFIG_MAP, volume.node(), "configMap", "name", within, judging);
        look_up(SECRET, volume.node(), "secret", "secretName", within, judging);
        look_up(
            CLAIM,
            volume.node(),
            "persistentVolumeClaim",
            "claimName",
            within,
            judging,
        );
        for source in judging.items(volume.node(), "projected.sources") {
            look_up(CONFIG_MAP, source.node(), "configMap", "name", within, judging);
            look_up(SECRET, source.node(), "secret", "name", within, judging);
        }
    }
    if subject.kind() == STATEFUL_SET.name
        && let Some(service) = judging.text(subject.body, "spec.serviceName")
        && !service.is_empty()
    {
        is_there(SERVICE, service, within, "spec.serviceName", judging);
    }
}

fn of_containers(subject: &Subject<'_>, judging: &mut Judging<'_>) {
    let Some(pod) = pod(subject, judging) else { return };
    let within = subject.namespace();
    let names = |node: Node<'_>, list: &str, field: &str, judging: &mut Judging<'_>| -> Vec<String> {
        let items = judging.items(node, list);
        items
            .iter()
            .filter_map(|item| judging.text(item.node(), field).map(str::to_owned))
            .collect()
    };
    let mut volumes = names(pod.spec(), "volumes", "name", judging);
    let mut in_doubt = pod.spec().list("volumes").is_unknown();
    if subject.kind() == STATEFUL_SET.name {
        volumes.extend(names(
            subject.body,
            "spec.volumeClaimTemplates",
            "metadata.name",
            judging,
        ));
        in_doubt |= subject.body.list("spec.volumeClaimTemplates").is_unknown();
    }
    for container in containers(subject, judging) {
        for variable in judging.items(container.node(), "env") {
            look_up(
                CONFIG_MAP,
                variable.node(),
                "valueFrom.configMapKeyRef",
                "name",
                within,
                judging,
            );
            look_up(
                SECRET,
                variable.node(),
                "valueFrom.secretKeyRef",
                "name",
                within,
                judging,
            );
        }
        for source in judging.items(container.node(), "envFrom") {
            look_up(CONFIG_MAP, source.node(), "configMapRef", "name", within, judging);
            look_up(SECRET, source.node(), "secretRef", "name", within, judging);
        }
        for mount in judging.items(container.node(), "volumeMounts") {
            if let Some(name) = judging.text(mount.node(), "name")
                && !volumes.iter().any(|volume| volume == name)
                && !in_doubt
            {
                // What else was given changes nothing: a mount is of its own pod.
                let message = format!(
                    "{} mounts {name}, which is no volume of the pod",
                    container.words()
                );
                judging.fail(mount.node().at("name"), message);
            }
        }
    }
}
