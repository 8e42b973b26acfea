/* `messages` of a request: see messages.h. */
#include "messages.h"

#include "datauri.h"

#include <string.h>

#define MOST_TILES 40
#define SEGMENTS 8
/* A day */
#define MOST_SECONDS 86400

typedef struct
{
  Ask *ask;
  guint max_pictures;
  guint n_pictures; /* of parts so far, a video's frames among them */
} Reading;

static void
part_free (gpointer data)
{
  AskPart *part = data;

  g_free (part->text);
  g_clear_pointer (&part->bytes, g_bytes_unref);
  g_free (part->url);
  g_free (part->param);
  g_free (part);
}

static AskPart *
part_new (PartKind kind, const gchar *param)
{
  AskPart *part = g_new0 (AskPart, 1);

  *part =
      (AskPart){ .kind = kind, .max_tiles = kind == PART_PICTURE ? 0 : 1, .segments = 1, .stop = -1, .param = g_strdup (param) };
  return part;
}

void
round_free (gpointer data)
{
  AskRound *round = data;

  g_ptr_array_unref (round->parts);
  g_free (round->answer);
  g_free (round);
}

static AskRound *
last_round (const Ask *ask)
{
  return ask->rounds->len > 0 ? ask->rounds->pdata[ask->rounds->len - 1] : NULL;
}

/* The round that a user's message belongs to. */
static AskRound *
open_round (Ask *ask)
{
  AskRound *round = last_round (ask);

  if (round && !round->answer)
    return round;
  round = g_new0 (AskRound, 1);
  round->parts = g_ptr_array_new_with_free_func (part_free);
  g_ptr_array_add (ask->rounds, round);
  return round;
}

void
messages_join (GString *text, const gchar *part)
{
  const gchar *last = text->len > 0 ? g_utf8_find_prev_char (text->str, text->str + text->len) : NULL;

  if (last && *part && !g_unichar_isspace (g_utf8_get_char (last)) && !g_unichar_isspace (g_utf8_get_char (part)))
    g_string_append_c (text, '\n');
  g_string_append (text, part);
}

/* --- pictures and videos --------------------------------------------------------------------------------------------------- */

static gboolean
read_url (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  AskPart *part = target;
  const gchar *url = field_get_string (node, param, refusal), *why = NULL;

  if (!url)
    return FALSE;
  if (!data_uri_is (url)) {
    part->url = g_strdup (url);
    return TRUE;
  }
  part->bytes = data_uri_decode (url, &why);
  return part->bytes || refuse_value (refusal, param, "%s", why);
}

static gboolean
read_max_tiles (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  AskPart *part = target;
  gint64 n;

  if (!field_get_int (node, param, 1, MOST_TILES, &n, refusal))
    return FALSE;
  part->max_tiles = n;
  return TRUE;
}

static gboolean
read_joined (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_bool (node, param, &((AskPart *)target)->joined, refusal);
}

/* Left to read_medium(), for max_tiles counts in its place, wherever it stands. */
static gboolean
read_detail (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  const gchar *detail = field_get_string (node, param, refusal);

  if (!detail)
    return FALSE;
  return g_str_equal (detail, "low") || g_str_equal (detail, "high") || g_str_equal (detail, "auto")
         || refuse_value (refusal, param, "low, high or auto is wanted");
}

static gboolean
read_segments (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  AskPart *part = target;
  gint64 n;

  if (!field_get_int (node, param, 1, G_MAXINT, &n, refusal))
    return FALSE;
  part->segments = n;
  return TRUE;
}

static gboolean
read_start (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_number (node, param, 0, MOST_SECONDS, &((AskPart *)target)->start, refusal);
}

static gboolean
read_stop (gpointer target, JsonNode *node, const gchar *param, Refusal *refusal)
{
  return field_get_number (node, param, 0, MOST_SECONDS, &((AskPart *)target)->stop, refusal);
}

static const Field picture_fields[] = {
  { "url", read_url },
  { "detail", read_detail },
  { "max_tiles", read_max_tiles },
  { "joined", read_joined },
};

static const Field video_fields[] = {
  { "url", read_url },
  { "segments", read_segments },
  { "start", read_start },
  { "stop", read_stop },
};

static guint
tiles_of (JsonObject *o)
{
  JsonNode *node = json_object_get_member (o, "detail");
  const gchar *detail = node && !JSON_NODE_HOLDS_NULL (node) ? json_node_get_string (node) : NULL;

  if (g_strcmp0 (detail, "low") == 0)
    return 1;
  return g_strcmp0 (detail, "high") == 0 ? 12 : 6;
}

static gboolean
check_bound (const AskPart *part, const gchar *param, Refusal *refusal)
{
  g_autofree gchar *start = g_strconcat (param, ".start", NULL), *stop = g_strconcat (param, ".stop", NULL);

  if (part->stop < 0 && part->start > 0)
    return refuse_value (refusal, start, "stop is wanted with it");
  if (part->stop >= 0 && part->stop <= part->start)
    return refuse_value (refusal, stop, "it is to be behind start");
  return TRUE;
}

/* The member of that name of a part, which is the object with the URL. */
static gboolean
read_medium (Reading *r, AskPart *part, JsonObject *o, const gchar *name, Refusal *refusal)
{
  gboolean video = part->kind == PART_VIDEO;
  g_autofree gchar *param = g_strconcat (part->param, ".", name, NULL);
  JsonNode *node = json_object_get_member (o, name);
  JsonObject *medium = NULL;

  if (!node)
    return refuse_value (refusal, param, "it is missing");
  medium = field_get_object (node, param, refusal);
  part->segments = video ? SEGMENTS : 1;
  if (!medium
      || !fields_read (medium, video ? video_fields : picture_fields,
          video ? G_N_ELEMENTS (video_fields) : G_N_ELEMENTS (picture_fields), part, param, refusal))
    return FALSE;
  if (!part->bytes && !part->url) {
    g_autofree gchar *url = g_strconcat (param, ".url", NULL);

    return refuse_value (refusal, url, "it is missing");
  }
  if (part->max_tiles == 0)
    part->max_tiles = tiles_of (medium);
  r->n_pictures = MIN ((guint64)r->n_pictures + part->segments, G_MAXUINT);
  if (r->n_pictures > r->max_pictures)
    return refuse (refusal, 400, "too_many_pictures", param, "%s: more than %u pictures and frames", param, r->max_pictures);
  return check_bound (part, param, refusal);
}

/* --- parts ----------------------------------------------------------------------------------------------------------------- */

static gboolean
read_text_part (AskPart *part, JsonObject *o, Refusal *refusal)
{
  g_autofree gchar *param = g_strconcat (part->param, ".text", NULL);
  JsonNode *node = json_object_get_member (o, "text");
  const gchar *text = node ? field_get_string (node, param, refusal) : NULL;

  if (!node)
    return refuse_value (refusal, param, "it is missing");
  part->text = g_strdup (text);
  return text != NULL;
}

/* Of a part; its members are read by its kind. */
static const Field part_fields[] = { { "type" }, { "text" }, { "image_url" }, { "video_url" } };

/* (transfer full). NULL: refused */
static AskPart *
read_part (Reading *r, JsonNode *node, const gchar *param, gboolean text_only, Refusal *refusal)
{
  static const gchar *const kinds[] = { [PART_TEXT] = "text", [PART_PICTURE] = "image_url", [PART_VIDEO] = "video_url" };
  JsonObject *o = field_get_object (node, param, refusal);
  g_autofree gchar *type_param = g_strconcat (param, ".type", NULL);
  JsonNode *type_node = o ? json_object_get_member (o, "type") : NULL;
  const gchar *type = NULL;
  guint kind = 0;
  AskPart *part;
  gboolean ok;

  if (!o || !fields_read (o, part_fields, G_N_ELEMENTS (part_fields), NULL, param, refusal))
    return NULL;
  if (type_node)
    type = field_get_string (type_node, type_param, refusal);
  else
    refuse_value (refusal, type_param, "it is missing");
  while (type && kind < (text_only ? 1 : G_N_ELEMENTS (kinds)) && !g_str_equal (type, kinds[kind]))
    kind++;
  if (!type || kind == (text_only ? 1 : G_N_ELEMENTS (kinds))) {
    if (type)
      refuse_value (refusal, type_param, text_only ? "only text is possible here" : "text, image_url or video_url is wanted");
    return NULL;
  }
  part = part_new (kind, param);
  ok = kind == PART_TEXT ? read_text_part (part, o, refusal) : read_medium (r, part, o, kinds[kind], refusal);
  if (!ok)
    g_clear_pointer (&part, part_free);
  return part;
}

/* Whether a part can stand behind the others of its question. */
static gboolean
check_joined (const AskPart *part, const GPtrArray *parts, Refusal *refusal)
{
  const AskPart *last = parts->len > 0 ? parts->pdata[parts->len - 1] : NULL;
  g_autofree gchar *param = g_strconcat (part->param, ".image_url.joined", NULL);

  return !part->joined || (last && last->kind == PART_PICTURE)
         || refuse_value (refusal, param, "there is no picture right in front of it");
}

/* Adds the parts of a message to a list. */
static gboolean
read_content (Reading *r, JsonNode *node, const gchar *param, gboolean text_only, GPtrArray *parts, Refusal *refusal)
{
  JsonArray *list;

  if (JSON_NODE_HOLDS_VALUE (node)) {
    const gchar *text = field_get_string (node, param, refusal);
    AskPart *part;

    if (!text)
      return FALSE;
    part = part_new (PART_TEXT, param);
    part->text = g_strdup (text);
    g_ptr_array_add (parts, part);
    return TRUE;
  }
  list = field_get_list (node, param, refusal);
  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    g_autofree gchar *at = g_strdup_printf ("%s[%u]", param, i);
    AskPart *part = read_part (r, json_array_get_element (list, i), at, text_only, refusal);

    if (!part)
      return FALSE;
    if (!check_joined (part, parts, refusal)) {
      part_free (part);
      return FALSE;
    }
    g_ptr_array_add (parts, part);
  }
  if (list && json_array_get_length (list) == 0)
    return refuse_value (refusal, param, "there is nothing in it");
  return list != NULL;
}

/* (transfer full). NULL: refused */
static gchar *
read_text (Reading *r, JsonNode *node, const gchar *param, Refusal *refusal)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (part_free);
  GString *text;

  if (!read_content (r, node, param, TRUE, parts, refusal))
    return NULL;
  text = g_string_new (NULL);
  for (guint i = 0; i < parts->len; i++)
    messages_join (text, ((AskPart *)parts->pdata[i])->text);
  return g_string_free (text, FALSE);
}

/* --- messages -------------------------------------------------------------------------------------------------------------- */

static gboolean
add_system (Reading *r, JsonNode *content, const gchar *path, const gchar *param, Refusal *refusal)
{
  g_autofree gchar *text = NULL;
  GString *all;

  if (r->ask->rounds->len > 0)
    return refuse_value (refusal, path, "a system message is possible in front of the first question only");
  text = read_text (r, content, param, refusal);
  if (!text)
    return FALSE;
  all = g_string_new (r->ask->system);
  messages_join (all, text);
  g_free (r->ask->system);
  r->ask->system = g_string_free (all, FALSE);
  return TRUE;
}

static gboolean
add_answer (Reading *r, JsonNode *content, const gchar *path, const gchar *param, Refusal *refusal)
{
  AskRound *round = last_round (r->ask);

  if (!round || round->answer)
    return refuse_value (refusal, path, "an answer is possible behind a question only");
  round->answer = read_text (r, content, param, refusal);
  return round->answer != NULL;
}

/* Of a message; name is that of who speaks. */
static const Field message_fields[] = { { "role" }, { "content" }, { "name" } };

static gboolean
read_message (Reading *r, JsonNode *node, const gchar *path, Refusal *refusal)
{
  JsonObject *o = field_get_object (node, path, refusal);
  g_autofree gchar *role_param = g_strconcat (path, ".role", NULL), *param = g_strconcat (path, ".content", NULL);
  JsonNode *role_node = o ? json_object_get_member (o, "role") : NULL, *content = o ? json_object_get_member (o, "content") : NULL;
  const gchar *role;

  if (!o || !fields_read (o, message_fields, G_N_ELEMENTS (message_fields), NULL, path, refusal))
    return FALSE;
  if (!role_node || !content)
    return refuse_value (refusal, role_node ? param : role_param, "it is missing");
  role = field_get_string (role_node, role_param, refusal);
  if (!role)
    return FALSE;
  if (g_str_equal (role, "system") || g_str_equal (role, "developer"))
    return add_system (r, content, role_param, param, refusal);
  if (g_str_equal (role, "assistant"))
    return add_answer (r, content, role_param, param, refusal);
  if (g_str_equal (role, "user"))
    return read_content (r, content, param, FALSE, open_round (r->ask)->parts, refusal);
  return refuse_value (refusal, role_param, "system, user or assistant is wanted");
}

gboolean
messages_read (Ask *ask, JsonNode *node, const gchar *param, guint max_pictures, Refusal *refusal)
{
  Reading r = { .ask = ask, .max_pictures = max_pictures };
  JsonArray *list = field_get_list (node, param, refusal);

  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    g_autofree gchar *path = g_strdup_printf ("%s[%u]", param, i);

    if (!read_message (&r, json_array_get_element (list, i), path, refusal))
      return FALSE;
  }
  if (list && (!last_round (ask) || last_round (ask)->answer))
    return refuse_value (refusal, param, "the last one is to be a user's");
  return list != NULL;
}
