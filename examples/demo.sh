#!/usr/bin/env bash
# demo.sh: installs what is missing (Debian 12 and 13), builds the element and its demo model, films the yard that the model knows, and lets
# the element write down what happens there: as text here, as JSON lines, and drawn into the video; in a window too where there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

out=build/demo
# Made up so that something happens; training never saw them.
scenes=(1257 13427 2427)

# What it says is shown if it fails.
quietly() {
  local said

  said=$("$@" 2>&1) && return 0
  printf '%s\n' "$said" "FAILED: $*" >&2
  return 1
}

bash examples/install-packages.sh examples/packages.txt
[ -f build/build.ninja ] || quietly meson setup build
ninja -C build gst/libgstminivl.so examples/minivl-chat examples/demo-model/yard examples/demo-model/evaluate
mkdir -p "$out"
export GST_PLUGIN_PATH=build/gst

# The text of a JSON string without its escapes, of which the demo model needs none but quotes and backslashes.
field() {
  [[ $2 =~ \"$1\":\"(([^\"\\]|\\.)*)\" ]] && printf '%s' "${BASH_REMATCH[1]//\\/}"
}

seconds() {
  [[ $2 =~ \"$1\":([0-9]+) ]] && printf '%d' $((BASH_REMATCH[1] / 1000000000))
}

# What gst-launch-1.0 and the element write, for people: how far loading is, then each result.
show() {
  local line

  while IFS= read -r line; do
    case $line in
      "Progress: (loading)"*)
        if [ -t 1 ]; then
          printf '\r\033[K%s' "${line#*) }"
        elif [[ $line != *% ]]; then
          echo "${line#*) }"
        fi ;;
      '{"id":'*)
        [ "$(field kind "$line")" = summary ] && printf '\nIn short: ' \
          || printf '\n%3d s to %3d s: ' "$(seconds segment_start "$line")" "$(seconds segment_stop "$line")"
        field text "$line" ;;
      ERROR:* | WARNING:*)
        printf '\n%s' "$line" ;;
    esac
  done
  echo
}

echo
echo "== what is to be seen"
build/examples/demo-model/yard "$out/yard.mkv" "${scenes[@]}"

echo
echo "== what minivl sees"
gst-launch-1.0 filesrc "location=$out/yard.mkv" ! decodebin ! videoconvert \
  ! minivl name=m model-path=demo summary-interval=-1 ! fakesink \
  m.text_src ! application/x-json ! tee name=results ! queue ! filesink "location=$out/yard.jsonl" \
  results. ! queue ! fdsink sync=false 2>&1 | show

drawn=(! jpegenc ! matroskamux ! filesink "location=$out/yard-told.mkv")
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  drawn=(! tee name=drawn ! queue ! videoconvert ! autovideosink drawn. ! queue "${drawn[@]}")
fi
gst-launch-1.0 -q filesrc "location=$out/yard.mkv" ! decodebin ! videoconvert ! minivloverlay model-path=demo ! videoconvert "${drawn[@]}"

echo
echo "The video:                  $out/yard.mkv"
echo "with what is told drawn in: $out/yard-told.mkv"
echo "all fields of each result:  $out/yard.jsonl"
echo "More is in README.md. examples/demo-model/evaluate measures how much of what the demo model says is true."
