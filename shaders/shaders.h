/*
 * The variant table of meson.build as the library holds it: SPIR-V by name.
 */
#ifndef SHADERS_SHADERS_H
#define SHADERS_SHADERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct
{
  const char *name;
  const uint32_t *words;
  size_t size; /* bytes */
} Shader;

/* A row of the table, or NULL. */
const Shader *shader_find (const char *name);

#endif
