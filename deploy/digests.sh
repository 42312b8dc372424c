#!/bin/sh
# Names each image of others in compose.yml, the Dockerfiles and the chart by the digest that its tag has now, and those
# that deploy/known-bad.json lists without one no longer there. Needs Docker and a way to the registry.
set -eu
cd "$(dirname "$0")/.."
files="compose.yml Dockerfile deploy/aws/nginx/Dockerfile deploy/helm/plaza/values.yaml"
images=$(sed -nE 's/^ *image: ([a-z][a-z0-9._\/-]*:v?[0-9][^ @]*)(@.*)?$/\1/p; s/^ARG (PYTHON|NGINX)=([^@ ]+)(@.*)?$/\2/p' $files | sort -u)
for image in $images; do
	digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}')
	case $digest in
	sha256:????????????????????????????????????????????????????????????????) ;;
	*) echo "no digest of $image: $digest" >&2 && exit 1 ;;
	esac
	name=$(printf %s "$image" | sed 's/[.]/\\./g')
	for file in $files; do
		sed -E "s|(image: \|ARG PYTHON=\|ARG NGINX=)$name(@sha256:[0-9a-f]{64})?\$|\\1$image@$digest|" "$file" >"$file.new"
		cat "$file.new" >"$file" && rm "$file.new"
	done
	sed "\\|\"$name\": |d" deploy/known-bad.json >deploy/known-bad.json.new
	cat deploy/known-bad.json.new >deploy/known-bad.json && rm deploy/known-bad.json.new
	echo "$image@$digest"
done
