{{/* Sentences of NOTES.txt. */}}

{{- define "tcpgauge.destination" -}}
{{- $interval := include "tcpgauge.setting" (dict "root" . "key" "interval") -}}
{{- if or (eq (.Values.config.exporter | default "otlp") "none") .Values.config.sdk_disabled -}}
It sends nothing, as its settings have it.
{{- else if .Values.otlp.endpoint -}}
It sends to {{ .Values.otlp.endpoint }} over OTLP ({{ .Values.otlp.protocol }}) every {{ $interval }}.
{{- else if include "tcpgauge.endpointElsewhere" . -}}
It sends where its environment says, over OTLP, every {{ $interval }}.
{{- else -}}
It sends to localhost over OTLP ({{ .Values.otlp.protocol }}) every {{ $interval }}.
{{- end }}
{{- end }}

{{/*
How many series the groups of metrics have at most: those of the node (or of a sidecar's pod), and those of each pod. A test
holds it equal to what the agent has.
*/}}
{{- define "tcpgauge.seriesOf" -}}
five: [5, 5]
states: [11, 0]
listeners: [3, 1]
counters: [13, 0]
capacity: [11, 0]
alerts: [12, 0]
self: [45, 1]
{{- end }}

{{/* Some backends bill series. */}}
{{- define "tcpgauge.series" -}}
{{- $config := .Values.config }}
{{- $groups := splitList "," (nospace (include "tcpgauge.setting" (dict "root" . "key" "metrics"))) }}
{{- $of := include "tcpgauge.seriesOf" . | fromYaml }}
{{- if $config.split_network_type }}{{ $_ := set $of "states" (list 22 0) }}{{ end }}
{{- if $config.pods_states }}{{ $_ := set $of "states" (list (first $of.states) (first $of.states)) }}{{ end }}
{{- if $config.listener_ports }}
{{- $ports := splitList "," ($config.listener_ports | toString) | len }}
{{- $_ := set $of "listeners" (list (add (first $of.listeners) (mul 2 $ports)) (last $of.listeners)) }}
{{- end }}
{{- if $config.port_destinations }}
{{- $_ := set $of "capacity" (list (add (first $of.capacity) ($config.port_destinations | int) -1) (last $of.capacity)) }}
{{- end }}
{{- $alone := 0 }}
{{- $pod := 0 }}
{{- range $group, $series := $of }}
{{- if or (eq $group "five") (has $group $groups) }}
{{- if ne $group "self" }}{{ $alone = add $alone (first $series) }}{{ end }}
{{- $pod = add $pod (last $series) }}
{{- end }}
{{- end -}}
Series, at most:
{{- if not (include "tcpgauge.ofNode" .) }} {{ $alone }} of the pod
{{- else }}
{{- if .Values.scope.host }} {{ $alone }} of each node{{ end }}
{{- if and .Values.scope.host .Values.scope.pods }},{{ end }}
{{- if .Values.scope.pods }} {{ $pod }} of each pod on it (with 30 pods {{ mul 30 $pod }}){{ end }}
{{- end }}
{{- if or .Values.culprits.enabled (has "culprits" $groups) }}, {{ include "tcpgauge.setting" (dict "root" . "key" "culprits_top") | int | add 1 | mul 2 }} at a time of who holds CLOSE_WAIT{{ end }}
{{- if has "self" $groups }}, and {{ first $of.self }} that each agent tells of itself{{ end }}.
{{- if gt (len $groups) 1 }}
With the five gauges alone: --set config.metrics=five
{{- end }}
{{- end }}
