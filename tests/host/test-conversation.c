/* conversation.py of a folder: read as text, in the ways that people write it. */
#include "../folder.h"
#include "model/chat.h"
#include "model/python.h"

#include <string.h>

#define V1_5 "You are an AI assistant whose name is Phi-3."
#define OTHER "Du bist ein Helfer, auf Englisch InternVL, \xe4\xb9\xa6\xe7\x94\x9f."
#define QUESTION "<|user|>\nWho?<|end|><|assistant|>\n"

static ChatTemplate *
read_text (const gchar *text)
{
  gchar *folder = folder_new ();
  g_autofree gchar *path = g_build_filename (folder, "conversation.py", NULL);
  g_autoptr (GError) error = NULL;
  ChatTemplate *t;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  t = chat_template_new ("phi3-chat", folder, &error);
  g_assert_no_error (error);
  folder_free (folder);
  return t;
}

static gchar *
prompt (const ChatTemplate *t)
{
  g_autoptr (ChatPrompt) made = chat_prompt_new (t, NULL, &(ChatRound){ "Who?", NULL }, 1, NULL, 0, FALSE, NULL);

  return g_steal_pointer (&made->text);
}

/* Rows are read; what the system message is then. */
typedef struct
{
  const gchar *name, *text, *prompt;
  gboolean other;
} Reading;

#define SYSTEM(text) "<|system|>\n" text "<|end|>"
#define BEFORE                                                                                                                     \
  "import dataclasses\n'''module (name='phi3-chat')'''\n\n@dataclasses.dataclass\nclass Conversation:\n"                           \
  "    \"\"\"A class.\"\"\"\n    name: str\n    sep: str = '\\n'\n    def f(self, name='phi3-chat', x=\")\"):\n"                   \
  "        return f'{self.name}'  # Conversation(name='phi3-chat', system_message='c', sep='c')\n\n"                               \
  "register_conv_template(\n    Conversation(\n        name='internlm2-chat',\n        system_message='wrong',\n"                  \
  "        roles=('<|im_start|>user\\n', '<|im_start|>assistant\\n'),\n        sep='<|im_end|>',\n    )\n)\n\n"
#define AFTER "        stop_token_ids=[\n            2,\n            32000,  # <|endoftext|>\n        ],\n    )\n)\n"
#define ROLES "roles=('<|user|>\\n', '<|assistant|>\\n'), sep_style=SeparatorStyle.MPT, sep='<|end|>',\n"

static const Reading readings[] = {
  { "v1.5",
      BEFORE "register_conv_template(\n    Conversation(\n        name='phi3-chat',\n"
             "        system_template='<|system|>\\n{system_message}',\n        system_message='" V1_5 "',\n" ROLES AFTER,
      SYSTEM (V1_5), FALSE },
  { "comment-before-it",
      BEFORE "register_conv_template(\n    Conversation(\n        name='phi3-chat',\n"
             "        system_template='<|system|>\\n{system_message}',\n        # note: it's not used\n"
             "        # system_message='not this',\n        system_message='" OTHER "',\n" ROLES AFTER,
      SYSTEM (OTHER), TRUE },
  { "variable-and-subclass", "phi3_chat = InternVLConversation(name=\"phi3-chat\", system_message=\"" OTHER "\", " ROLES ")\n",
      SYSTEM (OTHER), TRUE },
  { "parts-in-brackets",
      "Conversation(name='phi3-chat', system_message=('Du bist ein Helfer, '\n  # of two parts\n  \"auf Englisch InternVL, "
      "\\u4e66\\u751f.\"), " ROLES ")",
      SYSTEM (OTHER), TRUE },
  { "three-quotes", "Conversation(system_message='''a\n'b' \\\"c''', name='''phi3-chat''', sep='<|end|>')", SYSTEM ("a\n'b' \"c"),
      TRUE },
  { "raw", "Conversation(name=u'phi3-chat', system_message=r'a\\n', sep='<|end|>')", SYSTEM ("a\\n"), TRUE },
  { "escapes", "Conversation(name='phi3-chat', system_message='\\x41\\U0001F600\\t\\'\\\n.\\q', sep='<|end|>')",
      SYSTEM ("A\xf0\x9f\x98\x80\t'.\\q"), TRUE },
  { "sep-in-the-template",
      "Conversation(name='phi3-chat', system_template='<|system|>\\n{system_message}<|end|>', system_message='b',\n"
      "roles=['<|user|>\\n', '<|assistant|>\\n',], sep_style=SeparatorStyle.NO_COLON_SINGLE, sep='<|end|>')",
      SYSTEM ("b"), TRUE },
  { "two-of-the-name",
      "Conversation(name='phi3-chat', system_message='a', sep='<|end|>')\n"
      "Conversation(name='phi3-chat', system_message='b', sep='<|end|>')",
      SYSTEM ("a"), TRUE },
  { "no-message", "Conversation(name='phi3-chat', system_message='', sep='<|end|>')", "", TRUE },
};

static void
test_read (gconstpointer data)
{
  const Reading *r = data;
  g_autoptr (ChatTemplate) t = read_text (r->text);
  g_autofree gchar *text = prompt (t), *expected = g_strconcat (r->prompt, QUESTION, NULL);

  g_assert_cmpstr (text, ==, expected);
  g_assert_cmpstr (chat_template_system_source (t), ==, "checkpoint");
  g_assert_true (chat_template_has_other_system (t) == r->other);
}

static void
test_separators_are_those_of_the_file (void)
{
  g_autoptr (ChatTemplate) t = read_text ("Conversation(name='phi3-chat', system_template='[{system_message}', system_message='s', "
                                          "roles=('Q:', 'A:'), sep='\\n')");
  g_autofree gchar *text = prompt (t);

  g_assert_cmpstr (text, ==, "[s\nQ:Who?\nA:");
}

/* What is there but not understood is said, and V1.5's stands. */
static const Reading strangers[] = {
  { "empty", "" },
  { "no-python", "Conversation(name='phi3-chat', system_message='a" },
  { "open-bracket", "Conversation(name='phi3-chat', system_message='a', sep='b'" },
  { "other-names", "Conversation(name='phi-3-chat', system_message='a', sep='b')" },
  { "formatted", "Conversation(name='phi3-chat', system_message=f'{x}', sep='<|end|>')" },
  { "variable", "Conversation(name='phi3-chat', system_message=MESSAGE, sep='<|end|>')" },
  { "sum", "Conversation(name='phi3-chat', system_message='a' + B, sep='<|end|>')" },
  { "named-character", "Conversation(name='phi3-chat', system_message='\\N{DASH}', sep='<|end|>')" },
  { "method", "Conversation(name='phi3-chat', system_message='a'.upper(), sep='<|end|>')" },
  { "no-separator", "Conversation(name='phi3-chat', system_message='a')" },
  { "three-roles", "Conversation(name='phi3-chat', system_message='a', roles=('a', 'b', 'c'), sep='<|end|>')" },
  { "template-without-place", "Conversation(name='phi3-chat', system_template='a', system_message='a', sep='<|end|>')" },
  { "nested", "f(g(Conversation), name='phi3-chat', system_message='a', sep='<|end|>')" },
  { "inner-argument", "Conversation(x=dict(name='phi3-chat', system_message='a', sep='<|end|>'))" },
  { "not-utf8", "Conversation(name='phi3-chat', system_message='\xff', sep='<|end|>')" },
  { "many-brackets", "Conversation(name='phi3-chat', system_message=((((('a'))))), sep='<|end|>')" },
};

static void
test_stranger (gconstpointer data)
{
  const Reading *r = data;
  g_autoptr (ChatTemplate) t = NULL;
  g_autofree gchar *text = NULL;

  g_test_expect_message ("minivl", G_LOG_LEVEL_WARNING, "*conversation.py: the template phi3-chat is not there*");
  t = read_text (r->text);
  g_test_assert_expected_messages ();
  text = prompt (t);
  g_assert_cmpstr (text, ==, SYSTEM (V1_5) QUESTION);
  g_assert_cmpstr (chat_template_system_source (t), ==, "v1.5");
  g_assert_false (chat_template_has_other_system (t));
}

static void
test_folder_without_the_file_is_v1_5 (void)
{
  gchar *folder = folder_new ();
  g_autoptr (ChatTemplate) t = chat_template_new ("phi3-chat", folder, NULL);
  g_autofree gchar *text = prompt (t);

  folder_free (folder);
  g_assert_cmpstr (text, ==, SYSTEM (V1_5) QUESTION);
  g_assert_cmpstr (chat_template_system_source (t), ==, "v1.5");
}

/* Whatever was done to the file, it is read or it is not. */
static void
test_damage_does_no_harm (void)
{
  const gchar *text = readings[1].text;
  gsize n = strlen (text);
  guint read = 0;

  for (guint i = 0; i < 3000; i++) {
    g_autofree gchar *damaged = g_strdup (text);
    g_autoptr (GHashTable) arguments = NULL;

    for (guint k = g_test_rand_int_range (1, 4); k > 0; k--)
      damaged[g_test_rand_int_range (0, n)] = "'\"()[]{}\\#,=frux \n"[g_test_rand_int_range (0, 18)];
    if (g_test_rand_int_range (0, 4) == 0)
      damaged[g_test_rand_int_range (0, n)] = '\0';
    arguments = python_find_call (damaged, "Conversation", "name", "phi3-chat");
    read += arguments != NULL;
  }
  g_assert_cmpuint (read, >, 0);
  g_assert_cmpuint (read, <, 3000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (readings); i++) {
    g_autofree gchar *path = g_strconcat ("/conversation/read/", readings[i].name, NULL);

    g_test_add_data_func (path, &readings[i], test_read);
  }
  for (guint i = 0; i < G_N_ELEMENTS (strangers); i++) {
    g_autofree gchar *path = g_strconcat ("/conversation/stranger/", strangers[i].name, NULL);

    g_test_add_data_func (path, &strangers[i], test_stranger);
  }
  g_test_add_func ("/conversation/separators-are-those-of-the-file", test_separators_are_those_of_the_file);
  g_test_add_func ("/conversation/folder-without-the-file-is-v1.5", test_folder_without_the_file_is_v1_5);
  g_test_add_func ("/conversation/damage-does-no-harm", test_damage_does_no_harm);
  return g_test_run ();
}
