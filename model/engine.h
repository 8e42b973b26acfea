/*
 * What the files of the public interface share.
 *
 * Lock order: there is none to keep, because no thread holds two locks. Under MinivlEngine.lock only the tables of pictures and
 * their counts are touched, under a session's lock its flags, under a request's its answer (request.h, encoding.h), under the
 * scheduler's what was handed in, under that of the shapes (shapes.h) what is compiled, under a shape's the masks it keeps. Nothing
 * that takes a lock, calls back or waits for the device may be called under one of them.
 */
#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include "chat.h"
#include "generation.h"
#include "plan.h"
#include "scheduler.h"
#include "shapes.h"
#include "tokenizer.h"
#include "yesno.h"

struct _MinivlEngine
{
  gint ref_count;
  MinivlEngineInfo info;
  gchar *model, *model_hash, *device_name, *driver;
  SelfCheck self_check;

  ModelConfig config;
  Tokenizer *tokenizer; /* NULL only in tests that ask by ids */
  ChatTemplate *template;
  gint32 image_token; /* <IMG_CONTEXT> */
  gint32 end_token;   /* <|end|> */
  GArray *end_tokens; /* gint32: all that end an answer */
  Generation generation;
  YesNo yes_no;
  Shapes *shapes;

  /* Pictures by content, so that equal ones are encoded once; under the lock. */
  GMutex lock;
  GCond encoded;
  GHashTable *pictures; /* content -> MinivlPicture, not referenced: those that are alive */
  GHashTable *asked;    /* content -> PictureRequest, not referenced: those that are on their way */

  Scheduler *scheduler;
  /* The scheduler's thread's own: it makes, uses and frees them. */
  Device *dev;
  Weights *weights;
  Vision *vision;
  KvPool *kv;
  Language *language;
};

struct _MinivlPicture
{
  gint ref_count; /* 0 for good: it is being freed */
  MinivlEngine *engine;
  guint64 content; /* number of its pixels and tiles: what the KV cache knows it by */
  VisionResult result;
};

/* What an engine is made of; minivl_engine_open() reads it from a folder, tests make it in memory. */
typedef struct
{
  const gchar *name;
  ModelConfig *config;            /* contents taken, also on failure */
  TensorSet *tensors;             /* borrowed; may be freed after */
  const gchar *source, *identity; /* as weights_keep(): what is converted of the tensors is kept; NULL: it is not */
  const Lora *lora;               /* merged into them; borrowed, may be freed after; nullable */
  Tokenizer *tokenizer;           /* taken, also on failure; nullable */
  Generation generation;          /* contents taken, also on failure */
  ChatTemplate *template;         /* taken, also on failure; NULL is the one that config names, as it is known */
  gint32 image_token, end_token;  /* for want of a tokenizer, as the next */
  YesNo yes_no;
} EngineParts;

/* options: model_path is not read. */
MinivlEngine *engine_new (EngineParts *parts, const MinivlEngineOptions *options, GError **error);

/* As minivl_picture_new(), of any priority. */
MinivlPicture *engine_encode (
    MinivlEngine *engine, const MinivlImage *image, guint max_tiles, gint priority, const gint *cancel, GError **error);

#endif
