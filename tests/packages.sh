#!/usr/bin/env bash
# packages.sh SUITE [FOLDER]: makes the tarball of what is committed here, builds the Debian packages of it in a bare Debian (bookworm,
# or trixie), has lintian look at them, installs them in another one that has nothing else, and uses them there
# (debian/tests/installed). Needs root, mmdebstrap, a debian-archive-keyring that knows SUITE, and the network. FOLDER (a new one under
# /tmp) takes 5 GB: `build` and `bare` in it are the two systems, used again where they are there already; what was made is in
# `packages`. Exit 1 where anything is not as it should be.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
work=${2:-$(mktemp -d "/tmp/minivl-packages-$suite-XXXXXX")}

# in_root ROOT COMMAND: as root of that system, without this one's environment.
in_root() {
  env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    chroot "$work/$1" bash -c "set -euo pipefail; $2"
}

# apt ROOT ARGUMENTS
apt() {
  in_root "$1" "apt-get -qq -y --no-install-recommends ${*:2} >/dev/null"
}

unmount() {
  local root

  for root in build bare; do
    ! mountpoint -q "$work/$root/proc" || umount -l "$work/$root/proc"
  done
}

# make_root ROOT PACKAGES: the way to the network is this machine's, with the authorities that it trusts there.
make_root() {
  [ -d "$work/$1/usr" ] || mmdebstrap --quiet --variant=minbase "--include=apt,ca-certificates,$2" "$suite" "$work/$1"
  mountpoint -q "$work/$1/proc" || mount -t proc proc "$work/$1/proc"
  cp /etc/resolv.conf "$work/$1/etc/resolv.conf"
  cp /etc/ssl/certs/ca-certificates.crt "$work/$1/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$work/$1/src"
  mkdir "$work/$1/src"
  apt "$1" update
}

say() {
  printf '== %s: %s\n' "$suite" "$*"
}

start=$SECONDS
mkdir -p "$work/packages"
trap unmount EXIT

say "the tarball"
make_root build build-essential,git,lintian
git clone --quiet --no-hardlinks . "$work/build/src/clone"
apt build build-dep /src/clone
in_root build "cd /src/clone && meson setup made >/dev/null && meson dist -C made --no-tests
  cd /src && tar xf clone/made/meson-dist/minivl-*.tar.xz && diff -r -x .git -x made clone minivl-*/"

say "the packages, in $((SECONDS - start)) s"
in_root build "cd /src/minivl-*/ && dpkg-buildpackage -us -uc"
cp "$work"/build/src/*.{deb,dsc,tar.xz,changes,buildinfo} "$work"/build/src/clone/made/meson-dist/* "$work/packages/"

# Nothing of the folder that it was built in is left.
in_root build "cd /src && for deb in *.deb; do dpkg-deb -x \$deb contents; done; ! grep -rlF /src/minivl- contents"

say "lintian, in $((SECONDS - start)) s"
in_root build "cd /src && lintian --version && lintian --allow-root --fail-on error,warning *.changes"

say "a bare system, in $((SECONDS - start)) s"
make_root bare mesa-vulkan-drivers,gstreamer1.0-tools
cp "$work"/build/src/*.{deb,dsc,tar.xz} "$work/bare/src/"
rm -f "$work"/bare/src/*-dbgsym_*
apt bare install --reinstall "/src/*.deb"
in_root bare "gst-inspect-1.0 minivl >/dev/null && minivl-chat \$'Sum up what happened.\\nBy day, a person loiters.'"
# What the test takes besides. Its source is the package's.
apt bare install dpkg-dev "$(sed -n '/^Depends: @/,/^Restrictions:/p' debian/tests/control | grep -oE '^ [a-z0-9.+-]+' | tr -d '\n')"
in_root bare "cd /src && dpkg-source --no-check -x *.dsc minivl && cd minivl && bash debian/tests/installed"

say "all is well, after $((SECONDS - start)) s; what was made is in $work/packages"
