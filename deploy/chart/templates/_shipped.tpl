{{/*
A file of deploy/base or deploy/components, unchanged except for the namespace. files/ has links to them, and `helm package`
follows these.
*/}}
{{- define "pullwarden.shipped" -}}
{{- $text := .root.Files.Get (printf "files/%s" .file) | required (printf "files/%s is missing" .file) -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $text
    | replace "namespace: pullwarden\n" (printf "namespace: %q\n" $namespace)
    | replace "system:serviceaccount:pullwarden:" (printf "system:serviceaccount:%s:" $namespace) -}}
{{- end -}}

{{/*
The same for a file with one object, with more labels.
*/}}
{{- define "pullwarden.labelled" -}}
{{- $object := include "pullwarden.shipped" . | fromYaml -}}
{{- $_ := set $object.metadata "labels" (merge (dict) (default (dict) .labels) $object.metadata.labels) -}}
{{- toYaml $object -}}
{{- end -}}
