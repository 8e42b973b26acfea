#include "tensors.h"

#include <math.h>
#include <string.h>

#include "harness.h"

static Device *devices[N_FORMS];

Device *
form_device (guint form)
{
  const DeviceOptions options = { .storage_form = form >= 2,
    .local = form % 2 ? 64 : 8,
    .gpu_kernels = form == FORM_GPU || form == FORM_DOTS,
    .dots = form == FORM_DOTS,
    .coop = form == FORM_COOP ? COOP_ALWAYS : COOP_NEVER };

  if (!devices[form])
    devices[form] = harness_device (&options);
  return devices[form];
}

void
forms_close (void)
{
  for (guint i = 0; i < N_FORMS; i++)
    g_clear_pointer (&devices[i], device_free);
}

typedef struct
{
  void (*test) (Device *dev);
  guint form;
} FormTest;

static void
form_test (gconstpointer data)
{
  const FormTest *t = data;

  t->test (form_device (t->form));
}

static void
add_in_form (const gchar *path, const gchar *name, void (*test) (Device *dev), guint form)
{
  g_autofree gchar *full = g_strdup_printf ("%s/%s", path, name);
  FormTest *t = g_new (FormTest, 1);

  *t = (FormTest){ test, form };
  g_test_add_data_func_full (full, t, form_test, g_free);
}

void
add_in_gpu_form (const gchar *path, void (*test) (Device *dev))
{
  add_in_form (path, "gpu", test, FORM_GPU);
}

void
add_in_coop (const gchar *path, void (*test) (Device *dev))
{
  if (device_limits (form_device (FORM_COOP))->geometry.coop.side)
    add_in_form (path, "coop", test, FORM_COOP);
}

void
add_in_dots (const gchar *path, void (*test) (Device *dev))
{
  if (device_limits (form_device (FORM_DOTS))->geometry.dots)
    add_in_form (path, "dots", test, FORM_DOTS);
}

void
add_in_every_form (const gchar *path, void (*test) (Device *dev))
{
  static const gchar *const names[] = { "texel/8", "texel/64", "storage/8", "storage/64" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    /* Without subgroup operations there is one local size. */
    if (i % 2 == 0 || !device_limits (form_device (0))->geometry.no_subgroup)
      add_in_form (path, names[i], test, i);
}

void
rows_write (const Tensor *t, gconstpointer dense)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < t->rows; i++) {
    tensor_write (t, (t->first + (guint64)i * t->stride) * 4, (const guint8 *)dense + (gsize)i * t->cols * 4, t->cols * 4, &error);
    g_assert_no_error (error);
  }
}

void
rows_read (const Tensor *t, gpointer dense)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint32 *all = g_malloc (tensor_bytes (t));
  gboolean whole = t->first == 0 && (guint64)t->rows * t->stride * 4 == tensor_bytes (t) && t->cols + 31 >= t->stride;

  tensor_read (t, 0, all, tensor_bytes (t), &error);
  g_assert_no_error (error);
  for (guint i = 0; i < t->rows; i++) {
    const guint32 *row = all + t->first + (gsize)i * t->stride;

    memcpy ((guint8 *)dense + (gsize)i * t->cols * 4, row, t->cols * 4);
    for (guint j = t->cols; whole && j < t->stride; j++)
      g_assert_cmpuint (row[j], ==, 0);
  }
}

guint16
half_from_float (float f)
{
  guint32 u, sign;
  gint exponent;
  double scaled;

  memcpy (&u, &f, 4);
  sign = u >> 16 & 0x8000;
  if (f == 0)
    return sign;
  exponent = MAX (ilogb (f), -14);
  scaled = nearbyint (ldexp (fabs (f), 10 - exponent)); /* 1024 .. 2048, less for subnormals */
  g_assert (exponent < 15);
  return sign | (guint32)(((exponent + 14) << 10) + scaled);
}

float
float_from_half (guint16 h)
{
  gint exponent = h >> 10 & 31, fraction = h & 1023;
  double v = exponent ? ldexp (1024 + fraction, exponent - 25) : ldexp (fraction, -24);

  g_assert (exponent < 31);
  return h & 0x8000 ? -v : v;
}

/* To nearest, ties to even. */
static guint16
bfloat_from_float (float f)
{
  guint32 u;

  memcpy (&u, &f, 4);
  return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

void
weights_write (const Tensor *t, float *dense)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *all = g_malloc0 (tensor_bytes (t));
  guint size, quads;

  if (t->type == TYPE_Q8 || t->type == TYPE_Q4) {
    weights_pack (all, t->type, dense, TYPE_F32, t->rows, t->cols);
    weights_unpack (dense, all, t->type, t->rows, t->cols);
    tensor_write (t, 0, all, tensor_bytes (t), &error);
    g_assert_no_error (error);
    return;
  }
  size = type_size (t->type);
  quads = t->stride * size / 16;
  for (guint r = 0; r < t->rows; r++)
    for (guint c = 0; c < t->cols; c++) {
      float *v = &dense[(gsize)r * t->cols + c];
      guint quad = c * size / 16, byte = c * size % 16;
      guint8 *to = all + (((gsize)(r / 8) * quads + quad) * 8 + r % 8) * 16 + byte;

      if (t->type == TYPE_F32) {
        memcpy (to, v, 4);
      } else {
        guint16 h = t->type == TYPE_F16 ? half_from_float (*v) : bfloat_from_float (*v);
        guint32 wide = (guint32)h << 16;

        memcpy (to, &h, 2);
        if (t->type == TYPE_F16)
          *v = float_from_half (h);
        else
          memcpy (v, &wide, 4);
      }
    }
  tensor_write (t, 0, all, tensor_bytes (t), &error);
  g_assert_no_error (error);
}

float *
random_floats (gsize n, float offset)
{
  float *v = g_new (float, MAX (n, 1));

  for (gsize i = 0; i < n; i++)
    v[i] = offset + g_test_rand_double_range (-1.7, 1.7);
  return v;
}

void
make_eight_bits (float *x, guint m, guint k)
{
  for (guint i = 0; i < m; i++)
    for (guint j = 0; j < k; j++)
      x[(gsize)i * k + j] = j % 32 == i % 32 || k - j / 32 * 32 <= i % 32 ? 127 / 64.0f : g_test_rand_int_range (-127, 128) / 64.0f;
}

void
stream_go (OpStream *s)
{
  g_autoptr (GError) error = NULL;

  op_stream_end (s, &error);
  g_assert_no_error (error);
  op_stream_run (s, NULL, &error);
  g_assert_no_error (error);
}

void
stream_refused (OpStream *s, const gchar *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (op_stream_end (s, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, part));
  op_stream_free (s);
}

void
check_nmse (const gchar *what, const float *got, const double *want, gsize n, double bound)
{
  double difference = 0, sum = 0, scale;

  for (gsize i = 0; i < n; i++) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    sum += want[i] * want[i];
  }
  if (difference <= bound * sum)
    return;
  scale = sqrt (sum / n);
  for (gsize i = 0; i < n; i++) {
    if (!(fabs (got[i] - want[i]) <= 10 * sqrt (bound) * scale)) {
      g_test_fail_printf ("%s: NMSE %g > %g; element %" G_GSIZE_FORMAT " is %g, the twin has %g", what, difference / sum, bound, i,
          got[i], want[i]);
      return;
    }
  }
  g_test_fail_printf ("%s: NMSE %g > %g", what, difference / sum, bound);
}
