#!/bin/sh
# Install the servers that tests run as private ones, where apt-get may be used; nothing is started or enabled.
# INSTALL_ROOT is for the tests of this script.
set -eu
root=${INSTALL_ROOT:-}

# One package a line: its file (a pattern), its name, its services (or -).
wanted() {
	cat <<-'LIST'
		/usr/bin/redis-server redis-server redis-server
		/usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server rabbitmq-server
		/usr/sbin/nginx nginx nginx
		/usr/lib/*/libuv.so.1 libuv1 -
		/usr/sbin/nft nftables -
		/usr/bin/promtool prometheus prometheus
		/usr/bin/chromium-headless-shell chromium-headless-shell -
	LIST
}

exists() { # a pattern under the root, or the program of that name on the PATH
	for file in "$root"$1; do
		[ -e "$file" ] && return 0
	done
	command -v "${1##*/}" >/dev/null 2>&1
}

missing='' services=''
while read -r file package service; do
	if exists "$file"; then
		echo "$package: installed"
	else
		missing="$missing $package"
		[ "$service" = - ] || services="$services $service"
	fi
done <<EOF
$(wanted)
EOF
[ -n "$missing" ] || exit 0

skip() {
	echo "$1: the tests that need$missing will be skipped"
	exit 0
}
command -v apt-get >/dev/null 2>&1 || skip "no apt-get on this machine"
sudo=
if [ "$(id -u)" != 0 ]; then
	{ command -v sudo && sudo -n true; } >/dev/null 2>&1 || skip "neither root nor sudo without a password"
	sudo=sudo
fi

# Debian asks this file before it starts a service; somebody's own file stays, one left by a killed run of ours does not.
policy=$root/usr/sbin/policy-rc.d
mark='# temporary: plaza tests install servers without starting them'
ours=
log=$(mktemp)
clean() {
	[ -z "$ours" ] || $sudo rm -f "$policy"
	rm -f "$log"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ ! -e "$policy" ] || grep -q "$mark" "$policy" 2>/dev/null; then
	ours=yes
	printf '#!/bin/sh\n%s\nexit 101\n' "$mark" | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
fi

apt() {
	$sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y -q -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 -o Acquire::Retries=1 "$@" </dev/null >"$log" 2>&1
}
install_missing() {
	# shellcheck disable=SC2086
	apt install --no-install-recommends $missing
}
with_the_whole_browser() { # where the shell, which computes a third of that, is no package
	case $missing in *-headless-shell*) missing="${missing%-headless-shell*}${missing#*-headless-shell}" ;; *) return 1 ;; esac
}
echo "installing$missing (once)"
if install_missing || { apt update && install_missing; } || { with_the_whole_browser && install_missing; }; then
	for service in $services; do # fresh from the package: it shall not start with the machine either
		{ $sudo systemctl disable "$service" || $sudo update-rc.d "$service" disable; } >/dev/null 2>&1 || :
		$sudo systemctl stop "$service" >/dev/null 2>&1 || :
	done
	for package in $missing; do echo "$package: installed now"; done
else
	tail -n 5 "$log" >&2
	skip "apt-get failed"
fi
