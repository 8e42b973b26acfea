#!/usr/bin/env bash
# lavapipe.sh [FOLDER]: prints the file by which the Vulkan loader finds the CPU's driver: for VK_ICD_FILENAMES. Mesa 22 names it with
# the machine's architecture, Mesa 25 without. Exit 1, with a message, if there is none.
set -eu

folder=${1:-/usr/share/vulkan/icd.d}
for file in "$folder/lvp_icd.$(uname -m).json" "$folder"/lvp_icd*.json; do
  if [ -f "$file" ]; then
    echo "$file"
    exit 0
  fi
done
echo "$folder has no lvp_icd*.json: the package mesa-vulkan-drivers is missing, or has no driver for the CPU" >&2
exit 1
