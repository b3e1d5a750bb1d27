//! Whether the ESC environment that a stack file imports fits the stack's secrets mode and backend.

use std::path::PathBuf;

use phoenix::config::SecretsMode;

use crate::stack::Stack;
use phoenix_terminal::checklist::Check;

/// The scheme of the backends that can open environments: Pulumi Cloud's.
const CLOUD: &str = "https://";

/// Checks the import; `None` if the stack imports no environment and its mode requires none.
pub fn run(stack: &Stack) -> Option<Check> {
    evaluate(
        stack.file.imports.is_some(),
        stack.config.secrets == SecretsMode::PulumiEsc,
        &stack.file.path,
        backend().as_deref(),
    )
}

fn evaluate(imports: bool, wants: bool, file: &str, backend: Option<&str>) -> Option<Check> {
    let subject = "environment";
    if !imports && !wants {
        return None;
    }
    if !imports {
        return Some(Check::fail(
            subject,
            format!("phoenix:secrets.mode is pulumi-esc, but {file} imports no environment"),
            "add `environment: [phoenix/STACK]` at the top of the file; stacks/esc/README.md describes the setup",
        ));
    }
    let fix = "set phoenix:secrets.mode to esc-direct and remove `environment:`, or log in to Pulumi Cloud";
    Some(match backend {
        None => Check::warn(
            subject,
            "is imported, but it is not known whether the state is in Pulumi Cloud, the only backend that can open it",
            "run `pulumi login`",
        ),
        // The address may contain credentials, so it is not repeated.
        Some(backend) if !backend.starts_with(CLOUD) => Check::fail(
            subject,
            "is imported, but the state is not in Pulumi Cloud, the only backend that can open it",
            fix,
        ),
        Some(_) if !wants => Check::warn(
            subject,
            "is imported, but phoenix:secrets.mode is not pulumi-esc",
            "set phoenix:secrets.mode to pulumi-esc, or remove `environment:`",
        ),
        Some(_) => Check::good(subject, "is imported, and the state is in Pulumi Cloud"),
    })
}

/// The backend that Pulumi uses: `PULUMI_BACKEND_URL`, or else that of the last `pulumi login`.
pub fn backend() -> Option<String> {
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
    use super::*;
    use phoenix_terminal::checklist::Status;

    #[test]
    fn an_import_requires_pulumi_cloud_and_the_mode_pulumi_esc() {
        let status =
            |imports, wants, backend| evaluate(imports, wants, "file", backend).map(|check| check.status);
        let (cloud, bucket) = (Some("https://api.pulumi.com"), Some("s3://login:canary@bucket"));
        assert_eq!(status(false, false, bucket), None);
        assert_eq!(status(false, true, cloud), Some(Status::Fail));
        assert_eq!(status(true, true, cloud), Some(Status::Good));
        assert_eq!(status(true, false, cloud), Some(Status::Warn));
        assert_eq!(status(true, true, None), Some(Status::Warn));
        assert_eq!(status(true, true, bucket), Some(Status::Fail));
        let shown = format!("{:?}", evaluate(true, true, "file", bucket));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
