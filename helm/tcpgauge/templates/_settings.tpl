{{/* The agent's settings, from the values: as TOML for a file, and as flags where there is to be no file. */}}

{{/* The agent's own defaults, where something here depends on them. A test holds them equal to the agent's. */}}
{{- define "tcpgauge.defaults" -}}
culprits_top: 10
interval: 30s
metrics: five,states,listeners,counters,capacity,alerts,self
{{- end }}

{{/* A setting as it will be. */}}
{{- define "tcpgauge.setting" -}}
{{- get .root.Values.config .key | default (get (include "tcpgauge.defaults" .root | fromYaml) .key) }}
{{- end }}

{{/* `true` where what is counted is the node's and not the pod's own. */}}
{{- define "tcpgauge.ofNode" -}}
{{- if or (eq .Values.mode "daemonset") (eq .Values.sidecar.in "collector") }}true{{ end }}
{{- end }}

{{- define "tcpgauge.scope" -}}
{{- if include "tcpgauge.ofNode" . -}}
{{- $scopes := list }}
{{- if .Values.scope.host }}{{ $scopes = append $scopes "host" }}{{ end }}
{{- if .Values.scope.pods }}{{ $scopes = append $scopes "pods" }}{{ end }}
{{- join "," $scopes }}
{{- else -}}
self
{{- end }}
{{- end }}

{{/* `true` where the backend is on each node: only the kubelet can put the node's address into `otlp.endpoint`, and it does so in variables. */}}
{{- define "tcpgauge.endpointOfNode" -}}
{{- if contains "$(HOST_IP)" .Values.otlp.endpoint }}true{{ end }}
{{- end }}

{{/* `true` where the kubelet is answered. In an application's pod the listener, and what probes leave in TIME_WAIT, would be counted. */}}
{{- define "tcpgauge.answers" -}}
{{- if and .Values.health.enabled (include "tcpgauge.ofNode" .) }}true{{ end }}
{{- end }}

{{/*
Every setting that a flag can give, as YAML, each value as text: Helm makes floating-point numbers of what is read from
values, and the agent reads any setting from a string.
*/}}
{{- define "tcpgauge.settings" -}}
{{- $settings := dict }}
{{- range $key, $value := omit .Values.config "sdk_disabled" }}
{{- $_ := set $settings $key (kindIs "float64" $value | ternary (int64 $value) $value | toString) }}
{{- end }}
{{- $_ := set $settings "scope" (include "tcpgauge.scope" .) }}
{{- if include "tcpgauge.ofNode" . }}
{{- $_ := set $settings "proc_root" "/host/proc" }}
{{- end }}
{{- if .Values.culprits.enabled }}
{{- $groups := splitList "," (nospace (include "tcpgauge.setting" (dict "root" . "key" "metrics"))) }}
{{- $_ := set $settings "metrics" (append $groups "culprits" | uniq | join ",") }}
{{- end }}
{{- if not (include "tcpgauge.endpointOfNode" .) }}
{{- with .Values.otlp.endpoint }}
{{- $_ := set $settings "endpoint" . }}
{{- end }}
{{- end }}
{{- /* A flag counts more than the environment, so in a sidecar there is none for what is the agent's default anyway. */}}
{{- if or (eq .Values.mode "daemonset") (ne .Values.otlp.protocol "grpc") }}
{{- $_ := set $settings "protocol" .Values.otlp.protocol }}
{{- end }}
{{- if or (eq .Values.mode "daemonset") (ne .Values.otlp.compression "none") }}
{{- $_ := set $settings "compression" .Values.otlp.compression }}
{{- end }}
{{- with .Values.otlp.tls.ca }}
{{- $_ := set $settings "certificate" (printf "/etc/tcpgauge/ca/%s" (.key | default "ca.crt")) }}
{{- end }}
{{- if .Values.otlp.tls.client }}
{{- $_ := set $settings "client_certificate" "/etc/tcpgauge/client/tls.crt" }}
{{- $_ := set $settings "client_key" "/etc/tcpgauge/client/tls.key" }}
{{- end }}
{{- if ne .Values.spool.type "none" }}
{{- $_ := set $settings "spool_dir" "/var/lib/tcpgauge" }}
{{- end }}
{{- if ne .Values.state.type "none" }}
{{- $_ := set $settings "state_dir" "/var/lib/tcpgauge-state" }}
{{- end }}
{{- if not .Values.alerts.enabled }}
{{- $_ := set $settings "alerts" "false" }}
{{- end }}
{{- with .Values.alerts.runbooks }}
{{- $_ := set $settings "runbooks" . }}
{{- end }}
{{- if not .Values.otlp.logs.enabled }}
{{- $_ := set $settings "logs_exporter" "none" }}
{{- end }}
{{- if include "tcpgauge.answers" . }}
{{- /* Every address of a pod, and of a node only its loopback. */}}
{{- $_ := set $settings "health_listen" (printf "%s:%v" (ternary "127.0.0.1" "" .Values.hostNetwork) .Values.health.port) }}
{{- end }}
{{- if not (include "tcpgauge.ofNode" .) }}
{{- $_ := set $settings "http_listen" ($settings.http_listen | default "none") }}
{{- end }}
{{- if not (or .Values.page.enabled (eq ($settings.http_listen | default "") "none")) }}
{{- $_ := set $settings "http_page" "false" }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* Where each header that a Secret holds is in the container. */}}
{{- define "tcpgauge.headerFiles" -}}
{{- range $name, $secret := .Values.otlp.headersFromSecrets }}
{{ $name | quote }}: {{ printf "/etc/tcpgauge/headers/%s" $name | quote }}
{{- end }}
{{- end }}

{{- define "tcpgauge.toml" -}}
{{- $settings := include "tcpgauge.settings" . | fromYaml }}
{{- range $key := keys $settings | sortAlpha }}
{{ $key }} = {{ get $settings $key | toJson }}
{{- end }}
{{- if hasKey .Values.config "sdk_disabled" }}
sdk_disabled = {{ .Values.config.sdk_disabled }}
{{- end }}
{{- with .Values.otlp.headers }}

[headers]
{{- range $name, $value := . }}
{{ $name | toJson }} = {{ $value | toString | toJson }}
{{- end }}
{{- end }}
{{- with include "tcpgauge.headerFiles" . | fromYaml }}

[header_files]
{{- range $name, $path := . }}
{{ $name | toJson }} = {{ $path | toJson }}
{{- end }}
{{- end }}
{{- range $name, $rule := .Values.alerts.rules }}

[alert.{{ $name }}]
{{- range $key, $value := $rule }}
{{ $key }} = {{ $value | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tcpgauge.flags" -}}
{{- range $key, $value := include "tcpgauge.settings" . | fromYaml }}
- {{ printf "--%s=%s" ($key | replace "_" "-") $value | toJson }}
{{- end }}
{{- with include "tcpgauge.headerFiles" . | fromYaml }}
{{- $files := list }}
{{- range $name, $path := . }}{{ $files = append $files (printf "%s=%s" $name $path) }}{{ end }}
- {{ printf "--header-file=%s" (join "," $files) | toJson }}
{{- end }}
{{- end }}

{{/* A list of OpenTelemetry's, `name=value,…`. Percent-encoded: `urlquery` writes a space as `+`, and a `+` as `%2B`. */}}
{{- define "tcpgauge.pairs" -}}
{{- $pairs := list }}
{{- range $name, $value := . }}
{{- $pairs = append $pairs (printf "%s=%s" $name (kindIs "float64" $value | ternary ($value | toJson) ($value | toString) | urlquery | replace "+" "%20")) }}
{{- end }}
{{- join "," $pairs }}
{{- end }}

{{/*
Whom the numbers are of. Of the agent's own pod only the UID is told, as the id of the service that it is: the numbers are
the node's. In an application's pod they are that pod's, so there its names belong to them.
*/}}
{{- define "tcpgauge.resource" -}}
{{- $known := list "service.instance.id=$(POD_UID)" "k8s.node.name=$(TCPGAUGE_HOST_NAME)" }}
{{- if not (include "tcpgauge.ofNode" .) }}
{{- $known = concat $known (list "k8s.namespace.name=$(POD_NAMESPACE)" "k8s.pod.name=$(POD_NAME)" "k8s.pod.uid=$(POD_UID)") }}
{{- end }}
{{- with .Values.clusterName }}
{{- $known = append $known (include "tcpgauge.pairs" (dict "k8s.cluster.name" .)) }}
{{- end }}
{{- with .Values.resourceAttributes }}
{{- $known = append $known (include "tcpgauge.pairs" .) }}
{{- end }}
{{- join "," $known }}
{{- end }}
