#!/usr/bin/env bash
# install-packages.sh FILE...: installs those of the named Debian packages, one a line, that are missing. Asks apt only if any are.
# `NAME?` is a package that only some releases have, and that can be done without: where it cannot be had, that is no failure.
set -eu

is_installed() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# install PACKAGE...
install() {
  echo "Installing: $*" >&2
  "${sudo[@]}" apt-get update -qq >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)

missing=()
for package in $(cat "$@"); do
  [[ $package == *\? ]] || is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ ${#sudo[@]} -gt 0 ] && ! command -v sudo >/dev/null; then
    echo "These packages are missing, and this is not root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  install "${missing[@]}"
fi

# Those that apt has heard of.
known=()
for package in $(cat "$@"); do
  [[ $package == *\? ]] && ! is_installed "${package%\?}" && apt-cache show "${package%\?}" >/dev/null 2>&1 && known+=("${package%\?}")
done
[ ${#sudo[@]} -eq 0 ] || sudo=(sudo -n)
[ ${#known[@]} -eq 0 ] || install "${known[@]}" || echo "Not installed: ${known[*]}" >&2
