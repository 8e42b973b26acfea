#include "grammar.h"

#include <string.h>

#define NOBODY "nobody is in the yard"
#define DOG "a dog runs about"
#define BAG "a bag lies on the ground"
#define LAMP "a light goes on"
#define NOTHING "Nothing happened."
#define THEN ", then "

const gchar *const grammar_patterns[GRAMMAR_N_PATTERNS] = { "smpte", "snow", "black", "white", "red", "green", "blue", "checkers-8",
  "circular", "ball", "pinwheel" };
static const gchar *const shows[GRAMMAR_N_PATTERNS] = { "shows colour bars", "shows snow", "is black", "is white", "is red",
  "is green", "is blue", "shows a checkerboard", "shows rings", "shows a moving ball", "shows a pinwheel" };

static const gchar *const light_names[YARD_N_LIGHTS] = { "day", "dusk", "night", "rain" };
static const gchar *const lights[YARD_N_LIGHTS] = { "By day", "At dusk", "At night", "In the rain" };
static const gchar *const action_names[YARD_N_ACTIONS] = { "right", "left", "stops", "loiters", "enters", "exits", "leaves",
  "takes", "cycles right", "cycles left" };
static const gchar *const actions[YARD_N_ACTIONS] = { "walks from left to right", "walks from right to left",
  "comes and stands still", "loiters", "enters the house", "comes out of the house", "leaves a bag", "takes a bag away",
  "cycles from left to right", "cycles from right to left" };
static const gchar *const colours[YARD_N_COLOURS] = { "red", "blue", "green", "white", "black", "yellow" };
static const gchar *const car_names[YARD_N_CARS] = { NULL, "parked", "arrives", "leaves" };
static const gchar *const cars[YARD_N_CARS] = { NULL, "is parked", "arrives", "leaves" };

const gchar *const grammar_summary_prompts[] = { "Sum up what happened.", "Sum up these reports.", "Summarise the reports.",
  "Summarize what happened.", "Which events happened, in order?", "Sum up in one or two sentences what happened.",
  "Summarize these reports in a few sentences.", NULL };

/* --- reports --------------------------------------------------------------------------------------------------------------- */

static const gchar *
screen_of (const gchar *pattern)
{
  guint i = 0;

  while (!g_str_equal (grammar_patterns[i], pattern))
    i++;
  return shows[i];
}

static void
append_people (GString *text, const YardFacts *facts)
{
  switch (facts->n_people) {
    case 0:
      g_string_append (text, NOBODY);
      break;
    case 1:
      g_string_append_printf (text, "a person %s", actions[facts->people[0]]);
      break;
    default:
      g_string_append_printf (text, "one person %s and another %s", actions[facts->people[0]], actions[facts->people[1]]);
  }
}

static void
append_rest (GString *text, const YardFacts *facts)
{
  const gchar *parts[3];
  gsize start = text->len;
  guint n = 0;

  if (facts->dog)
    parts[n++] = DOG;
  if (facts->bag)
    parts[n++] = BAG;
  if (facts->lamp)
    parts[n++] = LAMP;
  if (n == 0)
    return;
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? " " : i + 1 == n ? " and " : ", ", parts[i]);
  g_string_append_c (text, '.');
  text->str[start + 1] = g_ascii_toupper (text->str[start + 1]);
}

gchar *
grammar_report (const YardFacts *facts)
{
  GString *text = g_string_new (NULL);

  if (facts->pattern) {
    g_string_printf (text, "The screen %s.", screen_of (facts->pattern));
    return g_string_free (text, FALSE);
  }
  g_string_append_printf (text, "%s, ", lights[facts->light]);
  append_people (text, facts);
  g_string_append_c (text, '.');
  if (facts->car != YARD_NO_CAR)
    g_string_append_printf (text, " A %s car %s.", colours[facts->colour], cars[facts->car]);
  append_rest (text, facts);
  return g_string_free (text, FALSE);
}

static gboolean
take (const gchar **text, const gchar *part)
{
  if (!g_str_has_prefix (*text, part))
    return FALSE;
  *text += strlen (part);
  return TRUE;
}

/* Which of n the text goes on with; none of them is the start of another. -1: none */
static gint
take_one (const gchar **text, const gchar *const *parts, guint n)
{
  for (guint i = 0; i < n; i++)
    if (parts[i] && take (text, parts[i]))
      return i;
  return -1;
}

static gboolean
parse_people (const gchar **text, YardFacts *facts)
{
  if (take (text, NOBODY "."))
    return TRUE;
  facts->n_people = take (text, "one person ") ? 2 : 1;
  if (facts->n_people == 1 && !take (text, "a person "))
    return FALSE;
  for (guint i = 0; i < facts->n_people; i++) {
    gint action = i == 0 || take (text, " and another ") ? take_one (text, actions, YARD_N_ACTIONS) : -1;

    if (action < 0)
      return FALSE;
    facts->people[i] = action;
  }
  return take (text, ".");
}

static gboolean
parse_car (const gchar **text, YardFacts *facts)
{
  gint colour, car;

  if (!take (text, " A "))
    return TRUE;
  colour = take_one (text, colours, YARD_N_COLOURS);
  if (colour < 0) { /* a dog, a bag or a light */
    *text -= strlen (" A ");
    return TRUE;
  }
  car = take (text, " car ") ? take_one (text, cars, YARD_N_CARS) : -1;
  facts->colour = colour;
  facts->car = MAX (car, 0);
  return car >= 0 && take (text, ".");
}

gboolean
grammar_parse_report (const gchar *text, YardFacts *facts)
{
  g_autofree gchar *again = NULL, *rest = NULL;
  const gchar *left = text;
  gint light;

  *facts = (YardFacts){ NULL };
  if (take (&left, "The screen ")) {
    gint shown = take_one (&left, shows, GRAMMAR_N_PATTERNS);

    facts->pattern = shown >= 0 ? grammar_patterns[shown] : NULL;
    return shown >= 0 && g_str_equal (left, ".");
  }
  light = take_one (&left, lights, YARD_N_LIGHTS);
  facts->light = MAX (light, 0);
  if (light < 0 || !take (&left, ", ") || !parse_people (&left, facts) || !parse_car (&left, facts))
    return FALSE;
  rest = g_ascii_strdown (left, -1);
  facts->dog = strstr (rest, DOG) != NULL;
  facts->bag = strstr (rest, BAG) != NULL;
  facts->lamp = strstr (rest, LAMP) != NULL;
  again = grammar_report (facts);
  return g_str_equal (again, text);
}

GPtrArray *
grammar_state (const YardFacts *facts)
{
  GPtrArray *state = g_ptr_array_new_with_free_func (g_free);

  if (facts->pattern) {
    g_ptr_array_add (state, g_strdup_printf ("pattern: %s", facts->pattern));
    return state;
  }
  g_ptr_array_add (state, g_strdup_printf ("light: %s", light_names[facts->light]));
  g_ptr_array_add (state, g_strdup_printf ("count: %u", facts->n_people));
  for (guint i = 0; i < facts->n_people; i++)
    g_ptr_array_add (state, g_strdup_printf ("person: %s", action_names[facts->people[i]]));
  if (facts->car != YARD_NO_CAR)
    g_ptr_array_add (state, g_strdup_printf ("car: %s %s", car_names[facts->car], colours[facts->colour]));
  if (facts->dog)
    g_ptr_array_add (state, g_strdup ("dog"));
  if (facts->bag)
    g_ptr_array_add (state, g_strdup ("bag"));
  if (facts->lamp)
    g_ptr_array_add (state, g_strdup ("lamp"));
  return state;
}

/* --- questions ------------------------------------------------------------------------------------------------------------- */

typedef enum
{
  ASK_COUNT,
  ASK_COLOUR,
  ASK_CAR,
  ASK_WAY,
  ASK_LIGHT,
  /* From here on yes or no. */
  ASK_PEOPLE_AT_LEAST,
  ASK_ACTION, /* any of a set of YardAction */
  ASK_BAG,
  ASK_CAR_IS, /* any of a set of YardCar */
  ASK_DOG,
  ASK_LAMP,
  ASK_YARD,
  ASK_LIGHT_IS,
  ASK_COLOUR_IS,
} Ask;

typedef struct
{
  const gchar *kind;
  const gchar *phrasings[5];
  Ask ask;
  guint value;
} Question;

#define RIGHTS (1 << YARD_RIGHT | 1 << YARD_CYCLES_RIGHT)
#define LEFTS (1 << YARD_LEFT | 1 << YARD_CYCLES_LEFT)
#define ANY_CAR (1 << YARD_CAR_PARKED | 1 << YARD_CAR_ARRIVES | 1 << YARD_CAR_LEAVES)

static const Question questions[] = {
  { "count", { "How many people are there?", "How many people do you see?" }, ASK_COUNT },
  { "colour", { "What colour is the car?", "Which colour does the car have?" }, ASK_COLOUR },
  { "car doing", { "What does the car do?" }, ASK_CAR },
  { "way", { "Which way does the person walk?", "Which way does the person go?" }, ASK_WAY },
  { "light", { "Is it day or night?", "What time of day is it?", "What is the light like?" }, ASK_LIGHT },
  { "person", { "Is there a person?", "Is anybody there?", "Is someone there?", "Do you see a person?" }, ASK_PEOPLE_AT_LEAST, 1 },
  { "two people", { "Are there two people?", "Are two people there?" }, ASK_PEOPLE_AT_LEAST, 2 },
  { "bag left", { "Did someone leave a bag?", "Does someone leave a bag?", "Has someone left a bag?" }, ASK_ACTION,
      1 << YARD_LEAVES },
  { "bag taken", { "Did someone take a bag away?", "Does someone take a bag?", "Was a bag taken away?" }, ASK_ACTION,
      1 << YARD_TAKES },
  { "bag lies", { "Does a bag lie on the ground?", "Is there a bag nobody touches?" }, ASK_BAG },
  { "loiters", { "Does someone loiter?", "Is someone loitering?", "Did someone loiter?" }, ASK_ACTION, 1 << YARD_LOITERS },
  { "stops", { "Does someone stand still?", "Did someone stop?" }, ASK_ACTION, 1 << YARD_STOPS },
  { "enters", { "Did someone enter the house?", "Does someone enter the house?", "Did someone go in?" }, ASK_ACTION,
      1 << YARD_ENTERS },
  { "exits", { "Did someone come out of the house?", "Does someone come out?" }, ASK_ACTION, 1 << YARD_EXITS },
  { "crosses right", { "Does someone go from left to right?", "Did someone cross from left to right?" }, ASK_ACTION, RIGHTS },
  { "crosses left", { "Does someone go from right to left?", "Did someone cross from right to left?" }, ASK_ACTION, LEFTS },
  { "cyclist", { "Is there a cyclist?", "Is someone on a bicycle?", "Do you see a bicycle?" }, ASK_ACTION,
      1 << YARD_CYCLES_RIGHT | 1 << YARD_CYCLES_LEFT },
  { "car", { "Is there a car?", "Is a car there?", "Do you see a car?" }, ASK_CAR_IS, ANY_CAR },
  { "car arrives", { "Did a car arrive?", "Does a car arrive?" }, ASK_CAR_IS, 1 << YARD_CAR_ARRIVES },
  { "car leaves", { "Did a car leave?", "Does a car leave?" }, ASK_CAR_IS, 1 << YARD_CAR_LEAVES },
  { "car parked", { "Is a car parked?", "Is there a parked car?" }, ASK_CAR_IS, 1 << YARD_CAR_PARKED },
  { "dog", { "Is there a dog?", "Is a dog there?", "Do you see a dog?" }, ASK_DOG },
  { "lamp", { "Did a light go on?", "Does a light go on?" }, ASK_LAMP },
  { "yard", { "Is this a yard?", "Is there a house?" }, ASK_YARD },
  { "day", { "Is it day?" }, ASK_LIGHT_IS, YARD_DAY },
  { "dusk", { "Is it dusk?" }, ASK_LIGHT_IS, YARD_DUSK },
  { "night", { "Is it night?", "Is it dark?" }, ASK_LIGHT_IS, YARD_NIGHT },
  { "rain", { "Is it raining?", "Does it rain?" }, ASK_LIGHT_IS, YARD_RAIN },
  { "colour of car", { "Is the car red?", "Is there a red car?" }, ASK_COLOUR_IS, YARD_RED },
  { "colour of car", { "Is the car blue?", "Is there a blue car?" }, ASK_COLOUR_IS, YARD_BLUE },
  { "colour of car", { "Is the car green?", "Is there a green car?" }, ASK_COLOUR_IS, YARD_GREEN },
  { "colour of car", { "Is the car white?", "Is there a white car?" }, ASK_COLOUR_IS, YARD_WHITE },
  { "colour of car", { "Is the car black?", "Is there a black car?" }, ASK_COLOUR_IS, YARD_BLACK },
  { "colour of car", { "Is the car yellow?", "Is there a yellow car?" }, ASK_COLOUR_IS, YARD_YELLOW },
};

guint
grammar_n_questions (void)
{
  return G_N_ELEMENTS (questions);
}

const gchar *
grammar_question_kind (guint n)
{
  return questions[n].kind;
}

const gchar *const *
grammar_question_phrasings (guint n)
{
  return questions[n].phrasings;
}

static gboolean
acts (const YardFacts *facts, guint set)
{
  for (guint i = 0; i < facts->n_people; i++)
    if (set & 1 << facts->people[i])
      return TRUE;
  return FALSE;
}

static gboolean
holds (const Question *q, const YardFacts *facts)
{
  switch (q->ask) {
    case ASK_PEOPLE_AT_LEAST:
      return facts->n_people >= q->value;
    case ASK_ACTION:
      return acts (facts, q->value);
    case ASK_BAG:
      return facts->bag;
    case ASK_CAR_IS:
      return (q->value & 1 << facts->car) != 0;
    case ASK_DOG:
      return facts->dog;
    case ASK_LAMP:
      return facts->lamp;
    case ASK_YARD:
      return facts->pattern == NULL;
    case ASK_LIGHT_IS:
      return facts->pattern == NULL && facts->light == q->value;
    default:
      return facts->car != YARD_NO_CAR && facts->colour == q->value;
  }
}

static const gchar *
answer_way (const YardFacts *facts)
{
  gboolean right = acts (facts, RIGHTS), left = acts (facts, LEFTS);

  if (right && left)
    return "Both ways.";
  return right ? "From left to right." : left ? "From right to left." : "Nobody crosses the yard.";
}

const gchar *
grammar_answer (guint n, const YardFacts *facts)
{
  static const gchar *const counts[] = { "None.", "One.", "Two." };
  static const gchar *const colour_answers[YARD_N_COLOURS] = { "Red.", "Blue.", "Green.", "White.", "Black.", "Yellow." };
  static const gchar *const car_answers[YARD_N_CARS] = { "There is no car.", "It is parked.", "It arrives.", "It leaves." };
  static const gchar *const light_answers[YARD_N_LIGHTS] = { "By day.", "At dusk.", "At night.", "In the rain." };

  switch (questions[n].ask) {
    case ASK_COUNT:
      return counts[facts->n_people];
    case ASK_COLOUR:
      return facts->car == YARD_NO_CAR ? car_answers[YARD_NO_CAR] : colour_answers[facts->colour];
    case ASK_CAR:
      return car_answers[facts->car];
    case ASK_WAY:
      return answer_way (facts);
    case ASK_LIGHT:
      return facts->pattern ? "It is a test picture." : light_answers[facts->light];
    default:
      return holds (&questions[n], facts) ? "Yes." : "No.";
  }
}

gboolean
grammar_answer_is_empty (const gchar *answer)
{
  static const gchar *const empty[] = { "No.", "None.", "There is no car.", "Nobody crosses the yard.", "It is a test picture.",
    NULL };

  return g_strv_contains (empty, answer);
}

/* --- summaries ------------------------------------------------------------------------------------------------------------- */

static void
add_events (GPtrArray *events, const YardFacts *facts)
{
  if (facts->pattern) {
    g_ptr_array_add (events, g_strdup_printf ("the screen %s", screen_of (facts->pattern)));
    return;
  }
  for (guint i = 0; i < facts->n_people; i++)
    g_ptr_array_add (events, g_strdup_printf ("a person %s", actions[facts->people[i]]));
  if (facts->car == YARD_CAR_ARRIVES || facts->car == YARD_CAR_LEAVES)
    g_ptr_array_add (events, g_strdup_printf ("a %s car %s", colours[facts->colour], cars[facts->car]));
  if (facts->dog)
    g_ptr_array_add (events, g_strdup (DOG));
  if (facts->lamp)
    g_ptr_array_add (events, g_strdup (LAMP));
}

GPtrArray *
grammar_events (const YardFacts *facts, guint n)
{
  GPtrArray *events = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < n; i++)
    add_events (events, &facts[i]);
  return events;
}

gchar *
grammar_summary (const YardFacts *facts, guint n)
{
  g_autoptr (GPtrArray) events = grammar_events (facts, n);
  g_autofree gchar *told = NULL;

  if (events->len == 0)
    return g_strdup (NOTHING);
  g_ptr_array_add (events, NULL);
  told = g_strjoinv (THEN, (gchar **)events->pdata);
  told[0] = g_ascii_toupper (told[0]);
  return g_strconcat (told, ".", NULL);
}

static gboolean
is_event (const gchar *text)
{
  gint car;

  if (g_str_equal (text, DOG) || g_str_equal (text, LAMP))
    return TRUE;
  if (take (&text, "the screen "))
    return take_one (&text, shows, GRAMMAR_N_PATTERNS) >= 0 && *text == '\0';
  if (take (&text, "a person "))
    return take_one (&text, actions, YARD_N_ACTIONS) >= 0 && *text == '\0';
  if (!take (&text, "a ") || take_one (&text, colours, YARD_N_COLOURS) < 0 || !take (&text, " car "))
    return FALSE;
  car = take_one (&text, cars, YARD_N_CARS);
  return (car == YARD_CAR_ARRIVES || car == YARD_CAR_LEAVES) && *text == '\0';
}

GPtrArray *
grammar_parse_summary (const gchar *text)
{
  g_autoptr (GPtrArray) events = g_ptr_array_new_with_free_func (g_free);
  g_autofree gchar *told = NULL;
  g_auto (GStrv) parts = NULL;

  if (g_str_equal (text, NOTHING))
    return g_steal_pointer (&events);
  if (!g_str_has_suffix (text, "."))
    return NULL;
  told = g_strndup (text, strlen (text) - 1);
  told[0] = g_ascii_tolower (told[0]);
  parts = g_strsplit (told, THEN, -1);
  for (guint i = 0; parts[i]; i++) {
    if (!is_event (parts[i]))
      return NULL;
    g_ptr_array_add (events, g_strdup (parts[i]));
  }
  return events->len > 0 ? g_steal_pointer (&events) : NULL;
}
