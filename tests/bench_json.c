/* The figures as JSON, with what they are of: the machine, the device, its driver, and which kernels were chosen for it. */
#include "bench.h"

#include <json-glib/json-glib.h>
#include <sys/utsname.h>

/* Figures of 0 do not apply. */
static void
add_figure (JsonBuilder *json, const gchar *name, double value)
{
  json_builder_set_member_name (json, name);
  if (value > 0)
    json_builder_add_double_value (json, value);
  else
    json_builder_add_null_value (json);
}

static void
add_count (JsonBuilder *json, const gchar *name, gint64 value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_int_value (json, value);
}

static void
add_flag (JsonBuilder *json, const gchar *name, gboolean value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_boolean_value (json, value);
}

static void
add_text (JsonBuilder *json, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (json, name);
  if (value)
    json_builder_add_string_value (json, value);
  else
    json_builder_add_null_value (json);
}

static void
add_machine (JsonBuilder *json, const Bench *b)
{
  const DeviceInfo *info = device_info (b->dev);
  struct utsname system;

  json_builder_set_member_name (json, "machine");
  json_builder_begin_object (json);
  add_count (json, "cores", b->machine.cores);
  add_figure (json, "read_gbps", b->machine.read_gbps);
  add_figure (json, "muladd_gflops", b->machine.muladd_gflops);
  add_text (json, "system", uname (&system) == 0 ? system.release : NULL);
  add_text (json, "architecture", uname (&system) == 0 ? system.machine : NULL);
  add_text (json, "device", info->name);
  add_text (json, "device_type", info->type);
  add_text (json, "driver", info->driver);
  add_count (json, "device_memory", info->memory);
  add_figure (json, "copy_gbps", b->peak.copy_gbps);
  add_figure (json, "device_read_gbps", b->peak.read_gbps);
  add_figure (json, "device_muladd_gflops", b->peak.muladd_gflops);
  add_figure (json, "device_matrix_gflops", b->peak.matrix_gflops);
  json_builder_end_object (json);
}

static void
add_geometry (JsonBuilder *json, const DeviceLimits *limits)
{
  json_builder_set_member_name (json, "geometry");
  json_builder_begin_object (json);
  add_text (json, "bulk", limits->geometry.storage_form ? "storage" : "texel");
  add_count (json, "subgroup", limits->subgroup);
  add_flag (json, "shuffles", !limits->geometry.no_subgroup);
  add_flag (json, "plain_halves", limits->geometry.plain_halves);
  add_flag (json, "dots", limits->geometry.dots);
  add_count (json, "matrix_side", limits->geometry.coop.side);
  add_flag (json, "gpu_kernels", limits->geometry.gpu_kernels);
  add_count (json, "local", limits->geometry.local);
  add_count (json, "matvec_local", limits->geometry.matvec_local);
  add_count (json, "attention_split", limits->geometry.attention_split);
  add_count (json, "max_local", limits->max_local);
  add_count (json, "bulk_range", limits->bulk_range);
  add_count (json, "storage_range", limits->storage_range);
  add_count (json, "align", limits->align);
  add_count (json, "submit_ns", limits->submit_ns);
  json_builder_set_member_name (json, "tiles"); /* rows, columns, splits */
  json_builder_begin_array (json);
  for (guint i = 0; i < MATMUL_TILES && limits->geometry.tiles[i].rows; i++) {
    json_builder_begin_array (json);
    json_builder_add_int_value (json, limits->geometry.tiles[i].rows);
    json_builder_add_int_value (json, limits->geometry.tiles[i].columns);
    json_builder_add_int_value (json, limits->geometry.tiles[i].splits);
    json_builder_end_array (json);
  }
  json_builder_end_array (json);
  json_builder_end_object (json);
}

static void
add_model (JsonBuilder *json, const Bench *b)
{
  const BenchModel m = bench_model (b);

  json_builder_set_member_name (json, "model");
  json_builder_begin_object (json);
  add_text (json, "checkpoint", b->model);
  add_count (json, "layers", m.layers);
  add_figure (json, "frame_seconds", m.frame_seconds);
  add_figure (json, "prefill_tokens_per_second", m.prefill_speed);
  add_figure (json, "decode_tokens_per_second", m.decode_speed);
  add_figure (json, "segment_seconds", m.segment_seconds);
  json_builder_end_object (json);
}

static void
add_row (JsonBuilder *json, const Bench *b, const BenchRow *row)
{
  json_builder_begin_object (json);
  add_text (json, "name", row->name);
  add_text (json, "shape", row->shape);
  add_text (json, "precision", row->precision);
  add_count (json, "ns", row->ns);
  add_count (json, "cpu_ns", row->cpu_ns);
  add_figure (json, "gflops", row->flops / row->ns);
  add_figure (json, "gbps", row->bytes / row->ns);
  add_figure (json, "gweights", row->weights / row->ns);
  add_figure (json, "share", bench_share (b, row));
  add_figure (json, "twin_gflops", row->twin_gflops);
  add_figure (json, "ratio", row->ratio);
  add_text (json, "ratio_of", row->ratio_of);
  add_figure (json, "drafted", row->drafted);
  add_figure (json, "accepted", row->accepted);
  if (row->checked) {
    json_builder_set_member_name (json, "nmse");
    json_builder_add_double_value (json, MIN (row->nmse, G_MAXDOUBLE)); /* JSON has no infinity */
    add_flag (json, "right", row->nmse <= row->bound);
  }
  json_builder_end_object (json);
}

gboolean
bench_write_json (const Bench *b, const gchar *path, GError **error)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (json);
  add_text (json, "version", MINIVL_VERSION);
  add_flag (json, "quick", b->quick);
  add_machine (json, b);
  add_geometry (json, device_limits (b->dev));
  json_builder_set_member_name (json, "rows");
  json_builder_begin_array (json);
  for (guint i = 0; i < b->rows->len; i++)
    add_row (json, b, &g_array_index (b->rows, BenchRow, i));
  json_builder_end_array (json);
  add_model (json, b);
  json_builder_end_object (json);

  root = json_builder_get_root (json);
  json_generator_set_pretty (generator, TRUE);
  json_generator_set_root (generator, root);
  return json_generator_to_file (generator, path, error);
}
