//! References between objects.

use crate::context::{CheckContext, Subject};
use crate::control::Control::{ChangeControl, ContingencyPlan, Redundancy};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{
    CLAIM, CONFIG_MAP, CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, Kind, POD, REPLICA_SET, REPLICATION_CONTROLLER,
    SERVICE, STATEFUL_SET,
};
use crate::rule::{Check, Rule, Severity};
use crate::rules::mesh;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

const SECRET: Kind = Kind::core("Secret");
const ACCOUNT: Kind = Kind::core("ServiceAccount");

static ELSEWHERE: Setting = Setting {
    name: "clusterManagedNames",
    meaning: "names of ConfigMaps and service accounts that the cluster creates in every namespace",
    default: DefaultValue::Texts(&["kube-root-ca.crt", "istio-ca-root-cert", "default"]),
};

/// Names.
pub static REFERENCES_RESOLVE: Rule = Rule {
    id: "references-resolve",
    text: rule_text!("references-resolve"),
    kinds: &[
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        REPLICATION_CONTROLLER,
        JOB,
        CRON_JOB,
        mesh::references::KINDS[0],
        mesh::references::KINDS[1],
        mesh::references::KINDS[2],
        mesh::references::KINDS[3],
        mesh::references::KINDS[4],
        mesh::references::KINDS[5],
        mesh::references::KINDS[6],
        mesh::references::KINDS[7],
        mesh::references::KINDS[8],
    ],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&ELSEWHERE],
    evidence: &[ChangeControl, Redundancy, ContingencyPlan],
    check: Check::Stack(|subject, context| {
        if subject.pod.is_some() {
            of_pod(subject, context);
            of_containers(subject, context);
        } else {
            mesh::references::check(subject, context, |name, within, place, context| {
                is_there(SECRET, name, within, place, context);
            });
        }
    }),
    ..Rule::DEFAULTS
};

/// Looks up the object that a field refers to, unless the reference is optional.
fn look_up(
    kind: Kind,
    node: Node<'_>,
    reference: &str,
    name: &str,
    within: &str,
    context: &mut CheckContext<'_>,
) {
    if node.field(reference).is_absent() || context.flag(node, &format!("{reference}.optional")) == Some(true)
    {
        return;
    }
    let path = format!("{reference}.{name}");
    if let Some(name) = context.text(node, &path) {
        is_there(kind, name, within, &node.at(&path), context);
    }
}

fn is_there(kind: Kind, name: &str, within: &str, place: &str, context: &mut CheckContext<'_>) {
    let by_cluster =
        [CONFIG_MAP, ACCOUNT].contains(&kind) && context.option_texts(&ELSEWHERE).contains(&name);
    if by_cluster || context.inventory.has(kind, within, name) {
        return;
    }
    let message = format!("the {} {within}/{name} does not exist", kind.name);
    if kind != SECRET {
        context.missing(place, message);
    } else if !is_made(name, within, context) {
        context.unknown(format!(
            "{place}: whether the Secret {name}, which is not in the input, exists"
        ));
    }
}

/// Whether an object of the input creates this Secret.
fn is_made(name: &str, within: &str, context: &CheckContext<'_>) -> bool {
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
        context.inventory.within(*kind, within).any(|maker| {
            match Node::new(maker.body(), "").text(field) {
                Field::Known(made) => made == name,
                // Without a target name the Secret has the name of the object that creates it.
                Field::Absent => maker.id.name == name,
                Field::Unknown => false,
            }
        })
    })
}

fn of_pod(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(pod) = context.pod(subject) else { return };
    let within = subject.namespace();
    let account = pod
        .spec()
        .text("serviceAccountName")
        .or(|| pod.spec().text("serviceAccount"));
    let place = pod.spec().at("serviceAccountName");
    match account {
        Field::Known("") | Field::Absent => {}
        Field::Known(account) => is_there(ACCOUNT, account, within, &place, context),
        Field::Unknown => context.unknown(place),
    }
    for volume in context.items(pod.spec(), "volumes") {
        look_up(CONFIG_MAP, volume.node(), "configMap", "name", within, context);
        look_up(SECRET, volume.node(), "secret", "secretName", within, context);
        look_up(
            CLAIM,
            volume.node(),
            "persistentVolumeClaim",
            "claimName",
            within,
            context,
        );
        for source in context.items(volume.node(), "projected.sources") {
            look_up(CONFIG_MAP, source.node(), "configMap", "name", within, context);
            look_up(SECRET, source.node(), "secret", "name", within, context);
        }
    }
    if subject.kind() == STATEFUL_SET.name
        && let Some(service) = context.text(subject.body, "spec.serviceName")
        && !service.is_empty()
    {
        is_there(SERVICE, service, within, "spec.serviceName", context);
    }
}

fn of_containers(subject: &Subject<'_>, context: &mut CheckContext<'_>) {
    let Some(pod) = context.pod(subject) else { return };
    let within = subject.namespace();
    let names = |node: Node<'_>, list: &str, field: &str, context: &mut CheckContext<'_>| -> Vec<String> {
        let items = context.items(node, list);
        items
            .iter()
            .filter_map(|item| context.text(item.node(), field).map(str::to_owned))
            .collect()
    };
    let mut volumes = names(pod.spec(), "volumes", "name", context);
    let mut in_doubt = pod.spec().list("volumes").is_unknown();
    if subject.kind() == STATEFUL_SET.name {
        volumes.extend(names(
            subject.body,
            "spec.volumeClaimTemplates",
            "metadata.name",
            context,
        ));
        in_doubt |= subject.body.list("spec.volumeClaimTemplates").is_unknown();
    }
    for container in context.containers(subject) {
        for variable in context.items(container.node(), "env") {
            look_up(
                CONFIG_MAP,
                variable.node(),
                "valueFrom.configMapKeyRef",
                "name",
                within,
                context,
            );
            look_up(
                SECRET,
                variable.node(),
                "valueFrom.secretKeyRef",
                "name",
                within,
                context,
            );
        }
        for source in context.items(container.node(), "envFrom") {
            look_up(CONFIG_MAP, source.node(), "configMapRef", "name", within, context);
            look_up(SECRET, source.node(), "secretRef", "name", within, context);
        }
        for mount in context.items(container.node(), "volumeMounts") {
            if let Some(name) = context.text(mount.node(), "name")
                && !volumes.iter().any(|volume| volume == name)
                && !in_doubt
            {
                // Other objects are irrelevant: a mount refers to a volume of the same pod.
                let message = format!(
                    "{} mounts {name}, which is not a volume of the pod",
                    container.words()
                );
                context.fail(mount.node().at("name"), message);
            }
        }
    }
}
