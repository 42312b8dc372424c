#!/bin/sh
# Take over the disk of the demo's image, which platforms mount as root's, and run the command as nobody in particular.
set -eu
user=10001

if ! mountpoint -q "$PLAZA_VAR"; then
    echo "plaza: no disk is mounted at $PLAZA_VAR: what people write ends with this container" >&2
fi
if [ "$(id -u)" = 0 ]; then
    # A disk that is read-only or missing is named by the command itself, in one line.
    mkdir -p "$PLAZA_VAR" 2>/dev/null || true
    chown "$user:$user" "$PLAZA_VAR" 2>/dev/null || true
    exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps=-all "$@"
fi
exec "$@"
