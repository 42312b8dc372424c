{{/* Names, labels, images and addresses; and the list of what runs, which most templates walk through. */}}

{{- define "plaza.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 36 | trimSuffix "-" }}
{{- end }}

{{/* The name that all objects begin with: the release's, with the chart's unless it has it. */}}
{{- define "plaza.fullname" -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name (include "plaza.name" .)) (contains (include "plaza.name" .) .Release.Name) }}
{{- .Values.fullnameOverride | default $both | trunc 36 | trimSuffix "-" }}
{{- end }}

{{/* The labels that pods of a component are found by; they never change. Takes a component. */}}
{{- define "plaza.selector" -}}
app.kubernetes.io/name: {{ include "plaza.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* The labels of pods of a process, whatever group they are in. Takes a list of the root and the process. */}}
{{- define "plaza.process" -}}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
plaza/process: {{ last . }}
{{- end }}

{{/* The labels of an object of a component. */}}
{{- define "plaza.labels" -}}
{{ include "plaza.selector" . }}
plaza/process: {{ .process }}
app.kubernetes.io/part-of: plaza
app.kubernetes.io/version: {{ include "plaza.tag" .root | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The name and labels of an object of a component. */}}
{{- define "plaza.metadata" -}}
name: {{ include "plaza.object" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "plaza.labels" . | nindent 2 }}
{{- end }}

{{- define "plaza.object" -}}
{{ include "plaza.fullname" .root }}-{{ .name }}
{{- end }}

{{- define "plaza.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* An image: one with a tag or digest is complete, others are Plaza's. Takes a list of the root and the name. */}}
{{- define "plaza.image" -}}
{{- $root := first . }}{{ $image := last . }}
{{- if regexMatch "[:@][^/]+$" $image }}{{ $image }}
{{- else }}{{ with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image }}:{{ include "plaza.tag" $root }}
{{- end }}
{{- end }}

{{- define "plaza.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "plaza.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{/* The Secret of a server: its own, or that of the trial. Takes a list of the root and the name of the server's values. */}}
{{- define "plaza.secret" -}}
{{- $root := first . }}
{{- if $root.Values.trial.enabled }}{{ include "plaza.trialSecret" $root }}
{{- else }}{{ (get $root.Values (last .)).existingSecret }}
{{- end }}
{{- end }}

{{- define "plaza.trialSecret" -}}
{{ .Values.trial.existingSecret | default (printf "%s-trial" (include "plaza.fullname" .)) }}
{{- end }}

{{/* Merge maps; a later one wins, with empty values too. Takes a list of maps. */}}
{{- define "plaza.merge" -}}
{{- $out := deepCopy (first .) }}
{{- range $more := rest . }}
{{- range $key, $value := $more }}
{{- $before := get $out $key }}
{{- if and (kindIs "map" $value) (kindIs "map" $before) }}
{{- $value = include "plaza.merge" (list $before $value) | fromYaml }}
{{- end }}
{{- $_ := set $out $key $value }}
{{- end }}
{{- end }}
{{- toYaml $out }}
{{- end }}

{{/*
Everything that runs all the time, by its name: `process`, `port`, `serves` (services or roles, none: all of them) and
`values`, in which those of a group come before those of its process, and these before those of all pods.
*/}}
{{- define "plaza.components" -}}
{{- $all := dict }}
{{- range $process, $port := dict "api" 8080 "workers" 8082 }}
{{- $own := get $.Values $process }}
{{- range $group, $values := $own.groups | default (dict "" dict) }}
{{- $serves := get $values (ternary "services" "roles" (eq $process "api")) | default list }}
{{- $merged := include "plaza.merge" (list $.Values.pod (omit $own "groups") $values) | fromYaml }}
{{- $name := printf "%s-%s" $process $group | trimSuffix "-" }}
{{- $_ := set $all $name (dict "name" $name "process" $process "port" $port "serves" $serves "values" $merged) }}
{{- end }}
{{- end }}
{{- range $process, $port := dict "realtime" 8081 "nginx" 8080 }}
{{- $merged := include "plaza.merge" (list $.Values.pod (get $.Values $process)) | fromYaml }}
{{- $_ := set $all $process (dict "name" $process "process" $process "port" $port "serves" list "values" $merged) }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{/* Something that runs once, or in a trial, as a component. Takes a list of the root, its name, its port and its values. */}}
{{- define "plaza.other" -}}
{{- $root := index . 0 }}
{{- $merged := include "plaza.merge" (list $root.Values.pod (index . 3)) | fromYaml }}
{{- toYaml (dict "name" (index . 1) "process" (index . 1) "port" (index . 2) "values" $merged) }}
{{- end }}

{{/* A host of a Service of this release, as DNS knows it. Takes a list of the root and the component's name. */}}
{{- define "plaza.host" -}}
{{- $root := first . }}
{{- include "plaza.fullname" $root }}-{{ last . }}.{{ $root.Release.Namespace }}.svc.{{ $root.Values.clusterDomain }}
{{- end }}

{{/* The families of a Service's addresses. */}}
{{- define "plaza.families" -}}
{{- with .Values.services.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.services.ipFamilies }}
ipFamilies: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Whether a component scales by itself, so that its number of pods is not the chart's. */}}
{{- define "plaza.scales" -}}
{{- if or .values.autoscaling.enabled (include "plaza.keda" .) }}true{{ end }}
{{- end }}

{{/* Whether KEDA scales a component: roles without a queue, as relay and sweeper, have nothing that it could follow. */}}
{{- define "plaza.keda" -}}
{{- if .root.Values.keda.enabled }}
{{- if or (eq .process "realtime") (and (eq .process "workers") (include "plaza.queues" . | fromYamlArray)) }}true{{ end }}
{{- end }}
{{- end }}

{{/* The number of pods. Of what scales by itself that of this moment: without a number Kubernetes would stop all but one. */}}
{{- define "plaza.replicas" -}}
{{- if include "plaza.scales" . }}
{{- $scaled := include "plaza.scaled" . | fromYaml }}
{{- $now := lookup $scaled.apiVersion $scaled.kind .root.Release.Namespace $scaled.name | default dict }}
{{- int (dig "spec" "replicas" .values.autoscaling.minReplicas $now) }}
{{- else }}{{ .values.replicas }}
{{- end }}
{{- end }}

{{/* The bytes of a size, which Kubernetes may keep in another unit than it was given. */}}
{{- define "plaza.bytes" -}}
{{- $units := dict "" 1 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 }}
{{- mulf (regexFind "^[0-9.]+" .) (get $units (regexFind "[A-Za-z]*$" .)) }}
{{- end }}

{{/* Gateways that nginx knows by their name. */}}
{{- define "plaza.gateways" -}}
{{- if include "plaza.scales" (dict "root" . "process" "realtime" "values" .Values.realtime) }}{{ .Values.realtime.autoscaling.maxReplicas }}
{{- else }}{{ .Values.realtime.replicas }}
{{- end }}
{{- end }}

{{/* The Secrets with the URLs of servers, each with its entries, as NOTES.txt tells to make them. */}}
{{- define "plaza.urls" -}}
{{- $found := dict }}
{{- range $server, $example := dict "mongodb" "mongodb://…" "redis" "rediss://…" "broker" (ternary "sqs://…" "amqps://…" (eq $.Values.broker.kind "sqs")) }}
{{- $from := get $.Values $server }}
{{- $_ := set $found $from.existingSecret (append (get $found $from.existingSecret | default list) (printf "%s='%s'" $from.urlKey $example)) }}
{{- end }}
{{- toYaml $found }}
{{- end }}
