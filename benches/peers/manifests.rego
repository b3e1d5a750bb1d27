# The rules that conftest evaluates in the benchmark: eighty rules, most of them about pods. The policy pack has more.
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

deny contains sprintf("%s: %s does not drop all capabilities", [name, container.name]) if {
	some container in containers
	not "ALL" in object.get(container, ["securityContext", "capabilities", "drop"], [])
}

deny contains sprintf("%s: %s has a writable root filesystem", [name, container.name]) if {
	some container in containers
	not container.securityContext.readOnlyRootFilesystem
}

deny contains sprintf("%s: %s has no memory limit", [name, container.name]) if {
	some container in containers
	not container.resources.limits.memory
}

deny contains sprintf("%s: %s has no CPU request", [name, container.name]) if {
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

deny contains sprintf("%s uses the host network", [name]) if pod.hostNetwork

deny contains sprintf("%s uses the host PID namespace", [name]) if pod.hostPID

deny contains sprintf("%s mounts a hostPath volume", [name]) if {
	some volume in pod.volumes
	volume.hostPath
}

deny contains sprintf("%s mounts a service account token", [name]) if {
	pod
	object.get(pod, "automountServiceAccountToken", true)
}

deny contains sprintf("%s has no seccomp profile", [name]) if {
	pod
	not pod.securityContext.seccompProfile.type
}

deny contains sprintf("%s uses the host IPC namespace", [name]) if pod.hostIPC

deny contains sprintf("%s: %s has no CPU limit", [name, container.name]) if {
	some container in containers
	not container.resources.limits.cpu
}

deny contains sprintf("%s: %s has no memory request", [name, container.name]) if {
	some container in containers
	not container.resources.requests.memory
}

deny contains sprintf("%s: %s adds the capability %s", [name, container.name, capability]) if {
	some container in containers
	some capability in container.securityContext.capabilities.add
	capability != "NET_BIND_SERVICE"
}

deny contains sprintf("%s: %s runs as user 0", [name, container.name]) if {
	some container in containers
	object.get(container, ["securityContext", "runAsUser"], object.get(pod, ["securityContext", "runAsUser"], 1)) == 0
}

deny contains sprintf("%s: %s runs as group 0", [name, container.name]) if {
	some container in containers
	object.get(container, ["securityContext", "runAsGroup"], object.get(pod, ["securityContext", "runAsGroup"], 1)) == 0
}

deny contains sprintf("%s: %s has an unmasked /proc", [name, container.name]) if {
	some container in containers
	container.securityContext.procMount == "Unmasked"
}

deny contains sprintf("%s: %s uses host port %d", [name, container.name, port.hostPort]) if {
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

deny contains sprintf("%s: %s has identical readiness and liveness probes", [name, container.name]) if {
	some container in pod.containers
	container.readinessProbe.httpGet
	container.readinessProbe == container.livenessProbe
}

deny contains sprintf("%s: %s mounts into /etc", [name, container.name]) if {
	some container in containers
	some mount in container.volumeMounts
	mount.mountPath == "/etc"
}

deny contains sprintf("%s: %s mounts the socket of a container runtime", [name, container.name]) if {
	some container in containers
	some mount in container.volumeMounts
	endswith(mount.mountPath, ".sock")
}

deny contains sprintf("%s: mount %s propagates bidirectionally", [name, mount.name]) if {
	some container in containers
	some mount in container.volumeMounts
	mount.mountPropagation == "Bidirectional"
}

deny contains sprintf("%s: %s imports a whole Secret into its environment", [name, container.name]) if {
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

deny contains sprintf("%s: sysctl %s is unsafe", [name, sysctl.name]) if {
	some sysctl in pod.securityContext.sysctls
	not sysctl.name in {"kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies", "net.ipv4.ip_unprivileged_port_start"}
}

deny contains sprintf("%s has the seccomp profile Unconfined", [name]) if {
	pod.securityContext.seccompProfile.type == "Unconfined"
}

deny contains sprintf("%s uses the default service account", [name]) if {
	pod
	object.get(pod, "serviceAccountName", "default") == "default"
}

deny contains sprintf("%s has no priority class", [name]) if {
	pod
	not pod.priorityClassName
}

deny contains sprintf("%s has no termination grace period", [name]) if pod.terminationGracePeriodSeconds == 0

deny contains sprintf("%s tolerates control plane nodes", [name]) if {
	some toleration in pod.tolerations
	toleration.key == "node-role.kubernetes.io/control-plane"
}

deny contains sprintf("%s tolerates all taints", [name]) if {
	some toleration in pod.tolerations
	toleration.operator == "Exists"
	not toleration.key
}

deny contains sprintf("%s is bound to node %s", [name, pod.nodeName]) if pod.nodeName

deny contains sprintf("%s has host aliases", [name]) if count(pod.hostAliases) > 0

deny contains sprintf("%s has an emptyDir volume %s without a size limit", [name, volume.name]) if {
	some volume in pod.volumes
	object.get(volume, "emptyDir", null) != null
	not volume.emptyDir.sizeLimit
}

deny contains sprintf("%s has a memory-backed volume without a size limit", [name]) if {
	some volume in pod.volumes
	volume.emptyDir.medium == "Memory"
	not volume.emptyDir.sizeLimit
}

deny contains sprintf("%s is not spread across zones", [name]) if {
	input.kind in {"Deployment", "StatefulSet"}
	input.spec.replicas > 1
	not pod.topologySpreadConstraints
	not pod.affinity.podAntiAffinity
}

deny contains sprintf("%s has one replica", [name]) if {
	input.kind == "Deployment"
	object.get(input, ["spec", "replicas"], 1) < 2
}

deny contains sprintf("%s replaces all pods at the same time", [name]) if {
	input.kind == "Deployment"
	input.spec.strategy.type == "Recreate"
}

deny contains sprintf("%s has a selector that does not match its template", [name]) if {
	input.kind in {"Deployment", "StatefulSet", "DaemonSet"}
	some key, value in input.spec.selector.matchLabels
	object.get(input, ["spec", "template", "metadata", "labels", key], "") != value
}

deny contains sprintf("%s has no Service", [name]) if {
	input.kind == "StatefulSet"
	not input.spec.serviceName
}

deny contains sprintf("%s has no backoff limit", [name]) if {
	input.kind == "Job"
	object.get(input, ["spec", "backoffLimit"], 6) > 10
}

deny contains sprintf("%s has no deadline", [name]) if {
	input.kind == "Job"
	not input.spec.activeDeadlineSeconds
}

deny contains sprintf("%s allows concurrent runs", [name]) if {
	input.kind == "CronJob"
	object.get(input, ["spec", "concurrencyPolicy"], "Allow") == "Allow"
}

deny contains sprintf("%s is a pod without a controller", [name]) if {
	input.kind == "Pod"
	not input.metadata.ownerReferences
}

deny contains sprintf("%s is in the default namespace", [name]) if {
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

deny contains sprintf("%s is a NodePort Service", [name]) if {
	input.kind == "Service"
	input.spec.type == "NodePort"
}

deny contains sprintf("%s is a load balancer without source ranges", [name]) if {
	input.kind == "Service"
	input.spec.type == "LoadBalancer"
	not input.spec.loadBalancerSourceRanges
}

deny contains sprintf("%s has external IPs", [name]) if {
	input.kind == "Service"
	count(input.spec.externalIPs) > 0
}

deny contains sprintf("%s is an ExternalName Service", [name]) if {
	input.kind == "Service"
	input.spec.type == "ExternalName"
}

deny contains sprintf("%s does not name its port %d", [name, port.port]) if {
	input.kind == "Service"
	some port in input.spec.ports
	not port.name
}

deny contains sprintf("%s has no selector", [name]) if {
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

deny contains sprintf("%s allows reading Secrets", [name]) if {
	role
	some rule in input.rules
	"secrets" in rule.resources
	some verb in rule.verbs
	verb in {"get", "list", "watch"}
}

deny contains sprintf("%s allows running commands in pods", [name]) if {
	role
	some rule in input.rules
	some resource in rule.resources
	resource in {"pods/exec", "pods/attach", "pods/portforward"}
}

deny contains sprintf("%s allows privilege escalation", [name]) if {
	role
	some rule in input.rules
	some verb in rule.verbs
	verb in {"bind", "escalate", "impersonate"}
}

binding if input.kind in {"RoleBinding", "ClusterRoleBinding"}

deny contains sprintf("%s binds cluster-admin", [name]) if {
	binding
	input.roleRef.name == "cluster-admin"
}

deny contains sprintf("%s binds all users", [name]) if {
	binding
	some subject in input.subjects
	subject.name in {"system:anonymous", "system:unauthenticated", "system:authenticated"}
}

deny contains sprintf("%s binds a default service account", [name]) if {
	binding
	some subject in input.subjects
	subject.kind == "ServiceAccount"
	subject.name == "default"
}

deny contains sprintf("%s allows all ingress", [name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.ingress
	not rule.from
}

deny contains sprintf("%s allows all egress", [name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.egress
	not rule.to
}

deny contains sprintf("%s allows all addresses", [name]) if {
	input.kind == "NetworkPolicy"
	some rule in input.spec.ingress
	some peer in rule.from
	peer.ipBlock.cidr == "0.0.0.0/0"
}

deny contains sprintf("%s accepts unencrypted connections", [name]) if {
	input.kind == "PeerAuthentication"
	input.spec.mtls.mode != "STRICT"
}

deny contains sprintf("%s allows all requests", [name]) if {
	input.kind == "AuthorizationPolicy"
	object.get(input.spec, "action", "ALLOW") == "ALLOW"
	some rule in input.spec.rules
	count(rule) == 0
}

deny contains sprintf("%s disables TLS", [name]) if {
	input.kind == "DestinationRule"
	input.spec.trafficPolicy.tls.mode == "DISABLE"
}

deny contains sprintf("%s does not verify certificates", [name]) if {
	input.kind == "DestinationRule"
	input.spec.trafficPolicy.tls.insecureSkipVerify
}

deny contains sprintf("%s accepts plain HTTP", [name]) if {
	input.kind == "Gateway"
	some server in input.spec.servers
	server.port.protocol == "HTTP"
	not server.tls.httpsRedirect
}

deny contains sprintf("%s accepts old TLS versions", [name]) if {
	input.kind == "Gateway"
	some server in input.spec.servers
	server.tls.minProtocolVersion in {"TLSV1_0", "TLSV1_1"}
}

deny contains sprintf("%s matches every host", [name]) if {
	input.kind in {"Gateway", "VirtualService"}
	"*" in object.get(input.spec, "hosts", [])
}

deny contains sprintf("%s allows privileged pods", [name]) if {
	input.kind == "Namespace"
	object.get(input, ["metadata", "labels", "pod-security.kubernetes.io/enforce"], "privileged") == "privileged"
}

deny contains sprintf("%s has %s in plain text", [name, key]) if {
	input.kind == "ConfigMap"
	some key, _ in input.data
	regex.match("(?i)(password|token|secret|api_?key)", key)
}
