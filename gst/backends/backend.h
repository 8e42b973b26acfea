/*
 * The seam between the element and whatever answers: a table of functions.
 *
 * local.c is libminivl in this process, remote.c a server far away; the tests bring a fake one. The element's class holds its
 * table; the property endpoint puts the remote one in its place.
 *
 * All functions but check and cancel are called from the element's worker thread alone, and may take long. picture_unref may be
 * called from any thread. Functions that fail set a GError of domain MINIVL_ERROR, whose message names the fix where there is one.
 * After MINIVL_ERROR_DEVICE from encode, ask or prepare the device is lost: only close may follow, and another open.
 * After MINIVL_ERROR_MODEL from ask there is no use in asking more about the same pictures.
 */
#ifndef GST_MINIVL_BACKEND_H
#define GST_MINIVL_BACKEND_H

#include "model/minivl.h"

G_BEGIN_DECLS

/* A server that answers, by OpenAI's API. */
typedef struct
{
  const gchar *endpoint;               /* its URL, up to what stands in front of /chat/completions; NULL: none */
  const gchar *model;                  /* the server's name for it; NULL: the server chooses */
  const gchar *api_key_file, *ca_file; /* (nullable) */
  guint parallel;                      /* most questions that it is asked at once */
  guint jpeg_quality;
  guint64 timeout; /* ns, of a question with all its tries; 0 and G_MAXUINT64: none */
} BackendServer;

/* What a back end is opened with. */
typedef struct
{
  MinivlEngineOptions engine; /* of one in this process */
  BackendServer server;       /* of one far away */
} BackendOptions;

/* Copies the strings, with which backend_options_clear() frees them. */
void backend_options_copy (BackendOptions *to, const BackendOptions *from);
void backend_options_clear (BackendOptions *options);

/* What is true while a back end is open. Strings belong to it; one that does not apply is NULL. */
typedef struct
{
  const gchar *model; /* the checkpoint folder's name; the server's, if one was asked for */
  const gchar *model_hash;
  const gchar *precision;
  const gchar *device;
  guint64 device_bytes;   /* that weights, cache and activations take */
  guint context_size;     /* most tokens of prompt and answer */
  guint max_context_size; /* most that it can be */
  const gchar *tokenizer;
  const gchar *system_source; /* of the message that stands where none is set */
} BackendInfo;

typedef struct
{
  guint columns, rows; /* the grid, without the thumbnail */
  guint64 preprocess_ns, encode_ns;
} BackendPictureInfo;

/* An earlier question and its answer, as text; its pictures are not shown again. */
typedef struct
{
  const gchar *prompt, *answer;
} BackendRound;

/* One question about pictures. Earlier questions are part of it only through `history`. */
typedef struct
{
  const gchar *text;           /* with one `<image>` mark for each picture */
  const gchar *system;         /* NULL: the checkpoint's own; "": none */
  const BackendRound *history; /* rounds in front of the question, oldest first, without marks */
  guint n_history;
  gpointer *pictures;
  guint n_pictures;
  MinivlParams params; /* cancel apart */
  /* (nullable): the text as it is made, piece by piece, from the thread that asks */
  void (*on_text) (const gchar *piece, gpointer user_data);
  /* (nullable): called at first and after each stir, from the thread that asks, while it waits for what others do; never by a back
   * end without begin */
  void (*meanwhile) (gpointer user_data);
  gpointer user_data;
  gpointer begun; /* (transfer full) (nullable): what begin returned for this question */
} BackendQuestion;

/* Zeroed before ask. text is freed with g_free(); finish_reason is static. */
typedef struct
{
  gchar *text;
  const gchar *finish_reason; /* as minivl_finish_to_string() */
  guint prompt_tokens, output_tokens, cached_tokens;
  guint drafted, accepted; /* as MinivlAnswer has them */
  guint64 prefill_ns, decode_ns;
  double yes; /* if params.want_yes, as MinivlAnswer has it */
  /* if params.choices, as MinivlAnswer has them; choice_probabilities is freed with g_free() */
  guint n_choices;
  gint choice;
  double *choice_probabilities;
} BackendAnswer;

typedef struct
{
  /* Whether the options can be opened, as far as is known at once; before open, from any thread. NULL: nothing is known. */
  gboolean (*check) (const BackendOptions *options, GError **error);
  /* Whether it can answer in this shape, as minivl_shape_check(); likewise. */
  gboolean (*check_shape) (const gchar *const *choices, const gchar *json_schema, GError **error);

  /* Loads the model; without a model_path its own, if it has one. on_progress of the engine's options is called while that lasts,
   * from any thread; when it returns FALSE, opening fails with MINIVL_ERROR_CANCELLED. Returns what the other functions take as
   * `self`. */
  gpointer (*open) (const BackendOptions *options, GError **error);
  void (*get_info) (gpointer self, BackendInfo *info);

  /* How many tokens the image will take of the context, by max_tiles; nothing is encoded. */
  gboolean (*count_tokens) (gpointer self, const MinivlImage *image, guint max_tiles, guint *tokens, GError **error);

  /* How many tokens a question without pictures takes of the context, its answer apart; nothing is computed. */
  gboolean (*count_text) (gpointer self, const BackendQuestion *question, guint *tokens, GError **error);

  /* Turns an image, borrowed until return, into a picture; as minivl_picture_new(). cancel: set to non-zero, atomically, by any
   * thread to give up; encode then fails with MINIVL_ERROR_CANCELLED. info is filled. Returns (transfer full), for picture_unref.
   */
  gpointer (*encode) (
      gpointer self, const MinivlImage *image, guint max_tiles, const gint *cancel, BackendPictureInfo *info, GError **error);

  /* Answers. cancel: as in encode, but being cancelled is success, with the text so far. */
  gboolean (*ask) (gpointer self, const BackendQuestion *question, const gint *cancel, BackendAnswer *answer, GError **error);

  /* Optional, NULL where there is no use in it: computes what is known of a question, so that an ask whose question begins like it
   * has less to do; only while the device has nothing else to do, whoever uses it. text and pictures: so far; history and params:
   * those of the ask. expected: tokens of the whole question, as far as is known. cancel: as in encode, but it may finish what it
   * is just computing. */
  gboolean (*prepare) (gpointer self, const BackendQuestion *question, guint expected, const gint *cancel, GError **error);

  /* Optional, NULL where questions are answered one by one: begins to answer one, whatever else is being answered, for the ask
   * whose `begun` this is. Returns (transfer full), for that ask or forget; NULL when there are as many as may be, or it cannot be
   * asked, which asking will tell. */
  gpointer (*begin) (gpointer self, const BackendQuestion *question);
  /* Along with begin. What was begun is not asked. */
  void (*forget) (gpointer self, gpointer begun);
  /* Along with begin. A running ask calls `meanwhile`. From any thread, must not block. */
  void (*stir) (gpointer self);

  /* Ends a running encode, ask or prepare at once, whose `cancel` has been set. From any thread, must not block. */
  void (*cancel) (gpointer self);

  /* Of the encodes and asks to come: on one device, those with a higher priority go first. 0 after open. */
  void (*set_priority) (gpointer self, gint priority);

  void (*picture_unref) (gpointer picture);

  /* As minivl_picture_similarity(), of two pictures of one that is open. NULL where skip-similar is refused. */
  double (*similarity) (gpointer a, gpointer b);

  /* Frees self. Pictures may outlive it. */
  void (*close) (gpointer self);

  gboolean has_demo_model; /* which answers without a model_path, of whatever it is shown */
} Backend;

extern const Backend backend_local;
extern const Backend backend_remote;

G_END_DECLS

#endif
