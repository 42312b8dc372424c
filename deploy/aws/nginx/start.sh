#!/bin/sh
# Runs nginx in a task of ECS, whose root file system is read-only: the files are copied to /tmp, and there the
# topology learns the DNS server of the task and the N of its network, 10.N.0.0/16. SIGTERM lets open requests finish.
set -eu
: "${VPC_NUMBER:?is not set}"
case $VPC_NUMBER in
*[!0-9]*) echo "VPC_NUMBER is wrong: it is the N of the network 10.N.0.0/16" >&2 && exit 1 ;;
esac
files=${FILES:-/etc/nginx/plaza}
run=${RUN:-/tmp}
resolver=$(awk '$1 == "nameserver" { print $2; exit }' "${RESOLV_CONF:-/etc/resolv.conf}")
[ -n "$resolver" ] || { echo "no nameserver in ${RESOLV_CONF:-/etc/resolv.conf}" >&2 && exit 1; }
mkdir -p "$run/plaza"
cp "$files"/*.conf "$run/plaza/"
sed "s/@RESOLVER@/$resolver/; s/@VPC_NUMBER@/$VPC_NUMBER/" "$files/topology.conf" >"$run/plaza/topology.conf"
nginx -p "$run/" -e stderr -c "$run/plaza/nginx.conf" -g 'daemon off;' &
nginx=$!
trap 'kill -QUIT "$nginx"' TERM QUIT INT
while kill -0 "$nginx" 2>/dev/null; do
	wait "$nginx" && code=0 || code=$? # a signal interrupts it
done
exit "$code"
