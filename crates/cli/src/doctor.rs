//! Checks everything that a deployment requires on this machine: the tools, the stack's file, the kubeconfig.
//!
//! An edge: it runs programs and reads files, and changes nothing. Each check completes with a result and, where needed, a
//! fix; the checks are independent of each other unless they say otherwise. The cluster itself is checked by
//! [`Live::doctor`](crate::live::Live::doctor). [`crate::commands::doctor`] prints the results.

mod esc_definitions;
pub mod esc_import;
mod kubeconfig;
mod stack;
pub mod tools;

use phoenix_terminal::checklist::Check;

use crate::checkout::Checkout;
use crate::clusters;
use crate::stack::Stack;

/// The checks of this machine, and what remains to be checked elsewhere.
pub struct Local {
    /// The results.
    pub checks: Vec<Check>,
    /// The stack's cluster, if its stack file is valid and the kubeconfig leads to it.
    pub target: Option<Target>,
}

/// A stack with the context of its cluster.
pub struct Target {
    /// The stack.
    pub stack: Stack,
    /// The context of the kubeconfig.
    pub context: String,
}

/// Runs all checks of this machine: of the tools, of every stack file and, if a stack is named, of its deployment.
pub fn run(checkout: &Checkout, stack: Option<&str>) -> anyhow::Result<Local> {
    let mut checks = tools::run(checkout);
    let Some(name) = stack else {
        let names = checkout.stacks()?;
        if names.is_empty() {
            let hint = format!("write {}", checkout.shown(&checkout.stack_file("dev")));
            checks.push(Check::fail("stacks", "there are no stack files", hint));
        }
        let mut loaded = Vec::new();
        for name in &names {
            let stack = Stack::load(checkout, name);
            checks.push(stack::file(name, &stack));
            checks.extend(stack::sandbox_marker(checkout, name));
            loaded.extend(stack);
        }
        checks.extend(shared_clusters(&loaded));
        checks.extend(kubeconfig::optional());
        return Ok(Local { checks, target: None });
    };
    let name = checkout.stack(name)?;
    let loaded = Stack::load(checkout, &name);
    checks.push(stack::file(&name, &loaded));
    checks.extend(stack::sandbox_marker(checkout, &name));
    let mut context = None;
    if let Ok(stack) = &loaded {
        checks.extend(shared_clusters(std::slice::from_ref(stack)));
        checks.push(stack::placeholders(stack));
        checks.push(stack::postgres(stack));
        checks.push(stack::secrets(stack));
        checks.extend(esc_import::run(stack));
        checks.extend(esc_definitions::run(checkout, stack));
        context.clone_from(&stack.config.cluster.context);
    }
    let (more, context) = kubeconfig::required(context.as_deref());
    checks.extend(more);
    let target = match (loaded, context) {
        (Ok(stack), Some(context)) => Some(Target { stack, context }),
        _ => None,
    };
    Ok(Local { checks, target })
}

/// A failed check for each cluster that several stacks have.
fn shared_clusters(stacks: &[Stack]) -> Vec<Check> {
    let shared = stacks
        .iter()
        .map(|stack| (stack.name.as_str(), stack.shared_cluster.as_slice()));
    clusters::warnings(shared)
        .into_iter()
        .map(|warning| {
            Check::fail(
                "cluster",
                warning,
                "give each stack a cluster and an identifier of its own",
            )
        })
        .collect()
}
