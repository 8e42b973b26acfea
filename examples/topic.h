/* What one conversation is about, and what is asked of it: a command line's or a line's of a batch. */
#ifndef EXAMPLES_TOPIC_H
#define EXAMPLES_TOPIC_H

#include <glib.h>

typedef struct
{
  gchar *path;
  guint max_tiles;
} ImageOption;

typedef struct
{
  gchar *path;
  guint segments;
  double start, stop; /* seconds; stop below start: all of the video */
} VideoOption;

typedef struct
{
  GArray *images;     /* ImageOption */
  VideoOption *video; /* NULL: none */
  gboolean joined;    /* all pictures are the tiles of one mark */
  gchar **prompts;    /* one a round */
} Topic;

void topic_init (Topic *topic);
/* Zeroed memory is legal. */
void topic_clear (Topic *topic);

/* text: `FILE[:MAX_TILES]`, as --image has it. FALSE with G_OPTION_ERROR, and G_FILE_ERROR where no such file is. */
gboolean topic_add_image (Topic *topic, const gchar *text, GError **error);
/* text: `FILE[:SEGMENTS[:START-STOP]]`, as --video has it. Once. Errors as above. */
gboolean topic_set_video (Topic *topic, const gchar *text, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Topic, topic_clear)

#endif
