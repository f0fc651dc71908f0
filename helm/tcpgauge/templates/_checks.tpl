{{/* What does not go together, said before anything is installed. The schema has what is wrong by itself. */}}

{{/* `true` where the agent sends to something that the values do not name. */}}
{{- define "tcpgauge.endpointElsewhere" -}}
{{- $names := list "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" }}
{{- range .Values.extraEnv }}{{ if has .name $names }}true{{ end }}{{ end }}
{{- if .Values.extraEnvFrom }}true{{ end }}
{{- end }}

{{- define "tcpgauge.checks" -}}
{{- $values := .Values }}
{{- $sidecar := eq $values.mode "sidecar" }}
{{- $app := and $sidecar (eq $values.sidecar.in "app") }}
{{- $endpoint := $values.otlp.endpoint }}

{{- /* === where to === */}}
{{- $sends := and (ne ($values.config.exporter | default "otlp") "none") (not $values.config.sdk_disabled) }}
{{- $localhost := and $sidecar (eq $values.sidecar.in "collector") }}
{{- if and $sends (not $endpoint) (not (include "tcpgauge.endpointElsewhere" .)) (not $localhost) }}
{{- fail "tcpgauge: otlp.endpoint is missing: say where points are sent, for example --set otlp.endpoint=http://otel-collector.monitoring:4317, or give OTEL_EXPORTER_OTLP_ENDPOINT with extraEnv or extraEnvFrom" }}
{{- end }}
{{- if regexMatch "\\$\\(|\\{\\{" ($endpoint | replace "$(HOST_IP)" "") }}
{{- fail (printf "tcpgauge: otlp.endpoint %q: the one thing that is put in is $(HOST_IP), the node's address" $endpoint) }}
{{- end }}
{{- if and (hasPrefix "unix:" $endpoint) (ne $values.otlp.protocol "grpc") }}
{{- fail "tcpgauge: otlp.endpoint is a Unix socket, over which only otlp.protocol=grpc is spoken" }}
{{- end }}
{{- if and (eq $values.otlp.protocol "grpc") (regexMatch "^https?://[^/]+/.+" $endpoint) }}
{{- fail (printf "tcpgauge: otlp.endpoint %q has a path, and gRPC has none: leave it out, or set otlp.protocol=http/protobuf" $endpoint) }}
{{- end }}
{{- $tls := $values.otlp.tls }}
{{- if and (or $tls.ca $tls.client) (or (hasPrefix "http://" $endpoint) (hasPrefix "unix:" $endpoint)) }}
{{- fail (printf "tcpgauge: otlp.tls is given, and nothing is encrypted on the way to otlp.endpoint %q: write https://, or leave otlp.tls out" $endpoint) }}
{{- end }}
{{- range $name, $secret := $values.otlp.headersFromSecrets }}
{{- range $plain := keys $values.otlp.headers }}
{{- if eq (lower $name) (lower $plain) }}
{{- fail (printf "tcpgauge: the header %q is in otlp.headers and in otlp.headersFromSecrets: it can have one value" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- $own := list "TCPGAUGE_CONFIG" "TCPGAUGE_HOST_NAME" "HOST_IP" "POD_UID" "POD_NAME" "POD_NAMESPACE" "OTEL_RESOURCE_ATTRIBUTES" }}
{{- range $values.extraEnv }}
{{- if has .name $own }}
{{- fail (printf "tcpgauge: extraEnv gives %s, which the chart itself sets: more attributes go into resourceAttributes" .name) }}
{{- end }}
{{- end }}

{{- /* === what is counted === */}}
{{- if and (include "tcpgauge.ofNode" .) (not $values.scope.host) (not $values.scope.pods) }}
{{- fail "tcpgauge: scope.host and scope.pods are both off, so there is nothing to count" }}
{{- end }}
{{- if and $values.hostNetwork $app }}
{{- fail "tcpgauge: hostNetwork does not go with sidecar.in=app: the sockets would be the node's, under the name of a pod" }}
{{- end }}
{{- if and $values.hostNetwork (not $values.scope.host) }}
{{- fail "tcpgauge: hostNetwork is of use for the node's own sockets alone, and scope.host is off" }}
{{- end }}
{{- if $values.culprits.enabled }}
{{- if $sidecar }}
{{- fail "tcpgauge: culprits.enabled is for mode=daemonset: it would give root to a container in a pod of yours" }}
{{- end }}
{{- range $name := list "spool" "state" }}
{{- if eq (get $values $name).type "hostPath" }}
{{- fail (printf "tcpgauge: culprits.enabled and %s.type=hostPath: with culprits the agent is root without the capability to write where others own, and without it is 65534, so either would find the other's files closed; use %s.type=emptyDir" $name $name) }}
{{- end }}
{{- end }}
{{- if semverCompare "<1.30-0" .Capabilities.KubeVersion.Version }}
{{- fail (printf "tcpgauge: culprits.enabled needs Kubernetes 1.30 (appArmorProfile), and this is %s" .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}

{{- /* === what only one of two agents can have === */}}
{{- $rolling := $values.updateStrategy.rollingUpdate | default dict }}
{{- $surge := $rolling.maxSurge | default 0 | toString }}
{{- if not (has $surge (list "0" "0%")) }}
{{- if and $values.hostNetwork $values.health.enabled }}
{{- fail "tcpgauge: updateStrategy.rollingUpdate.maxSurge starts a second agent on a node, and with hostNetwork the first one has health.port: use maxUnavailable" }}
{{- end }}
{{- range $name := list "spool" "state" }}
{{- if eq (get $values $name).type "hostPath" }}
{{- fail (printf "tcpgauge: updateStrategy.rollingUpdate.maxSurge starts a second agent on a node, and %s.hostPath is for one: use maxUnavailable" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* === what has no effect === */}}
{{- if and (eq $values.spool.type "hostPath") (eq $values.state.type "hostPath") (eq $values.spool.hostPath $values.state.hostPath) }}
{{- fail "tcpgauge: spool.hostPath and state.hostPath are the same directory, and each wants one of its own" }}
{{- end }}
{{- if and $values.page.enabled (eq ($values.config.http_listen | default (ternary "none" "" (eq $app true))) "none") }}
{{- fail "tcpgauge: page.enabled has no effect where nothing listens: say where with config.http_listen, such as 127.0.0.1:9469" }}
{{- end }}
{{- if and $values.alerts.rules (not $values.alerts.enabled) }}
{{- fail "tcpgauge: alerts.rules have no effect, for alerts.enabled is false" }}
{{- end }}
{{- if $sidecar }}
{{- if $values.networkPolicy.enabled }}
{{- fail "tcpgauge: networkPolicy.enabled is for mode=daemonset: a sidecar's pod is selected by your own policies" }}
{{- end }}
{{- if $values.openshift.scc.create }}
{{- fail "tcpgauge: openshift.scc.create is for mode=daemonset: a sidecar needs no more than the SCC restricted-v2" }}
{{- end }}
{{- range $name := list "spool" "state" }}
{{- if and $app (eq (get $values $name).type "hostPath") }}
{{- fail (printf "tcpgauge: %s.type=hostPath does not go with sidecar.in=app: pods share a node, and a %s is for one agent; use emptyDir" $name $name) }}
{{- end }}
{{- end }}
{{- if $values.alerts.rules }}
{{- fail "tcpgauge: alerts.rules are for mode=daemonset: they stand in a file, and a sidecar is told everything by flags; put a file with [alert.NAME] tables into a ConfigMap of yours, mount it with extraVolumes and extraVolumeMounts, and name it with extraArgs: [--config=/PATH]" }}
{{- end }}
{{- if and $values.sidecar.native (semverCompare "<1.29-0" .Capabilities.KubeVersion.Version) }}
{{- fail (printf "tcpgauge: sidecar.native needs Kubernetes 1.29, and this is %s" .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- end }}
{{- if and $values.networkPolicy.enabled $values.hostNetwork }}
{{- fail "tcpgauge: networkPolicy.enabled has no effect with hostNetwork: no policy selects such pods" }}
{{- end }}
{{- if and $values.networkPolicy.enabled $sends (include "tcpgauge.endpointElsewhere" .) (not $values.networkPolicy.ports) (not $values.networkPolicy.extraEgress) }}
{{- fail "tcpgauge: networkPolicy.enabled closes the way to a backend that the environment names: say its ports with networkPolicy.ports, or allow it with networkPolicy.extraEgress" }}
{{- end }}
{{- range $labels := list $values.commonLabels $values.podLabels }}
{{- range list "app.kubernetes.io/name" "app.kubernetes.io/instance" }}
{{- if hasKey $labels . }}
{{- fail (printf "tcpgauge: the label %s is what selects the pods: it follows nameOverride and the release's name, and is not for commonLabels or podLabels" .) }}
{{- end }}
{{- end }}
{{- end }}

{{- if not $sidecar }}
{{- include "tcpgauge.clusterChecks" . }}
{{- end }}
{{- end }}

{{/* What the cluster forbids. Nothing is looked up where charts are only rendered, so there nothing fails. */}}
{{- define "tcpgauge.clusterChecks" -}}
{{- if .Values.checks.podSecurity }}
{{- $namespace := include "tcpgauge.namespace" . }}
{{- $found := lookup "v1" "Namespace" "" $namespace }}
{{- $labels := ($found.metadata | default dict).labels | default dict }}
{{- $level := get $labels "pod-security.kubernetes.io/enforce" }}
{{- if has $level (list "baseline" "restricted") }}
{{- fail (printf "tcpgauge: the namespace %s enforces Pod Security %q, which forbids hostPath, and a DaemonSet that sees the node has to mount its /proc: install it into a namespace that is labelled pod-security.kubernetes.io/enforce=privileged, or use mode=sidecar, which needs no more than restricted (where the namespace is exempt: --set checks.podSecurity=false)" $namespace $level) }}
{{- end }}
{{- end }}
{{- if and .Values.checks.gkeAutopilot (contains "-gke." .Capabilities.KubeVersion.Version) }}
{{- /* The API group auto.gke.io does not tell: GKE Standard has it too. These two are of Autopilot since 1.26 and before. */}}
{{- range list "sasecret-redacter" "workload-defaulter" }}
{{- if lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" (printf "%s.config.common-webhooks.networking.gke.io" .) }}
{{- fail "tcpgauge: this is GKE Autopilot, which forbids hostPath volumes but below /var/log, and a DaemonSet that sees the node has to mount its /proc: use mode=sidecar (where it is not Autopilot after all: --set checks.gkeAutopilot=false)" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
