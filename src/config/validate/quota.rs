//! Checks that the quota leaves room for all pods, their sidecars, a rollout and a Job.

use super::{Check, key};
use crate::config::stack::{Quota, Resources};

/// What Istio reserves for each sidecar by default: CPU in millicores and memory in bytes, first the requests, then
/// the limits.
const SIDECAR: Footprint = Footprint {
    requests_cpu: 100,
    requests_memory: 128 << 20,
    limits_cpu: 2_000,
    limits_memory: 1 << 30,
};

/// A Job, such as a backup or an export. It is larger than any of them needs, so that the quota never rejects a
/// nightly Job.
const JOB: Footprint = Footprint {
    requests_cpu: 250,
    requests_memory: 256 << 20,
    limits_cpu: 1_000,
    limits_memory: 1 << 30,
};

impl Check {
    /// A quota below the demand of all pods, with their sidecars and a rollout, would stop a rollout halfway.
    pub(super) fn check_quota(&mut self, quota: &Quota, demands: &[Demand<'_>]) {
        let mut need = Footprint::default();
        need.add_one(JOB);
        let mut pods = 1;
        let mut claims = 0;
        for demand in demands {
            need.add(demand.resources, demand.pods);
            pods += u128::from(demand.pods);
            claims += demand.claims;
        }
        let rows = [
            (
                "requestsCpu",
                quota.requests.cpu.thousandths(),
                need.requests_cpu,
                Unit::Cores,
            ),
            (
                "requestsMemory",
                quota.requests.memory.thousandths() / 1_000,
                need.requests_memory,
                Unit::Bytes,
            ),
            (
                "limitsCpu",
                quota.limits.cpu.thousandths(),
                need.limits_cpu,
                Unit::Cores,
            ),
            (
                "limitsMemory",
                quota.limits.memory.thousandths() / 1_000,
                need.limits_memory,
                Unit::Bytes,
            ),
            ("pods", u128::from(quota.pods), pods, Unit::Pieces),
            (
                "requestsStorage",
                quota.storage.thousandths() / 1_000,
                claims / 1_000,
                Unit::Bytes,
            ),
        ];
        for (name, allowed, needed, unit) in rows {
            if allowed < needed {
                let message = format!(
                    "is too small: all pods with their sidecars, one more during a rollout and a Job need {}",
                    unit.rounded_up(needed)
                );
                self.problems.add_with_hint(
                    key(&format!("namespace.quota.{name}")),
                    message,
                    format!("use at least {}", unit.rounded_up(needed)),
                );
            }
        }
    }
}

/// The demand of a workload's pods on the namespace of the platform.
pub(super) struct Demand<'a> {
    pub(super) resources: &'a Resources,
    /// The maximum number of pods at a time, including those of a rollout.
    pub(super) pods: u32,
    /// The total size of all volumes, in thousandths of a byte.
    pub(super) claims: u128,
}

/// Requests or limits of pods: CPU in millicores, memory in bytes.
#[derive(Clone, Copy, Default)]
struct Footprint {
    requests_cpu: u128,
    requests_memory: u128,
    limits_cpu: u128,
    limits_memory: u128,
}

impl Footprint {
    /// Adds pods with one container and a sidecar each.
    fn add(&mut self, resources: &Resources, pods: u32) {
        let pod = Self {
            requests_cpu: resources.requests.cpu.thousandths(),
            requests_memory: resources.requests.memory.thousandths() / 1_000,
            limits_cpu: resources.limits.cpu.thousandths(),
            limits_memory: resources.limits.memory.thousandths() / 1_000,
        };
        for _ in 0..pods {
            self.add_one(pod);
        }
    }

    /// Adds a pod with one container and a sidecar.
    fn add_one(&mut self, pod: Self) {
        for container in [pod, SIDECAR] {
            self.requests_cpu += container.requests_cpu;
            self.requests_memory += container.requests_memory;
            self.limits_cpu += container.limits_cpu;
            self.limits_memory += container.limits_memory;
        }
    }
}

enum Unit {
    Cores,
    Bytes,
    Pieces,
}

impl Unit {
    fn rounded_up(&self, amount: u128) -> String {
        match self {
            Self::Cores => format!("{}", amount.div_ceil(1_000)),
            Self::Bytes => format!("{}Gi", amount.div_ceil(1 << 30)),
            Self::Pieces => amount.to_string(),
        }
    }
}
