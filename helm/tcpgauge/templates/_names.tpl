{{/* Names, labels, the image. */}}

{{- define "tcpgauge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Helm's custom: a release that is called after the chart does not say it twice. */}}
{{- define "tcpgauge.fullname" -}}
{{- $name := include "tcpgauge.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tcpgauge.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "tcpgauge.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tcpgauge.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "tcpgauge.labels" -}}
{{- $own := include "tcpgauge.ownLabels" . | fromYaml }}
{{- toYaml (mergeOverwrite $own .Values.commonLabels) }}
{{- end }}

{{- define "tcpgauge.ownLabels" -}}
{{ include "tcpgauge.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | quote }}
{{- end }}

{{- define "tcpgauge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "tcpgauge.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "tcpgauge.image" -}}
{{- $global := .Values.global | default dict }}
{{- with $global.imageRegistry | default .Values.image.registry }}{{ . }}/{{ end -}}
{{- .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end }}

{{- define "tcpgauge.imagePullSecrets" -}}
{{- $global := .Values.global | default dict }}
{{- with concat ($global.imagePullSecrets | default list) .Values.imagePullSecrets | uniq }}
{{- toYaml . }}
{{- end }}
{{- end }}
