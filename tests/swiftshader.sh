#!/usr/bin/env bash
# swiftshader.sh FOLDER: puts SwiftShader, a Vulkan driver for any CPU, there: libvk_swiftshader.so out of Debian's package
# chromium-common, which is unpacked, not installed, and its manifest icd.json. Does nothing where it is. Exit 1 if it cannot.
set -eu

mkdir -p "$1"
folder=$(cd "$1" && pwd)
[ ! -f "$folder/icd.json" ] || exit 0

fail() {
  echo "swiftshader.sh: $1" >&2
  exit 1
}

# Apt as root downloads as its own user, who has to be able to write.
download=$(mktemp -d /tmp/swiftshader-XXXXXX)
trap 'rm -rf "$download"' EXIT
[ "$(id -u)" -ne 0 ] || chown _apt "$download"

fetch() {
  (cd "$download" && apt-get download -qq chromium-common >&2)
}

# The lists of packages are missing, or older than the archive.
update() {
  if [ "$(id -u)" -eq 0 ]; then
    apt-get update -qq >&2
  else
    sudo -n apt-get update -qq >&2
  fi
}

fetch || { update && fetch; } || fail "apt-get cannot download chromium-common"
dpkg-deb --fsys-tarfile "$download"/chromium-common_*.deb | tar -x -C "$download" ./usr/lib/chromium/libvk_swiftshader.so \
  || fail "chromium-common has no usr/lib/chromium/libvk_swiftshader.so"
mv "$download/usr/lib/chromium/libvk_swiftshader.so" "$folder/"
cat >"$download/icd.json" <<EOF
{ "file_format_version": "1.0.0", "ICD": { "library_path": "$folder/libvk_swiftshader.so", "api_version": "1.3.0" } }
EOF
mv "$download/icd.json" "$folder/"
