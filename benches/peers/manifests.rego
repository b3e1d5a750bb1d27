# What conftest judges pods by in the benchmark: a part of what the policy pack asks of them.
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
