/* The page at `/`, where people ask: page.html, which asks this server and nobody else. */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include "exchange.h"

/* What embed-page.py makes of page.html. */
extern const gchar page_text[], page_script_hash[], page_style_hash[];

void page_send (Exchange *exchange, const Settings *settings);

#endif
