//! `phoenix sandbox`: its command line. `phoenix-live` runs it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::arguments::Format;

/// Run a stack on this machine: a real control plane with simulated nodes, and a real `pulumi up` into it.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Start a sandbox and deploy a stack into it. If the sandbox is running already, deploy again.
    #[command(after_help = "Example:\n  cargo phoenix sandbox up dev")]
    Up {
        /// The stack to deploy [default: dev].
        stack: Option<String>,
        /// Start only the control plane.
        #[arg(long)]
        no_deploy: bool,
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
    },
    /// Stop a sandbox and remove all of its files. Succeeds if there is no sandbox.
    #[command(after_help = "Example:\n  cargo phoenix sandbox down --all")]
    Down {
        /// The stack of the sandbox, which is also the sandbox's name unless --name was given.
        stack: Option<String>,
        /// Stop every sandbox in the default directory.
        #[arg(long, conflicts_with_all = ["stack", "name", "dir"])]
        all: bool,
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
    },
    /// Show the status of each component; exits with 2 if one is down.
    #[command(after_help = "Example:\n  cargo phoenix sandbox status dev --format json")]
    Status {
        /// The stack of the sandbox, which is also the sandbox's name unless --name was given.
        stack: Option<String>,
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
        /// The output format.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Run Pulumi in a sandbox, on a fresh copy of its stack file; exits with Pulumi's exit code.
    #[command(after_help = "Example:\n  cargo phoenix sandbox pulumi -- preview --diff")]
    Pulumi {
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
        /// The arguments for Pulumi.
        #[arg(last = true, required = true)]
        arguments: Vec<OsString>,
    },
    /// Print the environment variables with which kubectl and pulumi use a sandbox.
    #[command(after_help = "Example:\n  eval \"$(cargo phoenix sandbox env)\"")]
    Env {
        /// Which sandbox.
        #[command(flatten)]
        place: Place,
        /// Lines for a shell, or one JSON object.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Find or build the tools of a sandbox, and print the path of each.
    #[command(after_help = "Example:\n  cargo phoenix sandbox tools --all")]
    Tools {
        /// Include the tools that only the tests need.
        #[arg(long)]
        all: bool,
        /// Include the tools that only the benchmarks need.
        #[arg(long)]
        benchmarks: bool,
    },
    /// A background process of a sandbox.
    #[command(hide = true)]
    Worker {
        /// Which process.
        #[command(subcommand)]
        work: Work,
    },
}

/// The sandbox to work on.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Place {
    /// The name of the sandbox [default: the name of its stack].
    #[arg(long)]
    pub name: Option<String>,
    /// The directory of the sandbox, instead of one in the user's state directory.
    #[arg(long, conflicts_with = "name")]
    pub dir: Option<PathBuf>,
}

/// The background processes of a sandbox.
#[derive(Debug, clap::Subcommand)]
pub enum Work {
    /// Run another program in a session of its own.
    Session {
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Provision volumes for claims.
    Volumes {
        /// The kubeconfig of the cluster.
        #[arg(long)]
        kubeconfig: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[test]
    fn arguments_after_the_dashes_belong_to_pulumi() {
        let line = Line::try_parse_from(["x", "pulumi", "--name", "live", "--", "preview", "--diff"]);
        let Command::Pulumi { place, arguments } = line.expect("parsed").command else {
            panic!("another command was parsed")
        };
        assert_eq!(place.name.as_deref(), Some("live"));
        assert_eq!(arguments, ["preview", "--diff"]);
    }
}
