/* Addresses of hosts: see address.h. */
#include "address.h"

typedef struct
{
  guint8 bytes[16];
  guint n_bits;
} Block;

/* Of IPv4, IANA's registry of special-purpose addresses, multicast and what is reserved. */
static const Block blocks_v4[] = {
  { { 0 }, 8 },
  { { 10 }, 8 },
  { { 100, 64 }, 10 },
  { { 127 }, 8 },
  { { 169, 254 }, 16 },
  { { 172, 16 }, 12 },
  { { 192, 0, 0 }, 24 },
  { { 192, 0, 2 }, 24 },
  { { 192, 31, 196 }, 24 },
  { { 192, 52, 193 }, 24 },
  { { 192, 88, 99 }, 24 },
  { { 192, 168 }, 16 },
  { { 192, 175, 48 }, 24 },
  { { 198, 18 }, 15 },
  { { 198, 51, 100 }, 24 },
  { { 203, 0, 113 }, 24 },
  { { 224 }, 3 },
};

/* Of IPv6 only 2000::/3 is given out, and of that not these. */
static const Block global_v6 = { { 0x20 }, 3 };
static const Block blocks_v6[] = {
  { { 0x20, 0x01, 0x00 }, 23 },             /* among them Teredo's, which hold an IPv4 address */
  { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },       /* documentation */
  { { 0x20, 0x02 }, 16 },                   /* 6to4, likewise */
  { { 0x26, 0x20, 0x00, 0x4f, 0x80 }, 48 }, /* AS112 */
  { { 0x3f, 0xff }, 20 },                   /* documentation */
};

static gboolean
is_in (const guint8 *address, const Block *block)
{
  for (guint i = 0; i < block->n_bits; i++)
    if ((address[i / 8] ^ block->bytes[i / 8]) >> (7 - i % 8) & 1)
      return FALSE;
  return TRUE;
}

static gboolean
is_in_any (const guint8 *address, const Block *blocks, guint n_blocks)
{
  for (guint i = 0; i < n_blocks; i++)
    if (is_in (address, &blocks[i]))
      return TRUE;
  return FALSE;
}

gboolean
address_is_public (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);

  if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV4)
    return !is_in_any (bytes, blocks_v4, G_N_ELEMENTS (blocks_v4));
  return is_in (bytes, &global_v6) && !is_in_any (bytes, blocks_v6, G_N_ELEMENTS (blocks_v6));
}
