#!/bin/sh
# Write .env from .env.example where there is none, and make each password that is still empty; what is there stays.
set -eu
umask 077
[ -e .env ] || { cp .env.example .env && echo "wrote .env"; }

password() { # 48 hexadecimal digits
	od -A n -N 24 -t x1 /dev/urandom | tr -d ' \n'
}

for name in $(sed -n 's/^\([A-Z_]*_PASSWORD\)=.*/\1/p' .env.example); do
	grep -q "^$name=." .env && continue
	{ grep -v "^$name=" .env || :; echo "$name=$(password)"; } >.env.new
	mv .env.new .env
done
chmod 600 .env
