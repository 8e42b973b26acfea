/* What is installed. The demo model is the default: in the build tree, where it is installed, and what is said where it is not.
 * An application is built with the header, the library and minivl.pc. */
#include "../program.h"

#include <glib/gstdio.h>
#include <string.h>

#define QUESTION "Sum up what happened.\nBy day, a person loiters."
#define PIPELINE                                                                                                                   \
  "gst-launch-1.0 -m videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! minivl "          \
  "segment-duration=1000000000 num-segments=8 max-tokens=4 %s ! fakesink"

static gchar *folder; /* what is installed */

static gchar *
installed (const gchar *part)
{
  return g_build_filename (folder, PREFIX, part, NULL);
}

static void
run (const gchar *line, ProgramResult *result)
{
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_shell_parse_argv (line, NULL, &argv, &error));
  program_run ((const gchar *const *)argv, result);
}

static void
run_chat (ProgramResult *result)
{
  g_autofree gchar *chat = installed (BINDIR "/minivl-chat");

  program_run ((const gchar *[]){ chat, "--json", "--max-tokens", "4", QUESTION, NULL }, result);
}

static void
run_launch (const gchar *plugins, const gchar *registry, const gchar *properties, ProgramResult *result)
{
  g_autofree gchar *line =
      g_strdup_printf ("env GST_PLUGIN_PATH=%s GST_REGISTRY=%s/%s " PIPELINE, plugins, folder, registry, properties);

  run (line, result);
}

static void
assert_says (const gchar *text, const gchar *part)
{
  if (strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

static void
test_plugin_path_is_all_it_needs (void)
{
  g_auto (ProgramResult) r = { 0 };

  run_launch (PLUGIN_DIR, "registry-build", "", &r);
  g_assert_cmpint (r.code, ==, 0);
  assert_says (r.out, "model=(string)demo-model");
  assert_says (r.out, "WARNING");
}

static void
test_found_where_it_is_installed (void)
{
  g_autofree gchar *plugins = installed (LIBDIR "/gstreamer-1.0");
  g_auto (ProgramResult) chat = { 0 }, launch = { 0 };

  run_chat (&chat);
  g_assert_cmpint (chat.code, ==, 0);
  assert_says (chat.out, "\"model\":\"demo-model\"");
  run_launch (plugins, "registry-installed", "model-path=demo", &launch);
  g_assert_cmpint (launch.code, ==, 0);
  assert_says (launch.out, "model=(string)demo-model");
  g_assert_null (strstr (launch.out, "WARNING"));
}

/* GStreamer takes a licence that is not on its list for none. */
static void
test_tells_its_licence_and_origin (void)
{
  g_autofree gchar *line =
      g_strdup_printf ("env GST_PLUGIN_PATH=%s GST_REGISTRY=%s/registry-build gst-inspect-1.0 minivl", PLUGIN_DIR, folder);
  g_auto (ProgramResult) r = { 0 };

  run (line, &r);
  g_assert_cmpint (r.code, ==, 0);
  g_assert_true (g_regex_match_simple ("\\n *License +MIT/X11\\n", r.out, 0, 0));
  g_assert_true (g_regex_match_simple ("\\n *Origin URL +https://\\S+\\n", r.out, 0, 0));
}

static void
test_told_where_there_is_none (void)
{
  g_autofree gchar *plugins = installed (LIBDIR "/gstreamer-1.0");
  g_autofree gchar *config = installed (DATADIR "/minivl/demo-model/config.json");
  g_auto (ProgramResult) chat = { 0 }, launch = { 0 };

  g_assert_cmpint (g_unlink (config), ==, 0);
  run_chat (&chat);
  g_assert_cmpint (chat.code, ==, 2);
  assert_says (chat.err, "--model");
  run_launch (plugins, "registry-installed", "", &launch);
  g_assert_cmpint (launch.code, !=, 0);
  assert_says (launch.err, "model-path");
  g_assert_null (strstr (launch.out, "Loading")); /* nothing has begun */
}

/* Packages are found under the prefix they are made for; this one lies in a folder. `flags` come in front of what pkg-config says.
 */
static gchar *
build_application (const gchar *compiler, const gchar *flags, const gchar *source, const gchar *package, const gchar *name)
{
  g_autofree gchar *prefix = g_build_filename (folder, PREFIX, NULL), *libraries = installed (LIBDIR);
  gchar *program = g_build_filename (folder, name, NULL);
  g_autofree gchar *line = g_strdup_printf ("set -e; export PKG_CONFIG_PATH=%s/pkgconfig; sed -i 's|^prefix=.*|prefix=%s|' "
                                            "$PKG_CONFIG_PATH/%s.pc; %s %s -o %s %s $(pkg-config --cflags --libs %s)",
      libraries, prefix, package, compiler, flags, program, source, package);
  g_auto (ProgramResult) built = { 0 };

  program_run ((const gchar *[]){ "sh", "-c", line, NULL }, &built);
  if (built.code != 0)
    g_error ("%s: %s%s", line, built.out, built.err);
  return program;
}

/* As model/README.md says, from what is installed alone. */
static void
test_an_application_is_built_with_it (void)
{
  g_autofree gchar *program = build_application (CC, "", EXAMPLES "/quickstart.c", "minivl", "quickstart");
  g_autofree gchar *path = g_strconcat ("LD_LIBRARY_PATH=", folder, PREFIX "/" LIBDIR, NULL);
  g_auto (ProgramResult) started = { 0 };

  program_run ((const gchar *[]){ "env", path, program, "/nonexistent", "picture", "picture", "frame", NULL }, &started);
  g_assert_cmpint (started.code, ==, 1);
  assert_says (started.err, "quickstart: /nonexistent");
}

/* As gst/README.md says, in both languages. */
static void
test_results_are_read_typed (void)
{
  static const gchar *const languages[][2] = { { "-x c -std=c11", "typed-c" }, { "-x c++ -std=c++17", "typed-cpp" } };
  g_autofree gchar *plugins = installed (LIBDIR "/gstreamer-1.0");
  g_autofree gchar *embed = build_application (CC, "", EXAMPLES "/embed.c", "minivl-gst", "embed");
  g_auto (ProgramResult) usage = { 0 };

  program_run ((const gchar *[]){ embed, NULL }, &usage);
  g_assert_cmpint (usage.code, ==, 2);
  for (guint i = 0; i < G_N_ELEMENTS (languages); i++) {
    g_autofree gchar *flags = g_strconcat ("-Wall -Wextra -pedantic-errors -Werror ", languages[i][0], NULL);
    g_autofree gchar *program = build_application (CC, flags, TYPED, "minivl-gst", languages[i][1]);
    g_autofree gchar *path = g_strconcat ("GST_PLUGIN_PATH=", plugins, NULL);
    g_autofree gchar *registry = g_strconcat ("GST_REGISTRY=", folder, "/registry-installed", NULL);
    g_auto (ProgramResult) r = { 0 };

    program_run ((const gchar *[]){ "env", path, registry, "G_DEBUG=fatal-criticals", program, "demo", NULL }, &r);
    g_assert_cmpstr (r.err, ==, "");
    g_assert_cmpint (r.code, ==, 0);
  }
}

static void
test_python_finds_it (void)
{
  g_autofree gchar *path = g_strconcat ("LD_LIBRARY_PATH=", folder, PREFIX "/" LIBDIR, NULL);
  g_auto (ProgramResult) r = { 0 };

  program_run ((const gchar *[]){ "env", path, "PYTHONPATH=" EXAMPLES, "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", "-c",
                   "import minivl\n"
                   "with minivl.Engine() as engine, minivl.Session(engine) as session:\n"
                   "  print(engine.info['model'], session.ask('''" QUESTION "''', max_tokens=4).finish)",
                   NULL },
      &r);
  g_assert_cmpstr (r.err, ==, "");
  g_assert_cmpstr (r.out, ==, "demo-model length\n");
}

int
main (int argc, char **argv)
{
  g_autofree gchar *install = NULL, *clean = NULL;
  g_auto (ProgramResult) made = { 0 }, removed = { 0 };
  int code;

  g_test_init (&argc, &argv, NULL);
  /* Meson sets it to the build tree's library, and it wins over what is installed. */
  g_unsetenv ("LD_LIBRARY_PATH");
  folder = g_dir_make_tmp ("minivl-installed-XXXXXX", NULL);
  install = g_strdup_printf ("meson install -C %s --no-rebuild --quiet --destdir %s", BUILD_ROOT, folder);
  run (install, &made);
  if (made.code != 0)
    g_error ("%s: %s%s", install, made.out, made.err);

#define RULE(name) g_test_add_func ("/default/" #name, test_##name)
  RULE (plugin_path_is_all_it_needs);
  RULE (tells_its_licence_and_origin);
  RULE (found_where_it_is_installed);
  RULE (an_application_is_built_with_it);
  RULE (results_are_read_typed);
  RULE (python_finds_it);
  RULE (told_where_there_is_none);
#undef RULE
  code = g_test_run ();
  clean = g_strdup_printf ("rm -rf %s", folder);
  run (clean, &removed);
  g_free (folder);
  return code;
}
