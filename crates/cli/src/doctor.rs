//! Checks everything that a deployment needs: tools on this machine, the stack's file, the cluster it names.
//!
//! An edge: it runs programs, reads kubeconfigs and queries an API server, and changes nothing. Each check completes with
//! a result and, where needed, a fix; the checks are independent of each other unless they say otherwise.
//! [`crate::commands::doctor`] prints the results.

mod api_versions;
pub mod check;
pub(crate) mod cluster;
mod esc_definitions;
pub(crate) mod esc_import;
mod identity;
mod mesh;
mod migration;
mod nodes;
mod ownership_conflicts;
mod permissions;
mod prerequisites;
mod reloader;
mod stack;
mod tools;
mod version;

pub use self::check::{Check, Status};
use self::cluster::Target;
use crate::checkout::Checkout;
use crate::stack::Stack;

/// Runs all checks: of the tools, of every stack file and, if a stack is named, of everything its deployment needs.
pub async fn run(checkout: &Checkout, stack: Option<&str>) -> anyhow::Result<Vec<Check>> {
    let stack = stack.map(|stack| checkout.stack(stack)).transpose()?;
    let mut checks = tools::run(checkout);
    let names = match &stack {
        Some(stack) => vec![stack.clone()],
        None => checkout.stacks()?,
    };
    if names.is_empty() {
        let hint = format!("write {}", checkout.shown(&checkout.stack_file("dev")));
        checks.push(Check::fail("stacks", "there are none", hint));
    }
    for name in &names {
        let loaded = Stack::load(checkout, name);
        checks.push(stack::file(name, &loaded));
        checks.extend(stack::sandbox_marker(checkout, name));
        if stack.is_none() {
            continue;
        }
        let target = match &loaded {
            Ok(loaded) => {
                checks.push(stack::placeholders(loaded));
                checks.push(stack::secrets(loaded));
                checks.extend(esc_import::run(loaded));
                checks.extend(esc_definitions::run(checkout, loaded));
                Target::Stack(loaded)
            }
            Err(_) => Target::Invalid,
        };
        checks.extend(cluster::run(checkout.root(), target).await);
    }
    if stack.is_none() {
        checks.extend(cluster::run(checkout.root(), Target::None).await);
    }
    Ok(checks)
}
