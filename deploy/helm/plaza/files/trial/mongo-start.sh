#!/bin/bash
# A replica set that asks for passwords also wants a key its members know each other by; made once, kept with the configuration.
set -eu
key=/data/configdb/keyfile
if [ ! -s "$key" ]; then
	umask 077
	head -c 512 /dev/urandom | base64 -w 0 >"$key.new"
	chmod 400 "$key.new"
	mv "$key.new" "$key"
fi
# transactionLifetimeLimitSeconds: how long a process that died in its transaction keeps others from what it wrote.
exec docker-entrypoint.sh mongod --replSet rs0 --keyFile "$key" --bind_ip_all --quiet \
	--setParameter transactionLifetimeLimitSeconds=15
