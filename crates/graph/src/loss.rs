//! What is lost when an object is deleted, replaced or changed, and changes that an API server refuses.

use serde_json::Value;

use crate::field_change::FieldChange;
use crate::{Id, Object, quantity};

/// A change that returning to the old graph does not undo, or that an API server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The object.
    pub id: Id,
    /// The component that declares it.
    pub component: String,
    /// What happens to the object.
    pub kind: LossKind,
    /// The reason, as a sentence about the object: `deleted`, or the paths whose change replaces it.
    pub why: String,
    /// The most severe consequence.
    pub risk: Risk,
    /// What is lost; `None` if the object can be created again from the graph.
    pub at_risk: Option<&'static str>,
    /// What to do instead of a change that is refused.
    pub instead: Option<&'static str>,
}

/// What a destructive change does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossKind {
    /// It is deleted.
    Deleted,
    /// It is deleted and created again.
    Replaced,
    /// It is changed in place, and data that it holds is lost.
    Reduced,
    /// The API server refuses the change.
    Refused,
}

/// What a destructive change affects, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Stored data.
    Data,
    /// Secret values.
    Secrets,
    /// Identities, policies and alerts, which protect other objects.
    Protection,
    /// An object that can be created again.
    Other,
}

impl LossKind {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Reduced => "reduced",
            Self::Refused => "refused",
        }
    }
}

impl Risk {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Secrets => "secrets",
            Self::Protection => "protection",
            Self::Other => "other",
        }
    }

    /// How what is lost is introduced.
    pub fn label(self) -> &'static str {
        match self {
            Self::Data => "data at risk",
            Self::Secrets => "secrets at risk",
            Self::Protection => "loses protection",
            Self::Other => "affects",
        }
    }
}

/// The loss when an object is deleted.
pub(crate) fn deleted(object: &Object) -> Loss {
    let (risk, at_risk) = consequence(object);
    Loss {
        id: object.id.clone(),
        component: object.component.clone(),
        kind: LossKind::Deleted,
        why: "deleted".to_owned(),
        risk,
        at_risk,
        instead: None,
    }
}

/// The loss when fields of an object change; `None` if nothing is lost or refused.
pub(crate) fn updated(before: &Object, fields: &[FieldChange]) -> Option<Loss> {
    let paths: Vec<_> = fields
        .iter()
        .filter(|field| field.replaces)
        .map(|field| field.path.as_str())
        .collect();
    if !paths.is_empty() {
        return Some(Loss {
            kind: LossKind::Replaced,
            why: format!(
                "replaced, because {} cannot be changed in place",
                paths.join(", ")
            ),
            ..deleted(before)
        });
    }
    let changes: Vec<_> = fields
        .iter()
        .filter(|field| !field.first_value)
        .filter_map(|field| in_place(before, field))
        .collect();
    let first = changes.iter().min_by_key(|change| change.risk)?;
    let reasons: Vec<_> = changes.iter().map(|change| change.why.as_str()).collect();
    Some(Loss {
        id: before.id.clone(),
        component: before.component.clone(),
        kind: first.kind,
        why: reasons.join("; "),
        risk: first.risk,
        at_risk: first.at_risk,
        instead: changes.iter().find_map(|change| change.instead),
    })
}

/// What a change of one field in place loses.
struct InPlace {
    kind: LossKind,
    why: String,
    risk: Risk,
    at_risk: Option<&'static str>,
    instead: Option<&'static str>,
}

fn in_place(object: &Object, field: &FieldChange) -> Option<InPlace> {
    let reduced = |why: String, at_risk: &'static str| InPlace {
        kind: LossKind::Reduced,
        why,
        risk: Risk::Data,
        at_risk: Some(at_risk),
        instead: None,
    };
    let (group, kind) = (object.id.group.as_str(), object.id.kind.as_str());
    let retention = RETENTION.iter().find(|row| (row.0, row.1) == (group, kind));
    if let Some((_, _, policy, what)) = retention
        && let Some(path) = becomes_delete(field, policy)
    {
        return Some(reduced(format!("{path} becomes Delete"), what));
    }
    match (group, kind) {
        ("apps", "StatefulSet") => {
            if let Some((before, after)) = fewer_replicas(field) {
                return Some(reduced(
                    format!("scaled down from {before} to {after}"),
                    "the data that only the removed replicas hold, unless it is moved to others first",
                ));
            }
        }
        ("", "PersistentVolumeClaim") => {
            if let Some((before, after)) = smaller_claim(object, field) {
                return Some(InPlace {
                    kind: LossKind::Refused,
                    why: format!(
                        "refused by the API server: its size cannot shrink from {before} to {after}"
                    ),
                    risk: Risk::Data,
                    at_risk: consequence(object).1,
                    instead: Some(
                        "keep the size; or create a claim with another name, copy the data, and delete this one afterwards",
                    ),
                });
            }
        }
        _ => {}
    }
    is_immutable(object, &field.path).then(|| {
        let (risk, at_risk) = consequence(object);
        InPlace {
            kind: LossKind::Refused,
            why: format!("refused by the API server: {} cannot be changed", field.path),
            risk,
            at_risk,
            instead: Some("give the object another name, or delete it before this change is deployed"),
        }
    })
}

/// The number of replicas before and after, if it decreases. The default is 1.
fn fewer_replicas(field: &FieldChange) -> Option<(u64, u64)> {
    if field.path != "spec.replicas" {
        return None;
    }
    let number = |side: &Option<Value>| side.as_ref().map_or(Some(1), Value::as_u64);
    let (before, after) = (number(&field.before)?, number(&field.after)?);
    (after < before).then_some((before, after))
}

/// Policies that decide whether data outlives an object: the group and the kind, the field, and what is lost with `Delete`.
const RETENTION: [(&str, &str, &str, &str); 4] = [
    (
        "apps",
        "StatefulSet",
        "spec.persistentVolumeClaimRetentionPolicy",
        "its claims, when it is deleted or scaled down",
    ),
    (
        "",
        "PersistentVolume",
        "spec.persistentVolumeReclaimPolicy",
        "the volume, when its claim is deleted",
    ),
    (
        "snapshot.storage.k8s.io",
        "VolumeSnapshotContent",
        "spec.deletionPolicy",
        "the snapshot, when its VolumeSnapshot is deleted",
    ),
    (
        "external-secrets.io",
        "ExternalSecret",
        "spec.target.deletionPolicy",
        "its Secret, when the value is missing in the store",
    ),
];

/// The path of a policy, or below it, whose value becomes `Delete`.
fn becomes_delete(field: &FieldChange, policy: &str) -> Option<String> {
    let rest = field.path.strip_prefix(policy)?;
    let after = field.after.as_ref()?;
    if after == "Delete" && (rest.is_empty() || rest.starts_with('.')) {
        return Some(field.path.clone());
    }
    let parts = after.as_object().filter(|_| rest.is_empty())?;
    let (part, _) = parts.iter().find(|(_, word)| *word == "Delete")?;
    Some(format!("{policy}.{part}"))
}

/// The size of a claim before and after, if it decreases.
fn smaller_claim(object: &Object, field: &FieldChange) -> Option<(String, String)> {
    const SIZE: &str = "/spec/resources/requests/storage";
    let below = SIZE.strip_prefix(&format!("/{}", field.path.replace('.', "/")))?;
    let size = |side: Option<&Value>| match side?.pointer(below)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let before = size(object.body().pointer(SIZE).map(|_| field.before.as_ref())?)?;
    let after = size(field.after.as_ref()).unwrap_or_else(|| "nothing".to_owned());
    match (quantity::parse(&before), quantity::parse(&after)) {
        (Some(old), Some(new)) if new >= old => None,
        // A size that cannot be read is treated as smaller, so that it is noticed.
        _ => Some((before, after)),
    }
}

/// Fields that an API server refuses to change. [`Replaces`] is asked first: an object that it replaces is not changed.
const IMMUTABLE: &[(&str, &str, &[&str])] = &[
    (
        "",
        "PersistentVolumeClaim",
        &["spec.dataSource", "spec.dataSourceRef", "spec.volumeMode"],
    ),
    (
        "",
        "PersistentVolume",
        &[
            "spec.csi",
            "spec.hostPath",
            "spec.local",
            "spec.nfs",
            "spec.volumeMode",
        ],
    ),
    (
        "",
        "Service",
        &[
            "spec.clusterIPs[0]",
            "spec.healthCheckNodePort",
            "spec.ipFamilies[0]",
            "spec.loadBalancerClass",
        ],
    ),
    ("apps", "ReplicaSet", &["spec.selector"]),
    (
        "batch",
        "Job",
        &[
            "spec.backoffLimitPerIndex",
            "spec.completionMode",
            "spec.managedBy",
            "spec.podFailurePolicy",
            "spec.successPolicy",
        ],
    ),
    (
        "storage.k8s.io",
        "StorageClass",
        &["reclaimPolicy", "volumeBindingMode"],
    ),
    (
        "storage.k8s.io",
        "VolumeAttributesClass",
        &["driverName", "parameters"],
    ),
    (
        "scheduling.k8s.io",
        "PriorityClass",
        &["preemptionPolicy", "value"],
    ),
    ("networking.k8s.io", "IngressClass", &["spec.controller"]),
    ("node.k8s.io", "RuntimeClass", &["handler"]),
    ("rbac.authorization.k8s.io", "RoleBinding", &["roleRef"]),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", &["roleRef"]),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        &["spec.group", "spec.names.kind", "spec.names.plural", "spec.scope"],
    ),
    ("snapshot.storage.k8s.io", "VolumeSnapshot", &["spec.source"]),
];

/// The fields of a StatefulSet's `spec` that can be changed.
const MUTABLE_IN_STATEFUL_SET: [&str; 7] = [
    "minReadySeconds",
    "ordinals",
    "persistentVolumeClaimRetentionPolicy",
    "replicas",
    "revisionHistoryLimit",
    "template",
    "updateStrategy",
];

/// Whether an API server refuses to change the field at a path.
fn is_immutable(object: &Object, path: &str) -> bool {
    let (group, kind) = (object.id.group.as_str(), object.id.kind.as_str());
    if (group, kind) == ("apps", "StatefulSet") {
        return path.strip_prefix("spec.").is_some_and(|field| {
            !MUTABLE_IN_STATEFUL_SET
                .iter()
                .any(|known| is_at_or_below(field, known))
        });
    }
    let is_fixed = group.is_empty() && object.body().get("immutable") == Some(&Value::Bool(true));
    if is_fixed && matches!(kind, "ConfigMap" | "Secret") {
        return ["binaryData", "data", "immutable", "stringData"]
            .iter()
            .any(|field| is_at_or_below(path, field));
    }
    IMMUTABLE
        .iter()
        .filter(|(of_group, of_kind, _)| (*of_group, *of_kind) == (group, kind))
        .flat_map(|(_, _, fields)| *fields)
        .any(|field| is_at_or_below(path, field))
}

fn is_at_or_below(path: &str, field: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The consequence of deleting an object: the risk, and what is lost.
fn consequence(object: &Object) -> (Risk, Option<&'static str>) {
    let (group, kind) = (object.id.group.as_str(), object.id.kind.as_str());
    let lost = |risk, what| (risk, Some(what));
    match kind {
        "Namespace" => lost(Risk::Data, "everything in it, claims included"),
        "PersistentVolumeClaim" | "PersistentVolume" => {
            lost(Risk::Data, "the data of its volume, unless the class retains it")
        }
        "StatefulSet" => lost(
            Risk::Data,
            "its pods immediately, and its claims unless its retention policy keeps them",
        ),
        "CustomResourceDefinition" => lost(Risk::Data, "every resource of its kind, in all namespaces"),
        "VolumeSnapshot" | "VolumeSnapshotContent" => lost(Risk::Data, "the snapshot"),
        "Secret" => lost(Risk::Secrets, "its values; pods that need them no longer start"),
        "ExternalSecret"
        | "ClusterExternalSecret"
        | "SealedSecret"
        | "SecretStore"
        | "ClusterSecretStore" => lost(
            Risk::Secrets,
            "the Secrets that are created from it, or their updates",
        ),
        "Certificate" | "Issuer" | "ClusterIssuer" => lost(Risk::Secrets, "the renewal of its certificates"),
        "NetworkPolicy"
        | "AdminNetworkPolicy"
        | "BaselineAdminNetworkPolicy"
        | "CiliumNetworkPolicy"
        | "CiliumClusterwideNetworkPolicy"
        | "GlobalNetworkPolicy" => lost(
            Risk::Protection,
            "the network isolation of the pods that it selects",
        ),
        "AuthorizationPolicy" => lost(
            Risk::Protection,
            "the authorization of requests to the workloads that it selects",
        ),
        "PeerAuthentication" => lost(Risk::Protection, "the requirement of mutual TLS"),
        "RequestAuthentication" => lost(Risk::Protection, "the verification of tokens"),
        "DestinationRule" => lost(
            Risk::Protection,
            "the TLS and connection settings of clients of its host",
        ),
        "Sidecar" => lost(
            Risk::Protection,
            "the egress scope of the sidecars that it selects",
        ),
        "Telemetry" => lost(Risk::Protection, "the access logs that it enables"),
        "ServiceAccount" => lost(
            Risk::Protection,
            "the identity of the pods that use it; new pods are not created",
        ),
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => {
            lost(Risk::Protection, "the permissions of its subjects")
        }
        "ResourceQuota" | "LimitRange" => {
            lost(Risk::Protection, "the limits on the resources of its namespace")
        }
        "PodDisruptionBudget" => lost(Risk::Protection, "the protection of its pods against evictions"),
        "ValidatingAdmissionPolicy"
        | "ValidatingAdmissionPolicyBinding"
        | "MutatingAdmissionPolicy"
        | "MutatingAdmissionPolicyBinding"
        | "ValidatingWebhookConfiguration"
        | "MutatingWebhookConfiguration"
        | "ClusterPolicy" => lost(Risk::Protection, "the admission checks that it defines"),
        "CronJob" => lost(Risk::Protection, "the runs that it schedules, such as backups"),
        "PrometheusRule" => lost(Risk::Protection, "its alerts"),
        "ServiceMonitor" | "PodMonitor" => lost(Risk::Protection, "its metrics, and the alerts on them"),
        "Schedule" | "BackupStorageLocation" if group == "velero.io" => lost(Risk::Protection, "its backups"),
        _ if !is_known(group) => lost(
            Risk::Data,
            "everything that its operator keeps for it, data included",
        ),
        _ => (Risk::Other, None),
    }
}

/// Whether the objects of a group can be created again without a loss, unless [`consequence`] lists their kind.
fn is_known(group: &str) -> bool {
    const OTHERS: [&str; 9] = [
        "cert-manager.io",
        "external-secrets.io",
        "keda.sh",
        "kyverno.io",
        "monitoring.coreos.com",
        "velero.io",
        "bitnami.com",
        "cilium.io",
        "projectcalico.org",
    ];
    !group.contains('.')
        || group.ends_with(".k8s.io")
        || group.ends_with(".istio.io")
        || OTHERS.contains(&group)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Graph, compare};

    fn object(body: Value) -> Object {
        Object::from_json("tests", body).unwrap()
    }

    fn graph(body: Value) -> Graph {
        let mut graph = Graph::of("tests");
        graph.add(object(body));
        graph
    }

    fn of_kind(api_version: &str, kind: &str, fields: &Value) -> Value {
        let mut body = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    fn losses(before: Value, after: Value) -> Vec<Loss> {
        compare(&graph(before), &graph(after), |_, _| false).losses()
    }

    fn claim(size: &str) -> Value {
        of_kind(
            "v1",
            "PersistentVolumeClaim",
            &json!({"spec": {"resources": {"requests": {"storage": size}}}}),
        )
    }

    #[test]
    fn a_smaller_claim_is_refused_and_a_larger_one_is_not() {
        for (before, after) in [
            ("50Gi", "5Gi"),
            ("1Ti", "1000Gi"),
            ("1Gi", "1G"),
            ("1e9", "999M"),
            ("1Gi", "x"),
        ] {
            let losses = losses(claim(before), claim(after));
            assert_eq!(losses.len(), 1, "{before} {after}");
            assert_eq!((losses[0].kind, losses[0].risk), (LossKind::Refused, Risk::Data));
            assert!(
                losses[0].why.contains(&format!("from {before} to {after}")),
                "{}",
                losses[0].why
            );
            assert!(losses[0].instead.is_some());
        }
        for (before, after) in [
            ("5Gi", "50Gi"),
            ("1024Mi", "1Gi"),
            ("1G", "1Gi"),
            ("1.5Gi", "1536Mi"),
        ] {
            assert_eq!(losses(claim(before), claim(after)), [], "{before} {after}");
        }
        let without = of_kind("v1", "PersistentVolumeClaim", &json!({"spec": {}}));
        assert_eq!(losses(claim("5Gi"), without).len(), 1, "the size is removed");
    }

    #[test]
    fn changes_of_immutable_fields_are_refused() {
        let pairs = [
            (
                "storage.k8s.io/v1",
                "StorageClass",
                json!({"reclaimPolicy": "Retain"}),
                json!({"reclaimPolicy": "Delete"}),
            ),
            (
                "v1",
                "ConfigMap",
                json!({"immutable": true, "data": {"a": "1"}}),
                json!({"immutable": true, "data": {"a": "2"}}),
            ),
            (
                "v1",
                "Secret",
                json!({"immutable": true}),
                json!({"immutable": false}),
            ),
            (
                "v1",
                "PersistentVolumeClaim",
                json!({"spec": {"volumeMode": "Block"}}),
                json!({"spec": {}}),
            ),
            (
                "batch/v1",
                "Job",
                json!({"spec": {"completionMode": "Indexed"}}),
                json!({"spec": {}}),
            ),
            (
                "scheduling.k8s.io/v1",
                "PriorityClass",
                json!({"value": 1}),
                json!({"value": 2}),
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({"spec": {"serviceName": "a"}}),
                json!({"spec": {"serviceName": "b"}}),
            ),
            (
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                json!({"spec": {"scope": "Cluster"}}),
                json!({"spec": {"scope": "Namespaced"}}),
            ),
            (
                "rbac.authorization.k8s.io/v1",
                "RoleBinding",
                json!({"roleRef": {"name": "a"}}),
                json!({"roleRef": {"name": "b"}}),
            ),
        ];
        for (api_version, kind, before, after) in pairs {
            let losses = losses(
                of_kind(api_version, kind, &before),
                of_kind(api_version, kind, &after),
            );
            assert_eq!(losses.len(), 1, "{kind}");
            assert_eq!(losses[0].kind, LossKind::Refused, "{kind}");
            assert!(losses[0].instead.is_some(), "{kind}");
        }
    }

    #[test]
    fn changes_of_other_fields_are_not_losses() {
        let pairs = [
            (
                "storage.k8s.io/v1",
                "StorageClass",
                json!({"allowVolumeExpansion": true}),
                json!({"allowVolumeExpansion": false}),
            ),
            (
                "v1",
                "ConfigMap",
                json!({"data": {"a": "1"}}),
                json!({"data": {"a": "2"}}),
            ),
            (
                "v1",
                "Secret",
                json!({"data": {"a": "1"}}),
                json!({"data": {"a": "1"}, "immutable": true}),
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({"spec": {"template": {"a": 1}}}),
                json!({"spec": {"template": {"a": 2}}}),
            ),
            (
                "apps/v1",
                "StatefulSet",
                json!({"spec": {}}),
                json!({"spec": {"replicas": 2}}),
            ),
        ];
        for (api_version, kind, before, after) in pairs {
            assert_eq!(
                losses(
                    of_kind(api_version, kind, &before),
                    of_kind(api_version, kind, &after)
                ),
                [],
                "{kind}"
            );
        }
    }

    #[test]
    fn removed_replicas_and_added_retention_policies_are_losses() {
        let set = |spec: Value| of_kind("apps/v1", "StatefulSet", &json!({"spec": spec}));
        let replicas = losses(set(json!({"replicas": 3})), set(json!({})));
        assert_eq!(replicas[0].why, "scaled down from 3 to 1");
        let both = losses(
            set(json!({"replicas": 3})),
            set(json!({"replicas": 0, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}})),
        );
        assert_eq!(both.len(), 1);
        assert!(
            both[0]
                .why
                .contains("whenScaled becomes Delete; scaled down from 3 to 0"),
            "{}",
            both[0].why
        );
    }

    #[test]
    fn a_policy_that_becomes_delete_is_a_loss_for_every_kind_with_one() {
        for (api_version, kind, kept, deleted, path) in [
            (
                "v1",
                "PersistentVolume",
                json!({"persistentVolumeReclaimPolicy": "Retain"}),
                json!({"persistentVolumeReclaimPolicy": "Delete"}),
                "spec.persistentVolumeReclaimPolicy",
            ),
            (
                "snapshot.storage.k8s.io/v1",
                "VolumeSnapshotContent",
                json!({"deletionPolicy": "Retain"}),
                json!({"deletionPolicy": "Delete"}),
                "spec.deletionPolicy",
            ),
            (
                "external-secrets.io/v1",
                "ExternalSecret",
                json!({"target": {"deletionPolicy": "Retain"}}),
                json!({"target": {"deletionPolicy": "Delete"}}),
                "spec.target.deletionPolicy",
            ),
        ] {
            let of = |spec: &Value| of_kind(api_version, kind, &json!({"spec": spec}));
            let lost = losses(of(&kept), of(&deleted));
            assert_eq!(lost.len(), 1, "{kind}");
            assert_eq!(lost[0].why, format!("{path} becomes Delete"));
            assert_eq!(losses(of(&deleted), of(&kept)).len(), 0, "{kind}");
        }
    }

    #[test]
    fn losses_are_ordered_by_risk() {
        let mut before = Graph::default();
        for (component, api_version, kind) in [
            ("a", "v1", "ConfigMap"),
            ("b", "networking.k8s.io/v1", "NetworkPolicy"),
            ("c", "v1", "Secret"),
            ("d", "apps/v1", "StatefulSet"),
            ("e", "db.example.org/v1", "Database"),
            ("f", "security.istio.io/v1", "PeerAuthentication"),
        ] {
            before.add(Object::from_json(component, of_kind(api_version, kind, &json!({}))).unwrap());
        }
        let losses = compare(&before, &Graph::default(), |_, _| false).losses();
        let kinds: Vec<_> = losses.iter().map(|loss| loss.id.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "StatefulSet",
                "Database",
                "Secret",
                "NetworkPolicy",
                "PeerAuthentication",
                "ConfigMap"
            ]
        );
        assert!(
            losses
                .iter()
                .all(|loss| (loss.risk == Risk::Other) == loss.at_risk.is_none())
        );
    }
}
