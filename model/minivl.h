/*
 * minivl: Mini-InternVL-Chat on Vulkan compute. The public interface; this header is the manual.
 *
 * An engine is the weights of one checkpoint on one device: immutable once open, shared by any number of sessions and threads.
 * A session is one conversation. It is used by one thread at a time, minivl_session_cancel() apart.
 * A picture is an image or video frame as the vision transformer sees it; immutable, reference counted, bound to its engine.
 *
 * True of everything here, and not repeated below:
 * - Failure: functions that can fail return FALSE or NULL and set @error in domain %MINIVL_ERROR, and leave out parameters and the
 *   object as they were. A message names the file, key, figure or device, and what would help. @error may be NULL.
 * - NULL: a pointer is not NULL unless marked (nullable). `*_free (NULL)` and `*_unref (NULL)` are legal, and so is `*_clear` of
 *   zeroed memory, more than once too. Every @user_data may be NULL.
 * - Ownership: what is handed in is borrowed until the call returns, pixels too. What is (transfer full) is released by the
 *   function named there. What an object gives out about itself lives as long as the object.
 * - Threads: functions of engines and pictures, and those of no object, may be called from any thread at any time, but not from
 *   within a callback. Functions of a session come from one thread at a time. None may be called from a signal handler.
 * - Units: times are nanoseconds, sizes are bytes, sides and places in pictures are pixels. Strings are UTF-8 and end in NUL;
 *   names of files are as the file system has them. [a][b] is an array in C order, b runs fastest.
 * - Text of system messages, questions and answers is only text: but for `<image>` in a question, and unless @special_tokens of
 *   #MinivlParams asks for it, nothing in it is one of the model's own marks.
 *
 * With pkg-config, package `minivl`. examples/quickstart.c is a whole program.
 */
#ifndef MINIVL_H
#define MINIVL_H

#include <glib.h>

G_BEGIN_DECLS

/* MINIVL_API: on all that the library exports. */
#if defined(__GNUC__)
#define MINIVL_API __attribute__ ((visibility ("default")))
#else
#define MINIVL_API
#endif

/**
 * MinivlError:
 * @MINIVL_ERROR_USAGE: an argument that no checkpoint and no device could satisfy
 * @MINIVL_ERROR_FILE: a file that is missing, truncated or not what it should be; the message names file and tensor or key
 * @MINIVL_ERROR_MODEL: a checkpoint that asks for something minivl does not know, the message names the key and the value; or whose
 *   numbers overflow
 * @MINIVL_ERROR_DEVICE: no such device, or one that lacks a feature, computes wrongly or was lost
 * @MINIVL_ERROR_MEMORY: weights, cache or activations do not fit the device
 * @MINIVL_ERROR_BUDGET: prompt and answer do not fit the context; nothing was computed
 * @MINIVL_ERROR_IMAGES: the prompt's `<image>` marks and the pictures differ in number
 * @MINIVL_ERROR_CANCELLED: loading, encoding or preparing was cancelled
 */
typedef enum
{
  MINIVL_ERROR_USAGE,
  MINIVL_ERROR_FILE,
  MINIVL_ERROR_MODEL,
  MINIVL_ERROR_DEVICE,
  MINIVL_ERROR_MEMORY,
  MINIVL_ERROR_BUDGET,
  MINIVL_ERROR_IMAGES,
  MINIVL_ERROR_CANCELLED,
} MinivlError;

/* MINIVL_ERROR: the domain of every error; its codes are #MinivlError. */
#define MINIVL_ERROR (minivl_error_quark ())

/* Returns: the quark of `minivl_error` */
MINIVL_API GQuark minivl_error_quark (void);

/* MinivlEngine: one checkpoint on one device. Reference counted. */
typedef struct _MinivlEngine MinivlEngine;
/* MinivlPicture: one encoded image. Reference counted. */
typedef struct _MinivlPicture MinivlPicture;
/* MinivlSession: one conversation. Has one owner. */
typedef struct _MinivlSession MinivlSession;

/* --- engine ---------------------------------------------------------------------------------------------------------------- */

/**
 * MinivlPrecision:
 * @MINIVL_PRECISION_AUTO: the first of f16, q8 and q4 with which all of it fits into what memory the device has in all, whatever
 * other programs take of it now; q4 where none does. See minivl_precision_find()
 * @MINIVL_PRECISION_F32: weights as float32, for tests and small models
 * @MINIVL_PRECISION_F16: 16 bits as the file has them: BF16 stays bf16, F16 stays f16, F32 becomes f16
 * @MINIVL_PRECISION_Q8: the language model's matrices in 8 bits, with a scale for each 32; the rest as f16
 * @MINIVL_PRECISION_Q4: they in 4 bits, with scale and least value for each 32, but for those that suffer most, which are as q8
 *
 * How weights are stored on the device, in the order of their bits. Sums are always float32.
 */
typedef enum
{
  MINIVL_PRECISION_AUTO,
  MINIVL_PRECISION_F32,
  MINIVL_PRECISION_F16,
  MINIVL_PRECISION_Q8,
  MINIVL_PRECISION_Q4,
} MinivlPrecision;

/**
 * MinivlCachePrecision: how the cache of keys and values is stored, which takes memory for each token. Sums are always float32.
 * @MINIVL_CACHE_PRECISION_F16: 16 bits; 32 where the weights are %MINIVL_PRECISION_F32
 * @MINIVL_CACHE_PRECISION_Q8: 8 bits and, for each token and head, a scale: half the memory, and text that differs a little
 */
typedef enum
{
  MINIVL_CACHE_PRECISION_F16,
  MINIVL_CACHE_PRECISION_Q8,
} MinivlCachePrecision;

/**
 * MinivlTokenizer: the two tokenizers of transformers, which differ in white space and in what stands behind a special token.
 * @MINIVL_TOKENIZER_AUTO: what the model's card does: fast, but slow where the folder's conversation.py has a system message other
 *   than Mini-InternVL-Chat-4B-V1-5's, as InternVL2-4B's has. Of a folder with tokenizer.json alone always fast
 * @MINIVL_TOKENIZER_FAST: as LlamaTokenizerFast
 * @MINIVL_TOKENIZER_SLOW: as LlamaTokenizer with `legacy: false`, which the models were trained with
 */
typedef enum
{
  MINIVL_TOKENIZER_AUTO,
  MINIVL_TOKENIZER_FAST,
  MINIVL_TOKENIZER_SLOW,
} MinivlTokenizer;

/**
 * MinivlProgressFunc:
 * @fraction: 0..1 of the weights, never less than before
 * @user_data: of the options
 *
 * Called from a thread of the engine while weights are loaded and the opener waits, never after minivl_engine_open() returned.
 *
 * Returns: TRUE to go on. FALSE cancels: opening fails with %MINIVL_ERROR_CANCELLED
 */
typedef gboolean (*MinivlProgressFunc) (double fraction, gpointer user_data);

/**
 * MinivlEngineOptions: zeroed memory is the default of every field.
 * @model_path: checkpoint folder: config.json, safetensors, tokenizer files. Required
 * @device: (nullable): index, UUID or part of a name; NULL takes a real GPU before a CPU device
 * @precision: how weights are stored
 * @context_size: most tokens of a conversation, at most what the checkpoint was made for. 0: the least of 8192, that, and what the
 *   device has memory for in all, whatever other programs take of it now
 * @on_progress: (nullable): see #MinivlProgressFunc
 * @user_data: handed to @on_progress
 * @tokenizer: which of the two
 * @lora: (nullable): `DIR[:SCALE]`: a LoRA adapter, a folder as PEFT writes it (adapter_config.json, adapter_model.safetensors),
 *   that is merged into the language model's weights while they are loaded, SCALE times (1)
 * @cache_size: tokens that the conversations of all sessions keep in the cache, in all: one context at least, also where this is
 *   less. 0: as many contexts as fit, from one to eight; where the device's memory is the host's, in a quarter of that.
 *   A question that finds no room waits for one
 * @cache_dir: (nullable): folder that keeps what takes long to make: pipelines, what a device has passed of its check, and weights
 *   that were converted to 8 or 4 bits, which take as much as they do on the device; NULL is the user's cache folder /minivl, ""
 *   keeps nothing
 * @cache_precision: how the cache of keys and values is stored
 */
typedef struct
{
  const gchar *model_path;
  const gchar *device;
  MinivlPrecision precision;
  guint context_size;
  MinivlProgressFunc on_progress;
  gpointer user_data;
  MinivlTokenizer tokenizer;
  const gchar *lora;
  guint cache_size;
  const gchar *cache_dir;
  MinivlCachePrecision cache_precision;
} MinivlEngineOptions;

/**
 * MinivlEngineInfo: what is true of an engine as long as it lives. Strings belong to the engine.
 * @model: the checkpoint folder's name
 * @model_hash: SHA-256, in hexadecimal, over config.json, conversation.py, generation_config.json and the tokenizer files, as far
 * as they are there, and of the safetensors files over headers, sizes and the first 64 KiB of each tensor;
 *   with an adapter also over its file and its scale
 * @precision: `f32`, `f16`, `q8` or `q4`: what `auto` became
 * @device: the device's name
 * @device_bytes: device memory taken by weights, cache and activations
 * @load_ns: time taken to open
 * @tile_side: side of a tile in pixels
 * @tile_tokens: tokens of a tile
 * @context_size: most tokens of a conversation
 * @max_context_size: most that @context_size can be
 * @tokenizer: `fast` or `slow`
 * @system_source: whose the system message is that stands where a session sets none: `checkpoint`, read from the folder's
 *   conversation.py, or `v1.5`, Mini-InternVL-Chat-4B-V1-5's
 * @cache_size: tokens that the conversations of all sessions keep in the cache, in all
 * @cache_precision: `f32`, `f16` or `q8`
 */
typedef struct
{
  const gchar *model;
  const gchar *model_hash;
  const gchar *precision;
  const gchar *device;
  guint64 device_bytes;
  guint64 load_ns;
  guint tile_side;
  guint tile_tokens;
  guint context_size;
  guint max_context_size;
  const gchar *tokenizer;
  const gchar *system_source;
  guint cache_size;
  const gchar *cache_precision;
} MinivlEngineInfo;

/**
 * minivl_default_model_path:
 *
 * The demo model that comes with minivl (examples/demo-model): small, and true only of what it was made for. It is looked for
 * beside the library in a build tree, then where the two are installed, relative to the library's own folder.
 *
 * Returns: (transfer full) (nullable): its checkpoint folder; freed with g_free(). NULL when it is not there
 */
MINIVL_API gchar *minivl_default_model_path (void);

/**
 * minivl_engine_check:
 * @options: as for minivl_engine_open(), which begins with this
 *
 * Looks whether a checkpoint can be opened, as far as it shows at once. Nothing is read.
 *
 * Returns: FALSE with %MINIVL_ERROR_USAGE without a model_path or when the adapter's SCALE is no number, %MINIVL_ERROR_FILE when
 *   one of the two is no folder
 */
MINIVL_API gboolean minivl_engine_check (const MinivlEngineOptions *options, GError **error);

/**
 * minivl_precision_find:
 * @options: as for minivl_engine_open()
 *
 * Finds what minivl_engine_open() would store weights as, without loading them. It depends on the checkpoint, @context_size and the
 * device's memory in all, and so is the same at any time.
 *
 * Returns: the precision; %MINIVL_PRECISION_AUTO with the error that opening would have
 */
MINIVL_API MinivlPrecision minivl_precision_find (const MinivlEngineOptions *options, GError **error);

/**
 * minivl_engine_open:
 * @options: model_path is required
 *
 * Reads a checkpoint and puts its weights on a device. Takes from a fraction of a second to minutes.
 *
 * A folder that brings a file minivl-check.json has it compared with what the device makes of it: an object of `width`, `height`
 * and `rgb` (a picture, [height][width][3] bytes in base64), `prompt` (a question about it as one tile, under the checkpoint's own
 * system message) and `logits` (a list, of the whole vocabulary, after the prompt's last token). They may differ by an NMSE of 1e-8
 * at f32, 1e-5 at f16 and 3e-3 with a cache of q8, and less their mean by 3e-3 at q8 and 0.15 at q4; else the device, or the
 * folder, is refused. A @context_size that does not hold the prompt and one token leaves the comparison out.
 *
 * Returns: (transfer full): one reference; released with minivl_engine_unref(). NULL with %MINIVL_ERROR_FILE or %MINIVL_ERROR_MODEL
 *   for what is wrong with the folder, %MINIVL_ERROR_DEVICE when no device is what @device names or can compute this,
 *   %MINIVL_ERROR_MEMORY when the model does not fit it, %MINIVL_ERROR_USAGE for other options that cannot be,
 *   %MINIVL_ERROR_CANCELLED when on_progress said so
 */
MINIVL_API MinivlEngine *minivl_engine_open (const MinivlEngineOptions *options, GError **error);

/* Returns: (transfer full): @engine, with one more reference */
MINIVL_API MinivlEngine *minivl_engine_ref (MinivlEngine *engine);

/* @engine: (nullable). The last reference frees the device. Sessions and pictures hold one each. */
MINIVL_API void minivl_engine_unref (MinivlEngine *engine);

/* Returns: (transfer none): what is true of @engine */
MINIVL_API const MinivlEngineInfo *minivl_engine_get_info (MinivlEngine *engine);

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

/**
 * MinivlFormat: how the bytes of a picture lie, 8 bits each.
 * @MINIVL_FORMAT_RGB, @MINIVL_FORMAT_BGR: 3 bytes a pixel
 * @MINIVL_FORMAT_RGBX, @MINIVL_FORMAT_BGRX: 4 bytes a pixel. The fourth is not read, be it padding or alpha, which is dropped as
 *   the reference drops it: they are RGBA and BGRA as well
 * @MINIVL_FORMAT_GRAY8: 1 byte a pixel
 * @MINIVL_FORMAT_NV12: a plane of Y, then one of U and V in turn, a pair for 2 x 2 pixels
 * @MINIVL_FORMAT_I420: planes of Y, U and V; U and V have a sample for 2 x 2 pixels
 *
 * Planes of U and V have (width + 1) / 2 samples in (height + 1) / 2 rows. A sample is the colour of its whole block of 2 x 2
 * pixels, wherever it was sited: nothing is interpolated, as in the usual fast paths of swscale and GstVideoConverter.
 */
typedef enum
{
  MINIVL_FORMAT_RGB,
  MINIVL_FORMAT_BGR,
  MINIVL_FORMAT_RGBX,
  MINIVL_FORMAT_BGRX,
  MINIVL_FORMAT_GRAY8,
  MINIVL_FORMAT_NV12,
  MINIVL_FORMAT_I420,
} MinivlFormat;

/**
 * MinivlMatrix: what Y, U and V mean. It has no meaning for formats without U.
 * @MINIVL_MATRIX_BT601: of standard definition and JPEG
 * @MINIVL_MATRIX_BT709: of high definition
 * @MINIVL_MATRIX_BT2020: with constant weights (not constant luminance)
 */
typedef enum
{
  MINIVL_MATRIX_BT601,
  MINIVL_MATRIX_BT709,
  MINIVL_MATRIX_BT2020,
} MinivlMatrix;

/**
 * MinivlRange:
 * @MINIVL_RANGE_DEFAULT: limited for NV12 and I420, full for all others
 * @MINIVL_RANGE_LIMITED: black is 16, white is 235, U and V are 16..240. Not for RGB in any order
 * @MINIVL_RANGE_FULL: 0..255
 */
typedef enum
{
  MINIVL_RANGE_DEFAULT,
  MINIVL_RANGE_LIMITED,
  MINIVL_RANGE_FULL,
} MinivlRange;

/**
 * MinivlImage: pixels in the caller's memory. Zeroed memory is the default of every field but the first four.
 * @data: first byte of each plane of @format
 * @width, @height: pixels, 1..65535 each. A picture that the device's memory does not hold is refused with %MINIVL_ERROR_MEMORY
 * @stride: bytes from one row of each plane to the next, at least the row's own; any number, odd ones as well
 * @format: how the bytes lie, and so how many planes there are
 * @matrix, @range: what the numbers mean
 * @crop_x, @crop_y, @crop_width, @crop_height: the part that is seen, in pixels of @data as they lie; a width or height of 0
 *   reaches to the edge. What lies outside plays no part
 * @orientation: 1..8 as the orientation tag of EXIF and TIFF: how the part that is seen is turned, after cropping; 0 is 1, upright
 */
typedef struct
{
  const guint8 *data[3];
  guint width, height;
  gsize stride[3];
  MinivlFormat format;
  MinivlMatrix matrix;
  MinivlRange range;
  guint crop_x, crop_y, crop_width, crop_height;
  guint orientation;
} MinivlImage;

/**
 * minivl_picture_new:
 * @engine: the only one whose sessions may show the picture
 * @image: read until return only
 * @max_tiles: most tiles, 1..40; the grid follows the reference's rule, and a thumbnail is added to two tiles and more where
 *   the checkpoint says so
 * @cancel: (nullable): set to non-zero, by g_atomic_int_set(), by any thread to give up; one for many calls is legal
 *
 * Turns, resizes, cuts and encodes one image; one that is equal to a living one, with as many tiles, is that one. Thread safe;
 * tiles of several callers go through the transformer together.
 *
 * Returns: (transfer full): one reference; released with minivl_picture_unref(). NULL with %MINIVL_ERROR_USAGE for an @image or
 *   @max_tiles that cannot be, %MINIVL_ERROR_MEMORY when the device does not hold it, %MINIVL_ERROR_CANCELLED, or
 *   %MINIVL_ERROR_DEVICE when the device was lost
 */
MINIVL_API MinivlPicture *minivl_picture_new (
    MinivlEngine *engine, const MinivlImage *image, guint max_tiles, const gint *cancel, GError **error);

/* Returns: (transfer full): @picture, with one more reference */
MINIVL_API MinivlPicture *minivl_picture_ref (MinivlPicture *picture);

/* @picture: (nullable). Sessions that show it hold a reference each. */
MINIVL_API void minivl_picture_unref (MinivlPicture *picture);

/**
 * MinivlPictureInfo:
 * @columns, @rows: the grid, without the thumbnail
 * @tiles: tiles with the thumbnail; each takes tile_tokens of the context
 * @preprocess_ns: time of turning, resizing and cutting
 * @encode_ns: time of the vision transformer, shared with what went through it together
 */
typedef struct
{
  guint columns, rows, tiles;
  guint64 preprocess_ns, encode_ns;
} MinivlPictureInfo;

/* @info: (out caller-allocates): all of it is filled; there is nothing to clear */
MINIVL_API void minivl_picture_get_info (MinivlPicture *picture, MinivlPictureInfo *info);

/**
 * minivl_picture_similarity:
 * @a, @b: of one engine
 *
 * How alike two pictures are to the model: of all places of the picture, the least cosine of what the vision transformer and the
 * projector made of that place in @a and in @b. So a small thing that comes or goes in a still scene counts as much as in a
 * crowded one, while noise and slow changes of light hardly count.
 *
 * Returns: -1..1, of a picture with itself exactly 1; -1 also when they are of different grids or engines
 */
MINIVL_API double minivl_picture_similarity (MinivlPicture *a, MinivlPicture *b);

/**
 * minivl_engine_read_tiles:
 * @image, @max_tiles: as for minivl_picture_new()
 * @n_tiles: (out): how many there are; the thumbnail is the last
 *
 * Resizes and cuts @image as minivl_picture_new() does, and encodes nothing: what the model sees of it.
 *
 * Returns: (transfer full): RGB, [n_tiles][tile_side][tile_side][3], tiles row by row; freed with g_free(). NULL with the errors of
 *   minivl_picture_new()
 */
MINIVL_API guint8 *minivl_engine_read_tiles (
    MinivlEngine *engine, const MinivlImage *image, guint max_tiles, guint *n_tiles, GError **error);

/**
 * minivl_sample_frames:
 * @n_frames: frames of the video, at least 1
 * @fps: frames a second; any where all of the video is asked for
 * @start, @stop: seconds; @stop below @start is all of the video
 * @n_segments: equal parts, at least 1
 * @indices: (out caller-allocates) (array length=n_segments): the frame at the middle of each part
 *
 * The reference's rule: start = max (0, round (start * fps)), end = min (round (stop * fps), n_frames - 1), index k is
 * trunc (start + part / 2 + round (part * k)), ties to even. Indices may lie past the video when @start does. All of a video is all
 * of it, where the reference takes its first 100,000 seconds.
 */
MINIVL_API void minivl_sample_frames (guint64 n_frames, double fps, double start, double stop, guint n_segments, gint64 *indices);

/* --- prompts --------------------------------------------------------------------------------------------------------------- */

/* MINIVL_IMAGE_MARK: stands for a picture in a question. */
#define MINIVL_IMAGE_MARK "<image>"

/* Returns: how many marks @prompt has */
MINIVL_API guint minivl_prompt_count_marks (const gchar *prompt);

/**
 * minivl_prompt_add_marks:
 * @prompt: a question; one that has a mark already is left as it is
 * @n_pictures: pictures it is about
 * @n_frames: frames of a video it is about, behind the pictures
 *
 * Puts a mark for each picture and frame in front of a question, a line each, as the model was taught to read them: `<image>` for
 * one picture, `Image-1: <image>`, `Image-2: <image>`... for several, `Frame1: <image>`, `Frame2: <image>`... for frames.
 *
 * Returns: (transfer full): the question with its marks; freed with g_free()
 */
MINIVL_API gchar *minivl_prompt_add_marks (const gchar *prompt, guint n_pictures, guint n_frames);

/* --- conversations --------------------------------------------------------------------------------------------------------- */

/**
 * minivl_session_new:
 * @engine: the session holds a reference on it
 *
 * Begins a conversation, with the checkpoint's own system message. Sessions cost next to nothing until they ask.
 *
 * Returns: (transfer full): freed with minivl_session_free()
 */
MINIVL_API MinivlSession *minivl_session_new (MinivlEngine *engine, GError **error);

/* @session: (nullable). From any thread: an answer in hand is cancelled first, and waited for. */
MINIVL_API void minivl_session_free (MinivlSession *session);

/* Forgets all rounds and pictures; the system message, the priority and what later answers may be drafted from stay. What later
 * prompts have in common with earlier ones is still not computed again. */
MINIVL_API void minivl_session_reset (MinivlSession *session);

/* @system: (nullable): NULL is the checkpoint's own, "" leaves the system part out. Takes effect with the next question. */
MINIVL_API void minivl_session_set_system (MinivlSession *session, const gchar *system);

/* The higher one is served first where not all can be: a live camera before a batch job. 0 at first. */
MINIVL_API void minivl_session_set_priority (MinivlSession *session, gint priority);

/* As minivl_picture_new(), at the session's priority. It is not added to the session. */
MINIVL_API MinivlPicture *minivl_session_encode (
    MinivlSession *session, const MinivlImage *image, guint max_tiles, const gint *cancel, GError **error);

/**
 * minivl_session_add_pictures:
 * @pictures: (array length=n_pictures): of the session's engine; references are taken
 * @n_pictures: at least 1
 *
 * The tiles of all @pictures together stand for the next `<image>` mark of the next question. A picture a mark is one call each.
 */
MINIVL_API void minivl_session_add_pictures (MinivlSession *session, MinivlPicture *const *pictures, guint n_pictures);

/**
 * minivl_session_add_round:
 * @question: as the prompt of minivl_session_ask(): its `<image>` marks take the pictures added before, one call each
 * @answer: what was answered to it, whoever did
 *
 * Adds a round that was answered elsewhere. Nothing is computed before the next question. When marks and pictures differ,
 * that question fails, and only minivl_session_reset() helps then.
 */
MINIVL_API void minivl_session_add_round (MinivlSession *session, const gchar *question, const gchar *answer);

/**
 * MinivlParams: limits and sampling of one answer. Begin with MINIVL_PARAMS_INIT: zeroed memory is no answer.
 * @max_tokens: most tokens of the answer, at least 1
 * @temperature: 0 takes the best token, after @repetition_penalty, and ignores @top_k, @top_p and @seed
 * @top_k: 0 is no limit. @top_p: 1 is no limit
 * @repetition_penalty: 1 is none; as the reference, over the answer alone: what the prompt says may be said again
 * @seed: same seed, same text
 * @stop: (nullable) (array zero-terminated=1): the answer ends before the first of these; no part of one is ever shown
 * @want_logits: fill @logits of the answer
 * @special_tokens: special tokens that are written in the system message, questions and answers are meant; else they are text, so
 *   that nobody who is quoted in a question can end it
 * @n_logprobs: fill @top_ids and @top_logprobs of the answer with as many for each token, 0..64; more is %MINIVL_ERROR_USAGE
 * @want_yes: fill @yes of the answer; for a question to be answered by yes or no. %MINIVL_ERROR_MODEL when the tokenizer has no
 *   token for one of the two
 * @choices: (nullable) (array zero-terminated=1): the answer is one of these; @stop does nothing, and @logprobs, @top_ids, @yes and
 *   @logits are of the tokens that may follow. %MINIVL_ERROR_USAGE for none, empty or equal ones, and above @max_tokens or 1 KiB
 * @json_schema: (nullable): likewise, the answer is JSON that fits this (model/README.md); others are %MINIVL_ERROR_USAGE. Where
 *   @max_tokens come near it is closed, and @finish is %MINIVL_FINISH_LENGTH
 * @deadline: monotonic time (g_get_monotonic_time() * 1000) at which the text so far is the answer; 0 is none
 * @cancel: (nullable): set to non-zero, by g_atomic_int_set(), by any thread to end the answer at the next token, or before the
 *   first one; also when it is set before the question is asked. One for many calls is legal
 */
typedef struct
{
  guint max_tokens;
  double temperature;
  guint top_k;
  double top_p, repetition_penalty;
  guint64 seed;
  const gchar *const *stop;
  gboolean want_logits, special_tokens;
  guint n_logprobs;
  gboolean want_yes;
  const gchar *const *choices;
  const gchar *json_schema;
  guint64 deadline;
  const gint *cancel;
} MinivlParams;

/* MINIVL_PARAMS_INIT: greedy, 512 tokens; once @temperature is set, the best 40 tokens of the best 0.8 of the probability. */
#define MINIVL_PARAMS_INIT                                                                                                         \
  {                                                                                                                                \
    .max_tokens = 512, .top_k = 40, .top_p = 0.8, .repetition_penalty = 1.0                                                        \
  }

/**
 * minivl_engine_get_sampling:
 * @params: (inout): @temperature, @top_k, @top_p and @repetition_penalty are set; the rest stays
 *
 * The sampling that the checkpoint's generation_config.json asks for; a file without `do_sample` asks for the best token. Nothing
 * of it is taken without this call. The token ids that end an answer by that file's `eos_token_id` end it anyway, besides the chat
 * template's own token and config.json's.
 *
 * Returns: FALSE when there is no such file, and @params is as it was
 */
MINIVL_API gboolean minivl_engine_get_sampling (MinivlEngine *engine, MinivlParams *params);

/**
 * MinivlFinish: why an answer ended.
 * @MINIVL_FINISH_STOP: the model was done, or a stop string came
 * @MINIVL_FINISH_LENGTH: @max_tokens are there
 * @MINIVL_FINISH_CANCELLED: minivl_session_cancel(), or @cancel of #MinivlParams
 * @MINIVL_FINISH_DEADLINE: @deadline passed
 */
typedef enum
{
  MINIVL_FINISH_STOP,
  MINIVL_FINISH_LENGTH,
  MINIVL_FINISH_CANCELLED,
  MINIVL_FINISH_DEADLINE,
} MinivlFinish;

/* Returns: (transfer none): `stop`, `length`, `cancelled` or `deadline`, a static string */
MINIVL_API const gchar *minivl_finish_to_string (MinivlFinish finish);

/**
 * MinivlAnswer: one round's outcome. Cleared with minivl_answer_clear().
 * @text: the answer, white space at both ends removed
 * @finish: why it ended
 * @input_ids: (array length=prompt_tokens): the whole conversation up to the answer
 * @prompt_tokens: tokens of the prompt, those of pictures among them
 * @token_ids: (array length=output_tokens): the answer's, without the one it stopped at
 * @output_tokens: tokens of the answer
 * @cached_tokens: of the prompt, not computed again
 * @drafted: tokens that were computed because the answer may go on with them, as the conversation or an earlier answer of the
 *   session does. They change no token, only how many steps an answer takes; on a device where they would, there are none
 * @accepted: tokens of the answer that were drafted
 * @logprobs: (array length=output_tokens): natural logarithm of the probability of each of @token_ids: over the whole vocabulary,
 *   by the model alone: before penalty, temperature, @top_k and @top_p
 * @top_ids, @top_logprobs: (nullable): [output_tokens][n_logprobs], if asked for: the most probable tokens at the place of each
 *   token, whether chosen or not, best first; -1 and -infinity where the vocabulary has fewer
 * @yes: if asked for, P(yes) / (P(yes) + P(no)) for the answer's first token, each the sum over `yes`, `Yes`, `YES` and the same
 *   with a space in front, as far as they are tokens; whatever the answer is. -1 when not asked for or the prompt was not finished
 * @logits: (nullable) (array length=n_logits): after the prompt's last token, if asked for
 * @n_logits, @n_choices: the model's vocabulary, and the question's choices; 0 without
 * @choice: which of the choices the answer is, from 0 on; -1 without any, or when it was ended before
 * @choice_probabilities: (nullable) (array length=n_choices): of each, where its first tokens part from the others'; those that a
 *   token leaves open share its probability, until the answer tells them apart. One that leaves all open does not count
 * @prefill_ns, @decode_ns, @total_ns: time of the prompt, of the answer and of the call
 */
typedef struct
{
  gchar *text;
  MinivlFinish finish;
  gint32 *input_ids;
  guint prompt_tokens;
  gint32 *token_ids;
  guint output_tokens, cached_tokens;
  guint drafted, accepted;
  double *logprobs;
  gint32 *top_ids;
  double *top_logprobs;
  double yes;
  float *logits;
  guint n_logits, n_choices;
  gint choice;
  double *choice_probabilities;
  guint64 prefill_ns, decode_ns, total_ns;
} MinivlAnswer;

/* Frees what @answer points to and zeroes it. */
MINIVL_API void minivl_answer_clear (MinivlAnswer *answer);

/**
 * MinivlTextFunc:
 * @text: what is new, in whole UTF-8 characters, at least one; borrowed until return
 * @user_data: of minivl_session_ask()
 *
 * Called from the asking thread. All pieces in order are the answer's text before white space at its ends is removed. Of the
 * session only minivl_session_cancel() and minivl_session_get_tokens() may be called from it.
 */
typedef void (*MinivlTextFunc) (const gchar *text, gpointer user_data);

/**
 * minivl_session_ask:
 * @prompt: `<image>` marks are matched in order with the pictures added since the last answer. Without marks, one in front for
 *   each call of minivl_session_add_pictures(), a line each, as the reference does
 * @params: (nullable): NULL is MINIVL_PARAMS_INIT
 * @on_text: (scope call) (nullable): the text as it is made
 * @user_data: handed to @on_text
 * @answer: (out caller-allocates): filled on success
 *
 * Adds a round to the conversation. Computes only what no conversation on the engine has in common with this one from the start.
 *
 * Returns: FALSE with %MINIVL_ERROR_BUDGET when the round does not fit (nothing was computed), %MINIVL_ERROR_IMAGES when marks and
 *   pictures differ, %MINIVL_ERROR_USAGE and %MINIVL_ERROR_MODEL for @params as said there, %MINIVL_ERROR_MODEL when the model's
 *   numbers overflow, %MINIVL_ERROR_DEVICE when the device was lost. The conversation is then as before, the pictures still wait.
 *   Being cancelled or reaching a limit is success: see @finish.
 */
MINIVL_API gboolean minivl_session_ask (MinivlSession *session, const gchar *prompt, const MinivlParams *params,
    MinivlTextFunc on_text, gpointer user_data, MinivlAnswer *answer, GError **error);

/**
 * minivl_session_prepare:
 * @beginning: of the next question, as far as it is known; `<image>` marks and pictures as for minivl_session_ask()
 * @expected: tokens of the whole conversation up to the answer, as minivl_session_count_tokens() will count them; 0: not known
 * @params: (nullable): those of the question. Besides what is checked as for one, @special_tokens, @deadline and @cancel count
 *
 * Computes what is known of the next question: the system message, earlier rounds, the pictures there are and the text in front of
 * and between them. The conversation stays as it is and the pictures still wait: add more, and ask with a prompt that begins like
 * this. Asking then computes only what is new, and answers as it would have without. What is prepared stays until its room is
 * needed. A question that becomes longer than what the model's short RoPE factors are for, and was not @expected to, is computed
 * from its start.
 *
 * It works while nothing else is to be done on the engine: answers and pictures of all sessions come first, whatever the priority.
 * So it may take as long as they do, and is ended by @cancel or @deadline when it is no longer wanted: up to 256 tokens that are
 * just being computed are still finished then, for the question that follows needs them. minivl_session_cancel() ends it at once.
 *
 * Returns: FALSE with the errors of minivl_session_ask(), when it would refuse the beginning as a question; or with
 *   %MINIVL_ERROR_CANCELLED when it was given up by @cancel, minivl_session_cancel() or @deadline. What was computed counts
 */
MINIVL_API gboolean minivl_session_prepare (
    MinivlSession *session, const gchar *beginning, guint expected, const MinivlParams *params, GError **error);

/**
 * minivl_session_count_tokens:
 * @prompt, @params: as for minivl_session_ask()
 * @n_tokens: (out): the whole conversation up to the answer; with max_tokens it must not be above the engine's context_size
 *
 * What asking would take of the context. Nothing is computed, and the conversation stays as it is.
 *
 * Returns: FALSE with %MINIVL_ERROR_IMAGES when marks and pictures differ
 */
MINIVL_API gboolean minivl_session_count_tokens (
    MinivlSession *session, const gchar *prompt, const MinivlParams *params, guint *n_tokens, GError **error);

/* Ends the answer in hand at the next token, from any thread; without one, nothing happens: @cancel of #MinivlParams is seen then,
 * too. */
MINIVL_API void minivl_session_cancel (MinivlSession *session);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MinivlEngine, minivl_engine_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MinivlPicture, minivl_picture_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MinivlSession, minivl_session_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MinivlAnswer, minivl_answer_clear)

G_END_DECLS

#include "minivl-devices.h"
#include "minivl-shapes.h"
#include "minivl-tokens.h"

#endif
