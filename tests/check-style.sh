#!/usr/bin/env bash
# The house rules that a machine can check: format, length, a folder graph that points one way, documents that name what is there.
# Prints what breaks them; exit 1 if any do, 77 (skipped) if none do but the format could not be checked.
set -u
cd "$(dirname "$0")/.." || exit 1
broken=0

complain() {
  echo "$1"
  broken=1
}

# Files of the tree, tracked or not, but never what a build made.
files() {
  find "$@" -type f -not -path '*/build*/*' | sort
}

# --- format ---

# One version: 14 and 19 do not agree on every line. It is Debian 12's, and run.sh installs it into build-style.
clang_format=
for candidate in build-style/bin/clang-format clang-format; do
  if [[ $("$candidate" --version 2>/dev/null) == *" version 14."* ]]; then
    clang_format=$candidate
    break
  fi
done

if [ -n "$clang_format" ]; then
  while IFS= read -r file; do
    "$clang_format" "$file" | cmp -s - "$file" || complain "$file: clang-format -i would change it"
  done < <(files gst vk model examples tests shaders | grep -E '\.(c|h|cc)$')
fi

# --- length: whoever looks for something finds its file by name, and reads it in one go ---

while IFS= read -r file; do
  lines=$(wc -l <"$file")
  [ "$lines" -le 700 ] || complain "$file: $lines lines; a file has 700 at most"
done < <(files gst vk model examples tests shaders .ci | grep -E '\.(c|h|cc|comp|glsl|py|sh)$')

# --- includes: FOLDER (or file) and what it may name of other folders ---

check_includes() {
  local folder=$1 allowed=$2 file line name

  grep -rHnE '^ *# *include +"' "$folder" --include='*.'{c,h,cc,comp,glsl} | while IFS=: read -r file line name; do
    name=${name#*\"}
    name=${name%%\"*}
    [ -f "${file%/*}/$name" ] && [[ $name != *..* ]] && continue
    [[ $name =~ ^($allowed)$ ]] || echo "$file:$line: $folder/ may not include \"$name\""
  done
}

# The rooms of gst/: each knows only those behind it in this list. plugin.c stands in front of them all.
rooms=(overlay element worker results backends)

check_rooms() {
  local i below

  check_includes gst/plugin.c 'gst/.*'
  for i in "${!rooms[@]}"; do
    below=$(IFS='|' && echo "${rooms[*]:i+1}")
    check_includes "gst/${rooms[i]}" "gst/($below)/.*|model/minivl\.h"
  done
  find gst -name '*.[ch]' | grep -vE "^gst/(plugin\.c|($(IFS='|' && echo "${rooms[*]}"))/[^/]*)$" | sed 's/$/: in no room of gst\//'
}

includes=$(
  check_includes shaders 'none'
  check_includes vk 'vk/.*|shaders/.*'
  check_includes model 'model/.*|vk/ops\.h|vk/memory\.h'
  check_rooms
  check_includes examples 'examples/.*|model/minivl(-budget|-cache)?\.h'
  grep -nE '# *include +<(gst/)?vulkan' -r model gst examples --include='*.[ch]' | grep -v '^gst/element/vulkan-input\.c:' \
    | sed 's/$/: only vk\/ and gst\/element\/vulkan-input.c know Vulkan/'
)
[ -z "$includes" ] || complain "$includes"

# --- what CONTRIBUTING.md and what users read name is there: paths, and in the former names of files ---

path='(?<![\w/.*-])(shaders|vk|model|gst|examples|tests|debian|\.ci)/[\w./*-]*[\w/*]'
manuals=(CONTRIBUTING.md README.md gst/README.md model/README.md examples/README.md examples/server/README.md tests/BENCHMARKS.md)
while IFS= read -r name; do
  [ -n "$(compgen -G "$name")" ] || complain "${manuals[*]}: there is no $name"
done < <(grep -ohP "$path" "${manuals[@]}" | grep -v NAME | sort -u)
while IFS= read -r name; do
  [ -n "$(files gst vk model examples tests shaders -name "$name")" ] || complain "CONTRIBUTING.md: there is no $name"
done < <(grep -oP '(?<![\w/.*-])[\w*-]+\.(c|h|comp|glsl|py|sh|build)\b' CONTRIBUTING.md | sort -u)

# --- no environment switches in the library and the element; mesa-cache.c reads Mesa's own ---

switches=$(grep -nE '\b(g_getenv|getenv|secure_getenv|g_get_environ) *\(' -r vk model gst --include='*.[ch]' --exclude=mesa-cache.c \
  | sed 's/$/: no environment variable changes what the library does/')
[ -z "$switches" ] || complain "$switches"

if [ $broken -eq 0 ] && [ -z "$clang_format" ]; then
  echo "clang-format 14 is not here: the format was not checked"
  exit 77
fi
exit $broken
