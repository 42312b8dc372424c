{{/* How the servers of a trial start: command, environment and mounts. They take the root. */}}

{{- define "plaza.trial.mongodb" -}}
{{- $secret := include "plaza.trialSecret" . -}}
command: [bash, /etc/plaza/mongo-start.sh]
env:
  - { name: HOME, value: /tmp }
  - { name: MONGO_INITDB_ROOT_USERNAME, value: root }
  {{- include "plaza.fromSecret" (list "MONGO_INITDB_ROOT_PASSWORD" $secret "MONGO_ROOT_PASSWORD") | nindent 2 }}
volumeMounts:
  - { name: data, mountPath: /data/db, subPath: db }
  - { name: configuration, mountPath: /data/configdb }
  - { name: tmp, mountPath: /tmp }
  - { name: files, mountPath: /etc/plaza, readOnly: true }
{{- end }}

{{- define "plaza.trial.redis" -}}
command: [sh, /etc/plaza/redis-start.sh]
env:
  {{- include "plaza.fromSecret" (list "REDIS_PASSWORD" (include "plaza.trialSecret" .) "REDIS_PASSWORD") | nindent 2 }}
volumeMounts:
  - { name: data, mountPath: /data, subPath: redis }
  - { name: tmp, mountPath: /tmp }
  - { name: files, mountPath: /etc/plaza, readOnly: true }
{{- end }}

{{- define "plaza.trial.rabbitmq" -}}
env:
  - { name: RABBITMQ_DEFAULT_USER, value: plaza }
  {{- include "plaza.fromSecret" (list "RABBITMQ_DEFAULT_PASS" (include "plaza.trialSecret" .) "RABBITMQ_PASSWORD") | nindent 2 }}
volumeMounts:
  - { name: data, mountPath: /var/lib/rabbitmq, subPath: rabbitmq }
  - { name: tmp, mountPath: /tmp }
  - { name: files, mountPath: /etc/rabbitmq/conf.d/30-plaza.conf, subPath: rabbitmq.conf, readOnly: true }
  - { name: files, mountPath: /etc/rabbitmq/enabled_plugins, subPath: enabled_plugins, readOnly: true }
{{- end }}

{{/* The pod that makes MongoDB's replica set and users, as often as it has to. */}}
{{- define "plaza.trial.init" -}}
metadata:
  {{- include "plaza.podMetadata" . | nindent 2 }}
spec:
  {{- include "plaza.placing" . | nindent 2 }}
  restartPolicy: OnFailure
  containers:
    - name: initiate
      image: {{ include "plaza.image" (list .root .values.image) }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [mongosh, --quiet, --nodb, /etc/plaza/initiate.js]
      env:
        - { name: HOME, value: /tmp }
        {{- range list "MONGO_ROOT_PASSWORD" "MONGO_PASSWORD" "MONGO_MONITOR_PASSWORD" }}
        {{- include "plaza.fromSecret" (list . (include "plaza.trialSecret" $.root) .) | nindent 8 }}
        {{- end }}
      {{- include "plaza.container" . | nindent 6 }}
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        - { name: files, mountPath: /etc/plaza, readOnly: true }
  volumes:
    - { name: tmp, emptyDir: { sizeLimit: 64Mi } }
    - { name: files, configMap: { name: {{ include "plaza.fullname" .root }}-trial } }
{{- end }}
