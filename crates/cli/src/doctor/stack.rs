//! The stack file: it is valid, has no placeholders, and every secret has a value.

use phoenix::config::secret::SecretOrigin;
use phoenix::config::{NAMESPACE, PostgresTransport, secret};

use crate::checkout::Checkout;
use crate::stack::{Invalid, Stack};
use crate::stack_file::StackFile;
use phoenix_terminal::checklist::Check;
use phoenix_terminal::output::count;
use phoenix_terminal::user_error;

/// Checks that the file is valid.
pub fn file(name: &str, loaded: &anyhow::Result<Stack>) -> Check {
    let subject = format!("stack {name}");
    let error = match loaded {
        Ok(stack) => {
            return Check::good(
                subject,
                format!(
                    "{} declares {}",
                    stack.file.path,
                    count(stack.graph.len(), "object")
                ),
            );
        }
        Err(error) => error,
    };
    match error.downcast_ref::<Invalid>() {
        Some(invalid) => Check::fail(
            subject,
            invalid.to_string(),
            "correct the stack file; each error has its own hint",
        ),
        None => Check::fail(
            subject,
            user_error::render(error).trim_start_matches("error: "),
            "correct the stack file",
        ),
    }
}

/// Checks that `phoenix:sandbox` is not set in the repository: it makes the Pulumi program accept placeholders.
pub fn sandbox_marker(checkout: &Checkout, name: &str) -> Option<Check> {
    let file = StackFile::read(checkout, name).ok()?;
    let key = format!("{NAMESPACE}:sandbox");
    let is_set = file
        .keys
        .get(&key)
        .is_some_and(|value| *value != serde_json::Value::Bool(false));
    let place = file
        .origins
        .of(&key)
        .map_or(file.path.clone(), ToString::to_string);
    is_set.then(|| {
        Check::fail(
            "sandbox marker",
            format!("{key} is set at {place}"),
            "remove it; only the sandbox sets it, in its own copy of the file",
        )
    })
}

/// What protects the connections to Postgres. The connection strings are checked by `secrets check`.
pub fn postgres(stack: &Stack) -> Check {
    let subject = "Postgres";
    if stack.config.postgres.transport == PostgresTransport::Mesh {
        Check::good(
            subject,
            "in the mesh: mutual TLS, if the sidecars of the server accept nothing else (STRICT)",
        )
    } else if stack.config.requires_postgres_tls() {
        Check::good(
            subject,
            "outside of the mesh: connection strings without sslmode=verify-full are rejected",
        )
    } else {
        Check::good(subject, "outside of the mesh: TLS is not required in dev")
    }
}

/// Checks that no value is a placeholder.
pub fn placeholders(stack: &Stack) -> Check {
    let subject = "placeholders";
    let placeholders = &stack.config.placeholders;
    if placeholders.is_empty() {
        return Check::good(subject, "none");
    }
    let lines: Vec<_> = placeholders
        .iter()
        .map(|(key, missing)| format!("\n{key} — {missing}"))
        .collect();
    let found = format!(
        "{} not set; `pulumi up` rejects the stack until all are set:{}",
        count(placeholders.len(), "value"),
        lines.concat()
    );
    Check::fail(subject, found, format!("set the values in {}", stack.file.path))
}

/// Checks that every secret has a value, and in one place only.
pub fn secrets(stack: &Stack) -> Check {
    let subject = "secrets";
    if let Some(source) = crate::secrets::source(&stack.config.secrets) {
        let own: Vec<_> = stack.file.secrets.iter().map(String::as_str).collect();
        return if own.is_empty() {
            Check::good(subject, format!("come from {source}; the stack file has none"))
        } else {
            Check::fail(
                subject,
                format!(
                    "come from {source}, but the stack file also has values for {}, which is ambiguous",
                    own.join(", ")
                ),
                format!("pulumi config rm KEY --stack {}", stack.name),
            )
        };
    }
    let needed = stack.config.secrets_needed();
    let missing = secret::missing(
        &needed,
        stack.file.secrets.iter().map(String::as_str),
        SecretOrigin::StackConfig,
    );
    let needed = needed.len();
    if missing.is_empty() {
        return Check::good(subject, format!("all {needed} have a value"));
    }
    let lines: Vec<_> = missing
        .iter()
        .map(|problem| format!("\n{} {}", problem.key, problem.message))
        .collect();
    let found = format!(
        "{} of {needed} have no value:{}",
        missing.iter().count(),
        lines.concat()
    );
    Check::fail(
        subject,
        found,
        format!(
            "pulumi config set --secret KEY --stack {}, which prompts for the value",
            stack.name
        ),
    )
}
