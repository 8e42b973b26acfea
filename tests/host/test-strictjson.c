/* Text that is no JSON, or that json-glib would read as something else, is an error with a place. */
#include "model/strictjson.h"

#include <string.h>

typedef struct
{
  const gchar *name, *text, *expected;
} Refusal;

static const Refusal refusals[] = {
  { "empty", "", "line 1, column 1: not a JSON object" },
  { "blank", " \n ", "line 2, column 2: not a JSON object" },
  { "array", "[1]", "not a JSON object" },
  { "twice", "{\"a\": 1, \"a\": 2}", "key \"a\" is there twice" },
  { "twice-deep", "{\"a\": [{\"b\": 1,\n \"b\": 2}]}", "line 2, column 5: key \"b\" is there twice" },
  { "twice-escaped", "{\"a\": 1, \"\\u0061\": 2}", "key \"a\" is there twice" },
  { "comment", "{/* */}", "a string is missing" },
  { "single-quotes", "{'a': 1}", "a string is missing" },
  { "trailing-comma", "{\"a\": 1,}", "a string is missing" },
  { "trailing-comma-array", "{\"a\": [1,]}", "neither an object" },
  { "two-values", "{\"a\": 1 2}", "a comma or } is missing" },
  { "no-colon", "{\"a\" 1}", "a colon is missing" },
  { "open", "{\"a\": [1", "a comma or ] is missing" },
  { "open-string", "{\"a", "a string does not end" },
  { "newline-in-string", "{\"a\n\": 1}", "a string does not end" },
  { "no-value", "{\"a\":", "the text ends here" },
  { "behind", "{} x", "text behind the object" },
  { "two-objects", "{}{}", "text behind the object" },
  { "not-utf8", "{\"\xff\": 1}", "column 3: not UTF-8" },
  { "nan", "{\"a\": NaN}", "neither an object" },
  { "infinity", "{\"a\": -Infinity}", "a digit is missing" },
  { "huge-integer", "{\"a\": 9223372036854775808}", "9223372036854775808 does not fit a number" },
  { "huge-number", "{\"a\": 1e999}", "1e999 does not fit a number" },
  { "leading-zero", "{\"a\": 01}", "a comma or } is missing" },
  { "hexadecimal", "{\"a\": 0x10}", "a comma or } is missing" },
  { "plus", "{\"a\": +1}", "neither an object" },
  { "bare-fraction", "{\"a\": .5}", "neither an object" },
  { "empty-fraction", "{\"a\": 1.}", "a digit is missing" },
  { "empty-exponent", "{\"a\": 1e}", "a digit is missing" },
  { "word", "{\"a\": nul}", "neither an object" },
  { "escape", "{\"a\": \"\\x\"}", "an escape that JSON does not have" },
  { "zero-character", "{\"a\": \"\\u0000\"}", "a string with a zero character" },
  { "short-unicode", "{\"a\": \"\\u12\"}", "four hexadecimal digits" },
  { "high-half", "{\"a\": \"\\ud800\"}", "half of a surrogate pair" },
  { "high-halves", "{\"a\": \"\\ud800\\ud800\"}", "half of a surrogate pair" },
  { "low-half", "{\"a\": \"\\udc00\"}", "half of a surrogate pair" },
};

static void
test_refused (gconstpointer data)
{
  const Refusal *r = data;
  g_autoptr (GError) error = NULL;

  g_assert_null (strict_json_parse (r->text, strlen (r->text), "FILE", &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_true (g_str_has_prefix (error->message, "FILE: line "));
  if (strstr (error->message, r->expected) == NULL)
    g_error ("\"%s\" lacks \"%s\"", error->message, r->expected);
}

static void
test_zero_byte_is_refused (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (strict_json_parse ("{}\0", 3, "FILE", &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
}

/* Without the bound json-glib's recursion overruns the stack. */
static void
test_depth_is_bounded (void)
{
  g_autoptr (GString) text = g_string_new ("{\"a\":");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 1000000; i++)
    g_string_append_c (text, '[');
  g_assert_null (strict_json_parse (text->str, text->len, "FILE", &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "levels"));
}

static void
test_json_is_read (void)
{
  static const gchar text[] = " {\"a\" : [ -0, 12, 9223372036854775807, 1.5e-3, true,null, {} ,[]],\n\"\\u00fc\\ud83d\\ude00\\n\": "
                              "\"\\\"\\\\\\/\xc3\xbc\"} \n";
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonObject) root = strict_json_parse (text, strlen (text), "FILE", &error);
  JsonArray *a;

  g_assert_no_error (error);
  a = json_object_get_array_member (root, "a");
  g_assert_cmpuint (json_array_get_length (a), ==, 8);
  g_assert_cmpint (json_array_get_int_element (a, 2), ==, G_MAXINT64);
  g_assert_cmpfloat (json_array_get_double_element (a, 3), ==, 1.5e-3);
  g_assert_cmpstr (json_object_get_string_member (root, "\xc3\xbc\xf0\x9f\x98\x80\n"), ==, "\"\\/\xc3\xbc");
}

static void
test_missing_file_is_named (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (strict_json_load ("/nonexistent/x.json", &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "/nonexistent/x.json"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree gchar *path = g_strconcat ("/strictjson/refused/", refusals[i].name, NULL);

    g_test_add_data_func (path, &refusals[i], test_refused);
  }
  g_test_add_func ("/strictjson/zero-byte-is-refused", test_zero_byte_is_refused);
  g_test_add_func ("/strictjson/depth-is-bounded", test_depth_is_bounded);
  g_test_add_func ("/strictjson/json-is-read", test_json_is_read);
  g_test_add_func ("/strictjson/missing-file-is-named", test_missing_file_is_named);
  return g_test_run ();
}
