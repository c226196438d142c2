{{/* Names */}}
{{- define "museum.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) .Values.fullnameOverride -}}
{{- if gt (len $full) 31 -}}
{{- fail (printf "the name %q has %d characters: expected at most 31, since names like %s-preprocess-interactive may have 54 with KEDA. Set fullnameOverride" $full (len $full) $full) -}}
{{- end -}}
{{- $full -}}
{{- end -}}

{{/* Labels of a component: (list $ "component") */}}
{{- define "museum.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}
{{- define "museum.labels" -}}
{{- $root := index . 0 -}}
{{ include "museum.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: museum-search
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* An image: (list $ image) */}}
{{- define "museum.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- with $root.Values.image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $root.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/* host and port of an address: (list url default-port) */}}
{{- define "museum.port" -}}
{{- $parts := urlParse (index . 0) -}}
{{- $default := index (dict "http" "80" "https" "443" "amqp" "5672" "amqps" "5671" "redis" "6379" "rediss" "6379") $parts.scheme -}}
{{- $found := regexFind ":[0-9]+$" $parts.host -}}
{{- if $found }}{{ trimPrefix ":" $found }}{{ else }}{{ $default }}{{ end -}}
{{- end -}}

{{/* Servers: ours of dev.*, or those that are named */}}
{{- define "museum.amqp" -}}
{{- if .Values.dev.rabbitmq.enabled }}amqp://{{ include "museum.fullname" . }}-rabbitmq:5672/{{ else }}{{ .Values.rabbitmq.url }}{{ end -}}
{{- end -}}
{{- define "museum.amqpApi" -}}
{{- if .Values.dev.rabbitmq.enabled }}http://{{ include "museum.fullname" . }}-rabbitmq.{{ .Release.Namespace }}.svc:15672{{ else }}{{ .Values.rabbitmq.managementUrl | trimSuffix "/" }}{{ end -}}
{{- end -}}
{{- define "museum.vhost" -}}
{{- $path := (urlParse (include "museum.amqp" .)).path | trimPrefix "/" -}}
{{- if $path }}{{ $path }}{{ else }}/{{ end -}}
{{- end -}}
{{- define "museum.s3" -}}
{{- if .Values.dev.minio.enabled }}http://{{ include "museum.fullname" . }}-minio:9000{{ else }}{{ .Values.s3.endpoint }}{{ end -}}
{{- end -}}
{{- define "museum.milvus" -}}
{{- if .Values.dev.milvus.enabled }}http://{{ include "museum.fullname" . }}-milvus:19530{{ else }}{{ .Values.milvus.uri }}{{ end -}}
{{- end -}}
{{- define "museum.triton" -}}
{{- if .Values.triton.enabled }}{{ include "museum.fullname" . }}-triton:8001{{ else }}{{ .Values.triton.url }}{{ end -}}
{{- end -}}

{{/* Names of Secrets */}}
{{- define "museum.rabbitmqSecret" -}}
{{- if .Values.dev.rabbitmq.enabled }}{{ include "museum.fullname" . }}-rabbitmq{{ else }}{{ .Values.rabbitmq.existingSecret }}{{ end -}}
{{- end -}}
{{- define "museum.s3Secret" -}}
{{- if .Values.dev.minio.enabled }}{{ include "museum.fullname" . }}-minio{{ else }}{{ .Values.s3.existingSecret }}{{ end -}}
{{- end -}}
{{- define "museum.gatewaySecret" -}}
{{- if .Values.gateway.existingSecret }}{{ .Values.gateway.existingSecret }}{{ else }}{{ include "museum.fullname" . }}-gateway{{ end -}}
{{- end -}}
{{/* Whether a part of dev.* is on: then the topology job cannot come before what it talks to */}}
{{- define "museum.dev" -}}
{{- if or .Values.dev.rabbitmq.enabled .Values.dev.minio.enabled .Values.dev.milvus.enabled }}yes{{ end -}}
{{- end -}}

{{/* What every pod has */}}
{{- define "museum.pod" -}}
{{- $root := index . 0 -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{/* Of the project's own images: (list $ uid) */}}
{{- define "museum.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "museum.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
{{- define "museum.spread" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.topologySpread }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "museum.selector" . | nindent 8 }}
{{- end }}
{{- end -}}
{{- define "museum.priority" -}}
{{- $root := index . 0 -}}{{- $lane := index . 1 -}}
{{- $given := (index $root.Values.lanes $lane).priorityClassName -}}
{{- if $given }}
priorityClassName: {{ $given }}
{{- else if $root.Values.priorityClasses.create }}
priorityClassName: {{ $root.Release.Namespace }}-{{ include "museum.fullname" $root }}-{{ $lane }}
{{- end }}
{{- end -}}

{{/* Environment of every process of ours */}}
{{- define "museum.env" -}}
- {name: PYTHONUNBUFFERED, value: "1"}
- {name: PYTHONDONTWRITEBYTECODE, value: "1"}
- {name: OMP_NUM_THREADS, value: "1"}
- {name: OPENBLAS_NUM_THREADS, value: "1"}
- {name: MALLOC_ARENA_MAX, value: "2"}
- {name: GRPC_VERBOSITY, value: ERROR}
- {name: PYTHONFAULTHANDLER, value: "1"}
- {name: GUNICORN_LOG_LEVEL, value: warning}
- {name: HOME, value: /tmp}
{{- with .Values.tls.caConfigMap }}
- {name: SSL_CERT_FILE, value: /etc/museum-ca/ca.crt}
- {name: AWS_CA_BUNDLE, value: /etc/museum-ca/ca.crt}
- {name: REQUESTS_CA_BUNDLE, value: /etc/museum-ca/ca.crt}
- {name: GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, value: /etc/museum-ca/ca.crt}
{{- end }}
{{- with .Values.proxy.http }}
- {name: HTTP_PROXY, value: {{ . | quote }}}
{{- end }}
{{- with .Values.proxy.https }}
- {name: HTTPS_PROXY, value: {{ . | quote }}}
{{- end }}
{{- with .Values.proxy.noProxy }}
- {name: NO_PROXY, value: {{ . | quote }}}
{{- end }}
{{- end -}}
{{/* Of those that make spans */}}
{{- define "museum.env.tracing" -}}
{{- if .Values.tracing.enabled }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .Values.tracing.endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ .Values.tracing.sampling | quote }}}
{{- with .Values.tracing.existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.Values.tracing.headersKey }}}}
{{- end }}
{{- with .Values.tls.caConfigMap }}
- {name: OTEL_EXPORTER_OTLP_CERTIFICATE, value: /etc/museum-ca/ca.crt}
{{- end }}
{{- end }}
{{- end -}}
{{- define "museum.env.rabbitmq" -}}
- {name: MUSEUM_AMQP_URL, value: {{ include "museum.amqp" . | quote }}}
- {name: MUSEUM_AMQP_API_URL, value: {{ include "museum.amqpApi" . | quote }}}
- name: MUSEUM_AMQP_USER
  valueFrom: {secretKeyRef: {name: {{ include "museum.rabbitmqSecret" . }}, key: {{ .Values.rabbitmq.usernameKey }}}}
- name: MUSEUM_AMQP_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "museum.rabbitmqSecret" . }}, key: {{ .Values.rabbitmq.passwordKey }}}}
{{- end -}}
{{- define "museum.env.s3" -}}
- {name: AWS_ENDPOINT_URL, value: {{ include "museum.s3" . | quote }}}
- {name: AWS_DEFAULT_REGION, value: {{ .Values.s3.region | quote }}}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ include "museum.s3Secret" . }}, key: {{ .Values.s3.accessKeyKey }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ include "museum.s3Secret" . }}, key: {{ .Values.s3.secretKeyKey }}}}
{{- range $name, $bucket := .Values.s3.buckets }}
- {name: MUSEUM_BUCKET_{{ upper $name }}, value: {{ $bucket | quote }}}
{{- end }}
- {name: MUSEUM_DEFAULT_MUSEUM, value: {{ .Values.default.museum | quote }}}
- {name: MUSEUM_DEFAULT_OWNER, value: {{ .Values.default.owner | quote }}}
- {name: MUSEUM_KEEP_DAYS, value: {{ .Values.retention.days | quote }}}
- {name: MUSEUM_WRITE_VERSIONS, value: {{ .Values.writeVersions | quote }}}
{{- end -}}
{{- define "museum.env.milvus" -}}
- {name: MUSEUM_MILVUS_URI, value: {{ include "museum.milvus" . | quote }}}
{{- if and .Values.milvus.existingSecret (not .Values.dev.milvus.enabled) }}
- name: MUSEUM_MILVUS_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .Values.milvus.existingSecret }}, key: {{ .Values.milvus.tokenKey }}}}
{{- end }}
{{- end -}}
{{- define "museum.env.triton" -}}
- {name: MUSEUM_TRITON_URL, value: {{ include "museum.triton" . | quote }}}
{{- end -}}

{{- define "museum.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.tls.caConfigMap }}
- {name: ca, mountPath: /etc/museum-ca, readOnly: true}
{{- end }}
{{- end -}}
{{- define "museum.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with .Values.tls.caConfigMap }}
- name: ca
  configMap: {name: {{ . }}, items: [{key: {{ $.Values.tls.caKey }}, path: ca.crt}]}
{{- end }}
{{- end -}}

{{/* A trigger: (dict "root" $ "lane" … "functions" "…" "grace" … "outbox" port-or-0) */}}
{{- define "museum.trigger" -}}
{{- $root := .root -}}
image: {{ include "museum.image" (list $root $root.Values.image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: [trigger]
env:
  {{- include "museum.env" $root | nindent 2 }}
  {{- with include "museum.env.tracing" $root }}{{ . | nindent 2 }}{{ end }}
  {{- include "museum.env.rabbitmq" $root | nindent 2 }}
  - {name: MUSEUM_LANE, value: {{ .lane }}}
  - {name: MUSEUM_FUNCTIONS, value: {{ .functions | quote }}}
  - {name: MUSEUM_GRACE, value: {{ .grace | quote }}}
  - {name: MUSEUM_OUTBOX_PORT, value: {{ .outbox | quote }}}
  - {name: MUSEUM_STATUS_PORT, value: "8081"}
ports:
  - {name: status, containerPort: 8081}
readinessProbe:
  httpGet: {path: /readyz, port: status}
  periodSeconds: 2
livenessProbe:
  httpGet: {path: /healthz, port: status}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
resources: {{- toYaml $root.Values.trigger.resources | nindent 2 }}
securityContext: {{- include "museum.security" $root | nindent 2 }}
volumeMounts: {{- include "museum.mounts" $root | nindent 2 }}
{{- end -}}

{{/* Ways out of a NetworkPolicy: (list $ (list "rabbitmq" "s3" …)) */}}
{{- define "museum.egress" -}}
{{- $root := index . 0 -}}
- to: {{- toYaml $root.Values.networkPolicy.dns | nindent 4 }}
  ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- range index . 1 }}
{{- if eq . "rabbitmq" }}
{{- include "museum.way" (list $root $root.Values.dev.rabbitmq.enabled "rabbitmq" $root.Values.rabbitmq.peers (list (include "museum.amqp" $root)) (list 5672)) }}
{{- else if eq . "management" }}
{{- include "museum.way" (list $root $root.Values.dev.rabbitmq.enabled "rabbitmq" $root.Values.rabbitmq.peers (list (include "museum.amqpApi" $root)) (list 15672)) }}
{{- else if eq . "s3" }}
{{- include "museum.way" (list $root $root.Values.dev.minio.enabled "minio" $root.Values.s3.peers (list (include "museum.s3" $root)) (list 9000)) }}
{{- else if eq . "milvus" }}
{{- include "museum.way" (list $root $root.Values.dev.milvus.enabled "milvus" $root.Values.milvus.peers (list (include "museum.milvus" $root)) (list 19530)) }}
{{- else if eq . "triton" }}
{{- include "museum.way" (list $root $root.Values.triton.enabled "triton" $root.Values.triton.peers (list (printf "http://%s" (include "museum.triton" $root))) (list 8001)) }}
{{- else if eq . "oidc" }}
{{- include "museum.way" (list $root false "" $root.Values.gateway.oidc.peers (list $root.Values.gateway.oidc.keys) (list)) }}
{{- include "museum.throughProxy" (list $root $root.Values.gateway.oidc.keys) }}
{{- else if eq . "collector" }}
{{- if $root.Values.tracing.enabled }}
{{- include "museum.way" (list $root false "" $root.Values.tracing.peers (list $root.Values.tracing.endpoint) (list)) }}
{{- include "museum.throughProxy" (list $root $root.Values.tracing.endpoint) }}
{{- end }}
{{- else if eq . "limits" }}
{{- include "museum.way" (list $root false "" $root.Values.gateway.limits.peers (list $root.Values.gateway.limits.storage) (list)) }}
{{- end }}
{{- end }}
{{- end -}}
{{/* The way to the proxy by which an address is reached, where there is one: (list $ url). noProxy may still say otherwise */}}
{{- define "museum.throughProxy" -}}
{{- $root := index . 0 -}}
{{- with ternary $root.Values.proxy.https $root.Values.proxy.http (hasPrefix "https:" (index . 1)) }}
{{- include "museum.way" (list $root false "" $root.Values.proxy.peers (list .) (list)) }}
{{- end }}
{{- end -}}
{{/* (list $ ours component peers urls our-ports) */}}
{{- define "museum.way" -}}
{{- $root := index . 0 }}
{{- if index . 1 }}
- to:
    - podSelector:
        matchLabels: {{- include "museum.selector" (list $root (index . 2)) | nindent 10 }}
  ports:
    {{- range index . 5 }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- else }}
- to: {{- toYaml (default $root.Values.networkPolicy.outside (index . 3)) | nindent 4 }}
  ports:
    {{- range index . 4 }}
    - {port: {{ include "museum.port" (list .) }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- end -}}

{{/* A lane of a function: the lane's values under the function's own */}}
{{- define "museum.lane" -}}
{{- $lane := deepCopy (index .root.Values.lanes .lane) -}}
{{- toYaml (mergeOverwrite $lane (deepCopy .own)) -}}
{{- end -}}
{{/* A museum's ConfigMap: (list $ name) */}}
{{- define "museum.ofMuseum" -}}
{{ include "museum.fullname" (index . 0) }}-museum-{{ index . 1 | lower | replace "_" "-" | replace "@" "-" }}
{{- end -}}
{{/* What the gateway is told of the museums */}}
{{- define "museum.museums" -}}
{{- $told := dict -}}
{{- range $name, $museum := .Values.museums -}}
{{- $_ := set $told $name (omit $museum "description") -}}
{{- end -}}
{{- toPrettyJson $told -}}
{{- end -}}
{{/* Fingerprints of models that no image describes, as processes take them */}}
{{- define "museum.fingerprints" -}}
{{- $told := list -}}
{{- range $name, $fingerprint := .Values.triton.fingerprints -}}
{{- $told = append $told (printf "%s=%s" $name $fingerprint) -}}
{{- end -}}
{{- join "," $told -}}
{{- end -}}
