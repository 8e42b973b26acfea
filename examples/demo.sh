#!/usr/bin/env bash
# demo.sh: installs what is missing (Debian 12), builds, makes a small model, and lets the element `minivl` watch two videos.
# The model's weights are random: the text is noise, but every step from the frames to the text is the real one.
set -eu
cd "$(dirname "$0")/.."

model=build/demo-model-random
street=/usr/share/doc/opencv-doc/examples/data/vtest.avi

bash examples/install-packages.sh examples/packages.txt
[ -f build/build.ninja ] || meson setup build
ninja -C build

if [ ! -f "$model/config.json" ]; then
  spm_train --input=tests/data/tokenizer-text.txt --model_prefix=build/demo-tokenizer --vocab_size=1000 --model_type=bpe \
    --byte_fallback=true --minloglevel=2
  build/tests/make-checkpoint tests/data/demo-config.json "$model" --tokenizer build/demo-tokenizer.model
fi

# watch NAME SOURCE...: runs a source through the element; prints what it wrote, a JSON object a segment.
watch() {
  local out=build/demo-$1.jsonl

  echo
  echo "== $1: a result for each 10 seconds (the weights are random, so the text is noise)"
  shift
  rm -f "$out"
  GST_PLUGIN_PATH=build/gst gst-launch-1.0 -q "$@" \
    ! minivl name=m "model-path=$model" segment-duration=10000000000 num-segments=8 max-tokens=24 \
      prompt="What happens in this video?" \
    ! fakesink m.text_src ! filesink "location=$out"
  python3 - "$out" <<'PYTHON'
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    r = json.loads(line)
    print("%5.1f s to %5.1f s: %s" % (r["segment_start"] / 1e9, r["segment_stop"] / 1e9, " ".join(r["text"].split())))
PYTHON
  echo "All fields: $out"
}

watch videotestsrc videotestsrc num-buffers=250 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1
if [ -f "$street" ]; then
  watch street "filesrc" "location=$street" ! decodebin ! videoconvert
else
  echo
  echo "There is a street scene in Debian's package opencv-doc (95 MB); with it installed this runs on it too."
fi
echo
echo "The text is noise until there is a trained demo model; README.md tells how to load real weights."
