{{/*
nginx' topology.conf, in the words of devtools/generate/nginx.py; a test holds the two together. Servers are names of
headless Services, which nginx asks DNS for again and again.
*/}}
{{- define "plaza.topology" -}}
{{- $serving := dict }}
{{- range $component := include "plaza.components" . | fromYaml }}
{{- if eq .process "api" }}
{{- range .serves | default (include "plaza.services" $ | fromYamlArray) }}
{{- $_ := set $serving . (printf "%s:8080" (include "plaza.host" (list $ $component.name))) }}
{{- end }}
{{- end }}
{{- end }}
{{- $split := gt (len .Values.api.groups) 1 }}
{{- $realtime := include "plaza.host" (list . "realtime") }}
{{- $nginx := .Values.nginx -}}
# Written by `make docs` from the code; a test fails when this file differs from it.
resolver {{ $nginx.resolver }} valid=5s{{ if not $nginx.ipv6 }} ipv6=off{{ end }};
resolver_timeout 2s;
geo $counted {
    default yes;
{{- range $nginx.unlimited }}
    {{ . }} "";
{{- end }}
}
map $counted $address {
    yes     $binary_remote_addr;
    default "";
}
{{- if $nginx.trustedProxies }}
{{- range $nginx.trustedProxies }}
set_real_ip_from {{ . }};
{{- end }}
real_ip_header X-Forwarded-For;
geo $realip_remote_addr $balanced {
    default 0;
{{- range $nginx.trustedProxies }}
    {{ . }} 1;
{{- end }}
}
map "$balanced $http_x_forwarded_proto" $client_scheme {
    "1 https" https;
    default   $scheme;
}
{{- else }}
map $scheme $client_scheme {
    default $scheme;
}
{{- end }}
access_log /dev/stdout access;
{{- range include "plaza.services" . | fromYamlArray }}
{{ include "plaza.upstream" (list . (get $serving .) 10) }}
{{- end }}
{{ include "plaza.upstream" (list "docs" (get $serving (first (include "plaza.services" . | fromYamlArray))) 10) }}
{{ include "plaza.upstream" (list "gateways" (printf "%s:8081" $realtime) 5) }}
{{- range until (int (include "plaza.gateways" .)) }}
{{ include "plaza.upstream" (list (printf "node_realtime-%d" .) (include "plaza.gateway" (list $ .)) 5) }}
{{- end }}
map $arg_sid $gateway {
{{- range until (int (include "plaza.gateways" .)) }}
    "~^realtime-{{ . }}\." node_realtime-{{ . }};
{{- end }}
    default gateways;
}
server {
    listen 8080;
{{- if $nginx.ipv6 }}
    listen [::]:8080;
{{- end }}
{{- if $nginx.trustedProxies }}
    keepalive_timeout 300s;
    keepalive_requests 1000000;
{{- end }}
    include server.conf;
{{- if $split }}
    location = /openapi.json { default_type application/json; root /usr/share/plaza; error_page 403 404 = @docs; }
    location @docs { proxy_pass http://docs; }
{{- else }}
    location = /openapi.json { proxy_pass http://docs; }
{{- end }}
}
server {
    listen 8079;
    location = /status { allow 127.0.0.0/8; allow 10.0.0.0/8; allow 172.16.0.0/12; allow 192.168.0.0/16; deny all; stub_status; access_log off; }
    location / { return 404; }
}
{{ end }}

{{/* The address of a gateway. Takes a list of the root and its number. */}}
{{- define "plaza.gateway" -}}
{{- $root := first . }}
{{- include "plaza.fullname" $root }}-realtime-{{ last . }}.{{ include "plaza.host" (list $root "realtime-all") }}:8081
{{- end }}

{{/* Takes a list of the upstream's name, its server, and the seconds that idle connections to it are kept. */}}
{{- define "plaza.upstream" -}}
upstream {{ index . 0 }} {
    zone {{ index . 0 }} 64k;
    least_conn;
    server {{ index . 1 }} max_fails=0 resolve;
    keepalive 16;
    keepalive_timeout {{ index . 2 }}s;
}
{{- end }}

{{/* The pod of nginx. */}}
{{- define "plaza.nginxPod" -}}
{{- $files := printf "%s-nginx" (include "plaza.fullname" .root) }}
{{- $split := gt (len .root.Values.api.groups) 1 }}
metadata:
  {{- include "plaza.podMetadata" . | nindent 2 }}
  {{- if not .values.podAnnotations }}
  annotations:
  {{- end }}
    plaza/configuration: {{ print (include "plaza.topology" .root) (.root.Files.Glob "files/nginx/*.conf").AsConfig | sha256sum }} # new pods where they change
spec:
  {{- include "plaza.placing" . | nindent 2 }}
  {{- include "plaza.spread" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "plaza.graceSeconds" . }} # the image is stopped by SIGQUIT, and lets websockets end
  {{- with .values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: nginx
      image: {{ include "plaza.image" (list .root .values.image) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [nginx, -p, /tmp/, -e, stderr, -c, /etc/nginx/plaza/nginx.conf, -g, daemon off;]
      {{- with .values.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - { name: http, containerPort: 8080 }
        {{- if .values.tlsSecret }}
        - { name: https, containerPort: 8443 }
        {{- end }}
      livenessProbe: { tcpSocket: { port: http }, periodSeconds: 10, failureThreshold: 6 }
      readinessProbe: { tcpSocket: { port: http }, periodSeconds: 5, failureThreshold: 2 }
      {{- include "plaza.preStop" . | nindent 6 }}
      {{- include "plaza.container" . | nindent 6 }}
      volumeMounts:
        - { name: configuration, mountPath: /etc/nginx/plaza, readOnly: true }
        - { name: tmp, mountPath: /tmp }
        {{- if $split }}
        - { name: documents, mountPath: /usr/share/plaza, readOnly: true }
        {{- end }}
        {{- with .values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- if .values.exporter.enabled }}
    - name: exporter
      image: {{ include "plaza.image" (list .root .values.exporter.image) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: ["--nginx.scrape-uri=http://127.0.0.1:8079/status"]
      ports: [{ name: metrics, containerPort: 9113 }]
      {{- include "plaza.container" (dict "values" (dict "containerSecurityContext" .values.containerSecurityContext "resources" .values.exporter.resources)) | nindent 6 }}
    {{- end }}
    {{- with .values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - { name: tmp, emptyDir: { sizeLimit: 64Mi } }
    - name: configuration
      projected:
        sources:
          - configMap: { name: {{ $files }} }
          {{- with .values.tlsSecret }}
          - configMap: { name: {{ $files }}, items: [{ key: tls.conf, path: tls/tls.conf }] }
          - secret: { name: {{ . }}, items: [{ key: tls.crt, path: tls/fullchain.pem }, { key: tls.key, path: tls/privkey.pem }] }
          {{- end }}
    {{- if $split }}
    - { name: documents, configMap: { name: {{ $files }}-documents } }
    {{- end }}
    {{- with .values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* The services of the API, in the order of nginx' upstreams. */}}
{{- define "plaza.services" -}}
[auth, users, search, follows, posts, comments, likes, feeds, notifications, media, reports]
{{- end }}
