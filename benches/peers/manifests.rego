# What conftest judges manifests by in the benchmark: eighty rules, most of them about pods; the policy pack has more.
package main

pod := input.spec if input.kind == "Pod"

pod := input.spec.template.spec if input.kind in {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}

pod := input.spec.jobTemplate.spec.template.spec if input.kind == "CronJob"

containers contains container if some container in pod.containers

containers contains container if some container in pod.initContainers

name := sprintf("%s %s", [input.kind, input.metadata.name])

deny contains sprintf("%s: %s may run as root", [name, container.name]) if {
	some container in containers
	not container.securityContext.runAsNonRoot
	not pod.securityContext.runAsNonRoot
}

deny contains sprintf("%s: %s may gain privileges", [name, container.name]) if {
	some container in containers
	object.get(container, ["securityContext", "allowPrivilegeEscalation"], true)
}

deny contains sprintf("%s: %s is privileged", [name, container.name]) if {
	some container in containers
	container.securityContext.privileged
}

deny contains sprintf("%s: %s keeps capabilities", [name, container.name]) if {
	some container in containers
	not "ALL" in object.get(container, ["securityContext", "capabilities", "drop"], [])
}

deny contains sprintf("%s: %s writes to its own file system", [name, container.name]) if {
	some container in containers
	not container.securityContext.readOnlyRootFilesystem
}

deny contains sprintf("%s: %s has no limit of memory", [name, container.name]) if {
	some container in containers
	not container.resources.limits.memory
}

deny contains sprintf("%s: %s asks for no processor", [name, container.name]) if {
	some container in containers
	not container.resources.requests.cpu
}

deny contains sprintf("%s: the image of %s has no digest", [name, container.name]) if {
	some container in containers
	not contains(container.image, "@sha256:")
}

deny contains sprintf("%s: %s has no readiness probe", [name, container.name]) if {
	input.kind in {"Deployment", "StatefulSet"}
	some container in pod.containers
	not container.readinessProbe
}

deny contains sprintf("%s: %s has a secret in its environment", [name, container.name]) if {
	some container in containers
	some variable in container.env
	regex.match("(?i)(password|token|secret|api_?key)", variable.name)
	variable.value
}

deny contains sprintf("%s shares the network of its node", [name]) if pod.hostNetwork

deny contains sprintf("%s shares the processes of its node", [name]) if pod.hostPID

deny contains sprintf("%s mounts a folder of its node", [name]) if {
	some volume in pod.volumes
	volume.hostPath
}

deny contains sprintf("%s has a token of the API server", [name]) if {
	pod
	object.get(pod, "automountServiceAccountToken", true)
}

deny contains sprintf("%s has no profile of system calls", [name]) if {
	pod
	not pod.securityContext.seccompProfile.type
}

deny contains sprintf("%s shares the memory of its node's processes", [name]) if pod.hostIPC

deny contains sprintf("%s: %s has no limit of the processor", [name, container.name]) if {
	some container in containers
	not container.resources.limits.cpu
}

deny contains sprintf("%s: %s asks for no memory", [name, container.name]) if {
	some container in containers
	not container.resources.requests.memory
}

deny contains sprintf("%s: %s adds the capability %s", [name, container.name, capability]) if {
	some container in containers
	some capability in container.securityContext.capabilities.add
	capability != "NET_BIND_SERVICE"
}

deny contains sprintf("%s: %s runs as the user 0", [name, container.name]) if {
	some container in containers
	object.get(container, ["securityContext", "runAsUser"], object.get(pod, ["securityContext", "runAsUser"], 1)) == 0
}

deny contains sprintf("%s: %s runs in the group 0", [name, container.name]) if {
	some container in containers
	object.get(container, ["securityContext", "runAsGroup"], object.get(pod, ["securityContext", "runAsGroup"], 1)) == 0
}

deny contains sprintf("%s: %s sees all of the kernel's files", [name, container.name]) if {
	some container in containers
	container.securityContext.procMount == "Unmasked"
}

deny contains sprintf("%s: %s listens at port %d of its node", [name, container.name, port.hostPort]) if {
	some container in containers
	some port in container.ports
	port.hostPort
}

deny contains sprintf("%s: %s has the tag latest", [name, container.name]) if {
	some container in containers
	endswith(container.image, ":latest")
}

deny contains sprintf("%s: %s has no liveness probe", [name, container.name]) if {
	input.kind in {"Deployment", "StatefulSet"}
	some container in pod.containers
	not container.livenessProbe
}

deny contains sprintf("%s: both probes of %s ask the same", [name, container.name]) if {
	some container in pod.containers
	container.readinessProbe.httpGet
	container.readinessProbe == container.livenessProbe
}

deny contains sprintf("%s: %s mounts into /etc", [name, container.name]) if {
	some container in containers
	some mount in container.volumeMounts
	mount.mountPath == "/etc"
}

deny contains sprintf("%s: %s mounts the socket of a runtime", [name, container.name]) if {
	some container in containers
	some mount in container.volumeMounts
	endswith(mount.mountPath, ".sock")
}

deny contains sprintf("%s: the mount %s goes both ways", [name, mount.name]) if {
	some container in containers
	some mount in container.volumeMounts
	mount.mountPropagation == "Bidirectional"
}

deny contains sprintf("%s: %s reads a whole Secret into its environment", [name, container.name]) if {
	some container in containers
	some source in container.envFrom
	source.secretRef
}

deny contains sprintf("%s: %s sets %s twice", [name, container.name, variable.name]) if {
	some container in containers
	some index, variable in container.env
	some other, again in container.env
	index < other
	variable.name == again.name
}

deny contains sprintf("%s: the sysctl %s is not a safe one", [name, sysctl.name]) if {
	some sysctl in pod.securityContext.sysctls
	not sysctl.name in {"kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies", "net.ipv4.ip_unprivileged_port_start"}
}

deny contains sprintf("%s goes by the seccomp profile Unconfined", [name]) if {
	pod.securityContext.seccompProfile.type == "Unconfined"
}

deny contains sprintf("%s is of the service account default", [name]) if {
	pod
	object.get(pod, "serviceAccountName", "default") == "default"
}

deny contains sprintf("%s has no class of priority", [name]) if {
	pod
	not pod.priorityClassName
}

deny contains sprintf("%s ends without any time to end in", [name]) if pod.terminationGracePeriodSeconds == 0

deny contains sprintf("%s may run on nodes of the control plane", [name]) if {
	some toleration in pod.tolerations
	toleration.key == "node-role.kubernetes.io/control-plane"
}

deny contains sprintf("%s tolerates everything", [name]) if {
	some toleration in pod.tolerations
	toleration.operator == "Exists"
	not toleration.key
}

deny contains sprintf("%s is bound to the node %s", [name, pod.nodeName]) if pod.nodeName

deny contains sprintf("%s writes names of its own into /etc/hosts", [name]) if count(pod.hostAliases) > 0

deny contains sprintf("%s has a volume %s without a bound", [name, volume.name]) if {
	some volume in pod.volumes
	object.get(volume, "emptyDir", null) != null
	not volume.emptyDir.sizeLimit
}

deny contains sprintf("%s has a volume in memory", [name]) if {
	some volume in pod.volumes
	volume.emptyDir.medium == "Memory"
	not volume.emptyDir.sizeLimit
}

deny contains sprintf("%s is not spread over zones", [name]) if {
	input.kind in {"Deployment", "StatefulSet"}
	input.spec.replicas > 1
	not pod.topologySpreadConstraints
	not pod.affinity.podAntiAffinity
}

deny contains sprintf("%s has one replica", [name]) if {
	input.kind == "Deployment"
	object.get(input, ["spec", "replicas"], 1) < 2
}

deny contains sprintf("%s is replaced at once", [name]) if {
	input.kind == "Deployment"
	input.spec.strategy.type == "Recreate"
}

deny contains sprintf("%s selects what it does not make", [name]) if {
	input.kind in {"Deployment", "StatefulSet", "DaemonSet"}
	some key, value in input.spec.selector.matchLabels
	object.get(input, ["spec", "template", "metadata", "labels", key], "") != value
}

deny contains sprintf("%s has no Service of its own", [name]) if {
	input.kind == "StatefulSet"
	not input.spec.serviceName
}

deny contains sprintf("%s tries forever", [name]) if {
	input.kind == "Job"
	object.get(input, ["spec", "backoffLimit"], 6) > 10
}

deny contains sprintf("%s has no last moment", [name]) if {
	input.kind == "Job"
	not input.spec.activeDeadlineSeconds
}

deny contains sprintf("%s may run twice at once", [name]) if {
	input.kind == "CronJob"
	object.get(input, ["spec", "concurrencyPolicy"], "Allow") == "Allow"
}

deny contains sprintf("%s is a pod that nobody makes anew", [name]) if {
	input.kind == "Pod"
	not input.metadata.ownerReferences
}

deny contains sprintf("%s is in no namespace of its own", [name]) if {
	pod
	object.get(input, ["metadata", "namespace"], "default") == "default"
}

deny contains sprintf("%s lacks the label %s", [name, label]) if {
	pod
	some label in {"app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"}
	not input.metadata.labels[label]
}

deny contains sprintf("%s is outside the mesh", [name]) if {
	pod
	input.spec.template.metadata.labels["sidecar.istio.io/inject"] == "false"
}

deny contains sprintf("%s is open to the world at each node", [name]) if {
	input.kind == "Service"
	input.spec.type == "NodePort"
}

deny contains sprintf("%s is open to everybody's addresses", [name]) if {
	input.kind == "Service"
	input.spec.type == "LoadBalancer"
	not input.spec.loadBalancerSourceRanges
}

deny contains sprintf("%s has addresses of its own", [name]) if {
	input.kind == "Service"
	count(input.spec.externalIPs) > 0
}

deny contains sprintf("%s leads outside", [name]) if {
	input.kind == "Service"
	input.spec.type == "ExternalName"
}

deny contains sprintf("%s does not name its port %d", [name, port.port]) if {
	input.kind == "Service"
	some port in input.spec.ports
	not port.name
}

deny contains sprintf("%s selects nothing", [name]) if {
	input.kind == "Service"
	not input.spec.selector
}

role if input.kind in {"Role", "ClusterRole"}

deny contains sprintf("%s allows every verb", [name]) if {
	role
	some rule in input.rules
	"*" in rule.verbs
}

deny contains sprintf("%s allows every resource", [name]) if {
	role
	some rule in input.rules
	"*" in rule.resources
}

deny contains sprintf("%s reads Secrets", [name]) if {
	role
	some rule in input.rules
	"secrets" in rule.resources
	some verb in rule.verbs
	verb in {"get", "list", "watch"}
}

deny contains sprintf("%s runs commands in pods", [name]) if {
	role
	some rule in input.rules
	some resource in rule.resources
	resource in {"pods/exec", "pods/attach", "pods/portforward"}
}

deny contains sprintf("%s may become more than it is", [name]) if {
	role
	some rule in input.rules
	some verb in rule.verbs
	verb in {"bind", "escalate", "impersonate"}
}

binding if input.kind in {"RoleBinding", "ClusterRoleBinding"}

deny contains sprintf("%s makes an administrator", [name]) if {
	binding
	input.roleRef.name == "cluster-admin"
}

deny contains sprintf("%s is for everybody", [name]) if {
	binding
	some subject in input.subjects
	subject.name in {"system:anonymous", "system:unauthenticated", "system:authenticated"}
}

deny contains sprintf("%s is for a service account named default", [name]) if {
	binding
	some subject in input.subjects
	subject.kind == "ServiceAccount"
	subject.name == "default"
}

deny contains sprintf("%s lets everybody in", [name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.ingress
	not rule.from
}

deny contains sprintf("%s lets everything out", [name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.egress
	not rule.to
}

deny contains sprintf("%s is open to all addresses", [name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.ingress
	some peer in rule.from
	peer.ipBlock.cidr == "0.0.0.0/0"
}

deny contains sprintf("%s takes what is not encrypted", [name]) if {
	input.kind == "PeerAuthentication"
	input.spec.mtls.mode != "STRICT"
}

deny contains sprintf("%s allows whatever is asked", [name]) if {
	input.kind == "AuthorizationPolicy"
	object.get(input.spec, "action", "ALLOW") == "ALLOW"
	some rule in input.spec.rules
	count(rule) == 0
}

deny contains sprintf("%s speaks without encryption", [name]) if {
	input.kind == "DestinationRule"
	input.spec.trafficPolicy.tls.mode == "DISABLE"
}

deny contains sprintf("%s believes whoever answers", [name]) if {
	input.kind == "DestinationRule"
	input.spec.trafficPolicy.tls.insecureSkipVerify
}

deny contains sprintf("%s takes plain HTTP", [name]) if {
	input.kind == "Gateway"
	some server in input.spec.servers
	server.port.protocol == "HTTP"
	not server.tls.httpsRedirect
}

deny contains sprintf("%s takes old TLS", [name]) if {
	input.kind == "Gateway"
	some server in input.spec.servers
	server.tls.minProtocolVersion in {"TLSV1_0", "TLSV1_1"}
}

deny contains sprintf("%s is for every host", [name]) if {
	input.kind in {"Gateway", "VirtualService"}
	"*" in object.get(input.spec, "hosts", [])
}

deny contains sprintf("%s lets a pod do as it likes", [name]) if {
	input.kind == "Namespace"
	object.get(input, ["metadata", "labels", "pod-security.kubernetes.io/enforce"], "privileged") == "privileged"
}

deny contains sprintf("%s says %s in clear", [name, key]) if {
	input.kind == "ConfigMap"
	some key, _ in input.data
	regex.match("(?i)(password|token|secret|api_?key)", key)
}
