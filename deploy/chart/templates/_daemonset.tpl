{{/*
One DaemonSet. `name` is also the name of its ConfigMap. `component` separates its Pods from others. `nodeSelector` is the
rollout's. `affinity` is its affinity.
*/}}
{{- define "pullwarden.daemonset" -}}
{{- $values := .root.Values -}}
{{- $places := fromYaml (include "pullwarden.places" .root) -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    app.kubernetes.io/name: pullwarden
spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: pullwarden
      app.kubernetes.io/component: {{ .component }}
  updateStrategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: {{ $values.maxUnavailable }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: pullwarden
        app.kubernetes.io/component: {{ .component }}
      {{- with $values.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: pullwarden
      {{- with $values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      nodeSelector: {{- merge (dict "kubernetes.io/os" "linux") .nodeSelector $values.nodeSelector | toYaml | nindent 8 }}
      {{- with .affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.seLinuxType | default $places.seLinuxType }}
      securityContext:
        seLinuxOptions:
          type: {{ . }}
      {{- end }}
      enableServiceLinks: false
      terminationGracePeriodSeconds: 15
      containers:
        - name: agent
          image: {{ include "pullwarden.image" .root }}
          {{- with $values.image.pullPolicy }}
          imagePullPolicy: {{ . }}
          {{- end }}
          args: [run, --config, /etc/pullwarden/config.yaml]
          env:
            - name: NODE_NAME
              valueFrom:
                fieldRef:
                  fieldPath: spec.nodeName
            # The agent's own Pod, on which it tries the write that the policy must deny.
            - name: POD_NAMESPACE
              valueFrom:
                fieldRef:
                  fieldPath: metadata.namespace
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: POD_IP
              valueFrom:
                fieldRef:
                  fieldPath: status.podIP
            # The address of an IPv6 Pod has no brackets; the agent accepts that.
            - name: PULLWARDEN_ADMIN_ADDRESS
              value: $(POD_IP):9797
            {{- if ne $values.distribution "plain" }}
            - name: PULLWARDEN_CRI_SOCKET
              value: /run/containerd/{{ $places.socket }}
            {{- end }}
            {{- if $values.kubeletOnly }}
            - name: PULLWARDEN_EVIDENCE
              value: kubelet
            {{- end }}
          ports:
            - name: admin
              containerPort: 9797
          livenessProbe:
            httpGet:
              path: /livez
              port: admin
            periodSeconds: 30
            timeoutSeconds: 5
          readinessProbe:
            httpGet:
              path: /readyz
              port: admin
            periodSeconds: 10
            timeoutSeconds: 5
          terminationMessagePolicy: FallbackToLogsOnError
          resources: {{- toYaml $values.resources | nindent 12 }}
          securityContext:
            runAsUser: 0
            runAsGroup: 0
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
            seccompProfile:
              type: RuntimeDefault
          volumeMounts:
            - name: config
              mountPath: /etc/pullwarden
              readOnly: true
            - name: control
              mountPath: /run/pullwarden
            - name: runtime
              mountPath: /run/containerd
              readOnly: true
            - name: pods-api
              mountPath: /var/lib/kubelet/pods-api
              readOnly: true
            - name: state
              mountPath: /var/lib/pullwarden
            - name: log
              mountPath: /var/log/pullwarden
      volumes:
        - name: config
          configMap:
            name: {{ .name }}
        - name: control
          emptyDir:
            medium: Memory
            sizeLimit: 1Mi
        - name: runtime
          hostPath:
            path: {{ $values.paths.runtime | default $places.runtime }}
            type: Directory
        - name: pods-api
          hostPath:
            path: {{ $values.paths.podsApi | default $places.podsApi }}
            type: DirectoryOrCreate
        - name: state
          hostPath:
            path: /var/lib/pullwarden
            type: DirectoryOrCreate
        - name: log
          hostPath:
            path: /var/log/pullwarden
            type: DirectoryOrCreate
{{- end -}}

{{/*
The image, by its digest if one is given.
*/}}
{{- define "pullwarden.image" -}}
{{- $image := .Values.image -}}
{{- with $image.digest -}}
{{ $image.repository }}@{{ . }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/*
The folders of the distribution's sockets, the name of the runtime's, and the SELinux type that its hosts need.
*/}}
{{- define "pullwarden.places" -}}
{{- $kubelet := "/var/lib/kubelet" -}}
{{- $runtime := "/run/containerd" -}}
{{- $socket := "containerd.sock" -}}
{{- $seLinuxType := "" -}}
{{- if has .Values.distribution (list "k3s" "rke2") -}}
{{- $runtime = "/run/k3s/containerd" -}}
{{- else if eq .Values.distribution "k0s" -}}
{{- $runtime = "/run/k0s" -}}
{{- $kubelet = "/var/lib/k0s/kubelet" -}}
{{- else if eq .Values.distribution "microk8s" -}}
{{- $runtime = "/var/snap/microk8s/common/run" -}}
{{- $kubelet = "/var/snap/microk8s/common/var/lib/kubelet" -}}
{{- else if has .Values.distribution (list "crio" "openshift") -}}
{{- $runtime = "/var/run/crio" -}}
{{- $socket = "crio.sock" -}}
{{- end -}}
{{- if eq .Values.distribution "openshift" -}}
{{- $seLinuxType = "spc_t" -}}
{{- end -}}
runtime: {{ $runtime }}
socket: {{ $socket }}
podsApi: {{ $kubelet }}/pods-api
seLinuxType: {{ $seLinuxType | quote }}
{{- end -}}

{{/*
This affinity, for nodes that the rollout has not labelled. Each term gets one more expression, because a node needs to match
only one term.
*/}}
{{- define "pullwarden.unlabelled" -}}
{{- $unlabelled := dict "key" "pullwarden.io/enforce" "operator" "NotIn" "values" (list "true") -}}
{{- $affinity := deepCopy . -}}
{{- $node := default (dict) $affinity.nodeAffinity -}}
{{- $required := default (dict) $node.requiredDuringSchedulingIgnoredDuringExecution -}}
{{- $terms := list -}}
{{- range $term := default (list (dict)) $required.nodeSelectorTerms -}}
{{- $expressions := append (default (list) $term.matchExpressions) $unlabelled -}}
{{- $terms = append $terms (set $term "matchExpressions" $expressions) -}}
{{- end -}}
{{- $_ := set $required "nodeSelectorTerms" $terms -}}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" $required -}}
{{- $_ := set $affinity "nodeAffinity" $node -}}
{{- toYaml $affinity -}}
{{- end -}}
