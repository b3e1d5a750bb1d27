//! Finding one process of a run, or of a sandbox, and killing it.
//!
//! Promises: only a descendant of the given engine, or a recorded component of the given sandbox, is ever killed; when
//! [`kill`] returns, it runs no more.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::live::Live;

/// The provider's program.
const PROVIDER: &str = "pulumi-resource-kubernetes";

/// Whom a fault can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// Pulumi's command.
    Engine,
    /// The Kubernetes provider.
    Provider,
    /// The language host.
    Host,
    /// The program.
    Program,
    /// The API server.
    ApiServer,
    /// The API server's store.
    Etcd,
}

impl Victim {
    /// Whether it belongs to the cluster and not to the run.
    pub fn is_of_the_cluster(self) -> bool {
        matches!(self, Self::ApiServer | Self::Etcd)
    }
}

/// Where to look for victims.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The sandbox's component processes, by name.
    components: Vec<(String, i32)>,
}

impl Ground {
    /// The processes of this sandbox as they are now.
    pub fn of(live: &Live) -> Self {
        let components = live.sandbox().status().components.into_iter();
        Self {
            components: components
                .filter_map(|component| Some((component.name, component.pid?)))
                .collect(),
        }
    }

    /// Kills a victim with a signal that it cannot catch, and waits until it is gone.
    pub fn kill(&self, victim: Victim, engine: i32) {
        let pids = match victim {
            Victim::Engine => vec![engine],
            Victim::Provider => running(engine, PROVIDER),
            Victim::Host => running(engine, "pulumi-language-rust"),
            Victim::Program => running(engine, "phoenix-program"),
            Victim::ApiServer => self.component("kube-apiserver"),
            Victim::Etcd => self.component("etcd"),
        };
        assert!(!pids.is_empty(), "{victim:?} does not run");
        for pid in pids {
            kill(pid);
        }
    }

    fn component(&self, name: &str) -> Vec<i32> {
        let found = self.components.iter().filter(|(known, _)| known == name);
        found.map(|(_, pid)| *pid).collect()
    }
}

/// Kills a process, and waits until it runs no more. A zombie, which waits for its parent, does not run.
pub fn kill(pid: i32) {
    let _gone_already = rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
    while runs(pid) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of a run: the engine and everything it started, directly or not.
pub fn family(engine: i32) -> BTreeSet<i32> {
    let everyone: Vec<(i32, i32)> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.0)))
        .collect();
    let mut family = BTreeSet::from([engine]);
    loop {
        let children: Vec<i32> = everyone
            .iter()
            .filter(|(pid, parent)| family.contains(parent) && !family.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if children.is_empty() {
            return family;
        }
        family.extend(children);
    }
}

/// Those of a run that execute a program of this name.
fn running(engine: i32, program: &str) -> Vec<i32> {
    family(engine)
        .into_iter()
        .filter(|pid| executes(*pid, program))
        .collect()
}

fn executes(pid: i32, program: &str) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
        let first = line.split(|byte| *byte == 0).next().unwrap_or_default();
        Path::new(&*String::from_utf8_lossy(first)).file_name() == Some(program.as_ref())
    })
}

/// Ends a provider that outlives its engine, as a person would; everything else of a run must end by itself.
pub fn outlives(pid: i32) {
    if executes(pid, PROVIDER) {
        return kill(pid);
    }
    for _ in 0..300 {
        if !runs(pid) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    panic!("{} outlives its engine", String::from_utf8_lossy(&line));
}

fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != "Z")
}

/// The parent and the state of a process. Its name comes before them, in brackets, and may hold brackets itself.
fn stat(pid: i32) -> Option<(i32, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut rest = text.rsplit_once(')')?.1.split_whitespace();
    let state = rest.next()?.to_owned();
    Some((rest.next()?.parse().ok()?, state))
}
