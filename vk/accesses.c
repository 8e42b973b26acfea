/* Which dispatches must wait for one before them: those that read what it writes, or write what it reads or writes. */
#include "vk.h"

Access
access_of (const Bind *bind, const VkDescriptorBufferInfo *bytes, guint apart)
{
  const Tensor *t = bind->tensor;
  const guint row = t->first / t->stride, column = t->first % t->stride;

  return (Access){
    .buffer = bytes->buffer,
    .first = bytes->offset,
    .end = bytes->offset + bytes->range,
    .writes = bind->kind == BIND_WRITE,
    .row_first = row,
    .row_end = row + t->rows,
    .column_first = column,
    .column_end = column + t->cols,
    .apart = apart,
  };
}

/* Of two that write to one tensor: only to their views of it. */
static gboolean
views_meet (const Access *a, const Access *b)
{
  return a->row_first < b->row_end && b->row_first < a->row_end && a->column_first < b->column_end
         && b->column_first < a->column_end;
}

static gboolean
access_conflicts (const Access *a, const Access *b)
{
  if (a->buffer != b->buffer || a->first >= b->end || b->first >= a->end)
    return FALSE;
  if (a->writes && b->writes)
    return views_meet (a, b) && !(a->apart && a->apart == b->apart);
  return a->writes || b->writes;
}

gboolean
accesses_conflict (const GArray *before, const Access *accesses, guint n)
{
  for (guint i = 0; i < before->len; i++)
    for (guint k = 0; k < n; k++)
      if (access_conflicts (&g_array_index (before, Access, i), &accesses[k]))
        return TRUE;
  return FALSE;
}
