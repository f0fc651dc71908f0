{{/* The agent's container and what it mounts, the same in a DaemonSet's pod and in one of the user's. */}}

{{- define "tcpgauge.env" -}}
{{- if eq .Values.mode "daemonset" }}
- name: TCPGAUGE_CONFIG
  value: /etc/tcpgauge/config/tcpgauge.toml
{{- end }}
- name: TCPGAUGE_HOST_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
{{- if not (include "tcpgauge.ofNode" .) }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "tcpgauge.resource" . | toJson }}
{{- if include "tcpgauge.endpointOfNode" . }}
- name: HOST_IP
  valueFrom:
    fieldRef:
      fieldPath: status.hostIP
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .Values.otlp.endpoint | toJson }}
{{- end }}
{{- /* What no flag can give, where there is no file. */}}
{{- if eq .Values.mode "sidecar" }}
{{- with .Values.otlp.headers }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  value: {{ include "tcpgauge.pairs" . | toJson }}
{{- end }}
{{- if hasKey .Values.config "sdk_disabled" }}
- name: OTEL_SDK_DISABLED
  value: {{ .Values.config.sdk_disabled | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tcpgauge.securityContext" -}}
{{- $context := .Values.containerSecurityContext }}
{{- if .Values.culprits.enabled }}
{{- $capabilities := dict "drop" (list "ALL") "add" (list "SYS_PTRACE" "DAC_READ_SEARCH") }}
{{- $profile := dict "type" "Unconfined" }}
{{- $culprits := dict "runAsNonRoot" false "runAsUser" 0 "runAsGroup" 0 "capabilities" $capabilities "appArmorProfile" $profile }}
{{- $context = mergeOverwrite (deepCopy $context) $culprits }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- define "tcpgauge.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .root.Values.health.port }}
  {{- if .root.Values.hostNetwork }}
  host: 127.0.0.1
  {{- end }}
{{- with .when }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tcpgauge.container" -}}
- name: tcpgauge
  image: {{ include "tcpgauge.image" . | toJson }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  {{- if and (eq .Values.mode "sidecar") .Values.sidecar.native }}
  restartPolicy: Always
  {{- end }}
  args:
    - run
    {{- if eq .Values.mode "sidecar" }}
    {{- include "tcpgauge.flags" . | trim | nindent 4 }}
    {{- end }}
    {{- with .Values.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    {{- include "tcpgauge.env" . | trim | nindent 4 }}
  {{- with .Values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "tcpgauge.securityContext" . | nindent 4 }}
  {{- if include "tcpgauge.answers" . }}
  {{- if .Values.hostNetwork }}
  ports:
    # The scheduler sees by this that the node's port is taken.
    - name: tcpgauge-health
      containerPort: {{ .Values.health.port }}
  {{- end }}
  livenessProbe:
    {{- include "tcpgauge.probe" (dict "root" . "path" "/livez" "when" .Values.livenessProbe) | nindent 4 }}
  {{- if eq .Values.mode "daemonset" }}
  readinessProbe:
    {{- include "tcpgauge.probe" (dict "root" . "path" "/readyz" "when" .Values.readinessProbe) | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "tcpgauge.volumeMounts" . | trim }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "tcpgauge.volumeMounts" -}}
{{- if eq .Values.mode "daemonset" }}
- name: tcpgauge-config
  mountPath: /etc/tcpgauge/config
  readOnly: true
{{- end }}
{{- if include "tcpgauge.ofNode" . }}
- name: tcpgauge-proc
  mountPath: /host/proc
  readOnly: true
{{- if and .Values.culprits.enabled (semverCompare ">=1.31-0" .Capabilities.KubeVersion.Version) }}
  # What is mounted below it too: this user is root.
  recursiveReadOnly: IfPossible
{{- end }}
{{- if .Values.scope.pods }}
- name: tcpgauge-names
  mountPath: /var/log/containers
  readOnly: true
{{- end }}
{{- end }}
{{- if .Values.otlp.headersFromSecrets }}
- name: tcpgauge-headers
  mountPath: /etc/tcpgauge/headers
  readOnly: true
{{- end }}
{{- if .Values.otlp.tls.ca }}
- name: tcpgauge-ca
  mountPath: /etc/tcpgauge/ca
  readOnly: true
{{- end }}
{{- if .Values.otlp.tls.client }}
- name: tcpgauge-client
  mountPath: /etc/tcpgauge/client
  readOnly: true
{{- end }}
{{- if ne .Values.spool.type "none" }}
- name: tcpgauge-spool
  mountPath: /var/lib/tcpgauge
{{- end }}
{{- if ne .Values.state.type "none" }}
- name: tcpgauge-state
  mountPath: /var/lib/tcpgauge-state
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Their names say whose they are, for the pod may be somebody else's. */}}
{{- define "tcpgauge.volumes" -}}
{{- if eq .Values.mode "daemonset" }}
- name: tcpgauge-config
  configMap:
    name: {{ include "tcpgauge.fullname" . | quote }}
{{- end }}
{{- if include "tcpgauge.ofNode" . }}
- name: tcpgauge-proc
  hostPath:
    path: /proc
    type: Directory
{{- if .Values.scope.pods }}
- name: tcpgauge-names
  hostPath:
    path: /var/log/containers
    type: Directory
{{- end }}
{{- end }}
{{- with .Values.otlp.headersFromSecrets }}
- name: tcpgauge-headers
  projected:
    sources:
      {{- range $header, $secret := . }}
      - secret:
          name: {{ $secret.name | quote }}
          items:
            - key: {{ $secret.key | quote }}
              path: {{ $header | quote }}
      {{- end }}
{{- end }}
{{- with .Values.otlp.tls.ca }}
- name: tcpgauge-ca
  {{- if .secret }}
  secret:
    secretName: {{ .secret | quote }}
  {{- else }}
  configMap:
    name: {{ .configMap | quote }}
  {{- end }}
{{- end }}
{{- with .Values.otlp.tls.client }}
- name: tcpgauge-client
  secret:
    secretName: {{ .secret | quote }}
{{- end }}
{{- if eq .Values.spool.type "emptyDir" }}
- name: tcpgauge-spool
  emptyDir:
    sizeLimit: {{ .Values.spool.sizeLimit | quote }}
{{- else if eq .Values.spool.type "hostPath" }}
- name: tcpgauge-spool
  hostPath:
    path: {{ .Values.spool.hostPath | quote }}
    type: Directory
{{- end }}
{{- if eq .Values.state.type "emptyDir" }}
- name: tcpgauge-state
  emptyDir:
    sizeLimit: {{ .Values.state.sizeLimit | quote }}
{{- else if eq .Values.state.type "hostPath" }}
- name: tcpgauge-state
  hostPath:
    path: {{ .Values.state.hostPath | quote }}
    type: Directory
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
