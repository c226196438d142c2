{{/* What the schema cannot say: renders nothing. First in every template, since Helm begins with any of them */}}
{{- define "museum.checks" -}}
{{- $v := .Values -}}
{{- if and $v.scaling.enabled (not (.Capabilities.APIVersions.Has "keda.sh/v1alpha1/ScaledObject")) (not (.Capabilities.APIVersions.Has "keda.sh/v1alpha1")) -}}
{{- fail "scaling.enabled is true and this cluster has no KEDA: install it first (helm install keda kedacore/keda -n keda --create-namespace), or set scaling.enabled=false. With `helm template` add --api-versions keda.sh/v1alpha1" -}}
{{- end -}}
{{- range $what, $given := dict "rabbitmq.url" (or $v.dev.rabbitmq.enabled $v.rabbitmq.url) "rabbitmq.managementUrl" (or $v.dev.rabbitmq.enabled $v.rabbitmq.managementUrl) "rabbitmq.existingSecret" (or $v.dev.rabbitmq.enabled $v.rabbitmq.existingSecret) "s3.endpoint" (or $v.dev.minio.enabled $v.s3.endpoint) "s3.existingSecret" (or $v.dev.minio.enabled $v.s3.existingSecret) "milvus.uri" (or $v.dev.milvus.enabled $v.milvus.uri) "triton.url" (or $v.triton.enabled $v.triton.url) -}}
{{- if not $given -}}
{{- fail (printf "%s is empty: name yours%s" $what (ternary ", or let triton.enabled run one" ", or let dev.* run one, for a trial" (hasPrefix "triton" $what))) -}}
{{- end -}}
{{- end -}}
{{- if and $v.scaling.enabled (not $v.dev.rabbitmq.enabled) (not (contains "." (urlParse $v.rabbitmq.managementUrl).host)) -}}
{{- fail (printf "rabbitmq.managementUrl is %q: KEDA asks it from a namespace of its own, where that name is unknown. Write it with its namespace, as http://rabbitmq.messaging.svc:15672" $v.rabbitmq.managementUrl) -}}
{{- end -}}
{{- $dev := and $v.dev.rabbitmq.enabled $v.dev.minio.enabled $v.dev.milvus.enabled -}}
{{- if and $v.gateway.enabled (not $v.gateway.existingSecret) (not $dev) -}}
{{- fail "gateway.existingSecret is empty: name a Secret with session-key, hook-token and tokens.json" -}}
{{- end -}}
{{- if and $v.museums $v.gateway.enabled (not $v.gateway.existingSecret) (not (hasKey $v.museums $v.default.museum)) -}}
{{- fail (printf "museums has no %q, which default.museum names: the token that dev.* makes is of it, and would be refused. Add it, or change default.museum" $v.default.museum) -}}
{{- end -}}
{{- $claims := dict -}}
{{- $maps := dict -}}
{{- range $name, $museum := $v.museums -}}
{{- $map := include "museum.ofMuseum" (list $ $name) -}}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$" $map) -}}{{- fail (printf "museums.%s cannot name a ConfigMap: end it, and begin each part after a dot, with a letter or digit" $name) -}}{{- end -}}
{{- if hasKey $maps $map -}}{{- fail (printf "museums.%s and museums.%s have one ConfigMap, %s: their names differ in case or signs alone" (get $maps $map) $name $map) -}}{{- end -}}
{{- $_ := set $maps $map $name -}}
{{- $claim := default $name $museum.claim -}}
{{- if hasKey $claims $claim -}}{{- fail (printf "museums.%s and museums.%s have one claim, %q: a token could mean either" (get $claims $claim) $name $claim) -}}{{- end -}}
{{- $_ := set $claims $claim $name -}}
{{- end -}}
{{- range $what, $both := dict "rabbitmq.url" (list "rabbitmq" $v.rabbitmq.url) "rabbitmq.managementUrl" (list "rabbitmq" $v.rabbitmq.managementUrl) "rabbitmq.existingSecret" (list "rabbitmq" $v.rabbitmq.existingSecret) "s3.endpoint" (list "minio" $v.s3.endpoint) "s3.existingSecret" (list "minio" $v.s3.existingSecret) "milvus.uri" (list "milvus" $v.milvus.uri) "milvus.existingSecret" (list "milvus" $v.milvus.existingSecret) -}}
{{- if and (index $both 1) (index $v.dev (index $both 0)).enabled -}}
{{- fail (printf "%s and dev.%s.enabled are both set: the one of dev has its own address and Secret. Leave one of them out" $what (index $both 0)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.dev.minio.enabled (not $v.dev.rabbitmq.enabled) -}}
{{- fail "dev.minio.enabled needs dev.rabbitmq.enabled: it is told of uploads with that one's Secret" -}}
{{- end -}}
{{- range $name, $museum := $v.museums -}}
{{- if and $museum.uploadsPerDay $v.gateway.enabled (gt (int $v.gateway.replicas) 1) (hasPrefix "memory:" $v.gateway.limits.storage) -}}
{{- fail (printf "museums.%s.uploadsPerDay would be counted by each of %d pods by itself: set gateway.limits.storage to redis://host:6379/0, or gateway.replicas=1" $name (int $v.gateway.replicas)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.gateway.oidc.issuer (not $v.gateway.oidc.keys) -}}
{{- fail "gateway.oidc.issuer is set: set gateway.oidc.keys too, the address of its JWKS" -}}
{{- end -}}
{{- if and $v.tracing.enabled (not $v.tracing.endpoint) -}}
{{- fail "tracing.enabled is true: set tracing.endpoint, the collector's OTLP over HTTP, as http://host:4318" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.gateway.tokens) (not $v.gateway.oidc.issuer) -}}
{{- fail "nobody could sign in: set gateway.tokens or gateway.oidc.issuer" -}}
{{- end -}}
{{- if and $v.triton.enabled (not (has $v.models.live $v.triton.models)) -}}
{{- fail (printf "models.live is %q, and triton.models has %s: the live model must be served, by the same word" $v.models.live (join ", " $v.triton.models)) -}}
{{- end -}}
{{- if and $v.triton.enabled (gt (int $v.triton.minReplicas) (int $v.triton.maxReplicas)) -}}
{{- fail (printf "triton.minReplicas is %d, above triton.maxReplicas, %d" (int $v.triton.minReplicas) (int $v.triton.maxReplicas)) -}}
{{- end -}}
{{- $known := list "quality" "fast" "dinov2-focus" "efficientnet-lite0" -}}
{{- range $model := ternary $v.triton.models list (and $v.triton.enabled (not (and $v.triton.gpu.enabled (eq $v.triton.gpu.form "plan")))) -}}
{{- if not (or (has $model $known) (hasKey $v.triton.fingerprints $model)) -}}
{{- fail (printf "triton.models has %q, which no image has (they have %s): push it into S3 by `museum models push %s`, set triton.modelSource=s3 and its line in triton.fingerprints" $model (join ", " $known) $model) -}}
{{- end -}}
{{- end -}}
{{- if and $v.triton.fingerprints (eq $v.triton.modelSource "image") -}}
{{- fail "triton.fingerprints are of models in S3: set triton.modelSource=s3, or leave them out" -}}
{{- end -}}
{{- if and (eq $v.triton.modelSource "s3") (or (not $v.triton.enabled) (and $v.triton.gpu.enabled (eq $v.triton.gpu.form "plan"))) -}}
{{- fail "triton.modelSource is s3, and nothing fetches models: it needs triton.enabled, and not triton.gpu.form=plan, which has its plans in a claim" -}}
{{- end -}}
{{- if $v.triton.gpu.enabled -}}
{{- if not $v.triton.gpu.image -}}{{- fail "triton.gpu.enabled: set triton.gpu.image, NVIDIA's server in your registry" -}}{{- end -}}
{{- if and (eq $v.triton.gpu.form "plan") (or (not $v.triton.gpu.plan.existingClaim) (not (or $v.triton.gpu.plan.path $v.triton.gpu.plan.build.image))) -}}
{{- fail "triton.gpu.form is plan: set triton.gpu.plan.existingClaim and triton.gpu.plan.path, where `python -m infra.engine.plan build` has laid one out, or triton.gpu.plan.build.image, which compiles one" -}}
{{- end -}}
{{- end -}}
{{- if and (ne $v.expose.by "none") (not $v.gateway.enabled) -}}{{- fail "expose.by needs gateway.enabled" -}}{{- end -}}
{{- if and (eq $v.expose.by "httpRoute") (not $v.expose.httpRoute.parentRefs) -}}{{- fail "expose.by is httpRoute: set expose.httpRoute.parentRefs, the Gateway it belongs to" -}}{{- end -}}
{{- if and (ne $v.expose.by "none") (not $v.expose.hosts) -}}{{- fail "expose.hosts is empty: name at least one host" -}}{{- end -}}
{{- range $name, $function := $v.functions -}}
{{- range $lane, $own := $function.lanes -}}
{{- if not (kindIs "invalid" $own) -}}
{{- if not (hasKey $v.lanes $lane) -}}{{- fail (printf "functions.%s.lanes has %q: expected one of %s" $name $lane (keys $v.lanes | sortAlpha | join ", ")) -}}{{- end -}}
{{- $set := include "museum.lane" (dict "root" $ "lane" $lane "own" $own) | fromYaml -}}
{{- if gt (int $set.minReplicas) (int $set.maxReplicas) -}}{{- fail (printf "functions.%s in the lane %s: minReplicas is %d, above maxReplicas, %d, of its own or of lanes.%s" $name $lane (int $set.minReplicas) (int $set.maxReplicas) $lane) -}}{{- end -}}
{{- $full := printf "%s-%s-%s" (include "museum.fullname" $) $name $lane -}}
{{- if gt (len $full) 54 -}}{{- fail (printf "the name %q has %d characters: expected at most 54, since KEDA adds 9. Set fullnameOverride" $full (len $full)) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
