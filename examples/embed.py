#!/usr/bin/python3
"""embed.py MODEL VIDEO: an application with the element in it: it reads what is seen, changes the question while the video plays,
and asks one of its own.

All it takes is GStreamer and PyGObject (Debian: python3-gi, gir1.2-gstreamer-1.0); GST_PLUGIN_PATH names the folder of the plugin
where that is not installed. embed.c is the same in C.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


class App:
    def __init__(self, model, video):
        self.loop = GLib.MainLoop()
        self.question = 0  # the id that the answer to ours will have; 0: not asked yet
        self.answered = self.ended = False
        self.code = 1
        self.pipeline = Gst.parse_launch("filesrc name=file ! decodebin ! videoconvert ! minivl name=minivl ! fakesink")
        self.pipeline.get_by_name("file").props.location = video
        self.minivl = self.pipeline.get_by_name("minivl")
        self.minivl.props.model_path = model
        self.minivl.props.segment_duration = 10 * Gst.SECOND
        self.minivl.props.num_segments = 8
        self.minivl.props.max_tokens = 48

    def run(self):
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        bus.remove_signal_watch()
        return self.code

    def finish(self, code):
        self.code = code
        self.loop.quit()

    def ask_something(self):
        """Properties and `ask` may be used from any thread, while the video plays."""
        self.minivl.props.prompt = "How many people are there?"
        self.question = self.minivl.emit("ask", "Is there a dog?", 10)
        if self.question == 0:
            self.finish(1)  # a warning on the bus says why

    def on_result(self, result):
        get = result.get_value
        start, stop = get("segment_start") / Gst.SECOND, get("segment_stop") / Gst.SECOND
        print("%s %.1f-%.1f s: %s: %s" % (get("kind"), start, stop, get("prompt"), get("text")), flush=True)
        if self.question == 0:
            self.ask_something()
        elif get("id") == self.question:
            self.answered = True

    def on_message(self, bus, message):
        if message.type == Gst.MessageType.ELEMENT and message.has_name("minivl"):
            self.on_result(message.get_structure())
        elif message.type == Gst.MessageType.WARNING:
            print("embed.py:", message.parse_warning()[0].message, file=sys.stderr)
        elif message.type == Gst.MessageType.ERROR:
            print("embed.py:", message.parse_error()[0].message, file=sys.stderr)
            self.finish(1)
        elif message.type == Gst.MessageType.EOS:  # all segments have been answered; a question of ours may not
            self.ended = True
        if self.ended and (self.answered or self.question == 0):
            self.finish(0 if self.answered else 1)


def main():
    Gst.init(None)
    if len(sys.argv) != 3:
        sys.exit("usage: embed.py MODEL VIDEO")
    try:
        app = App(sys.argv[1], sys.argv[2])
    except GLib.Error as error:
        sys.exit("embed.py: " + error.message)
    return app.run()


sys.exit(main())
