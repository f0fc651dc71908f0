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

{{/* Some backends bill series. */}}
{{- define "tcpgauge.series" -}}
{{- $config := .Values.config }}
{{- $groups := splitList "," (replace " " "" (include "tcpgauge.setting" (dict "root" . "key" "metrics"))) }}
{{- $states := ternary 22 11 ($config.split_network_type | default false) }}
{{- $alone := ternary (add 5 $states) 5 (has "states" $groups) }}
{{- $pod := ternary 6 5 (has "self" $groups) }}
{{- if and $config.pods_states (has "states" $groups) }}{{ $pod = add $pod $states }}{{ end }}
{{- $node := include "tcpgauge.ofNode" . -}}
Series:
{{- if not $node }} {{ $alone }} of the pod
{{- else }}
{{- if .Values.scope.host }} {{ $alone }} of each node{{ end }}
{{- if and .Values.scope.host .Values.scope.pods }},{{ end }}
{{- if .Values.scope.pods }} {{ $pod }} of each pod (a node with 30 pods: {{ mul 30 $pod }}){{ end }}
{{- end }}
{{- if has "self" $groups }}, and about {{ ternary 40 25 (and (eq $node "true") .Values.scope.pods) }} that each agent tells of itself{{ end }}.
{{- if has "self" $groups }}
Without the last: --set config.metrics={{ without $groups "self" | join "\\," }}{{ end }}
{{- end }}
