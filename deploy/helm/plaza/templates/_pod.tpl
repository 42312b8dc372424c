{{/* The pods of Plaza's own processes, and what all pods have in common. They take a component. */}}

{{/* A number or text as the value of an environment variable: large numbers stay whole. */}}
{{- define "plaza.value" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . | quote }}{{ else }}{{ . | toString | quote }}{{ end }}
{{- end }}

{{/* A variable from a Secret. Takes a list of the variable, the Secret and its entry. */}}
{{- define "plaza.fromSecret" -}}
- name: {{ index . 0 }}
  valueFrom: { secretKeyRef: { name: {{ index . 1 | quote }}, key: {{ index . 2 | quote }} } }
{{- end }}

{{- define "plaza.has" -}}
{{- if or (not .serves) (has .what .serves) }}true{{ end }}
{{- end }}

{{/* Whether a component signs tokens, holds pictures, sends mail; whether pictures are in a volume. */}}
{{- define "plaza.signs" -}}
{{- if eq .process "api" }}{{ include "plaza.has" (dict "what" "auth" "serves" .serves) }}{{ end }}
{{- end }}
{{- define "plaza.pictures" -}}
{{- if eq .process "api" }}{{ include "plaza.has" (dict "what" "media" "serves" .serves) }}
{{- else if eq .process "workers" }}{{ include "plaza.has" (dict "what" "sweeper" "serves" .serves) }}
{{- end }}
{{- end }}
{{- define "plaza.mails" -}}
{{- if eq .process "workers" }}{{ include "plaza.has" (dict "what" "mail" "serves" .serves) }}{{ end }}
{{- end }}

{{/* The environment of a process: what the chart decides, then `settings`, then `extraEnv`. */}}
{{- define "plaza.env" -}}
{{- $values := .root.Values }}
- { name: MONGO_URL_FILE, value: /data/urls/mongodb }
{{- if ne .process "migration" }}
- { name: REDIS_URL_FILE, value: /data/urls/redis }
- { name: BROKER_URL_FILE, value: /data/urls/broker }
- { name: WORKER_PARTITIONS, value: {{ include "plaza.value" $values.partitions }} }
{{- end }}
{{- if has .process (list "api" "realtime") }}
- { name: DRAIN_S, value: {{ include "plaza.value" .values.drainSeconds }} }
- { name: TRUSTED_PROXIES, value: {{ join "," $values.trustedProxies | quote }} }
- { name: ORIGINS, value: {{ join "," (prepend $values.origins (trimSuffix "/" $values.url)) | quote }} }
- { name: JWT_JWKS, value: /data/keys/jwks.json }
{{- end }}
{{- if eq .process "api" }}
- { name: API_PORT, value: "8080" }
- { name: REALTIME_PORT, value: {{ include "plaza.urlPort" .root | quote }} }
{{- with .serves }}
- { name: API_SERVICES, value: {{ join "," . | quote }} }
{{- end }}
{{- end }}
{{- if include "plaza.signs" . }}
- { name: JWT_PRIVATE_KEY_FILE, value: /data/keys/jwt.pem }
- { name: REFRESH_KEY_FILE, value: /data/keys/refresh.key }
{{- end }}
{{- if eq .process "realtime" }}
- { name: REALTIME_PORT, value: "8081" }
- { name: PID_KEY_FILE, value: /data/keys/pid.key }
- name: POD_INDEX
  valueFrom: { fieldRef: { fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']" } }
- { name: NODE_NAME, value: realtime-$(POD_INDEX) }
{{- end }}
{{- if eq .process "workers" }}
- { name: WORKERS_PORT, value: "8082" }
{{- with .serves }}
- { name: WORKER_ROLES, value: {{ join "," . | quote }} }
{{- end }}
{{- end }}
{{- if include "plaza.pictures" . }}
- { name: MEDIA_URL, value: {{ $values.media.url | default "file:/data/media" | quote }} }
{{- end }}
{{- if include "plaza.mails" . }}
{{- if $values.mail.existingSecret }}
- { name: MAILER_URL_FILE, value: /data/urls/mail }
{{- else }}
- { name: MAILER_URL, value: file:/data/mail }
{{- end }}
- { name: MAIL_FROM, value: {{ $values.mail.from | quote }} }
- { name: MAIL_LINKS, value: {{ $values.url | quote }} }
{{- end }}
{{- if and $values.aws.existingSecret (ne .process "migration") }}
{{ include "plaza.fromSecret" (list "AWS_ACCESS_KEY_ID" $values.aws.existingSecret $values.aws.accessKeyIdKey) }}
{{ include "plaza.fromSecret" (list "AWS_SECRET_ACCESS_KEY" $values.aws.existingSecret $values.aws.secretAccessKeyKey) }}
{{- end }}
{{- range $name, $value := include "plaza.merge" (list $values.settings .values.settings) | fromYaml }}
- { name: {{ $name }}, value: {{ include "plaza.value" $value }} }
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The port of `url`, which /docs/events shows. */}}
{{- define "plaza.urlPort" -}}
{{- $parts := urlParse .Values.url }}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $parts.host) | default (ternary "443" "80" (eq $parts.scheme "https")) }}
{{- end }}

{{/* An entry of a Secret as a file. Takes a list of the Secret, the entry and the file. */}}
{{- define "plaza.url" -}}
secret: { name: {{ index . 0 | quote }}, items: [{ key: {{ index . 1 | quote }}, path: {{ index . 2 }} }] }
{{- end }}

{{/* The volumes of a process, each with its mount: a YAML list of `volume` and `mount`. */}}
{{- define "plaza.volumes" -}}
- volume: { name: tmp, emptyDir: { sizeLimit: 64Mi } }
  mount: { name: tmp, mountPath: /tmp }
- volume: # URLs hold passwords: files are seen by nobody who may only look at processes
    name: urls
    projected:
      defaultMode: 0440
      sources:
        {{- range $server := ternary (list "mongodb") (list "mongodb" "redis" "broker") (eq .process "migration") }}
        - {{ include "plaza.url" (list (include "plaza.secret" (list $.root $server)) (get $.root.Values $server).urlKey $server) }}
        {{- end }}
        {{- if and (include "plaza.mails" .) .root.Values.mail.existingSecret }}
        - {{ include "plaza.url" (list .root.Values.mail.existingSecret .root.Values.mail.urlKey "mail") }}
        {{- end }}
  mount: { name: urls, mountPath: /data/urls, readOnly: true }
{{- if has .process (list "api" "realtime") }}
{{- $keys := .root.Values.keys }}
- volume:
    name: keys
    secret:
      secretName: {{ $keys.existingSecret }}
      defaultMode: 0440
      items:
        - { key: {{ $keys.jwks | quote }}, path: jwks.json }
        {{- if include "plaza.signs" . }}
        - { key: {{ $keys.jwtPrivateKey | quote }}, path: jwt.pem }
        - { key: {{ $keys.refreshKey | quote }}, path: refresh.key }
        {{- end }}
        {{- if eq .process "realtime" }}
        - { key: {{ $keys.pidKey | quote }}, path: pid.key }
        {{- end }}
  mount: { name: keys, mountPath: /data/keys, readOnly: true }
{{- end }}
{{- if and (include "plaza.pictures" .) (not .root.Values.media.url) }}
- volume:
    name: media
    persistentVolumeClaim: { claimName: {{ .root.Values.media.persistence.existingClaim | default (printf "%s-media" (include "plaza.fullname" .root)) }} }
  mount: { name: media, mountPath: /data/media }
{{- end }}
{{- if and (include "plaza.mails" .) (not .root.Values.mail.existingSecret) }}
- volume: { name: mail, emptyDir: { sizeLimit: 64Mi } }
  mount: { name: mail, mountPath: /data/mail }
{{- end }}
{{- end }}

{{/* Labels and annotations of a pod: no label changes with the chart's version, which would replace all pods. */}}
{{- define "plaza.podMetadata" -}}
labels:
  {{- include "plaza.selector" . | nindent 2 }}
  plaza/process: {{ .process }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Where a pod runs and as whom. Environment variables named after Services would be taken for settings, hence no links. */}}
{{- define "plaza.placing" -}}
serviceAccountName: {{ include "plaza.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .values.podSecurityContext | nindent 2 }}
{{- range $field := list "imagePullSecrets" "priorityClassName" "nodeSelector" "affinity" "tolerations" }}
{{- with get $.values $field }}
{{ toYaml (dict $field .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The pods of a component spread over zones and nodes, unless its values say otherwise. */}}
{{- define "plaza.spread" -}}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "plaza.selector" $ | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The pod of one of Plaza's processes. */}}
{{- define "plaza.pod" -}}
{{- $volumes := include "plaza.volumes" . | fromYamlArray }}
{{- $once := eq .process "migration" }}
metadata:
  {{- include "plaza.podMetadata" . | nindent 2 }}
spec:
  {{- include "plaza.placing" . | nindent 2 }}
  {{- if .waits }}
  shareProcessNamespace: true # or the signal to end would find nobody who takes it
  {{- else if $once }}
  restartPolicy: OnFailure
  {{- else }}
  {{- include "plaza.spread" . | nindent 2 }}
  shareProcessNamespace: true # its first process takes the signals and collects what a picture's decoder leaves
  terminationGracePeriodSeconds: {{ include "plaza.graceSeconds" . }}
  {{- end }}
  {{- with .values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .process }}
      image: {{ include "plaza.image" (list .root .values.image) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      {{- if .waits }}
      command: [sleep, infinity]
      {{- else if $once }}
      args: [migrate, --wait, {{ .values.waitSeconds | toString | quote }}]
      {{- end }}
      env:
        {{- include "plaza.env" . | trim | nindent 8 }}
      {{- with .values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if not $once }}
      ports: [{ name: http, containerPort: {{ .port }} }]
      {{- range $probe, $path := dict "startup" "/livez" "liveness" "/livez" "readiness" "/readyz" }}
      {{ $probe }}Probe:
        httpGet: { path: {{ $path }}, port: http }
        {{- toYaml (get $.values.probes $probe) | nindent 8 }}
      {{- end }}
      {{- include "plaza.preStop" . | nindent 6 }}
      {{- end }}
      {{- include "plaza.container" . | nindent 6 }}
      volumeMounts:
        {{- range $volumes }}
        - {{ toYaml .mount | nindent 10 | trim }}
        {{- end }}
        {{- with .values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- range $volumes }}
    - {{ toYaml .volume | nindent 6 | trim }}
    {{- end }}
    {{- with .values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "plaza.container" -}}
securityContext:
  {{- toYaml .values.containerSecurityContext | nindent 2 }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{- end }}

{{- define "plaza.preStop" -}}
{{- if .values.preStopSeconds -}}
lifecycle:
  preStop: { sleep: { seconds: {{ .values.preStopSeconds }} } }
{{- end }}
{{- end }}

{{- define "plaza.graceSeconds" -}}
{{ add .values.preStopSeconds .values.drainSeconds 15 }}
{{- end }}
