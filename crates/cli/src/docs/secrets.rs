//! `docs/secrets.md`: every secret of the platform, made from the inventory.

use std::fmt::Write as _;

use phoenix::config::secret::{Form, INVENTORY, Reader, SecretRow};
use phoenix::names::MEMORY;

/// The page as it is committed.
pub fn markdown() -> String {
    let mut text = format!(
        "# The secrets of the platform\n\n\
         <!-- Generated from the inventory by a test; change src/config/secret.rs, not this file. -->\n\n\
         No file of this repository, and nothing that the command prints, has a value. All of them are in the namespace \
         `{MEMORY}`, and no pod reads another one.\n\n\
         | key | Secret and key in the cluster | what it is | whose it is | a good value |\n|---|---|---|---|---|\n"
    );
    for row in INVENTORY {
        let _infallible = writeln!(
            text,
            "| `{}` | `{}`, `{}` | {} | {} | {} |",
            row.full_key(),
            row.secret,
            row.data_key,
            row.purpose,
            row.owner,
            good(row.form)
        );
    }
    text.push_str(
        "\n## Who reads them, and what restarts\n\n\
         What reads a secret is what has to restart when it changes; nothing else does.\n\n\
         | key | workload | container | variable |\n|---|---|---|---|\n",
    );
    for row in INVENTORY {
        for reader in row.readers {
            let _infallible = writeln!(text, "{}", reading(row, reader));
        }
    }
    text.push_str(
        "\n## Where each comes from\n\n\
         `phoenix:secrets.mode` decides it for all of them together.\n\n\
         | key | `local` | `pulumi-esc` and `esc-direct` | `external-secrets` |\n|---|---|---|---|\n",
    );
    for row in INVENTORY {
        let key = row.full_key();
        let _infallible = writeln!(
            text,
            "| `{key}` | `pulumi config set --secret {key}` | `pulumiConfig[\"{key}\"]` of the environment | \
             {} of the environment |",
            row.properties()
                .iter()
                .map(|property| format!("`{property}`"))
                .collect::<Vec<_>>()
                .join(" and ")
        );
    }
    text.push_str("\n## How each is changed\n\n| key | rotation |\n|---|---|\n");
    for row in INVENTORY {
        let _infallible = writeln!(text, "| `{}` | {} |", row.full_key(), row.rotation);
    }
    text
}

fn reading(row: &SecretRow, reader: &Reader) -> String {
    format!(
        "| `{}` | `{}` | `{}` | `{}` |",
        row.full_key(),
        reader.workload.name,
        reader.container,
        reader.variable
    )
}

fn good(form: Form) -> String {
    match form {
        Form::Key { least } => format!("at least {least} characters that nobody can guess"),
        Form::PostgresUrl => "`postgresql://USER:PASSWORD@HOST/DATABASE`".to_owned(),
    }
}
