#!/usr/bin/env bash
# fresh-root.sh [SUITE [FOLDER]]: runs the two commands of README.md as a new user does: in a bare Debian (bookworm, or trixie), from a
# clean clone of what is committed here. Needs root, mmdebstrap, a debian-archive-keyring that knows SUITE, and the network; FOLDER (a
# new one under /tmp) takes 4 GB and is removed when all went well. Ends with the time and the counts of each; exit 1 if either failed.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
root=${2:-$(mktemp -d "/tmp/minivl-$suite-XXXXXX")}

# in_root COMMAND: as root of the new system, without this one's environment.
in_root() {
  env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot "$root" bash -c "$1"
}

unmount() {
  mountpoint -q "$root/proc" && umount -l "$root/proc" || true
}

# timed COMMAND: runs it in the clone; what it says goes to a log beside that as well. Counts are in its last lines, if it has any.
timed() {
  local log=/root/${1##*/} start=$SECONDS outcome=done

  in_root "set -o pipefail; cd /root/minivl && bash $1 2>&1 | tee $log.log" || outcome=FAILED
  [ $outcome = done ] || failed=1
  told+=("$suite: bash $1: $outcome in $((SECONDS - start)) s")
  mapfile -t -O ${#told[@]} told < <(tail -n 2 "$root$log.log" | grep -E '^[0-9]+ (passed|skipped)')
}

mmdebstrap --variant=minbase --include=git,ca-certificates "$suite" "$root"
trap unmount EXIT
mount -t proc proc "$root/proc"
# The way to the network is this machine's, with the authorities that it trusts there.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
git clone --no-hardlinks . "$root/root/minivl"

told=() failed=0
in_root "cd /root/minivl && bash examples/install-packages.sh examples/packages.txt"
timed examples/demo.sh
timed tests/run.sh
printf '%s\n' "${told[@]}"
unmount
[ $failed -eq 0 ] || exit 1
rm -rf --one-file-system "$root"
