# Installs a Debian package without letting it start its service.
# Arguments: the path of policy-rc.d, the package.
policy=$1
package=$2
mark='# Written by the course lab for the time of one installation.'

# invoke-rc.d(8) asks this script whether a service may be started; 101 means no. One that
# somebody else has put there is left as it is; one that a killed lab left is ours.
if [ ! -e "$policy" ] || grep -q "$mark" "$policy" 2>/dev/null; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 130' HUP INT TERM
	printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy" && chmod 755 "$policy" || exit 1
fi

export DEBIAN_FRONTEND=noninteractive

# Another apt may hold the lists or the packages: it is waited for, but not forever. The first
# argument is the limit in seconds.
apt() {
	limit=$1
	shift
	timeout --kill-after=60 "$limit" apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -o Acquire::http::Timeout=30 \
		-o Acquire::https::Timeout=30 "$@" </dev/null
}
update() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		out=$(apt 120 update 2>&1) && return 0
		case $out in
		*"Could not get lock"*) sleep 3 ;;
		*) break ;;
		esac
	done
	printf '%s\n' "$out" | tail -n 5 >&2
	return 1
}
install() {
	apt 450 install --yes --no-install-recommends "$package"
}

if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
	update || exit 1
	install
	exit
fi
# Old lists name versions that are no longer offered: only then is it worth the update.
install || { update && install; }
