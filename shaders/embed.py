"""Checks SPIR-V files with spirv-val and writes them as one C file: embed.py SPIRV_VAL OUTPUT.c NAME=FILE.spv..."""
import struct
import subprocess
import sys

TEMPLATE = """\
/* Made by embed.py. */
#include "shaders.h"

#include <stdlib.h>
#include <string.h>

%s
static const Shader table[] = {
%s};

static int
compare (const void *name, const void *row)
{
  return strcmp (name, ((const Shader *) row)->name);
}

const Shader *
shader_find (const char *name)
{
  return bsearch (name, table, sizeof table / sizeof table[0], sizeof table[0], compare);
}
"""


def main():
    validator, output, rows = sys.argv[1], sys.argv[2], sorted(a.split("=", 1) for a in sys.argv[3:])
    arrays, table = [], []
    for i, (name, path) in enumerate(rows):
        result = subprocess.run([validator, "--target-env", "vulkan1.2", path])
        if result.returncode != 0:
            sys.exit(f"{path}: spirv-val refuses it")
        with open(path, "rb") as f:
            data = f.read()
        words = struct.unpack(f"<{len(data) // 4}I", data)
        lines = [", ".join(f"0x{w:08x}" for w in words[k:k + 12]) for k in range(0, len(words), 12)]
        arrays.append(f"static const uint32_t words_{i}[] = {{\n  " + ",\n  ".join(lines) + "\n};\n")
        table.append(f'  {{ "{name}", words_{i}, sizeof words_{i} }},\n')
    with open(output, "w") as f:
        f.write(TEMPLATE % ("\n".join(arrays), "".join(table)))


main()
