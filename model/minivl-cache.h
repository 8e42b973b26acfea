/*
 * The cache folder, in which engines keep what takes long to make. minivl.h says what is true here as well of failure, ownership
 * and threads.
 */
#ifndef MINIVL_CACHE_H
#define MINIVL_CACHE_H

#include "minivl.h"

G_BEGIN_DECLS

/**
 * MinivlCacheFunc:
 * @path: of a file that was removed
 * @bytes: its size
 * @what: what it was, in English
 * @user_data: of minivl_cache_clear()
 */
typedef void (*MinivlCacheFunc) (const gchar *path, guint64 bytes, const gchar *what, gpointer user_data);

/**
 * minivl_cache_clear:
 * @cache_dir: (nullable): as in MinivlEngineOptions
 * @on_file: (scope call) (nullable): called for each file that was removed
 * @user_data: handed to @on_file
 *
 * Removes what engines keep in the folder, also what an engine that was killed has left; not what is being written, nor files of
 * others. Engines that are open go on.
 *
 * Returns: FALSE with %MINIVL_ERROR_FILE when a file cannot be removed
 */
MINIVL_API gboolean minivl_cache_clear (const gchar *cache_dir, MinivlCacheFunc on_file, gpointer user_data, GError **error);

G_END_DECLS

#endif
