#include "config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SHARED "minivl"
#define SOURCE "source."
#define TIMEOUT 30

typedef struct
{
  const gchar *path, *group, *journals;
} Place;

static gboolean G_GNUC_PRINTF (3, 4) refuse (const Place *place, GError **error, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  if (place->group != NULL)
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, "%s: [%s]: %s", place->path, place->group, text);
  else
    g_set_error (error, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_INVALID_VALUE, "%s: %s", place->path, text);
  return FALSE;
}

static GHashTable *
new_table (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

/* --- what is freed ----------------------------------------------------------------------------------------------------------- */

CameraConfig *
camera_config_ref (CameraConfig *camera)
{
  return g_rc_box_acquire (camera);
}

static void
clear_camera (gpointer data)
{
  CameraConfig *camera = data;

  g_free (camera->name);
  g_free (camera->uri);
  g_hash_table_unref (camera->shared);
  g_hash_table_unref (camera->own);
  g_hash_table_unref (camera->source);
}

void
camera_config_unref (CameraConfig *camera)
{
  g_rc_box_release_full (camera, clear_camera);
}

void
config_free (Config *config)
{
  if (config == NULL)
    return;
  g_hash_table_unref (config->shared);
  g_hash_table_unref (config->engine);
  g_ptr_array_unref (config->cameras);
  g_free (config);
}

/* --- what is the same -------------------------------------------------------------------------------------------------------- */

static const gchar *
look_up (const CameraConfig *camera, const gchar *name)
{
  const gchar *text = g_hash_table_lookup (camera->own, name);

  return text != NULL ? text : g_hash_table_lookup (camera->shared, name);
}

/* Whether b has, of its own or from the file, all values that a has of this table. */
static gboolean
has_all (const CameraConfig *a, GHashTable *names, const CameraConfig *b)
{
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    if (g_strcmp0 (look_up (a, name), look_up (b, name)) != 0)
      return FALSE;
  return TRUE;
}

static gboolean
are_equal (GHashTable *a, GHashTable *b)
{
  GHashTableIter iter;
  gpointer name, text;

  if (g_hash_table_size (a) != g_hash_table_size (b))
    return FALSE;
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &name, &text))
    if (g_strcmp0 (text, g_hash_table_lookup (b, name)) != 0)
      return FALSE;
  return TRUE;
}

gboolean
camera_config_equals (const CameraConfig *a, const CameraConfig *b)
{
  return g_str_equal (a->uri, b->uri) && a->timeout == b->timeout && are_equal (a->source, b->source) && has_all (a, a->own, b)
         && has_all (a, a->shared, b) && has_all (b, b->own, a) && has_all (b, b->shared, a);
}

gboolean
config_has_engine_of (const Config *a, const Config *b)
{
  return are_equal (a->engine, b->engine);
}

CameraConfig *
config_find (const Config *config, const gchar *name)
{
  for (guint i = 0; i < config->cameras->len; i++) {
    CameraConfig *camera = g_ptr_array_index (config->cameras, i);

    if (g_str_equal (camera->name, name))
      return camera;
  }
  return NULL;
}

/* --- properties -------------------------------------------------------------------------------------------------------------- */

static GParamSpec *
find_property (GstElement *element, const gchar *name)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), name);

  return spec != NULL && (spec->flags & G_PARAM_WRITABLE) != 0 && spec->owner_type != GST_TYPE_OBJECT ? spec : NULL;
}

/* A string is taken as it is; quotes in it would mean something to GStreamer. */
static gboolean
read_value (GParamSpec *spec, const gchar *text, GValue *value)
{
  g_value_init (value, G_PARAM_SPEC_VALUE_TYPE (spec));
  if (!G_VALUE_HOLDS_STRING (value))
    return gst_value_deserialize_with_pspec (value, text, spec);
  g_value_set_string (value, text);
  return TRUE;
}

static gboolean
set_property (GstElement *element, const gchar *name, const gchar *text, const Place *place, GError **error)
{
  GParamSpec *spec = find_property (element, name);
  g_auto (GValue) value = G_VALUE_INIT;

  if (spec == NULL)
    return refuse (place, error, "%s: %s has no such property", name, GST_OBJECT_NAME (gst_element_get_factory (element)));
  if (!read_value (spec, text, &value))
    return refuse (place, error, "%s: \"%s\" is no value for it", name, text);
  if (g_param_value_validate (spec, &value))
    return refuse (place, error, "%s: %s is not in its range", name, text);
  g_object_set_property (G_OBJECT (element), name, &value);
  return TRUE;
}

static gboolean
set_properties (GHashTable *properties, GstElement *element, const Place *place, GError **error)
{
  GHashTableIter iter;
  gpointer name, text;

  g_hash_table_iter_init (&iter, properties);
  while (g_hash_table_iter_next (&iter, &name, &text))
    if (!set_property (element, name, text, place, error))
      return FALSE;
  return TRUE;
}

void
config_apply (GHashTable *properties, GstElement *element)
{
  static const Place nowhere = { "", NULL, NULL };

  set_properties (properties, element, &nowhere, NULL);
}

/* Own ones come last, for two names may be of one property. */
void
camera_config_apply (const CameraConfig *camera, GstElement *minivl)
{
  config_apply (camera->shared, minivl);
  config_apply (camera->own, minivl);
}

/* --- whether minivl takes them ----------------------------------------------------------------------------------------------- */

/* What the element itself says when it is started, in words. The journal is what it looks at last, before it opens anything: one
 * that cannot be a file ends the start there. (transfer full) */
static gchar *
find_complaint (GstElement *minivl)
{
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) complaint = NULL;

  g_object_set (minivl, "journal", "/", NULL);
  gst_element_set_bus (minivl, bus);
  gst_element_set_state (minivl, GST_STATE_PAUSED);
  gst_element_set_state (minivl, GST_STATE_NULL);
  gst_element_set_bus (minivl, NULL);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  if (message == NULL)
    return NULL;
  gst_message_parse_error (message, &complaint, NULL);
  if (g_error_matches (complaint, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ_WRITE))
    return NULL;
  return g_strdup (complaint->message);
}

/* (transfer full) NULL with an error. */
static GstElement *
make_minivl (const Place *place, GError **error)
{
  GstElement *minivl = gst_element_factory_make ("minivl", NULL);

  if (minivl == NULL)
    refuse (place, error, "GStreamer does not find the element minivl: set GST_PLUGIN_PATH to its folder");
  else
    gst_object_ref_sink (minivl);
  return minivl;
}

/* own (nullable) */
static gboolean
check_minivl (GHashTable *shared, GHashTable *own, const Place *place, GError **error)
{
  g_autoptr (GstElement) minivl = make_minivl (place, error);
  g_autofree gchar *complaint = NULL;

  if (minivl == NULL || !set_properties (shared, minivl, place, error)
      || (own != NULL && !set_properties (own, minivl, place, error)))
    return FALSE;
  complaint = find_complaint (minivl);
  return complaint == NULL || refuse (place, error, "%s", complaint);
}

static gboolean
check_source (const CameraConfig *camera, const Place *place, GError **error)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (GstElement) source = gst_element_make_from_uri (GST_URI_SRC, camera->uri, NULL, &why);
  g_autoptr (GstElementFactory) decoder = gst_element_factory_find ("uridecodebin");

  if (decoder == NULL)
    return refuse (place, error, "uri: there is no element uridecodebin: GStreamer's base plugins are missing");
  if (source == NULL)
    return refuse (place, error, "uri: %s", why->message);
  gst_object_ref_sink (source);
  return set_properties (camera->source, source, place, error);
}

static gboolean
check_journal (const CameraConfig *camera, const Place *place, GError **error)
{
  const gchar *path = look_up (camera, "journal");
  g_autofree gchar *folder = g_path_get_dirname (path);

  if (g_access (path, F_OK) == 0 ? g_access (path, R_OK | W_OK) != 0 : g_access (folder, W_OK | X_OK) != 0)
    return refuse (place, error, "journal: %s: %s", path, g_strerror (errno));
  return TRUE;
}

/* --- reading ----------------------------------------------------------------------------------------------------------------- */

/* GKeyFile joins groups of one name, and takes the last of equal keys. Whatever else is wrong, it has found. */
static gboolean
check_doubles (const gchar *text, const Place *place, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  Place at = *place;

  for (guint i = 0; lines[i] != NULL; i++) {
    gchar *line = g_strstrip (lines[i]), *end = strchr (line, line[0] == '[' ? ']' : '=');

    if (line[0] == '#' || end == NULL)
      continue;
    *end = '\0';
    if (line[0] == '[')
      at.group = line + 1;
    if (line[0] == '[' && !g_hash_table_add (seen, g_strdup (line)))
      return refuse (place, error, "there are two groups [%s]", at.group);
    if (line[0] != '[' && !g_hash_table_add (seen, g_strdup_printf ("%s\n%s", at.group, g_strchomp (line))))
      return refuse (&at, error, "%s is there twice", line);
  }
  return TRUE;
}

/* All cameras share an engine, so these are said once. */
static gboolean
is_engines (const gchar *name)
{
  static const gchar *const names[] = { "api-key-file", "ca-file", "cache-dir", "cache-precision", "cache-size", "context-size",
    "device", "endpoint", "endpoint-parallel", "lora", "model", "model-path", "precision", "tokenizer", NULL };

  return g_strv_contains (names, name);
}

/* Group and journal are a camera's own, and its name is the group's. */
static gboolean
add_shared (Config *config, const gchar *key, const gchar *text, const Place *place, GError **error)
{
  static const gchar *const of_one[] = { "journal", "stream", "timeout", "uri", NULL };

  if (g_strv_contains (of_one, key) || g_str_has_prefix (key, SOURCE))
    return refuse (place, error, "%s is of one camera: it stands in its group", key);
  g_hash_table_insert (config->shared, g_strdup (key), g_strdup (text));
  if (is_engines (key))
    g_hash_table_insert (config->engine, g_strdup (key), g_strdup (text));
  return TRUE;
}

static gboolean
add_to_camera (CameraConfig *camera, const gchar *key, const gchar *text, const Place *place, GError **error)
{
  guint64 n;

  if (is_engines (key))
    return refuse (place, error, "%s is the same for all cameras, which share one engine: it stands in [" SHARED "]", key);
  if (g_str_equal (key, "stream"))
    return refuse (place, error, "stream: the camera's name is that of its group");
  if (g_str_has_prefix (key, SOURCE)) {
    g_hash_table_insert (camera->source, g_strdup (key + strlen (SOURCE)), g_strdup (text));
  } else if (g_str_equal (key, "uri")) {
    camera->uri = g_strdup (text);
  } else if (g_str_equal (key, "timeout")) {
    if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT32, &n, NULL))
      return refuse (place, error, "timeout: \"%s\" is no number of seconds", text);
    camera->timeout = (guint)n;
  } else {
    g_hash_table_insert (camera->own, g_strdup (key), g_strdup (text));
  }
  return TRUE;
}

static gboolean
read_group (GKeyFile *file, Config *config, CameraConfig *camera, const Place *place, GError **error)
{
  g_auto (GStrv) keys = g_key_file_get_keys (file, place->group, NULL, NULL);

  for (guint i = 0; keys[i] != NULL; i++) {
    g_autoptr (GError) why = NULL;
    g_autofree gchar *text = g_key_file_get_string (file, place->group, keys[i], &why);

    if (why != NULL)
      return refuse (place, error, "%s: %s", keys[i], why->message);
    if (camera == NULL ? !add_shared (config, keys[i], text, place, error) : !add_to_camera (camera, keys[i], text, place, error))
      return FALSE;
  }
  return TRUE;
}

/* It is a file's name, too. */
static gboolean
check_name (const Place *place, GError **error)
{
  if (place->group[0] == '\0' || place->group[0] == '.' || strchr (place->group, '/') != NULL)
    return refuse (place, error, "no name for a camera: it begins with a dot or has a slash");
  return TRUE;
}

static gboolean
complete_camera (CameraConfig *camera, const Place *place, GError **error)
{
  if (camera->uri == NULL || camera->uri[0] == '\0')
    return refuse (place, error, "uri is missing");
  g_hash_table_insert (camera->own, g_strdup ("stream"), g_strdup (camera->name));
  if (!g_hash_table_contains (camera->own, "journal")) {
    g_autofree gchar *file = g_strconcat (camera->name, ".jsonl", NULL);

    g_hash_table_insert (camera->own, g_strdup ("journal"), g_build_filename (place->journals, file, NULL));
  }
  return check_source (camera, place, error) && check_minivl (camera->shared, camera->own, place, error)
         && check_journal (camera, place, error);
}

static gboolean
read_camera (GKeyFile *file, Config *config, const Place *place, GError **error)
{
  CameraConfig *camera = g_rc_box_new0 (CameraConfig);

  camera->name = g_strdup (place->group);
  camera->timeout = TIMEOUT;
  camera->shared = g_hash_table_ref (config->shared);
  camera->own = new_table ();
  camera->source = new_table ();
  g_ptr_array_add (config->cameras, camera);
  return check_name (place, error) && read_group (file, config, camera, place, error);
}

/* One journal each. */
static gboolean
check_journals (const Config *config, Place *place, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < config->cameras->len; i++) {
    const CameraConfig *camera = g_ptr_array_index (config->cameras, i);
    const gchar *path = look_up (camera, "journal");

    place->group = camera->name;
    if (!g_hash_table_add (seen, (gpointer)path))
      return refuse (place, error, "journal: %s is another camera's", path);
  }
  return TRUE;
}

static gboolean
read_groups (GKeyFile *file, Config *config, Place *place, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);

  place->group = SHARED;
  if (g_key_file_has_group (file, SHARED)
      && (!read_group (file, config, NULL, place, error) || !check_minivl (config->shared, NULL, place, error)))
    return FALSE;
  for (guint i = 0; groups[i] != NULL; i++) {
    place->group = groups[i];
    if (!g_str_equal (groups[i], SHARED) && !read_camera (file, config, place, error))
      return FALSE;
  }
  for (guint i = 0; i < config->cameras->len; i++) {
    CameraConfig *camera = g_ptr_array_index (config->cameras, i);

    place->group = camera->name;
    if (!complete_camera (camera, place, error))
      return FALSE;
  }
  place->group = NULL;
  if (config->cameras->len == 0)
    return refuse (place, error, "no camera: each is a group with a uri");
  return check_journals (config, place, error);
}

Config *
config_read (const gchar *path, const gchar *journals, GError **error)
{
  g_autoptr (Config) config = g_new0 (Config, 1);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) why = NULL;
  g_autofree gchar *text = NULL;
  Place place = { path, NULL, journals };

  config->shared = new_table ();
  config->engine = new_table ();
  config->cameras = g_ptr_array_new_with_free_func ((GDestroyNotify)camera_config_unref);
  /* With all translations, so that a key that has one is complained of. */
  if (!g_file_get_contents (path, &text, NULL, &why)
      || !g_key_file_load_from_data (file, text, -1, G_KEY_FILE_KEEP_TRANSLATIONS, &why)) {
    refuse (&place, error, "%s", why->message);
    return NULL;
  }
  if (!check_doubles (text, &place, error) || !read_groups (file, config, &place, error))
    return NULL;
  return g_steal_pointer (&config);
}
