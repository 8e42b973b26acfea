/* The questions that the property alerts holds. */
#ifndef GST_MINIVL_ALERT_LIST_H
#define GST_MINIVL_ALERT_LIST_H

#include <glib-object.h>

G_BEGIN_DECLS

/* Those of the property, which are separated by `;` or line ends: each once, none blank. NULL: none. (transfer full) */
GStrv alert_list (const gchar *property);

G_END_DECLS

#endif
