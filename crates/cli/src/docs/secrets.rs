//! `docs/secrets.md`: every secret of the platform, made from the inventory.

use std::fmt::Write as _;

use phoenix::config::secret::{Form, INVENTORY, Reader, SecretRow};
use phoenix::names::{AI, MEMORY};

/// The page as it is committed.
pub fn markdown() -> String {
    let mut text = format!(
        "# The secrets of the platform\n\n\
         <!-- Generated from the inventory by a test; change src/config/secret.rs, not this file. -->\n\n\
         No file of this repository, and nothing that the command prints, has a value. Each is in the namespace \
         of the pods that read it, `{AI}` for the chat and `{MEMORY}` for all others, and no pod reads another one.\n\n\
         | key | Secret and key in the cluster | what it is | whose it is | a good value |\n|---|---|---|---|---|\n"
    );
    for row in INVENTORY {
        let _infallible = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            row.full_key(),
            place(row),
            row.purpose,
            row.owner,
            good(row.form)
        );
    }
    text.push_str(
        "\n## Who reads them, and what restarts\n\n\
         What reads a secret restarts by itself when it changes; nothing else does. Its pods carry the annotation \
         `phoenix.ai/secrets-checksum`, a hash of all secrets that they read, keyed by `phoenix:checksumKey` so that it tells \
         nothing but that something has changed; `pulumi up` writes it. In mode `external-secrets`, where no value passes through Pulumi, Stakater's Reloader in the \
         cluster restarts them instead, all readers of the Secret that has changed.\n\n\
         | key | workload | container | variable |\n|---|---|---|---|\n",
    );
    for row in INVENTORY {
        for reader in row.readers {
            let _infallible = writeln!(text, "{}", reading(row, reader));
        }
        if row.readers.is_empty() {
            let _infallible = writeln!(
                text,
                "| `{}` | every reader of any secret restarts | the program itself reads it | |",
                row.full_key()
            );
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
             {} |",
            in_environment(row)
        );
    }
    text.push_str(MOVING);
    text.push_str("\n## How each is changed\n\n[How to rotate a secret](runbooks/rotate-a-secret.md) has the steps.\n\n| key | rotation |\n|---|---|\n");
    for row in INVENTORY {
        let _infallible = writeln!(text, "| `{}` | {} |", row.full_key(), row.rotation);
    }
    text
}

/// How a stack that runs changes its mode.
const MOVING: &str = "
A stack that runs can change its mode; the Secrets stay the same objects, and only their readers restart. Put all values into the new place
first, the very same ones. Then:

- **between `local`, `pulumi-esc` and `esc-direct`**: change `phoenix:secrets`, remove the values from the old place, `pulumi up`. With the same values, and the
  same `phoenix:checksumKey`, not even a pod restarts.
- **to `external-secrets`**: have the operator and Reloader in the cluster, remove the values from the stack, change `phoenix:secrets`, `pulumi up`. In `staging` and
  `prod` the engine forgets the Secrets and leaves them standing (`phoenix.ai/deletion: retained`), and the operator goes on with them. The engine
  goes by what it noted at the last `pulumi up`: `pulumi preview` must say `delete[retain]` of the Secrets; where it says `delete` alone, make one `up` in the old mode first. In `dev` the engine deletes them at the
  end, and the operator makes them anew within seconds; a pod that starts in between waits.
- **from `external-secrets`**: set the values, `phoenix:checksumKey` among them, change `phoenix:secrets`, `pulumi up`. It takes the Secrets over, and in `staging` and `prod` they do
  not go with their ExternalSecrets (`creationPolicy: Orphan`).
";

fn place(row: &SecretRow) -> String {
    if row.readers.is_empty() {
        return "none; it never leaves the program".to_owned();
    }
    format!("`{}`, `{}`", row.secret, row.data_key)
}

fn in_environment(row: &SecretRow) -> String {
    let properties: Vec<_> = row
        .properties()
        .iter()
        .map(|property| format!("`{property}`"))
        .collect();
    if properties.is_empty() {
        return "not needed".to_owned();
    }
    format!("{} of the environment", properties.join(" and "))
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
        Form::Password { least } => {
            format!("at least {least} letters, digits, `-`, `.`, `_` and `~` that nobody can guess")
        }
        Form::PrivateKey => {
            "a private key of RSA with 2048 bits or more, in PEM of the kind PKCS #8".to_owned()
        }
        Form::PostgresUrl => "`postgresql://USER:PASSWORD@HOST/DATABASE`".to_owned(),
    }
}
