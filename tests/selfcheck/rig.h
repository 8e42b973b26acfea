/*
 * What tests of the self-check share: caches of their own, devices that use them, a model to be checked for.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "vk/vk.h"

typedef struct
{
  gchar *folder; /* of the caches */
  gchar *file;   /* of the verdict */
} Rig;

void rig_set_up (Rig *f, gconstpointer data);
void rig_tear_down (Rig *f, gconstpointer data);

/* storage_form, local: as in DeviceOptions */
Device *rig_open (const Rig *f, gboolean storage_form, guint local);
/* Removes all variants but one op's from a survey. Returns how many it has left. */
guint rig_keep_only (OpStream *survey, const gchar *op);
/* The self-check of a device just opened, for a model of these types; of an op of it, or NULL for all. */
SelfCheck rig_check (const Rig *f, const gchar *op, TensorType weights, KvType kv, GError **error);

/* g_test_add() of a test of a rig. */
#define RIG_TEST(path, function) g_test_add ("/selfcheck/" path, Rig, NULL, rig_set_up, function, rig_tear_down)

#endif
