/* conversation.py. Whatever the text is, there is a template, or an error that says why not. */
#include "model/chat.h"
#include "model/python.h"
#include "parts.h"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_quiet ();
  return 0;
}

/* The call that is found is the one that was asked for. */
static void
check_call (const gchar *text)
{
  g_autoptr (GHashTable) call = python_find_call (text, "Conversation", "name", "phi3-chat");
  const GPtrArray *name = call ? g_hash_table_lookup (call, "name") : NULL;

  g_assert (!call || (name && name->len == 1 && g_str_equal (name->pdata[0], "phi3-chat")));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree gchar *text = part_text ((Part){ data, size });
  g_autoptr (ChatTemplate) template = NULL;
  g_autoptr (GError) error = NULL;

  check_call (text);
  scratch_write ("conversation.py", (Part){ data, size });
  template = chat_template_new ("phi3-chat", scratch_folder (), &error);
  g_assert (template ? !error : error && error->domain == MINIVL_ERROR);
  if (template) {
    g_autoptr (ChatPrompt) made = chat_prompt_new (template, NULL, &(ChatRound){ "Who?", NULL }, 1, NULL, 0, FALSE, NULL);

    g_assert (made && g_utf8_validate (made->text, -1, NULL));
  }
  return 0;
}
