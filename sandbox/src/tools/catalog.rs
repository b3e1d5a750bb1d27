//! The programs and files of a sandbox: which module pins each, how it is built, and which versions on PATH are accepted.

/// A program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The name of its executable.
    pub name: &'static str,
    /// The folder under `sandbox/tools/` whose `go.mod` pins it.
    pub family: &'static str,
    /// The package to build.
    pub package: &'static str,
    /// The linker flags with which its authors set its version.
    pub variables: &'static str,
    /// The build tags that exclude features which are not used here.
    pub tags: &'static str,
    /// The pinned version.
    pub version: &'static str,
    /// The arguments with which it prints its version, and the oldest accepted version (major, minor). A program on PATH
    /// whose version is not known is not used.
    pub on_path: Option<(&'static [&'static str], (u32, u32))>,
    /// How long a build takes on two cores with empty caches, and why.
    pub cold: &'static str,
}

impl Tool {
    /// The settings that lead to a different executable from the same source.
    pub fn settings(&self) -> String {
        match self.tags {
            "" => self.variables.to_owned(),
            tags => format!("{} -tags {tags}", self.variables),
        }
    }
}

/// Files of a Go module that are used unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleFiles {
    /// A description.
    pub name: &'static str,
    /// The folder under `sandbox/tools/` whose `go.mod` pins the module.
    pub family: &'static str,
    /// The module.
    pub module: &'static str,
    /// The files, relative to the module's folder.
    pub files: &'static [&'static str],
}

/// Pulumi.
pub const PULUMI: Tool = Tool {
    name: "pulumi",
    family: "pulumi",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    variables: "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
    tags: "",
    version: "3.259.0",
    // 3.255 introduced executables as policy packs.
    on_path: Some((&["version"], (3, 255))),
    cold: "3 to 4 minutes: the engine with all its backends",
};

/// The version of the Kubernetes provider, which Pulumi looks for.
pub use phoenix::provider::VERSION as PROVIDER_VERSION;

/// The Kubernetes provider. It cannot print its version, so one on PATH is not used.
pub const PROVIDER: Tool = Tool {
    name: "pulumi-resource-kubernetes",
    family: "pulumi-kubernetes",
    package: ".",
    variables: "",
    tags: "",
    version: PROVIDER_VERSION,
    on_path: None,
    cold: "4 to 6 minutes: it links every Kubernetes API and Helm",
};

const KUBERNETES: &str = "-X k8s.io/component-base/version.gitVersion=v1.37.2";

/// The database of the control plane.
pub const ETCD: Tool = Tool {
    name: "etcd",
    family: "etcd",
    package: ".",
    variables: "",
    tags: "",
    version: "3.7.3",
    on_path: Some((&["--version"], (3, 5))),
    cold: "half a minute",
};

/// The API server, with its admission.
pub const API_SERVER: Tool = Tool {
    name: "kube-apiserver",
    family: "kubernetes",
    package: "k8s.io/kubernetes/cmd/kube-apiserver",
    variables: KUBERNETES,
    tags: "",
    version: "1.37.2",
    on_path: Some((&["--version"], (1, 34))),
    cold: "4 to 5 minutes: it contains every Kubernetes API",
};

/// The controllers, for example of Deployments and Services.
pub const CONTROLLER_MANAGER: Tool = Tool {
    name: "kube-controller-manager",
    package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    cold: "1 to 2 minutes",
    ..API_SERVER
};

/// The scheduler.
pub const SCHEDULER: Tool = Tool {
    name: "kube-scheduler",
    package: "k8s.io/kubernetes/cmd/kube-scheduler",
    cold: "half a minute after the controller manager",
    ..API_SERVER
};

/// kubectl. Only the tests that compare our reader of manifests with it need it. What it reads depends on its version, so
/// one on PATH is not used.
pub const KUBECTL: Tool = Tool {
    name: "kubectl",
    package: "k8s.io/kubernetes/cmd/kubectl",
    on_path: None,
    cold: "1 minute after the API server",
    ..API_SERVER
};

/// kubectl's code that reads manifests, as a program that answers many requests. Only the same tests need it.
pub const KUBECTL_READER: Tool = Tool {
    name: "kubectl-reader",
    package: "./reader",
    cold: "seconds after kubectl",
    ..KUBECTL
};

/// The simulation of kubelets.
pub const KWOK: Tool = Tool {
    name: "kwok",
    family: "kwok",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    variables: "",
    tags: "",
    version: "0.8.0",
    on_path: Some((&["--version"], (0, 7))),
    cold: "20 seconds after the API server",
};

/// Istio's analyzer. Only the tests of the mesh need it.
pub const ISTIOCTL: Tool = Tool {
    name: "istioctl",
    family: "istio",
    package: "istio.io/istio/istioctl/cmd/istioctl",
    variables: "",
    tags: "",
    version: "1.31-alpha",
    on_path: Some((&["version", "--remote=false"], (1, 27))),
    cold: "3 to 4 minutes: half of Istio",
};

/// Helm, with which the benchmarks compare rendering. Results depend on the version, so one on PATH is not used.
pub const HELM: Tool = Tool {
    name: "helm",
    family: "helm",
    package: "helm.sh/helm/v4/cmd/helm",
    variables: "",
    tags: "",
    version: "4.3.1",
    on_path: None,
    cold: "1 to 2 minutes",
};

/// kube-score, with which the benchmarks compare checking: the fastest of the tools that check manifests.
pub const KUBE_SCORE: Tool = Tool {
    name: "kube-score",
    family: "kube-score",
    package: "github.com/zegl/kube-score/cmd/kube-score",
    variables: "",
    tags: "",
    version: "1.20.0",
    on_path: None,
    cold: "1 to 2 minutes",
};

/// A service that evaluates ESC environments with Pulumi's own evaluator. Only the tests of secrets need it.
pub const ESC_SERVICE: Tool = Tool {
    name: "phoenix-esc-service",
    family: "esc",
    package: ".",
    variables: "",
    tags: "",
    version: "3.259.0",
    on_path: None,
    cold: "1 minute",
};

/// promtool. Only the tests of the alerts need it.
pub const PROMTOOL: Tool = Tool {
    name: "promtool",
    family: "prometheus",
    package: "github.com/prometheus/prometheus/cmd/promtool",
    variables: "-X github.com/prometheus/common/version.Version=3.14.0",
    // Excludes service discovery in clouds: half of the source.
    tags: "remove_all_sd",
    version: "3.14.0",
    // Version 3 changed names of labels and messages.
    on_path: Some((&["--version"], (3, 0))),
    cold: "1 minute",
};

/// The programs that only the tests need.
pub const TESTS: [Tool; 5] = [ISTIOCTL, ESC_SERVICE, PROMTOOL, KUBECTL, KUBECTL_READER];

/// The programs that only the benchmarks need.
pub const BENCHMARKS: [Tool; 2] = [HELM, KUBE_SCORE];

/// The programs of a control plane, in the order in which they are built: programs that share packages follow each other.
pub const CONTROL_PLANE: [Tool; 5] = [ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK];

/// The custom resource definitions of Istio.
pub const ISTIO_DEFINITIONS: ModuleFiles = ModuleFiles {
    name: "the custom resource definitions of Istio",
    family: "istio",
    module: "istio.io/api",
    files: &["kubernetes/customresourcedefinitions.gen.yaml"],
};

/// The custom resource definitions of the External Secrets Operator, for the tests of secrets. Newer versions are not available
/// as a Go module.
pub const EXTERNAL_SECRETS_DEFINITIONS: ModuleFiles = ModuleFiles {
    name: "the custom resource definitions of the External Secrets Operator",
    family: "external-secrets",
    module: "github.com/external-secrets/external-secrets",
    files: &[
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
        "config/crds/bases/external-secrets.io_secretstores.yaml",
    ],
};

/// The custom resource definitions of the Prometheus Operator.
pub const OPERATOR_DEFINITIONS: ModuleFiles = ModuleFiles {
    name: "the custom resource definitions of the Prometheus Operator",
    family: "prometheus-operator",
    module: "github.com/prometheus-operator/prometheus-operator",
    files: &[
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    ],
};

/// The custom resource definitions in a sandbox's cluster.
pub const DEFINITIONS: [ModuleFiles; 2] = [ISTIO_DEFINITIONS, OPERATOR_DEFINITIONS];

/// kwok's stages: the lifecycle of simulated nodes and pods. The heartbeat stage is defined in this package.
pub const STAGES: ModuleFiles = ModuleFiles {
    name: "kwok's stages for nodes and pods",
    family: "kwok",
    module: "sigs.k8s.io/kwok",
    files: &[
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/pod/fast/pod-ready.yaml",
        "kustomize/stage/pod/fast/pod-complete.yaml",
        "kustomize/stage/pod/fast/pod-delete.yaml",
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::super::repository;
    use super::*;

    /// Modules with the same versions are compiled once for all tools.
    #[test]
    fn the_tools_share_the_versions_of_the_kubernetes_modules() {
        let root = repository(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("this is a checkout");
        let versions = |family: &str| {
            let manifest = root.join("sandbox/tools").join(family).join("go.mod");
            let text = fs::read_to_string(manifest).expect("every family has a go.mod");
            let modules = text.lines().filter_map(|line| {
                let mut words = line.split_whitespace();
                let (module, version) = (words.next()?, words.next()?);
                version
                    .starts_with('v')
                    .then(|| (module.to_owned(), version.to_owned()))
            });
            modules.collect::<BTreeMap<_, _>>()
        };
        let kubernetes = versions("kubernetes");
        for family in ["kwok", "prometheus", "istio"] {
            let modules = versions(family);
            for module in [
                "k8s.io/api",
                "k8s.io/apimachinery",
                "k8s.io/client-go",
                "golang.org/x/net",
            ] {
                assert_eq!(modules[module], kubernetes[module], "{module} of {family}");
            }
        }
    }

    #[test]
    fn every_program_is_pinned_by_its_module() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
        let root = repository(&root).expect("this is a checkout");
        let tools = [&CONTROL_PLANE[..], &[PULUMI, PROVIDER], &TESTS, &BENCHMARKS].concat();
        for tool in tools {
            let manifest = root.join("sandbox/tools").join(tool.family).join("go.mod");
            let text = fs::read_to_string(&manifest).expect("every family has a go.mod");
            if !tool.package.starts_with('.') {
                assert!(
                    text.contains(tool.package),
                    "{} does not list {}",
                    tool.family,
                    tool.package
                );
            }
            if let Some(variable) = tool.variables.rsplit_once("=v") {
                assert_eq!(variable.1, tool.version, "{}", tool.name);
            }
        }
        for (family, module, tool) in [
            ("kubernetes", "k8s.io/kubernetes", API_SERVER),
            ("etcd", "go.etcd.io/etcd/server/v3", ETCD),
            ("kwok", "sigs.k8s.io/kwok", KWOK),
            ("pulumi", "github.com/pulumi/pulumi/pkg/v3", PULUMI),
            ("helm", "helm.sh/helm/v4", HELM),
            ("kube-score", "github.com/zegl/kube-score", KUBE_SCORE),
            ("esc", "github.com/pulumi/pulumi/sdk/v3", ESC_SERVICE),
        ] {
            let text = fs::read_to_string(root.join("sandbox/tools").join(family).join("go.mod"));
            let line = format!("{module} v{}", tool.version);
            assert!(
                text.expect("read").contains(&line),
                "{family} does not pin {line}"
            );
        }
    }
}
