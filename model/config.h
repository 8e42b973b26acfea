/* config.json of a checkpoint, checked: all sizes of the model come from here. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include "minivl.h"

typedef enum
{
  ROPE_PLAIN, /* no scaling */
  ROPE_SU,    /* short and long factors, attention factor sqrt (1 + ln (s) / ln (original)); also written `longrope` */
  ROPE_YARN,  /* short and long factors, attention factor 0.1 ln (s) + 1 */
} RopeKind;

typedef struct
{
  guint hidden, heads, intermediate, layers;
  guint image_size; /* that the position embeddings are for */
  guint patch_size;
  gboolean qkv_bias, qk_normalization;
  gboolean rms_norm; /* norm_type: rms_norm instead of layer_norm */
  float eps;
} VisionConfig;

typedef struct
{
  guint hidden, heads, kv_heads, intermediate, layers, vocab;
  guint max_position, original_max_position;
  guint window; /* sliding_window: most tokens back that attention reaches; G_MAXUINT: all */
  float eps;
  double rope_theta;
  RopeKind rope;
  double *short_factor, *long_factor; /* head_dim / 2 each, NULL for ROPE_PLAIN */
  gboolean tied;                      /* lm_head is embed_tokens */
  gint32 bos, eos;                    /* -1 for null; the first of a list: an answer also ends at the chat template's own token */
} LanguageConfig;

typedef struct
{
  VisionConfig vision;
  LanguageConfig language;
  guint tile_side; /* force_image_size, or the vision part's image_size */
  guint shuffle;   /* 1 / downsample_ratio */
  gboolean ps_v1;
  gint select_layer; /* as the file has it: hidden_states[select_layer], negative counts from the end */
  gchar *template;   /* chat template's name */
  gboolean use_thumbnail;
  guint min_tiles, max_tiles; /* min_dynamic_patch, max_dynamic_patch */
} ModelConfig;

/* head_dim and tokens of a tile, computed */
guint vision_head_dim (const VisionConfig *c);
guint language_head_dim (const LanguageConfig *c);
double rope_attention_factor (const LanguageConfig *c);
guint model_tile_tokens (const ModelConfig *c);  /* (tile_side / patch)^2 / shuffle^2 */
guint model_select_layer (const ModelConfig *c); /* 0 .. vision.layers: number of blocks to run */

/* name: what errors call the text (a path). context: tokens of a conversation, which sliding_window must reach; 0 does not ask.
 * Missing keys, and those that are null, have the defaults of the reference's classes; sizes have none and are errors. Unknown keys
 * are warned of, in one g_warning(). FALSE with MINIVL_ERROR_FILE for what is missing, of a wrong type or out of bounds, with
 * MINIVL_ERROR_MODEL for a value that asks for what this model does not do; the message names the key. config is then as it was. */
gboolean model_config_parse (
    ModelConfig *config, const gchar *json, gssize length, const gchar *name, guint context, GError **error);
gboolean model_config_load (ModelConfig *config, const gchar *path, guint context, GError **error);
/* As model_config_load(), for what will be loaded later: warns of nothing. */
gboolean model_config_peek (ModelConfig *config, const gchar *path, guint context, GError **error);
void model_config_clear (ModelConfig *config);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ModelConfig, model_config_clear)

#endif
