{{- define "corpus.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .tenant }}
app.kubernetes.io/version: {{ .root.Values.version | quote }}
app.kubernetes.io/part-of: memory-platform
app.kubernetes.io/managed-by: {{ .root.Release.Service | lower }}
compliance/data-class: phi
compliance/owner: platform-team
{{- end }}

{{- define "corpus.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .tenant }}
{{- end }}

{{- define "corpus.metadata" -}}
name: {{ .object | default .name }}
{{- with .zone }}
namespace: {{ $.tenant }}-{{ . }}
{{- end }}
labels:
  {{- include "corpus.labels" . | nindent 2 }}
annotations:
  platform.example.com/change-ticket: CHG-10423
  platform.example.com/controls: CC6.1,CC6.6,164.312(a)(1)
  platform.example.com/runbook: https://runbooks.example.com/{{ .name }}
{{- end }}

{{- define "corpus.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "corpus.container" -}}
name: {{ .name }}
image: {{ .root.Values.registry }}/{{ .name }}@{{ .root.Values.digest }}
imagePullPolicy: IfNotPresent
args: ["--config=/etc/app/config.yaml", "--port={{ .port }}"]
ports:
  - name: http
    containerPort: {{ .port }}
    protocol: TCP
  - name: metrics
    containerPort: 9090
    protocol: TCP
env:
  {{- range $option := until 8 }}
  - name: {{ $.name | upper | replace "-" "_" }}_OPTION_{{ $option }}
    value: value-{{ $option }}
  {{- end }}
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- range $key := list "api_key" "db_password" "jwt_key" }}
  - name: {{ $key | upper }}
    valueFrom:
      secretKeyRef:
        name: {{ $.keys }}
        key: {{ $key }}
  {{- end }}
resources:
  requests:
    cpu: 250m
    memory: {{ .memory }}
    ephemeral-storage: 1Gi
  limits:
    cpu: "1"
    memory: {{ .memory }}
    ephemeral-storage: 2Gi
{{- range $probe := list "liveness" "readiness" "startup" }}
{{ $probe }}Probe:
  httpGet:
    path: {{ eq $probe "readiness" | ternary "/readyz" "/healthz" }}
    port: http
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
{{- end }}
lifecycle:
  preStop:
    exec:
      command: [/bin/sleep, "10"]
securityContext:
  {{- include "corpus.security" . | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: config
    mountPath: /etc/app
    readOnly: true
  {{- if .stateful }}
  - name: data
    mountPath: /var/lib/data
  {{- end }}
{{- end }}

{{- define "corpus.pod" -}}
metadata:
  labels:
    {{- include "corpus.labels" . | nindent 4 }}
  annotations:
    platform.example.com/runbook: https://runbooks.example.com/{{ .name }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "9090"
    checksum/config: {{ .name | sha256sum }}
spec:
  {{- with .restart }}
  restartPolicy: {{ . }}
  {{- end }}
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 45
  {{- if .stateful }}
  priorityClassName: system-cluster-critical
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  nodeSelector:
    kubernetes.io/arch: amd64
  tolerations:
    - key: lambdalabs.com/gpu
      operator: Equal
      value: "true"
      effect: NoSchedule
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                app.kubernetes.io/name: {{ .name }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          app.kubernetes.io/name: {{ .name }}
  containers:
    - {{- include "corpus.container" . | nindent 6 }}
    {{- if .sidecar }}
    - name: audit-sidecar
      image: {{ .root.Values.registry }}/audit@{{ .root.Values.digest }}
      imagePullPolicy: IfNotPresent
      args: ["--sink=https://audit.example.com"]
      ports:
        - name: audit
          containerPort: 7070
      resources:
        requests: { cpu: 50m, memory: 64Mi }
        limits: { cpu: 100m, memory: 128Mi }
      livenessProbe:
        tcpSocket:
          port: audit
      readinessProbe:
        tcpSocket:
          port: audit
      securityContext:
        {{- include "corpus.security" . | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
    {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    - name: config
      configMap:
        name: {{ .config }}
{{- end }}
