/* Arenas: tensors are planned one after the other in windows; a window is one allocation and one buffer. */
#include "vk.h"

#include <string.h>


typedef struct
{
  guint64 offset, size;
  VkBufferView view;
} BufferView;

typedef struct
{
  guint window;
  guint64 offset, bytes;
  GArray *views; /* BufferView, made when first asked for; NULL before */
} Item;

typedef struct
{
  guint64 bytes; /* planned; a multiple of the allocations' alignment once committed */
  VkBuffer buffer;
  VkDeviceMemory memory;
  gpointer map;
} Window;

struct _Arena
{
  Device *dev;
  ArenaKind kind;
  gchar *name;
  GArray *items;   /* Item */
  GArray *windows; /* Window */
  guint64 largest; /* bytes of the largest tensor */
  gboolean committed;
};

static guint64
align_up (guint64 value, guint64 alignment)
{
  return (value + alignment - 1) / alignment * alignment;
}

static Item *
tensor_item (const Tensor *t)
{
  return &g_array_index (t->arena->items, Item, t->index);
}

static Window *
tensor_window (const Tensor *t)
{
  return &g_array_index (t->arena->windows, Window, tensor_item (t)->window);
}

/* --- tensors ---------------------------------------------------------------------------------------------------------------- */

guint
type_size (TensorType type)
{
  g_assert (type != TYPE_Q8 && type != TYPE_Q4);
  return type == TYPE_F32 || type == TYPE_U32 ? 4 : 2;
}

guint64
row_bytes (TensorType type, guint64 stride)
{
  if (type != TYPE_Q8 && type != TYPE_Q4)
    return stride * type_size (type);
  g_assert (stride % 32 == 0);
  return stride / 32 * (type == TYPE_Q8 ? 34 : 20);
}

guint64
tensor_bytes (const Tensor *t)
{
  return tensor_item (t)->bytes;
}

Tensor
tensor_columns (const Tensor *t, guint first, guint cols)
{
  Tensor view = *t;

  g_assert (t->layout == LAYOUT_ROWS && first % 4 == 0 && cols % 4 == 0 && first + cols <= t->stride);
  view.first += first;
  view.cols = cols;
  return view;
}

Tensor
tensor_rows (const Tensor *t, guint first, guint rows)
{
  Tensor view = *t;

  g_assert (t->layout == LAYOUT_ROWS && first + rows <= t->rows);
  view.first += first * t->stride;
  view.rows = rows;
  return view;
}

/* --- planning --------------------------------------------------------------------------------------------------------------- */

Arena *
arena_new (Device *dev, ArenaKind kind, const gchar *name)
{
  Arena *arena = g_new0 (Arena, 1);

  arena->dev = dev;
  arena->kind = kind;
  arena->name = g_strdup (name);
  arena->items = g_array_new (FALSE, TRUE, sizeof (Item));
  arena->windows = g_array_new (FALSE, TRUE, sizeof (Window));
  return arena;
}

/* The first window that has room at its end. */
static guint
arena_place (Arena *arena, guint64 bytes, guint64 *offset)
{
  const Device *dev = arena->dev;
  const guint64 alignment = MAX (TENSOR_ALIGN, dev->limits.align);
  guint i;

  for (i = 0; i < arena->windows->len; i++) {
    *offset = align_up (g_array_index (arena->windows, Window, i).bytes, alignment);
    if (*offset + bytes <= dev->window_bytes)
      break;
  }
  if (i == arena->windows->len) {
    g_array_set_size (arena->windows, i + 1);
    *offset = 0;
  }
  g_array_index (arena->windows, Window, i).bytes = *offset + bytes;
  return i;
}

Tensor
arena_add (Arena *arena, TensorType type, TensorLayout layout, guint rows, guint cols)
{
  const guint64 stride = align_up (cols, 32);
  const guint64 stored_rows = layout == LAYOUT_WEIGHTS ? align_up (rows, 32) : rows;
  Tensor t = { arena, arena->items->len, type, layout, rows, cols, stride, 0 };
  Item item = { .bytes = stored_rows * row_bytes (type, stride) };

  g_assert (!arena->committed && rows > 0 && cols > 0 && (layout == LAYOUT_WEIGHTS || (type != TYPE_Q8 && type != TYPE_Q4)));
  item.window = arena_place (arena, item.bytes, &item.offset);
  arena->largest = MAX (arena->largest, item.bytes);
  g_array_append_val (arena->items, item);
  return t;
}

guint64
arena_bytes (const Arena *arena)
{
  guint64 bytes = 0;

  for (guint i = 0; i < arena->windows->len; i++)
    bytes += align_up (g_array_index (arena->windows, Window, i).bytes, arena->dev->allocation_align);
  return bytes;
}

/* --- committing ------------------------------------------------------------------------------------------------------------- */

static gboolean
window_set (Device *dev, const Window *window, guint8 value, GError **error)
{
  if (!window->map)
    return device_set (dev, window->buffer, value, error);
  memset (window->map, value, window->bytes);
  return TRUE;
}

static gboolean
window_allocate (Arena *arena, guint i, GError **error)
{
  Window *window = &g_array_index (arena->windows, Window, i);

  window->bytes = align_up (window->bytes, arena->dev->allocation_align);
  if (!device_memory_new (arena->dev, &window->buffer, arena->kind, window->bytes, &window->memory, &window->map, error))
    return FALSE;
  device_name (arena->dev, VK_OBJECT_TYPE_BUFFER, (guint64)window->buffer, "%s %u", arena->name, i);
  return TRUE;
}

static void
arena_release (Arena *arena)
{
  for (guint i = 0; i < arena->items->len; i++) {
    GArray *views = g_array_index (arena->items, Item, i).views;

    for (guint k = 0; views && k < views->len; k++)
      vkDestroyBufferView (arena->dev->vk, g_array_index (views, BufferView, k).view, NULL);
    g_clear_pointer (&g_array_index (arena->items, Item, i).views, g_array_unref);
  }
  for (guint i = 0; i < arena->windows->len; i++) {
    Window *window = &g_array_index (arena->windows, Window, i);

    device_memory_free (arena->dev, &window->buffer, arena->kind, &window->memory, window->bytes);
    window->map = NULL;
  }
  arena->committed = FALSE;
}

static gboolean
arena_fits (const Arena *arena, GError **error)
{
  const guint64 asked = arena_bytes (arena), there = device_memory_left (arena->dev, arena->kind);
  g_autofree gchar *asked_text = g_format_size_full (asked, G_FORMAT_SIZE_LONG_FORMAT | G_FORMAT_SIZE_IEC_UNITS);
  g_autofree gchar *there_text = g_format_size_full (there, G_FORMAT_SIZE_LONG_FORMAT | G_FORMAT_SIZE_IEC_UNITS);

  if (arena->largest > arena->dev->tensor_bytes) {
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY,
        "%s: a tensor of %s has %" G_GUINT64_FORMAT " bytes, %s allocates at most %" G_GUINT64_FORMAT " at once",
        arena->dev->info.name, arena->name, arena->largest, arena->dev->info.name, arena->dev->tensor_bytes);
    return FALSE;
  }
  if (asked > there) {
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY, "%s: %s takes %s, there are %s", arena->dev->info.name, arena->name,
        asked_text, there_text);
    return FALSE;
  }
  return TRUE;
}

static gboolean
arena_take_kind (Arena *arena, gboolean zeroed, GError **error)
{
  const Device *dev = arena->dev;

  if (!arena_fits (arena, error))
    return FALSE;
  for (guint i = 0; i < arena->windows->len; i++) {
    Window *window = &g_array_index (arena->windows, Window, i);

    if (!window_allocate (arena, i, error)
        || ((zeroed || dev->dirty) && !window_set (arena->dev, window, zeroed ? 0 : 0xff, error))) {
      g_prefix_error (error, "%s, part %u of %u: ", arena->name, i + 1, arena->windows->len);
      arena_release (arena);
      return FALSE;
    }
  }
  arena->committed = TRUE;
  return TRUE;
}

static gboolean
arena_take (Arena *arena, gboolean zeroed, GError **error)
{
  const Device *dev = arena->dev;

  g_assert (!arena->committed);
  if (!device_usable (dev, error))
    return FALSE;
  /* The part of a GPU's memory that the host sees may be small, and others' as well. */
  if (arena->kind == ARENA_INPUT && dev->kinds[ARENA_INPUT].type != dev->kinds[ARENA_HOST].type) {
    if (arena_take_kind (arena, zeroed, NULL))
      return TRUE;
    arena->kind = ARENA_HOST;
  }
  return arena_take_kind (arena, zeroed, error);
}

gboolean
arena_commit (Arena *arena, GError **error)
{
  return arena_take (arena, TRUE, error);
}

gboolean
arena_allocate (Arena *arena, GError **error)
{
  return arena_take (arena, FALSE, error);
}

void
arena_free (Arena *arena)
{
  if (!arena)
    return;
  arena_release (arena);
  g_array_unref (arena->items);
  g_array_unref (arena->windows);
  g_free (arena->name);
  g_free (arena);
}

gpointer
tensor_map (const Tensor *t)
{
  const Window *window = tensor_window (t);

  g_assert (t->arena->committed && t->arena->kind != ARENA_DEVICE);
  return (guint8 *)window->map + tensor_item (t)->offset + (guint64)t->first * type_size (t->type);
}

/* --- for the runtime's other files ------------------------------------------------------------------------------------------ */

Device *
arena_device (const Arena *arena)
{
  return arena->dev;
}

guint8 *
tensor_host (const Tensor *t)
{
  const Window *window = tensor_window (t);

  g_assert (t->arena->committed);
  return window->map ? (guint8 *)window->map + tensor_item (t)->offset : NULL;
}

gboolean
tensor_host_reads (const Tensor *t)
{
  return t->arena->kind == ARENA_HOST || t->arena->dev->kinds[t->arena->kind].host_cached;
}

/* --- what a binding needs --------------------------------------------------------------------------------------------------- */

VkBuffer
tensor_buffer (const Tensor *t, guint64 *offset)
{
  g_assert (t->arena->committed);
  *offset = tensor_item (t)->offset;
  return tensor_window (t)->buffer;
}

gboolean
tensor_view (const Tensor *t, guint64 offset, guint64 size, VkBufferView *view, GError **error)
{
  Device *dev = t->arena->dev;
  Item *item = tensor_item (t);
  VkBufferViewCreateInfo create = { VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO, .format = VK_FORMAT_R32G32B32A32_UINT,
    .range = size };
  BufferView new_view = { offset, size, VK_NULL_HANDLE };

  if (!item->views)
    item->views = g_array_new (FALSE, FALSE, sizeof (BufferView));
  for (guint i = 0; i < item->views->len; i++) {
    const BufferView *v = &g_array_index (item->views, BufferView, i);
    if (v->offset == offset && v->size == size) {
      *view = v->view;
      return TRUE;
    }
  }
  create.buffer = tensor_buffer (t, &create.offset);
  create.offset += offset;
  VK (vkCreateBufferView (dev->vk, &create, NULL, &new_view.view));
  g_array_append_val (item->views, new_view);
  *view = new_view.view;
  return TRUE;

error:
  return FALSE;
}
