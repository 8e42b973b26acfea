#include "yard.h"

#define EDGE_RIGHT 1090 /* where people are out of sight */
#define EDGE_LEFT -66
#define RAIN_DROPS 130

typedef struct
{
  guint8 c[3];
} Rgb;

static const Rgb sky[YARD_N_LIGHTS] = { { { 150, 190, 230 } }, { { 190, 120, 90 } }, { { 14, 17, 40 } }, { { 120, 125, 130 } } };
static const Rgb ground[YARD_N_LIGHTS] = { { { 112, 142, 92 } }, { { 92, 86, 62 } }, { { 30, 36, 32 } }, { { 80, 95, 80 } } };
static const gint luminance[YARD_N_LIGHTS] = { 256, 196, 130, 205 };
static const Rgb paint[YARD_N_COLOURS] = { { { 205, 35, 35 } }, { { 40, 70, 215 } }, { { 30, 165, 60 } }, { { 235, 235, 235 } },
  { { 22, 22, 24 } }, { { 230, 205, 40 } } };
static const guint action_weights[YARD_N_ACTIONS] = { 4, 4, 3, 3, 3, 3, 4, 3, 2, 2 };

/* --- numbers --------------------------------------------------------------------------------------------------------------- */

guint64
yard_random_next (YardRandom *rng)
{
  guint64 z = *rng += 0x9E3779B97F4A7C15;

  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

gint
yard_random_within (YardRandom *rng, gint low, gint high)
{
  return low + (gint)(yard_random_next (rng) % (high - low + 1));
}

static gboolean
chance (YardRandom *rng, guint percent)
{
  return yard_random_next (rng) % 100 < percent;
}

static guint
pick (YardRandom *rng, const guint *weights, guint n)
{
  guint sum = 0, i = 0;
  guint64 at;

  for (guint k = 0; k < n; k++)
    sum += weights[k];
  at = yard_random_next (rng) % sum;
  while (at >= weights[i])
    at -= weights[i++];
  return i;
}

/* As Python divides: towards minus infinity. */
static gint
divide (gint a, gint b)
{
  return a / b - (a % b < 0);
}

static gint
modulo (gint a, gint b)
{
  return a - divide (a, b) * b;
}

/* From a to b while `at` goes from start to stop. */
static gint
between (gint a, gint b, gint at, gint start, gint stop)
{
  if (at <= start)
    return a;
  if (at >= stop)
    return b;
  return a + divide ((b - a) * (at - start), stop - start);
}

/* --- people ---------------------------------------------------------------------------------------------------------------- */

static gboolean
cycles (const YardActor *a)
{
  return a->action == YARD_CYCLES_RIGHT || a->action == YARD_CYCLES_LEFT;
}

static gboolean
has_bag (YardAction action)
{
  return action == YARD_LEAVES || action == YARD_TAKES;
}

static gboolean
uses_door (YardAction action)
{
  return action == YARD_ENTERS || action == YARD_EXITS;
}

/* Every field is drawn, needed or not, so that the stream never forks. */
static void
actor_init (YardActor *a, YardRandom *rng, YardAction action, gint lane, gint door_x, gint door_y)
{
  static const Rgb cloth[] = { { { 40, 40, 62 } }, { { 70, 55, 40 } }, { { 30, 30, 30 } } };
  /* Which of red, green and blue are bright. */
  static const guint8 hues[][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 1, 1, 0 }, { 0, 1, 1 }, { 1, 0, 1 } };
  gint start, pace, place, shade, hue, bright, dim;

  a->action = action;
  a->side = chance (rng, 50) ? 1 : -1;
  start = yard_random_within (rng, 0, 120);
  pace = yard_random_within (rng, 0, 200);
  place = yard_random_within (rng, 230, 790);
  shade = yard_random_within (rng, 0, 2);
  a->height = yard_random_within (rng, 230, 275);
  hue = yard_random_within (rng, 0, 5);
  bright = yard_random_within (rng, 170, 235);
  dim = yard_random_within (rng, 30, 90);
  for (guint i = 0; i < 3; i++) {
    a->shirt[i] = hues[hue][i] ? bright : dim;
    a->trousers[i] = cloth[shade].c[i];
  }
  a->x = uses_door (action) ? door_x : place;
  a->y = uses_door (action) ? door_y : lane;
  a->start = start;
  a->turn = a->stop = 0;
  switch (action) {
    case YARD_RIGHT:
    case YARD_LEFT:
      a->side = action == YARD_RIGHT ? -1 : 1;
      a->stop = 850 + pace;
      break;
    case YARD_STOPS:
      a->turn = 330 + pace;
      break;
    case YARD_ENTERS:
      a->turn = 620 + pace;
      break;
    case YARD_EXITS:
      a->start = 120 + start * 2;
      a->stop = 820 + pace;
      break;
    case YARD_LEAVES:
    case YARD_TAKES:
      a->turn = 330 + pace / 2;
      a->stop = 820 + pace / 2;
      break;
    case YARD_CYCLES_RIGHT:
    case YARD_CYCLES_LEFT:
      a->side = action == YARD_CYCLES_RIGHT ? -1 : 1;
      a->start = start * 2;
      a->stop = start * 2 + 500 + pace;
      break;
    default:
      break;
  }
}

/* Where their feet are across the picture. FALSE: they are not there. */
static gboolean
actor_place (const YardActor *a, gint moment, gint *x)
{
  gint edge = a->side > 0 ? EDGE_RIGHT : EDGE_LEFT, far = a->side > 0 ? EDGE_LEFT : EDGE_RIGHT, swing;

  switch (a->action) {
    case YARD_STOPS:
      *x = between (edge, a->x, moment, a->start, a->turn);
      return TRUE;
    case YARD_LOITERS:
      swing = modulo (moment + a->start * 5, 400);
      *x = a->x + (swing < 200 ? swing : 400 - swing) * 70 / 200 - 35;
      return TRUE;
    case YARD_ENTERS:
      *x = between (edge, a->x, moment, a->start, a->turn);
      return moment < a->turn + 40;
    case YARD_EXITS:
      *x = between (a->x, edge, moment, a->start + 60, a->stop);
      return moment >= a->start;
    case YARD_LEAVES:
    case YARD_TAKES: /* in, a halt, and back */
      *x = moment < a->turn + 130 ? between (edge, a->x, moment, a->start, a->turn)
                                  : between (a->x, edge, moment, a->turn + 130, a->stop);
      return TRUE;
    default:
      *x = between (edge, far, moment, a->start, a->stop);
      return TRUE;
  }
}

static gboolean
bag_lies (const YardActor *a, gint moment)
{
  return (a->action == YARD_LEAVES) == (moment >= a->turn + 65);
}

/* --- scenes ---------------------------------------------------------------------------------------------------------------- */

static void
init_background (YardScene *s, YardRandom seed)
{
  gboolean mirrored;

  s->horizon = yard_random_within (&seed, 470, 540);
  s->house = yard_random_within (&seed, 70, 520);
  mirrored = chance (&seed, 50);
  s->tree = chance (&seed, 60) ? yard_random_within (&seed, 40, 980) : -1;
  for (guint i = 0; i < 3; i++)
    s->tint[i] = yard_random_within (&seed, -10, 10);
  s->door_x = s->house + (mirrored ? 110 : 310);
  s->window_x = s->house + (mirrored ? 300 : 110);
}

static void
init_people (YardScene *s, YardRandom *rng)
{
  static const guint weights[] = { 20, 50, 30 };
  YardAction actions[2];
  gint lanes[2], order;

  s->n_actors = pick (rng, weights, G_N_ELEMENTS (weights));
  lanes[0] = yard_random_within (rng, 590, 630);
  lanes[1] = yard_random_within (rng, 660, 705);
  order = yard_random_within (rng, 0, 1);
  for (guint i = 0; i < 2; i++)
    actions[i] = pick (rng, action_weights, YARD_N_ACTIONS);
  if (s->n_actors == 2 && has_bag (actions[0]) && has_bag (actions[1])) /* one bag in a scene */
    actions[1] = YARD_LOITERS;
  if (s->n_actors == 2 && uses_door (actions[0]) && uses_door (actions[1])) /* one at a time through the door */
    actions[1] = YARD_RIGHT;
  for (guint i = 0; i < 2; i++)
    actor_init (&s->actors[i], rng, actions[i], lanes[i ^ order], s->door_x, s->horizon + 25);
}

static void
init_things (YardScene *s, YardRandom *rng)
{
  static const guint car_weights[YARD_N_CARS] = { 35, 25, 20, 20 }, lamp_weights[] = { 64, 18, 18 };

  s->car = pick (rng, car_weights, YARD_N_CARS);
  s->colour = yard_random_within (rng, 0, YARD_N_COLOURS - 1);
  s->car_x = yard_random_within (rng, 220, 800);
  s->car_way = chance (rng, 50) ? 1 : -1;
  s->car_start = yard_random_within (rng, 0, 150);
  s->car_stop = yard_random_within (rng, 500, 750);
  s->car_y = yard_random_within (rng, 880, 905);
  s->dog = chance (rng, 30);
  s->dog_x = yard_random_within (rng, 150, 870);
  s->dog_way = chance (rng, 50) ? 1 : -1;
  s->bag = chance (rng, 12);
  s->bag_x = yard_random_within (rng, 120, 900);
  s->bag_y = yard_random_within (rng, 665, 705);
  for (guint i = 0; i < s->n_actors; i++)
    s->bag = s->bag && !has_bag (s->actors[i].action);
  s->lamp = pick (rng, lamp_weights, G_N_ELEMENTS (lamp_weights));
  s->lamp_moment = yard_random_within (rng, 280, 720);
}

void
yard_scene_init (YardScene *scene, guint64 seed, const guint64 *background, const YardLight *light)
{
  YardRandom rng = seed * 2;

  init_background (scene, background ? *background : seed * 2 + 1);
  scene->rain = yard_random_next (&rng);
  scene->light = light ? *light : (YardLight)yard_random_within (&rng, 0, YARD_N_LIGHTS - 1);
  init_people (scene, &rng);
  init_things (scene, &rng);
}

void
yard_scene_get_facts (const YardScene *scene, YardFacts *facts)
{
  *facts = (YardFacts){
    .light = scene->light,
    .n_people = scene->n_actors,
    .car = scene->car,
    .colour = scene->colour,
    .dog = scene->dog,
    .bag = scene->bag,
    .lamp = scene->lamp == YARD_LAMP_GOES_ON,
  };
  for (guint i = 0; i < scene->n_actors; i++)
    facts->people[i] = scene->actors[i].action;
  if (scene->n_actors == 2 && facts->people[0] > facts->people[1]) {
    facts->people[0] = scene->actors[1].action;
    facts->people[1] = scene->actors[0].action;
  }
}

static gint
car_place (const YardScene *s, gint moment)
{
  gint edge = s->car_way < 0 ? 1024 + 190 : -190;

  if (s->car == YARD_CAR_ARRIVES)
    return between (edge, s->car_x, moment, s->car_start, s->car_stop);
  if (s->car == YARD_CAR_LEAVES)
    return between (s->car_x, 1024 - edge, moment, s->car_start + 250, s->car_stop + 250);
  return s->car_x;
}

/* --- drawing --------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  guint8 *rgb;
  gint width, height;
  gint light; /* of 256 */
} Canvas;

static gint
scale (gint v, gint size)
{
  return CLAMP ((v * size + 512) >> 10, 0, size);
}

/* alpha: of 256. At 256 what was there is not read: under the first rectangles nothing was written yet. */
static void
fill (const Canvas *c, gint x0, gint y0, gint x1, gint y1, Rgb colour, gint alpha)
{
  x0 = scale (x0, c->width);
  x1 = scale (x1, c->width);
  y0 = scale (y0, c->height);
  y1 = scale (y1, c->height);
  if (alpha < 256)
    x1 = MAX (x1, MIN (c->width, x0 + 1));
  for (gint y = y0; y < y1; y++) {
    guint8 *p = c->rgb + ((gsize)y * c->width + x0) * 3;

    for (gint x = x0; x < x1; x++, p += 3)
      for (guint i = 0; i < 3; i++)
        p[i] = alpha == 256 ? colour.c[i] : (p[i] * (256 - alpha) + colour.c[i] * alpha) >> 8;
  }
}

/* Centred at x, standing on y. */
static void
lit_box (const Canvas *c, gint x, gint y, gint w, gint h, Rgb colour, gint light)
{
  for (guint i = 0; i < 3; i++)
    colour.c[i] = colour.c[i] * light >> 8;
  fill (c, x - w / 2, y - h, x - w / 2 + w, y, colour, 256);
}

static void
box (const Canvas *c, gint x, gint y, gint w, gint h, guint8 red, guint8 green, guint8 blue)
{
  lit_box (c, x, y, w, h, (Rgb){ { red, green, blue } }, c->light);
}

static Rgb
tinted (const YardScene *s, Rgb colour)
{
  for (guint i = 0; i < 3; i++)
    colour.c[i] = CLAMP (colour.c[i] + s->tint[i], 0, 255);
  return colour;
}

static void
draw_background (const Canvas *c, const YardScene *s, gint moment)
{
  gboolean lit = s->lamp == YARD_LAMP_ON || (s->lamp == YARD_LAMP_GOES_ON && moment >= s->lamp_moment);
  gint base = s->horizon + 25;

  fill (c, 0, 0, 1024, s->horizon, tinted (s, sky[s->light]), 256);
  fill (c, 0, s->horizon, 1024, 1024, tinted (s, ground[s->light]), 256);
  if (s->tree >= 0) {
    box (c, s->tree, s->horizon + 10, 34, 150, 96, 70, 44);
    box (c, s->tree, s->horizon - 120, 150, 170, 50, 104, 50);
  }
  box (c, s->house + 210, base, 420, 330, 150, 118, 92);
  box (c, s->house + 210, base - 330, 460, 36, 110, 60, 50);
  box (c, s->door_x, base, 116, 268, 64, 42, 30);
  box (c, s->window_x, base - 120, 124, 124, 90, 70, 58);
  if (lit)
    lit_box (c, s->window_x, base - 130, 104, 104, (Rgb){ { 255, 226, 120 } }, 256);
  else
    box (c, s->window_x, base - 130, 104, 104, 52, 60, 72);
}

static void
draw_bag (const Canvas *c, gint x, gint y)
{
  box (c, x, y, 92, 72, 222, 120, 24);
  box (c, x, y - 72, 44, 18, 120, 60, 16);
  box (c, x, y - 26, 92, 12, 120, 60, 16);
}

static void
draw_person (const Canvas *c, const YardActor *a, gint x, gint y, gint moment)
{
  gint h = a->height, was;
  gboolean moves = !actor_place (a, moment - 25, &was) || was != x;
  gint step = moves && modulo (divide (moment, 45), 2) ? 14 : 0;

  box (c, x - 20 - step, y, 30, h * 36 / 100, a->trousers[0], a->trousers[1], a->trousers[2]);
  box (c, x + 20 + step, y, 30, h * 36 / 100, a->trousers[0], a->trousers[1], a->trousers[2]);
  box (c, x, y - h * 34 / 100, 92, h * 42 / 100, a->shirt[0], a->shirt[1], a->shirt[2]);
  box (c, x, y - h * 76 / 100, 62, h * 24 / 100, 226, 182, 150);
  box (c, x, y - h * 94 / 100, 66, h * 8 / 100, 50, 36, 26);
}

static void
draw_cyclist (const Canvas *c, const YardActor *a, gint x, gint y)
{
  for (gint w = -74; w <= 74; w += 148) {
    box (c, x + w, y, 92, 92, 24, 24, 26);
    box (c, x + w, y - 20, 52, 52, 150, 150, 156);
  }
  box (c, x, y - 46, 150, 16, 210, 210, 215);
  box (c, x - 8 * a->side, y - 52, 40, 74, a->trousers[0], a->trousers[1], a->trousers[2]);
  box (c, x - 14 * a->side, y - 116, 82, 90, a->shirt[0], a->shirt[1], a->shirt[2]);
  box (c, x - 22 * a->side, y - 206, 58, 56, 226, 182, 150);
  box (c, x - 22 * a->side, y - 252, 66, 20, 230, 230, 60);
}

typedef struct
{
  gint x, y;
  const YardActor *actor; /* NULL: a bag */
} Layer;

/* What stands further back goes first, and of equals what came first. */
static void
add_layer (Layer *layers, guint *n, Layer layer)
{
  guint i = (*n)++;

  for (; i > 0 && layers[i - 1].y > layer.y; i--)
    layers[i] = layers[i - 1];
  layers[i] = layer;
}

static void
draw_layers (const Canvas *c, const YardScene *s, gint moment)
{
  Layer layers[5];
  guint n = 0;

  for (guint i = 0; i < s->n_actors; i++) {
    const YardActor *a = &s->actors[i];
    gint x;

    if (has_bag (a->action) && bag_lies (a, moment))
      add_layer (layers, &n, (Layer){ a->x - 46 * a->side, a->y + 12, NULL });
    if (actor_place (a, moment, &x))
      add_layer (layers, &n, (Layer){ x, a->y, a });
  }
  if (s->bag)
    add_layer (layers, &n, (Layer){ s->bag_x, s->bag_y, NULL });
  for (guint i = 0; i < n; i++) {
    if (!layers[i].actor)
      draw_bag (c, layers[i].x, layers[i].y);
    else if (cycles (layers[i].actor))
      draw_cyclist (c, layers[i].actor, layers[i].x, layers[i].y);
    else
      draw_person (c, layers[i].actor, layers[i].x, layers[i].y, moment);
  }
}

static void
draw_car (const Canvas *c, const YardScene *s, gint moment)
{
  const Canvas brighter = { c->rgb, c->width, c->height, MAX (c->light, 150) };
  gint x = car_place (s, moment), y = s->car_y;

  lit_box (&brighter, x, y - 22, 340, 92, paint[s->colour], brighter.light);
  lit_box (&brighter, x, y - 114, 196, 70, paint[s->colour], brighter.light);
  box (&brighter, x - 46, y - 112, 76, 50, 130, 156, 176);
  box (&brighter, x + 46, y - 112, 76, 50, 130, 156, 176);
  for (gint w = -102; w <= 102; w += 204) {
    box (c, x + w, y, 74, 62, 16, 16, 16);
    box (c, x + w, y - 16, 34, 30, 120, 120, 120);
  }
  lit_box (c, x + s->car_way * 160, y - 74, 20, 24, (Rgb){ { 255, 244, 190 } }, 256);
  lit_box (c, x - s->car_way * 160, y - 74, 20, 24, (Rgb){ { 190, 30, 30 } }, 256);
}

static void
draw_dog (const Canvas *c, const YardScene *s, gint moment)
{
  gint x = s->dog_x + s->dog_way * (divide (moment * 260, 1000) - 130);

  box (c, x, 975, 150, 50, 150, 98, 48);
  box (c, x - 56, 1004, 22, 34, 130, 84, 40);
  box (c, x + 56, 1004, 22, 34, 130, 84, 40);
  box (c, x + s->dog_way * 86, 952, 54, 48, 166, 112, 58);
  box (c, x - s->dog_way * 84, 944, 26, 40, 130, 84, 40);
}

static void
draw_rain (const Canvas *c, const YardScene *s, gint moment)
{
  YardRandom drops = s->rain + moment;

  for (guint i = 0; i < RAIN_DROPS; i++) {
    gint x = yard_random_within (&drops, 0, 1023);
    gint y = yard_random_within (&drops, -40, 1023);
    gint n = yard_random_within (&drops, 36, 60);

    fill (c, x, y, x + 4, y + n, (Rgb){ { 190, 198, 206 } }, 120);
  }
}

void
yard_scene_draw (const YardScene *scene, gint moment, guint width, guint height, guint8 *rgb)
{
  const Canvas c = { rgb, width, height, luminance[scene->light] };

  draw_background (&c, scene, moment);
  draw_layers (&c, scene, moment);
  if (scene->car != YARD_NO_CAR)
    draw_car (&c, scene, moment);
  if (scene->dog)
    draw_dog (&c, scene, moment);
  if (scene->light == YARD_RAIN)
    draw_rain (&c, scene, moment);
}
