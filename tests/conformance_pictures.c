/* What is recorded is PNG, and the folder that gpu.sh makes has no FFmpeg. */
#include "picture.h"

gboolean
picture_read_other (const gchar *path, MediaFrame *frame, GError **error)
{
  return picture_unsupported (error, path, "a picture of this kind");
}
