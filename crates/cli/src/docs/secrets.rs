//! `docs/secrets.md`: all secrets of the platform, generated from the inventory.

use std::fmt::Write as _;

use phoenix::config::secret::{Form, INVENTORY, Reader, SecretRow};
use phoenix::names::{AI, MEMORY};

/// The page as it is committed.
pub fn markdown() -> String {
    let mut text = format!(
        "# Secrets\n\n\
         <!-- Generated from the inventory by a test; change src/config/secret.rs, not this file. -->\n\n\
         No file of this repository and no output of the command contains a secret value. Each Secret is in the \
         namespace of the pods that read it, `{AI}` for the chat and `{MEMORY}` for all others, and pods have access \
         to no other Secrets.\n\n\
         | key | Secret and key in the cluster | purpose | owner | requirements |\n|---|---|---|---|---|\n"
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
        "\n## Which workloads read them, and what restarts\n\n\
         A changed secret restarts exactly the workloads that read it. Their pods carry the annotation \
         `phoenix.ai/secrets-checksum`, a hash of all secrets that they read. It is keyed with `phoenix:checksumKey`, so it \
         only reveals that a value has changed; `pulumi up` updates it. In mode `external-secrets`, where no value passes \
         through Pulumi, Stakater's Reloader restarts all workloads that read a changed Secret.\n\n\
         | key | workload | container | variable |\n|---|---|---|---|\n",
    );
    for row in INVENTORY {
        for reader in row.readers {
            let _infallible = writeln!(text, "{}", reading(row, reader));
        }
        if row.readers.is_empty() {
            let _infallible = writeln!(
                text,
                "| `{}` | every workload that reads a secret restarts | read by the program itself | |",
                row.full_key()
            );
        }
    }
    text.push_str(
        "\n## Sources\n\n\
         `phoenix:secrets.mode` selects the source of all secrets of a stack.\n\n\
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
    text.push_str("\n## Rotation\n\n[How to rotate a secret](runbooks/rotate-a-secret.md) describes the steps.\n\n| key | rotation |\n|---|---|\n");
    for row in INVENTORY {
        let _infallible = writeln!(text, "| `{}` | {} |", row.full_key(), row.rotation);
    }
    text
}

/// How to change the mode of a running stack.
const MOVING: &str = "
### Change the mode of a running stack

The Secrets remain the same objects, and at most the workloads that read them restart. First, store the same values in the new source. Then:

- **Between `local`, `pulumi-esc` and `esc-direct`**: change `phoenix:secrets`, remove the values from the old source, and run `pulumi up`. With the same values and the
  same `phoenix:checksumKey`, no pod restarts.
- **To `external-secrets`**: make sure that the operator and Reloader run in the cluster, remove the values from the stack, change `phoenix:secrets`, and run `pulumi up`. In `staging` and
  `prod`, the engine removes the Secrets from its state and retains them in the cluster (`phoenix.ai/deletion: retained`), and the operator takes them over. The engine
  uses the deletion policy that it recorded at the last `pulumi up`: `pulumi preview` must show `delete[retain]` for the Secrets. If it shows `delete` only, first run `pulumi up` in the old mode. In `dev`, the engine deletes the Secrets at the
  end, and the operator creates them again within seconds; a pod that starts in between waits.
- **From `external-secrets`**: set the values, including `phoenix:checksumKey`, change `phoenix:secrets`, and run `pulumi up`. It adopts the Secrets, and in `staging` and `prod` they are
  not deleted with their ExternalSecrets (`creationPolicy: Orphan`).
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
        Form::Key { least } => format!("at least {least} random characters"),
        Form::Keys { least } => {
            format!(
                "at least {least} random characters; during a rotation the new key, a comma and the previous key"
            )
        }
        Form::Password { least } => {
            format!("at least {least} random characters: letters, digits, `-`, `.`, `_` and `~`")
        }
        Form::PrivateKey => "an RSA private key with at least 2048 bits, PEM-encoded PKCS #8".to_owned(),
        Form::PostgresUrl => {
            "`postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full`; `dev` and a server in the mesh need no `sslmode`".to_owned()
        }
    }
}
