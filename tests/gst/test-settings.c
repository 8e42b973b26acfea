/* The properties: what they are, what they take, and when. */
#include "rig.h"

#include <string.h>

static void
test_facts_of_the_factory (void)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("minivl");

  fake_reset ();
  gst_object_unref (gst_element_factory_create (factory, NULL));
  g_assert_cmpstr (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS), ==, "Filter/Analyzer/Video/Text");
  g_assert_cmpuint (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)), ==, GST_RANK_NONE);
  g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 0);
}

/* unit: what the blurb says of it. */
typedef struct
{
  const gchar *name, *unit;
  double min, max;
} Range;

#define LONGEST ((double)G_MAXINT64)
#define NONE ((double)G_MAXUINT64)

static const Range ranges[] = {
  { "context-size", "tokens", 0, G_MAXINT },
  { "cache-size", "Tokens", 0, G_MAXINT },
  { "segment-duration", "in ns", 0, LONGEST },
  { "segment-overlap", "in ns", 0, LONGEST },
  { "num-segments", "Frames", 1, 128 },
  { "num-frames", "Frames", 1, 128 },
  { "start-time", "in ns of stream time", 0, NONE },
  { "stop-time", "in ns of stream time", 0, NONE },
  { "max-tiles", "tiles", 1, 40 },
  { "max-tokens", "tokens", 1, G_MAXINT },
  { "temperature", "", 0, 100 },
  { "top-k", "tokens", 0, G_MAXINT },
  { "top-p", "probability", 0, 1 },
  { "repetition-penalty", "", 0.01, 100 },
  { "seed", "", 0, LONGEST },
  { "text-duration", "in ns", 0, NONE },
  { "max-backlog", "in segments", 1, 1000 },
  { "deadline", "in ns", 0, NONE },
  { "eos-timeout", "in ns", 0, NONE },
  { "history-size", "answers", 0, 32 },
  { "skip-similar", "cosine", 0, 1 },
  { "roi-confidence", "confidence", 0, 1 },
  { "alert-threshold", "P(yes)", 0, 1 },
  { "alert-hysteresis", "P(yes)", 0, 1 },
  { "summary-interval", "stream time, in ns", 0, NONE },
  { "endpoint-parallel", "questions", 1, 256 },
  { "endpoint-timeout", "in ns", 0, NONE },
  { "jpeg-quality", "", 1, 100 },
};

/* FALSE: it is no number. */
static gboolean
get_range (GParamSpec *spec, double *min, double *max)
{
  if (G_IS_PARAM_SPEC_UINT64 (spec)) {
    *min = (double)G_PARAM_SPEC_UINT64 (spec)->minimum;
    *max = (double)G_PARAM_SPEC_UINT64 (spec)->maximum;
  } else if (G_IS_PARAM_SPEC_UINT (spec)) {
    *min = G_PARAM_SPEC_UINT (spec)->minimum;
    *max = G_PARAM_SPEC_UINT (spec)->maximum;
  } else if (G_IS_PARAM_SPEC_DOUBLE (spec)) {
    *min = G_PARAM_SPEC_DOUBLE (spec)->minimum;
    *max = G_PARAM_SPEC_DOUBLE (spec)->maximum;
  } else {
    return FALSE;
  }
  return TRUE;
}

static const Range *
find_range (const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (ranges); i++)
    if (g_str_equal (ranges[i].name, name))
      return &ranges[i];
  g_error ("%s: no range is known", name);
}

static void
test_properties_tell_their_unit_and_when_they_change (void)
{
  GObjectClass *klass = g_type_class_ref (GST_TYPE_MINIVL);
  guint n_specs, n_own = 0, n_numbers = 0;
  g_autofree GParamSpec **specs = g_object_class_list_properties (klass, &n_specs);

  for (guint i = 0; i < n_specs; i++) {
    const gchar *blurb = g_param_spec_get_blurb (specs[i]);
    const Range *range;
    double min, max;

    if (specs[i]->owner_type != GST_TYPE_MINIVL)
      continue;
    n_own++;
    g_assert_cmpuint (strlen (blurb), >, 20);
    if (!(specs[i]->flags & G_PARAM_WRITABLE))
      continue;
    g_assert_true (!(specs[i]->flags & GST_PARAM_MUTABLE_READY) != !(specs[i]->flags & GST_PARAM_MUTABLE_PLAYING));
    if (!get_range (specs[i], &min, &max))
      continue;
    n_numbers++;
    range = find_range (specs[i]->name);
    g_assert_nonnull (strstr (blurb, range->unit));
    g_assert_cmpfloat (min, ==, range->min);
    g_assert_cmpfloat (max, ==, range->max);
  }
  g_assert_cmpuint (n_own, ==, 53);
  g_assert_cmpuint (n_numbers, ==, G_N_ELEMENTS (ranges));
  g_type_class_unref (klass);
}

/* -1 is none, as for all times that may be left out. */
static void
test_a_time_that_is_none_is_not_set (void)
{
  Rig *rig = rig_new ("start-time=-1 stop-time=-1 deadline=-1");
  guint64 start, deadline;

  g_object_get (rig->element, "start-time", &start, "deadline", &deadline, NULL);
  g_assert_cmpuint (start, ==, 0);
  g_assert_cmpuint (deadline, ==, 0);
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_free (rig);
}

/* All that a run says of itself agrees. */
static void
test_what_is_read_at_the_start_stays_while_it_runs (void)
{
  Rig *rig = rig_new ("partial=true stream=door");
  g_autofree gchar *stream = NULL;
  g_autoptr (GstMessage) warning = NULL, partial = NULL;
  g_autoptr (GstStructure) result = NULL;
  gint timestamp;

  g_object_set (rig->element, "stream", "gate", NULL);
  gst_util_set_object_arg (G_OBJECT (rig->element), "text-timestamp", "segment");
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "stream stays as it is");
  g_object_get (rig->element, "stream", &stream, "text-timestamp", &timestamp, NULL);
  g_assert_cmpstr (stream, ==, "door");
  g_assert_cmpint (timestamp, ==, 0);
  rig_push (rig, 0, 11);
  partial = rig_await_message (rig, GST_MESSAGE_ELEMENT);
  g_assert_cmpstr (gst_structure_get_string (gst_message_get_structure (partial), "stream"), ==, "door");
  result = rig_await_result (rig);
  g_assert_cmpstr (gst_structure_get_string (result, "stream"), ==, "door");

  gst_element_set_state (rig->element, GST_STATE_READY);
  g_object_set (rig->element, "stream", "gate", NULL);
  g_free (stream);
  g_object_get (rig->element, "stream", &stream, NULL);
  g_assert_cmpstr (stream, ==, "gate");
  rig_free (rig);
}

/* As gst_parse_launch() and other readers of text take it. */
static void
test_times_may_have_a_unit (void)
{
  static const struct
  {
    const gchar *text;
    guint64 ns;
  } times[] = { { "10s", 10 * GST_SECOND }, { "500ms", 500 * GST_MSECOND }, { "1.5s", 1500 * GST_MSECOND }, { "7us", 7000 },
    { "12ns", 12 }, { "12", 12 }, { "0x10", 16 }, { "2min", 120 * GST_SECOND }, { "0.5h", 1800 * GST_SECOND },
    { "0.0000000019s", 1 }, { "0s", 0 }, { "0", 0 }, { "2562047h", G_GUINT64_CONSTANT (2562047) * 3600 * GST_SECOND },
    { "1.000000001s", GST_SECOND + 1 } };
  static const gchar *const names[] = { "segment-duration", "segment-overlap", "start-time", "stop-time", "text-duration",
    "deadline", "eos-timeout", "summary-interval" };

  for (guint n = 0; n < G_N_ELEMENTS (names); n++) {
    for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
      g_autofree gchar *line = g_strdup_printf ("minivl name=m %s=%s", names[n], times[i].text);
      g_autoptr (GError) error = NULL;
      g_autoptr (GstElement) element = gst_object_ref_sink (gst_parse_launch (line, &error));
      guint64 ns;

      g_assert_no_error (error);
      g_object_get (element, names[n], &ns, NULL);
      if (ns != times[i].ns)
        g_error ("%s: %" G_GUINT64_FORMAT, line, ns);
    }
  }
}

static void
test_what_is_no_time_is_refused (void)
{
  static const gchar *const texts[] = { "10x", "s", ".5s", "5.s", "1.2.3s", "10 s", "10S", "-5s", "99999999999h",
    "18446744073709551616ns", "2562048h", "1e3s", "10sec", "0x10s" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autofree gchar *line = g_strdup_printf ("minivl segment-duration=\"%s\"", texts[i]);
    g_autoptr (GError) error = NULL;
    GstElement *element = gst_parse_launch (line, &error);

    if (error == NULL || error->code != GST_PARSE_ERROR_COULD_NOT_SET_PROPERTY)
      g_error ("taken: %s", line);
    if (element != NULL)
      gst_object_unref (gst_object_ref_sink (element));
  }
}

/* Whoever knows nothing of the type sets and reads integers. */
static void
test_times_are_integers_to_programs (void)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  g_auto (GValue) large = G_VALUE_INIT, small = G_VALUE_INIT, got = G_VALUE_INIT;

  g_value_init (&large, G_TYPE_UINT64);
  g_value_init (&small, G_TYPE_INT);
  g_value_init (&got, G_TYPE_UINT64);
  g_value_set_uint64 (&large, 5 * GST_SECOND);
  g_value_set_int (&small, 77);
  g_object_set_property (G_OBJECT (element), "segment-duration", &large);
  g_object_get_property (G_OBJECT (element), "segment-duration", &got);
  g_assert_cmpuint (g_value_get_uint64 (&got), ==, 5 * GST_SECOND);
  g_object_set_property (G_OBJECT (element), "segment-duration", &small);
  g_object_get_property (G_OBJECT (element), "segment-duration", &got);
  g_assert_cmpuint (g_value_get_uint64 (&got), ==, 77);
  gst_util_set_object_arg (G_OBJECT (element), "segment-duration", "3s");
  g_object_get_property (G_OBJECT (element), "segment-duration", &got);
  g_assert_cmpuint (g_value_get_uint64 (&got), ==, 3 * GST_SECOND);
}

static void
test_times_tell_their_default (void)
{
  GObjectClass *klass = g_type_class_ref (GST_TYPE_MINIVL);

  g_assert_true (
      g_str_has_suffix (g_param_spec_get_blurb (g_object_class_find_property (klass, "segment-duration")), "Default: 10s"));
  g_assert_true (g_str_has_suffix (g_param_spec_get_blurb (g_object_class_find_property (klass, "stop-time")), "Default: none"));
  g_assert_true (g_str_has_suffix (g_param_spec_get_blurb (g_object_class_find_property (klass, "deadline")), "Default: 0"));
  g_type_class_unref (klass);
}

/* Two names for one number. */
static void
test_num_frames_is_num_segments (void)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  Rig *rig = rig_new ("num-frames=5");
  guint n = 0;

  g_object_set (element, "num-frames", 4, NULL);
  g_object_get (element, "num-segments", &n, NULL);
  g_assert_cmpuint (n, ==, 4);
  g_object_set (element, "num-segments", 3, NULL);
  g_object_get (element, "num-frames", &n, NULL);
  g_assert_cmpuint (n, ==, 3);
  rig_push (rig, 0, 11);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 1, 3, 5, 7, 9, G_MAXUINT);
  rig_free (rig);
}

static void
test_both_names_of_a_property_are_documented_as_one (void)
{
  GObjectClass *klass = g_type_class_ref (GST_TYPE_MINIVL);

  g_assert_nonnull (strstr (g_param_spec_get_blurb (g_object_class_find_property (klass, "num-segments")), "num-frames"));
  g_assert_nonnull (strstr (g_param_spec_get_blurb (g_object_class_find_property (klass, "num-frames")), "num-segments"));
  g_type_class_unref (klass);
}

static gboolean
is_settable (const GParamSpec *spec)
{
  return spec->owner_type == GST_TYPE_MINIVL && (spec->flags & G_PARAM_WRITABLE) != 0;
}

static void
test_a_new_element_has_the_defaults_of_its_properties (void)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  guint n_specs;
  g_autofree GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n_specs);

  for (guint i = 0; i < n_specs; i++) {
    g_auto (GValue) value = G_VALUE_INIT;

    if (!is_settable (specs[i]))
      continue;
    g_object_get_property (G_OBJECT (element), specs[i]->name, &value);
    g_assert_true (g_param_value_defaults (specs[i], &value));
  }
}

/* Another value than it has, of what may be anything in its range. */
static void
change (const GParamSpec *spec, GValue *value)
{
  if (G_VALUE_HOLDS_STRING (value))
    g_value_set_string (value, spec->name);
  else if (G_VALUE_HOLDS_UINT (value))
    g_value_set_uint (value, g_value_get_uint (value) + 1);
  else if (G_VALUE_HOLDS_UINT64 (value))
    g_value_set_uint64 (value, 12345);
  else if (G_VALUE_HOLDS_DOUBLE (value))
    g_value_set_double (value, 0.25);
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    g_value_set_boolean (value, !g_value_get_boolean (value));
  else
    g_value_set_enum (value, 1);
}

/* And no other property changes with it, but its other name. */
static void
test_each_property_keeps_what_it_is_set_to (void)
{
  guint n_specs;
  g_autoptr (GstElement) like = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  g_autofree GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (like), &n_specs);

  for (guint i = 0; i < n_specs; i++) {
    g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
    g_auto (GValue) value = G_VALUE_INIT;

    if (!is_settable (specs[i]))
      continue;
    g_object_get_property (G_OBJECT (element), specs[i]->name, &value);
    change (specs[i], &value);
    g_object_set_property (G_OBJECT (element), specs[i]->name, &value);
    for (guint k = 0; k < n_specs; k++) {
      gboolean is_it = k == i || (g_str_has_prefix (specs[i]->name, "num-") && g_str_has_prefix (specs[k]->name, "num-"));
      g_auto (GValue) now = G_VALUE_INIT;

      if (!is_settable (specs[k]))
        continue;
      g_object_get_property (G_OBJECT (element), specs[k]->name, &now);
      g_assert_cmpint (g_param_value_defaults (specs[k], &now), ==, !is_it);
      g_assert_true (k != i || g_param_values_cmp (specs[i], &value, &now) == 0);
    }
  }
}

/* What the library has for who sets nothing, an answer's length apart. */
static void
test_sampling_is_as_the_library_has_it (void)
{
  const MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  double temperature, top_p, penalty;
  guint64 seed;
  guint top_k;

  g_object_get (
      element, "temperature", &temperature, "top-k", &top_k, "top-p", &top_p, "repetition-penalty", &penalty, "seed", &seed, NULL);
  g_assert_cmpfloat (temperature, ==, params.temperature);
  g_assert_cmpuint (top_k, ==, params.top_k);
  g_assert_cmpfloat (top_p, ==, params.top_p);
  g_assert_cmpfloat (penalty, ==, params.repetition_penalty);
  g_assert_cmpuint (seed, ==, params.seed);
}

static void
assert_refused (const gchar *properties, const gchar *part)
{
  g_autofree gchar *line = g_strdup_printf ("minivl %s", properties);
  GstElement *element = gst_object_ref_sink (gst_parse_launch (line, NULL));
  GstBus *bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;

  fake_reset ();
  gst_element_set_bus (element, bus);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  rig_assert_error (message, part);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
  g_assert_cmpuint (fake_count (FAKE_OPEN), ==, 0);
}

static void
test_mistakes_name_the_property (void)
{
  assert_refused ("model-path=/x segment-duration=5 segment-overlap=5", "segment-overlap");
  assert_refused ("model-path=/x start-time=5 stop-time=5", "stop-time");
}

/* How many segments may be open at once is bounded, and the advice is taken. */
static void
test_overlap_that_opens_too_many_segments_is_refused (void)
{
  static const guint64 durations[][2] = { { 10 * GST_SECOND, 10 * GST_SECOND / 100 }, { 1001, 11 }, { 999, 10 }, { 150, 2 } };

  assert_refused ("model-path=/x segment-overlap=9999999999", "at most 100 may be");
  for (guint i = 0; i < G_N_ELEMENTS (durations); i++) {
    guint64 duration = durations[i][0], least_step = durations[i][1];
    g_autofree gchar *line =
        g_strdup_printf ("model-path=/x segment-duration=%" G_GUINT64_FORMAT " segment-overlap=%" G_GUINT64_FORMAT, duration,
            duration - least_step + 1);
    g_autofree gchar *advice = g_strdup_printf ("to at most %" G_GUINT64_FORMAT " ns", duration - least_step);
    Settings settings;

    assert_refused (line, advice);
    settings_init (&settings);
    settings.segments.duration = duration;
    settings.segments.overlap = duration - least_step;
    g_assert_null (settings_check (&settings));
    settings_clear (&settings);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/settings/" #name, test_##name)
  RULE (facts_of_the_factory);
  RULE (properties_tell_their_unit_and_when_they_change);
  RULE (a_new_element_has_the_defaults_of_its_properties);
  RULE (each_property_keeps_what_it_is_set_to);
  RULE (sampling_is_as_the_library_has_it);
  RULE (times_may_have_a_unit);
  RULE (what_is_no_time_is_refused);
  RULE (times_are_integers_to_programs);
  RULE (times_tell_their_default);
  RULE (num_frames_is_num_segments);
  RULE (both_names_of_a_property_are_documented_as_one);
  RULE (a_time_that_is_none_is_not_set);
  RULE (what_is_read_at_the_start_stays_while_it_runs);
  RULE (mistakes_name_the_property);
  RULE (overlap_that_opens_too_many_segments_is_refused);
#undef RULE
  return g_test_run ();
}
