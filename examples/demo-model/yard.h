/*
 * The yard: what a seed shows, as facts and as pixels. The C twin of world.py: integers only, the same bytes.
 *
 * A scene lasts one segment; a moment is a time in it, 0..1000. Coordinates are 1024ths of the picture's width and height, whatever
 * its size.
 */
#ifndef DEMO_MODEL_YARD_H
#define DEMO_MODEL_YARD_H

#include <glib.h>

/* SplitMix64: the state is the seed at first. */
typedef guint64 YardRandom;

guint64 yard_random_next (YardRandom *rng);
/* low..high, both possible */
gint yard_random_within (YardRandom *rng, gint low, gint high);

typedef enum
{
  YARD_DAY,
  YARD_DUSK,
  YARD_NIGHT,
  YARD_RAIN,
  YARD_N_LIGHTS,
} YardLight;

typedef enum
{
  YARD_RIGHT, /* walks from left to right */
  YARD_LEFT,
  YARD_STOPS,
  YARD_LOITERS,
  YARD_ENTERS,
  YARD_EXITS,
  YARD_LEAVES, /* a bag */
  YARD_TAKES,
  YARD_CYCLES_RIGHT,
  YARD_CYCLES_LEFT,
  YARD_N_ACTIONS,
} YardAction;

typedef enum
{
  YARD_RED,
  YARD_BLUE,
  YARD_GREEN,
  YARD_WHITE,
  YARD_BLACK,
  YARD_YELLOW,
  YARD_N_COLOURS,
} YardColour;

typedef enum
{
  YARD_NO_CAR,
  YARD_CAR_PARKED,
  YARD_CAR_ARRIVES,
  YARD_CAR_LEAVES,
  YARD_N_CARS,
} YardCar;

/* What can be said of a segment. Zeroed memory and pattern NULL: an empty yard by day. */
typedef struct
{
  const gchar *pattern; /* a pattern of videotestsrc by its name there, static, and then nothing else counts; NULL: a yard */
  YardLight light;
  guint n_people;
  YardAction people[2]; /* in the enumeration's order */
  YardCar car;
  YardColour colour;       /* of the car */
  gboolean dog, bag, lamp; /* bag: one that nobody touches; lamp: a light goes on */
} YardFacts;

/* One person: what they do, when, where, and how they look. */
typedef struct
{
  YardAction action;
  gint side; /* that they come from, or go to: 1 is the right, -1 the left */
  gint start, turn, stop, height, x, y;
  guint8 shirt[3], trousers[3];
} YardActor;

typedef enum
{
  YARD_LAMP_OFF,
  YARD_LAMP_ON,
  YARD_LAMP_GOES_ON,
} YardLamp;

typedef struct
{
  gint horizon, house, tree, tint[3], door_x, window_x; /* tree -1: none */
  YardLight light;
  guint n_actors;
  YardActor actors[2];
  YardCar car;
  YardColour colour;
  gint car_x, car_y, car_way, car_start, car_stop;
  gboolean dog, bag;
  gint dog_x, dog_way, bag_x, bag_y;
  YardLamp lamp;
  gint lamp_moment;
  guint64 rain; /* seed of the drops */
} YardScene;

/* background: (nullable): fixes house, tree and horizon, so that the scenes of a clip can share a yard; NULL: by the seed.
 * light: (nullable): NULL: by the seed. */
void yard_scene_init (YardScene *scene, guint64 seed, const guint64 *background, const YardLight *light);
void yard_scene_get_facts (const YardScene *scene, YardFacts *facts);
/* rgb: [height][width][3] */
void yard_scene_draw (const YardScene *scene, gint moment, guint width, guint height, guint8 *rgb);

#endif
