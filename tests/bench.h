/*
 * minivl-bench: the rows of the speed table. A function of the table in bench.c measures one or more shapes and adds a row for
 * each.
 */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include "machine.h"
#include "precision.h"
#include "vk/vk.h"

/* What a row's share is of. */
typedef enum
{
  LIMIT_NONE,
  LIMIT_MULADD,
  LIMIT_MATRIX, /* what cooperative matrices do, where there are some, else LIMIT_MULADD */
  LIMIT_READ,
} BenchLimit;

typedef struct
{
  const gchar *name, *precision; /* static */
  gchar *shape;                  /* taken */
  guint64 ns;                    /* median of the runs */
  guint64 cpu_ns; /* least that the process used on all cores together in a run: says more than ns on a busy machine */
  double flops, bytes, weights; /* of one run; 0: does not apply */
  double twin_gflops;           /* of the plain C twin on one core; 0: none was run */
  BenchLimit limit;
  double ratio;             /* of ns to that of what ratio_of names; 0: does not apply */
  const gchar *ratio_of;    /* static */
  double drafted, accepted; /* tokens of all runs; 0: does not apply */
  gboolean checked;         /* against the twin */
  double nmse, bound;       /* of what was checked; more than bound is wrong */
} BenchRow;

/* What the device does at most. */
typedef struct
{
  double copy_gbps; /* bytes read and written */
  double read_gbps;
  double muladd_gflops; /* f32 */
  double matrix_gflops; /* cooperative matrices of f16, sums of f32; 0: it has none, or the build does not know them */
} BenchPeak;

typedef struct
{
  MinivlPrecision precision; /* as asked for */
  const gchar *device;       /* as asked for, nullable */
  const gchar *model;        /* checkpoint folder of the stages; NULL: random weights of the true widths */
  gboolean quick;
  Machine machine;
  Device *dev;
  BenchPeak peak;
  MinivlEngine *engine; /* of the stages, opened when the first needs it */
  GArray *rows;         /* BenchRow */
  guint wrong;          /* of what was checked */
} Bench;

/* Prints the row and keeps it. */
void bench_add (Bench *b, BenchRow row);
/* Of what the device, or the CPU that is one, does at most; 0: does not apply. */
double bench_share (const Bench *b, const BenchRow *row);
/* All that a report needs. */
gboolean bench_write_json (const Bench *b, const gchar *path, GError **error);
/* That of a matmul with such weights. */
BenchLimit bench_matmul_limit (TensorType type);
/* Whether rows of weights of this type were asked for: f16 is 16 bits as the file has them. */
gboolean bench_wants (const Bench *b, TensorType type);

/* Runs and their times: while (bench_goes_on (&t)) { ...; bench_ran (&t, ns, 1); } */
typedef struct
{
  GArray *ns;
  guint least;
  gint64 end;
  guint64 cpu_start, cpu_least;
} BenchTimer;

/* For about `seconds`, and `least` runs at least. */
void bench_timer_start (BenchTimer *t, double seconds, guint least);
gboolean bench_goes_on (BenchTimer *t);
/* ns: of one of what the row counts; n: how many of them the run was, for its CPU time. */
void bench_ran (BenchTimer *t, guint64 ns, guint n);
/* Fills ns and cpu_ns of a row. */
void bench_timer_stop (BenchTimer *t, BenchRow *row);

/* Ends and runs a stream; its device time. Ends the program on failure. */
guint64 bench_run_stream (OpStream *s);
/* Ends the program with the error if there is one. */
void bench_assert (GError *error);

/* --- the table's functions ----------------------------------------------------------------------------------------------- */

void bench_check (Bench *b);
void bench_matmul (Bench *b);
void bench_matvec (Bench *b);
void bench_attention (Bench *b);
void bench_attention_decode (Bench *b);
void bench_load (Bench *b);
void bench_vision_tile (Bench *b);
void bench_preprocess (Bench *b);
void bench_prefill (Bench *b);
void bench_decode_step (Bench *b);
void bench_decode_batch (Bench *b);
void bench_decode_shape (Bench *b);
void bench_decode_repeat (Bench *b);
void bench_decode_fresh (Bench *b);
void bench_questions (Bench *b);
void bench_first_token (Bench *b);
void bench_dispatches (Bench *b);
void bench_self_check (Bench *b);

/* Fills peak. */
void bench_device (Bench *b);

/* What the rows tell of a whole model: seconds, or tokens a second; 0: there is no such row. */
typedef struct
{
  guint layers;         /* of the language model */
  double frame_seconds; /* one tile */
  double prefill_speed, decode_speed;
  double segment_seconds; /* BENCH_FRAMES frames, and an answer of BENCH_ANSWER tokens */
} BenchModel;

#define BENCH_FRAMES 8
#define BENCH_ANSWER 64
#define BENCH_KEYS 512 /* tokens of context of the row `decode_step` */

BenchModel bench_model (const Bench *b);

#endif
