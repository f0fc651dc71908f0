{{/*
For charts that have this one as a dependency, with `mode: sidecar`:

      containers:
        {{- include "tcpgauge.sidecar.container" .Subcharts.tcpgauge | nindent 8 }}
      volumes:
        {{- include "tcpgauge.sidecar.volumes" .Subcharts.tcpgauge | nindent 8 }}

There are volumes only where a Secret, a certificate, a spool or the node is to be mounted.
*/}}

{{- define "tcpgauge.sidecar.container" -}}
{{- if ne .Values.mode "sidecar" }}
{{- fail "tcpgauge: tcpgauge.sidecar.container is for `mode: sidecar`" }}
{{- end }}
{{- include "tcpgauge.container" . }}
{{- end }}

{{- define "tcpgauge.sidecar.volumes" -}}
{{- include "tcpgauge.volumes" . | trim }}
{{- end }}
