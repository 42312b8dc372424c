#!/bin/sh
# The password comes by standard input: it is in no file, and in no list of processes.
set -eu
: "${REDIS_PASSWORD:?is not set}"
exec redis-server /etc/plaza/redis.conf - <<-END
	requirepass $REDIS_PASSWORD
END
