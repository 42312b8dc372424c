{{/* A Deployment of a component: no pod goes before its successor is ready. */}}
{{- define "plaza.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "plaza.metadata" . | nindent 2 }}
  {{- include "plaza.annotations" .values.annotations | nindent 2 }}
spec:
  replicas: {{ include "plaza.replicas" . }}
  revisionHistoryLimit: 3
  strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }
  selector:
    matchLabels:
      {{- include "plaza.selector" . | nindent 6 }}
  template:
    {{- include (ternary "plaza.nginxPod" "plaza.pod" (eq .process "nginx")) . | nindent 4 }}
{{- end }}

{{/* A headless Service: nginx asks DNS for all pods that are ready. */}}
{{- define "plaza.headless" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "plaza.metadata" . | nindent 2 }}
  {{- include "plaza.annotations" .values.serviceAnnotations | nindent 2 }}
spec:
  clusterIP: None
  {{- include "plaza.families" .root | nindent 2 }}
  selector:
    {{- include "plaza.selector" . | nindent 4 }}
  ports: [{ name: http, port: {{ .port }}, targetPort: http }]
{{- end }}

{{- define "plaza.annotations" -}}
{{- with . -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
