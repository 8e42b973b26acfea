/* minivl-chat with an adapter, on a small random checkpoint. */
#include "../folder.h"
#include "../program.h"
#include "checkpoint.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define SWIFT TEST_DATA "/lora/swift/adapter"
#define INTERNVL TEST_DATA "/lora/internvl/adapter"

static gchar *folder, *model;

/* lora: (nullable) */
static void
run (gint code, const gchar *lora, ProgramResult *r)
{
  const gchar *argv[] = { MINIVL_CHAT, "--model", model, "--json", "--max-tokens", "8", "Hello", lora ? "--lora" : NULL, lora,
    NULL };

  program_run (argv, r);
  if (r->code != code)
    g_test_message ("%s", r->err);
  g_assert_cmpint (r->code, ==, code);
}

/* A member of the answer, as JSON text. (transfer full) */
static gchar *
ask (const gchar *lora, const gchar *member)
{
  g_auto (ProgramResult) r = { 0 };
  g_autoptr (JsonNode) node = NULL;

  run (0, lora, &r);
  node = json_from_string (r.out, NULL);
  g_assert_nonnull (node);
  return json_to_string (json_object_get_member (json_node_get_object (node), member), FALSE);
}

static void
test_what_is_said_is_the_merged_models (void)
{
  g_autofree gchar *plain = ask (NULL, "token_ids"), *none = ask (SWIFT ":0", "token_ids"), *tuned = ask (SWIFT, "token_ids"),
                   *other = ask (INTERNVL, "token_ids");

  g_assert_cmpstr (plain, ==, none);
  g_assert_cmpstr (plain, !=, tuned);
  g_assert_cmpstr (plain, !=, other);
  g_assert_cmpstr (tuned, !=, other);
}

static void
test_the_hash_tells_adapter_and_scale (void)
{
  static const gchar *const loras[] = { NULL, SWIFT, SWIFT ":0.5", INTERNVL };
  g_autoptr (GHashTable) hashes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree gchar *same = ask (SWIFT ":1", "model_hash");

  for (guint i = 0; i < G_N_ELEMENTS (loras); i++)
    g_hash_table_add (hashes, ask (loras[i], "model_hash"));
  g_assert_cmpuint (g_hash_table_size (hashes), ==, G_N_ELEMENTS (loras));
  g_assert_true (g_hash_table_contains (hashes, same));
}

static void
test_what_is_no_adapter_is_exit_2 (void)
{
  const struct
  {
    const gchar *lora, *says;
  } rows[] = { { SWIFT ":all", "SCALE" }, { "/no/such:0.5", "/no/such" }, { folder, "adapter_config.json" } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (ProgramResult) r = { 0 };

    run (2, rows[i].lora, &r);
    g_assert_cmpstr (r.out, ==, "");
    g_assert_nonnull (strstr (r.err, rows[i].says));
  }
}

int
main (int argc, char **argv)
{
  gint code;

  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  model = checkpoint_make (folder);
#define RULE(name) g_test_add_func ("/tuned/" #name, test_##name)
  RULE (what_is_said_is_the_merged_models);
  RULE (the_hash_tells_adapter_and_scale);
  RULE (what_is_no_adapter_is_exit_2);
#undef RULE
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (folder);
  g_free (model);
  return code;
}
