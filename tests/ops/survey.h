/*
 * How Mini-InternVL-Chat uses the ops: its widths, its head sizes, its rows, its epilogues. Nothing of it is committed.
 */
#ifndef TESTS_SURVEY_H
#define TESTS_SURVEY_H

#include "vk/ops.h"

/* A survey of pictures, vision transformer, projector and language model with matrices of type `weights` and a cache of type `kv`.
 * (transfer full): op_stream_free() */
OpStream *survey_model (Device *dev, TensorType weights, KvType kv);

#endif
