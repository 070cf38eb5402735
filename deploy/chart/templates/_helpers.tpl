{{- define "keystone.check" -}}
{{- $sidecar := and .Values.tailscale.enabled (not .Values.tailscale.hostSocket) -}}
{{- if and $sidecar (gt (int .Values.replicas) 1) (not .Values.realm) -}}
{{- fail "realm is empty: with more than one replica, each is a separate node on the tailnet, so this cluster's realm can't be read from it. Set realm, for example --set realm=alice-home." -}}
{{- end -}}
{{- if .Values.tailscale.stateSecret -}}
{{- fail (printf "tailscale.stateSecret is %s but is no longer supported: it gave the sidecar the operator's token. Set tailscale.stateSecret=null and tailscale.stateClaim to the name of a PersistentVolumeClaim in keystone-system, or leave both empty; docs/install.md explains how to keep the node." .Values.tailscale.stateSecret) -}}
{{- end -}}
{{- if and $sidecar .Values.tailscale.stateClaim (gt (int .Values.replicas) 1) -}}
{{- fail (printf "tailscale.stateClaim is %s but replicas is %d: two replicas can't be one node on the tailnet. Set replicas=1, or leave tailscale.stateClaim empty." .Values.tailscale.stateClaim (int .Values.replicas)) -}}
{{- end -}}
{{- if and $sidecar .Values.tailscale.state.enabled (not .Values.tailscale.stateClaim) (not .Values.tailscale.state.storageClass) (lookup "v1" "Namespace" "" "kube-system") -}}
{{- $found := dict -}}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- if or (eq (get $annotations "storageclass.kubernetes.io/is-default-class") "true") (eq (get $annotations "storageclass.beta.kubernetes.io/is-default-class") "true") -}}
{{- $_ := set $found "class" .metadata.name -}}
{{- end -}}
{{- end -}}
{{- if not $found -}}
{{- fail "tailscale.state.storageClass is empty, and the cluster has no default StorageClass: the pods would wait for their volumes forever. Set tailscale.state.storageClass, or tailscale.state.enabled=false to keep the nodes' keys in memory only (docs/install.md)." -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* User of the container front. Not tailscaled's, who may do everything with the node. */ -}}
{{- define "keystone.frontUser" -}}65531{{- end -}}

{{- define "keystone.tailnetListen" -}}
- name: KEYSTONE_TAILNET_LISTEN
  value: 127.0.0.1:8443
{{- end -}}

{{- define "keystone.labels" -}}
app.kubernetes.io/name: keystone-operator
app.kubernetes.io/part-of: keystone
{{- end -}}

{{- define "keystone.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "keystone.tailscaleImage" -}}
{{- with .Values.tailscale.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* No privileges for any container. */ -}}
{{- define "keystone.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "keystone.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* The service account's token, at the default path, but only in containers that need it. */ -}}
{{- define "keystone.tokenVolume" -}}
- name: token
  projected:
    # 0440 in decimal, because YAML 1.2 has no such octal notation.
    defaultMode: 288
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - { key: ca.crt, path: ca.crt }
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end -}}

{{- /* Servers listen on this address only: tailscaled forwards connections from any node of the tailnet to loopback. */ -}}
{{- define "keystone.podAddress" -}}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end -}}

{{- define "keystone.tokenMount" -}}
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end -}}
