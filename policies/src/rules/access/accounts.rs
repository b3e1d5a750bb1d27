//! Service accounts, their tokens and cloud identities.

use crate::control::Control::{
    AccessArchitecture, AccessControl, Authentication, LeastPrivilege, UniqueIdentity,
};
use crate::enforcement::Enforcement;
use crate::field::{Field, Node};
use crate::kind::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, Kind, POD, POD_TEMPLATE, REPLICA_SET, REPLICATION_CONTROLLER,
    STATEFUL_SET, WORKLOADS,
};
use crate::rule::{Check, Rule, Severity};
use crate::rules::access::rbac;
use crate::settings::{DefaultValue, Setting};
use crate::text::rule_text;

const RBAC: &[&str] = &["rbac.authorization.k8s.io", "authorization.openshift.io"];

/// Service accounts of pods.
pub static DEDICATED_SERVICE_ACCOUNT: Rule = Rule {
    id: "dedicated-service-account",
    text: rule_text!("dedicated-service-account"),
    kinds: &[
        POD,
        DEPLOYMENT,
        STATEFUL_SET,
        DAEMON_SET,
        REPLICA_SET,
        REPLICATION_CONTROLLER,
        JOB,
        CRON_JOB,
        POD_TEMPLATE,
        Kind::new(RBAC, "RoleBinding"),
        Kind::new(RBAC, "ClusterRoleBinding"),
    ],
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    evidence: &[AccessArchitecture, LeastPrivilege, UniqueIdentity, Authentication],
    check: Check::Resource(|subject, context| {
        if subject.pod.is_none() {
            for account in context.items(subject.body, "subjects") {
                let kind = context.text(account.node(), "kind");
                let name = context.text(account.node(), "name");
                if kind == Some("ServiceAccount") && name == Some("default") {
                    context.fail(
                        account.node().at("name"),
                        "the role is bound to the default service account, which every pod without its own account uses",
                    );
                }
            }
            return;
        }
        let Some(pod) = context.pod(subject) else { return };
        // `serviceAccount` is the deprecated name of the field.
        let named = pod
            .spec()
            .text("serviceAccountName")
            .or(|| pod.spec().text("serviceAccount"));
        let place = pod.spec().at("serviceAccountName");
        match named {
            Field::Known("" | "default") => context.fail(place, "the pod uses the default service account"),
            Field::Known(_) => {}
            Field::Absent => context.fail(
                place,
                "the pod sets no serviceAccountName and therefore uses the default service account",
            ),
            Field::Unknown => context.unknown(place),
        }
    }),
    ..Rule::DEFAULTS
};

static TOKEN_REQUIRED_BY: Setting = Setting {
    name: "tokenRequiredBy",
    meaning: "service accounts, as `namespace/name`, whose pods call the API server and require a token",
    default: DefaultValue::Texts(&[]),
};

/// Tokens in pods.
pub static NO_TOKEN_AUTOMOUNT: Rule = Rule {
    id: "no-token-automount",
    text: rule_text!("no-token-automount"),
    kinds: WORKLOADS,
    severity: Severity::High,
    enforcement: Enforcement::Mandatory,
    options: &[&TOKEN_REQUIRED_BY],
    evidence: &[AccessArchitecture, LeastPrivilege, AccessControl],
    check: Check::Stack(|subject, context| {
        let Some(pod) = context.pod(subject) else { return };
        let account = pod
            .spec()
            .text("serviceAccountName")
            .or(|| pod.spec().text("serviceAccount"))
            .or(|| Field::Known("default"));
        if let Field::Known(account) = account
            && context
                .option_texts(&TOKEN_REQUIRED_BY)
                .contains(&format!("{}/{account}", subject.namespace()).as_str())
        {
            context.not_applicable("the settings list the service account in tokenRequiredBy");
            return;
        }
        let field = "automountServiceAccountToken";
        let place = pod.spec().at(field);
        let of_account = || match account {
            Field::Known(account) => {
                match context
                    .inventory
                    .get(Kind::core("ServiceAccount"), subject.namespace(), account)
                {
                    Some(account) => Node::new(account.body(), "").flag(field),
                    None if context.inventory.is_complete() => Field::Absent,
                    None => Field::Unknown,
                }
            }
            Field::Absent | Field::Unknown => Field::Unknown,
        };
        let mounts = pod.spec().flag(field).or(of_account);
        if mounts != Field::Known(false)
            && let Field::Known(account) = account
            && account != "default"
            && rbac::has_permissions(subject.namespace(), account, context)
        {
            return;
        }
        match mounts {
            Field::Known(false) => {}
            Field::Known(true) => context.fail(place, "an API token is mounted into the pod"),
            Field::Absent => context.fail(
                place,
                "neither the pod nor its service account sets automountServiceAccountToken: false",
            ),
            Field::Unknown => context.unknown(place),
        }
    }),
    ..Rule::DEFAULTS
};

static CLOUD_ACCOUNTS: Setting = Setting {
    name: "allowedAccounts",
    meaning: "AWS accounts, Google Cloud projects and Azure tenants that the identities may belong to; all, if empty",
    default: DefaultValue::Texts(&[]),
};

/// Annotations that assign a cloud identity to a service account.
const AWS_ROLE: &str = "eks.amazonaws.com/role-arn";
const GOOGLE_ACCOUNT: &str = "iam.gke.io/gcp-service-account";
const AZURE_CLIENT: &str = "azure.workload.identity/client-id";
const AZURE_TENANT: &str = "azure.workload.identity/tenant-id";

/// Cloud identities.
pub static CLOUD_IDENTITY_WELL_FORMED: Rule = Rule {
    id: "cloud-identity-well-formed",
    text: rule_text!("cloud-identity-well-formed"),
    kinds: &[Kind::core("ServiceAccount")],
    severity: Severity::Medium,
    enforcement: Enforcement::Mandatory,
    options: &[&CLOUD_ACCOUNTS],
    evidence: &[AccessArchitecture, Authentication],
    check: Check::Resource(|subject, context| {
        let mut identities = 0;
        for (key, of) in [
            (
                AWS_ROLE,
                role_of_aws as fn(&str) -> Result<Option<&str>, &'static str>,
            ),
            (GOOGLE_ACCOUNT, account_of_google),
            (AZURE_CLIENT, |id| uuid(id).map(|_| None)),
            (AZURE_TENANT, |id| uuid(id).map(Some)),
        ] {
            let place = format!("metadata.annotations[{key}]");
            let identity = match subject.body.entry("metadata.annotations", key) {
                Field::Known(identity) => identity,
                Field::Absent => continue,
                Field::Unknown => {
                    context.unknown(place);
                    continue;
                }
            };
            identities += 1;
            let accounts = context.option_texts(&CLOUD_ACCOUNTS);
            match of(identity) {
                Err(what) => context.fail(place, format!("the identity is {what}")),
                Ok(Some(account)) if !accounts.is_empty() && !accounts.contains(&account) => {
                    context.fail(
                        place,
                        format!("{account} is not in the allowed accounts of the settings"),
                    );
                }
                Ok(_) => {}
            }
        }
        if identities == 0 {
            context.not_applicable("it has no cloud identity");
        }
    }),
    ..Rule::DEFAULTS
};

fn is_one_digit(text: &str) -> bool {
    let mut letters = text.bytes().filter(|byte| *byte != b'-');
    let first = letters.next();
    letters.all(|byte| Some(byte) == first)
}

/// The account of an AWS role ARN, or what is wrong with the text.
fn role_of_aws(arn: &str) -> Result<Option<&str>, &'static str> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, role] = parts.as_slice() else {
        return Err("not the ARN of an AWS role");
    };
    let name = role.strip_prefix("role/").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+=,.@_-".contains(&byte);
    let last = name.rsplit('/').next().unwrap_or_default();
    if !(*partition == "aws" || partition.starts_with("aws-")) || last.is_empty() || !name.bytes().all(plain)
    {
        return Err("not the ARN of an AWS role");
    }
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not the ARN of an AWS role: the account ID must have twelve digits");
    }
    if is_one_digit(account) {
        return Err("a placeholder: the account ID repeats one digit");
    }
    Ok(Some(account))
}

/// The project of a Google service account, if its address contains it, or what is wrong with the text.
fn account_of_google(email: &str) -> Result<Option<&str>, &'static str> {
    const NONE: &str = "not the email address of a Google service account";
    let (name, host) = email.split_once('@').ok_or(NONE)?;
    let plain = |text: &str, least: usize| {
        (least..=63).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !text.ends_with('-')
    };
    match host.strip_suffix(".iam.gserviceaccount.com") {
        Some(project) => {
            // A domain-scoped project is called `project.example.com`.
            let is_project = project.split('.').all(|part| plain(part, 1))
                && project.starts_with(|first: char| first.is_ascii_lowercase());
            if is_project && plain(name, 1) {
                Ok(Some(project))
            } else {
                Err(NONE)
            }
        }
        None if host == "developer.gserviceaccount.com" || host.ends_with("appspot.gserviceaccount.com") => {
            if plain(name, 1) {
                Ok(None)
            } else {
                Err(NONE)
            }
        }
        None => Err(NONE),
    }
}

/// A UUID, or what is wrong with the text.
fn uuid(text: &str) -> Result<&str, &'static str> {
    let lengths = text.split('-').map(str::len);
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !lengths.eq([8, 4, 4, 4, 12]) || !is_hex {
        return Err("no UUID");
    }
    if is_one_digit(text) {
        return Err("a placeholder: the UUID repeats one digit");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_of_a_cloud_is_known_by_its_form() {
        assert_eq!(
            role_of_aws("arn:aws-us-gov:iam::210987654321:role/team/app"),
            Ok(Some("210987654321"))
        );
        for wrong in [
            "arn:aws:iam::210987654321:user/app",
            "arn:aws:iam::210987654321:role/",
            "arn:aws:iam::21098765432:role/app",
            "arn:aws:iam::000000000000:role/app",
            "arn:aws:iam:eu-central-1:210987654321:role/app",
            "arn:gcp:iam::210987654321:role/app",
            "arn:aws:iam::210987654321:role/${ROLE}",
            "app",
        ] {
            assert!(role_of_aws(wrong).is_err(), "{wrong}");
        }
        let google = |name| account_of_google(name);
        assert_eq!(google("app@team-1.iam.gserviceaccount.com"), Ok(Some("team-1")));
        assert_eq!(google("12-compute@developer.gserviceaccount.com"), Ok(None));
        for wrong in [
            "app@PROJECT_ID.iam.gserviceaccount.com",
            "app.iam.gserviceaccount.com",
            "app@team-1.example",
            "@team-1.iam.gserviceaccount.com",
        ] {
            assert!(google(wrong).is_err(), "{wrong}");
        }
        assert!(uuid("0f8fad5b-d9cb-469f-a165-70867728950e").is_ok());
        for wrong in [
            "00000000-0000-0000-0000-000000000000",
            "0f8fad5b-d9cb-469f-a165",
            "CLIENT_ID",
        ] {
            assert!(uuid(wrong).is_err(), "{wrong}");
        }
    }
}
