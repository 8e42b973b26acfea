#!/usr/bin/env bash
# fresh-root.sh [FOLDER]: runs the two commands of README.md as a new user does: in a bare Debian 12, from a clean clone of what is
# committed here. Needs root, mmdebstrap and the network; FOLDER (a new one under /tmp) takes 4 GB and is removed when all went well.
# Ends with the times of both; exit 1 if either failed.
set -euo pipefail
cd "$(dirname "$0")/.."

root=${1:-$(mktemp -d /tmp/minivl-fresh-XXXXXX)}

# in_root COMMAND: as root of the new system, without this one's environment.
in_root() {
  env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot "$root" bash -c "$1"
}

unmount() {
  mountpoint -q "$root/proc" && umount -l "$root/proc" || true
}

# timed NAME COMMAND: runs it in the clone; what it says goes to NAME.log there as well.
timed() {
  local start=$SECONDS

  in_root "set -o pipefail; cd /root/minivl && $2 2>&1 | tee /root/$1.log"
  times+=("$1: $((SECONDS - start)) s")
}

mmdebstrap --variant=minbase --include=git,ca-certificates bookworm "$root"
trap unmount EXIT
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
git clone --no-hardlinks . "$root/root/minivl"

times=()
in_root "cd /root/minivl && bash examples/install-packages.sh examples/packages.txt"
timed demo "bash examples/demo.sh"
timed tests "bash tests/run.sh"
printf '%s\n' "${times[@]}"
unmount
rm -rf --one-file-system "$root"
