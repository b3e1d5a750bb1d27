//! Whether what a stack file imports from Pulumi ESC is read by its mode, and opened by its backend.

use std::path::PathBuf;

use phoenix::config::SecretsMode;

use super::check::Check;
use crate::stack::Stack;

/// Where Pulumi keeps a state that can import environments, as its command writes it.
const CLOUD: &str = "https://";

/// Nothing where the stack imports no environment and its mode needs none.
pub fn run(stack: &Stack) -> Option<Check> {
    judge(
        stack.file.imports.is_some(),
        stack.config.secrets == SecretsMode::PulumiEsc,
        &stack.file.path,
        backend().as_deref(),
    )
}

fn judge(imports: bool, wants: bool, file: &str, backend: Option<&str>) -> Option<Check> {
    let subject = "environment";
    if !imports && !wants {
        return None;
    }
    if !imports {
        return Some(Check::fail(
            subject,
            format!("phoenix:secrets.mode is pulumi-esc, but {file} imports no environment"),
            "write `environment: [phoenix/STACK]` at its top; stacks/esc/README.md tells how it is set up",
        ));
    }
    let way = "set phoenix:secrets.mode to esc-direct and remove `environment:`, or log in to Pulumi Cloud";
    Some(match backend {
        None => Check::warn(
            subject,
            "is imported, and it is not known whether the state is on Pulumi Cloud, which alone can open it",
            "run `pulumi login`",
        ),
        // The address is not repeated: a login may be in it.
        Some(backend) if !backend.starts_with(CLOUD) => Check::fail(
            subject,
            "is imported, but the state is not on Pulumi Cloud, and no other backend can open it",
            way,
        ),
        Some(_) if !wants => Check::warn(
            subject,
            "is imported, but phoenix:secrets.mode does not say so",
            "set phoenix:secrets.mode to pulumi-esc, or remove `environment:`",
        ),
        Some(_) => Check::good(subject, "is imported, and the state is on Pulumi Cloud"),
    })
}

/// Where the engine would keep the state: the variable, else what somebody has logged in to last.
pub(crate) fn backend() -> Option<String> {
    if let Ok(url) = std::env::var("PULUMI_BACKEND_URL")
        && !url.is_empty()
    {
        return Some(url);
    }
    let home = std::env::var_os("PULUMI_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pulumi")))?;
    let text = std::fs::read_to_string(home.join("credentials.json")).ok()?;
    let credentials: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(credentials.get("current")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::check::Status;
    use super::*;

    #[test]
    fn an_import_is_opened_by_pulumi_cloud_only_and_wanted_by_one_mode() {
        let status =
            |imports, wants, backend| judge(imports, wants, "file", backend).map(|check| check.status);
        let (cloud, bucket) = (Some("https://api.pulumi.com"), Some("s3://login:canary@bucket"));
        assert_eq!(status(false, false, bucket), None);
        assert_eq!(status(false, true, cloud), Some(Status::Fail));
        assert_eq!(status(true, true, cloud), Some(Status::Good));
        assert_eq!(status(true, false, cloud), Some(Status::Warn));
        assert_eq!(status(true, true, None), Some(Status::Warn));
        assert_eq!(status(true, true, bucket), Some(Status::Fail));
        let told = format!("{:?}", judge(true, true, "file", bucket));
        assert!(!told.contains("canary"), "{told}");
    }
}
