/*
 * Host data into and out of tensors, the forms a device is tested in, and comparison.
 */
#ifndef TESTS_TENSORS_H
#define TESTS_TENSORS_H

#include "vk/vk.h"

/* A device in one of its forms: bulk reads by texel or storage buffers, workgroups of one or of several octets; and with the
 * kernels of GPUs, without or with cooperative matrices or dot products of bytes, by storage buffers as there. Opened once in a
 * test program; closed by forms_close(). */
#define FORM_GPU 4
#define FORM_COOP 5
#define FORM_DOTS 6
#define N_FORMS 7
Device *form_device (guint form);
void forms_close (void);

/* Adds the test once for each form that the device has: PATH/texel/8, PATH/texel/64, PATH/storage/8, PATH/storage/64. */
void add_in_every_form (const gchar *path, void (*test) (Device *dev));
/* Adds it as PATH/gpu, for the kernels of GPUs. */
void add_in_gpu_form (const gchar *path, void (*test) (Device *dev));

/* Adds it as PATH/coop, for cooperative matrices, if the device and the build have them. */
void add_in_coop (const gchar *path, void (*test) (Device *dev));
/* Adds it as PATH/dots, for dot products of bytes, if the device has them, fast or not. */
void add_in_dots (const gchar *path, void (*test) (Device *dev));

/* Dense rows of a tensor or view in ROWS, 4 bytes an element; rows_read() also checks that the padding of a whole tensor is zeros.
 */
void rows_write (const Tensor *t, gconstpointer dense);
void rows_read (const Tensor *t, gpointer dense);
/* Dense f32 into a tensor of weights of any type, rounded to it; afterwards `dense` holds the rounded values. */
void weights_write (const Tensor *t, float *dense);

guint16 half_from_float (float f);
float float_from_half (guint16 h);

/* n values of mean `offset` and deviation about 1. */
float *random_floats (gsize n, float offset);

/* x[m][k] of numbers that blocks of 32 hold in 8 bits without rounding. */
void make_eight_bits (float *x, guint m, guint k);

/* Ends the recording, runs it. */
void stream_go (OpStream *s);
/* Ends a recording that an op must have refused, with a message that holds `part`; frees it. */
void stream_refused (OpStream *s, const gchar *part);
/* Fails the test with the op, the NMSE and the first wrong element when sum ((got - want)^2) > bound * sum (want^2). */
void check_nmse (const gchar *what, const float *got, const double *want, gsize n, double bound);

#endif
