/*
 * A model of Mini-InternVL-Chat-4B's widths, for what needs its shapes and not its weights.
 */
#ifndef TESTS_TRUE_WIDTHS_H
#define TESTS_TRUE_WIDTHS_H

#include "model/plan.h"

#define TRUE_VISION_LAYERS 24
#define TRUE_LANGUAGE_LAYERS 32

ModelConfig true_widths (guint vision_layers, guint language_layers);
/* Dispatches of a decode step of so many sequences with at most `keys` tokens each, of all layers, as they would be recorded on the
 * device. Nothing of the model is in memory. */
guint true_step_dispatches (Device *dev, MinivlPrecision precision, guint sequences, guint keys, GError **error);

#endif
