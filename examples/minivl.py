"""Asks a Mini-InternVL-Chat model about pictures: libminivl by ctypes. model/minivl.h tells what is only named here.

    with minivl.Engine() as engine, minivl.Session(engine) as session:  # the demo model; Engine('FOLDER', precision='q4') another
        session.add(picture)  # of Pillow; an array [height][width][3] of bytes; or bytes, with size=(width, height)
        print(session.ask('What is there?', on_text=print, max_tokens=64).finish)

Copy it beside your program; LD_LIBRARY_PATH names the library's folder where that is not installed. What fails raises Error. Other
threads run meanwhile. on_text is called by the thread that asks, and what it raises ends the answer, as Ctrl-C does. A session is
used by one thread at a time, cancel() and close() apart; an engine is closed when no call is in hand on it.
"""
import ctypes
import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int, c_int32, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from types import SimpleNamespace
from typing import Any, Callable, Optional, Tuple

ERRORS = ('usage', 'file', 'model', 'device', 'memory', 'budget', 'images', 'cancelled')
NAMES = {'precision': ('auto', 'f32', 'f16', 'q8', 'q4'), 'tokenizer': ('auto', 'fast', 'slow'), 'cache_precision': ('f16', 'q8')}
PARAMS = {'max_tokens': 512, 'top_k': 40, 'top_p': 0.8, 'repetition_penalty': 1.0}  # MINIVL_PARAMS_INIT
ARRAYS = {'input_ids': 'prompt_tokens', 'token_ids': 'output_tokens', 'logprobs': 'output_tokens', 'top_ids': 'output_tokens',
          'top_logprobs': 'output_tokens', 'logits': 'n_logits', 'choice_probabilities': 'n_choices'}
TEXT = ctypes.CFUNCTYPE(None, c_char_p, c_void_p)
Handle = type('Handle', (c_void_p,), {})  # a result that stays a pointer, where ctypes would make c_void_p an integer


def struct(name: str, **fields: Any) -> Any:
    return type(name, (ctypes.Structure,), {'_fields_': list(fields.items()), '__slots__': ()})


GError = struct('GError', domain=c_uint32, code=c_int, message=c_char_p)
Options = struct('MinivlEngineOptions', model_path=c_char_p, device=c_char_p, precision=c_int, context_size=c_uint,
                 on_progress=c_void_p, user_data=c_void_p, tokenizer=c_int, lora=c_char_p, cache_size=c_uint, cache_dir=c_char_p,
                 cache_precision=c_int)
Info = struct('MinivlEngineInfo', model=c_char_p, model_hash=c_char_p, precision=c_char_p, device=c_char_p, device_bytes=c_uint64,
              load_ns=c_uint64, tile_side=c_uint, tile_tokens=c_uint, context_size=c_uint, max_context_size=c_uint,
              tokenizer=c_char_p, system_source=c_char_p, cache_size=c_uint, cache_precision=c_char_p)
Image = struct('MinivlImage', data=c_char_p * 3, width=c_uint, height=c_uint, stride=c_size_t * 3, format=c_int, matrix=c_int,
               range=c_int, crop_x=c_uint, crop_y=c_uint, crop_width=c_uint, crop_height=c_uint, orientation=c_uint)
Params = struct('MinivlParams', max_tokens=c_uint, temperature=c_double, top_k=c_uint, top_p=c_double, repetition_penalty=c_double,
                seed=c_uint64, stop=POINTER(c_char_p), want_logits=c_int, special_tokens=c_int, n_logprobs=c_uint, want_yes=c_int,
                choices=POINTER(c_char_p), json_schema=c_char_p, deadline=c_uint64, cancel=POINTER(c_int))
Reply = struct('MinivlAnswer', text=c_char_p, finish=c_int, input_ids=POINTER(c_int32), prompt_tokens=c_uint,
               token_ids=POINTER(c_int32), output_tokens=c_uint, cached_tokens=c_uint, drafted=c_uint, accepted=c_uint,
               logprobs=POINTER(c_double), top_ids=POINTER(c_int32), top_logprobs=POINTER(c_double), yes=c_double,
               logits=POINTER(c_float), n_logits=c_uint, n_choices=c_uint, choice=c_int, choice_probabilities=POINTER(c_double),
               prefill_ns=c_uint64, decode_ns=c_uint64, total_ns=c_uint64)

lib, glib = ctypes.CDLL('libminivl.so.0'), ctypes.CDLL('libglib-2.0.so.0')
lib.minivl_engine_get_info.restype, lib.minivl_finish_to_string.restype = POINTER(Info), c_char_p
for made in (lib.minivl_default_model_path, lib.minivl_engine_open, lib.minivl_session_new, lib.minivl_picture_new):
    made.restype = Handle


class Error(Exception):
    code: str  # one of ERRORS


def call(function: Any, *arguments: Any) -> Any:
    error = POINTER(GError)()
    result = function(*arguments, byref(error))
    if error:
        raised = Error(error.contents.message.decode())
        raised.code = ERRORS[error.contents.code]
        glib.g_error_free(error)
        raise raised
    return result


def native(value: Any) -> Any:
    """Strings, and lists of them, as C has them."""
    if isinstance(value, (list, tuple)):
        return (c_char_p * (len(value) + 1))(*map(native, value))
    return value.encode(errors='surrogateescape') if isinstance(value, str) else value


class Owned(AbstractContextManager):
    free: Any

    def close(self) -> None:
        """Again is legal. What is closed has no handle, and whoever uses it gets an AttributeError."""
        self.free(vars(self).pop('handle', None))

    def __exit__(self, *_: Any) -> None:
        self.close()


class Engine(Owned):
    free = lib.minivl_engine_unref

    def __init__(self, model: Optional[str] = None, **options: Any) -> None:
        path = lib.minivl_default_model_path() if model is None else Handle()
        fields = {name: native(NAMES[name].index(value) if name in NAMES else value) for name, value in options.items()}
        fields['model_path'] = ctypes.cast(path, c_char_p).value if model is None else native(model)
        glib.g_free(path)
        self.handle = call(lib.minivl_engine_open, byref(Options(**fields)))
        info = lib.minivl_engine_get_info(self.handle).contents
        self.info = {name: v.decode() if isinstance(v := getattr(info, name), bytes) else v for name, _ in Info._fields_}


class Session(Owned):
    free = lib.minivl_session_free

    def __init__(self, engine: Engine, system: Optional[str] = None) -> None:
        self.handle, self.engine, self.stop = call(lib.minivl_session_new, engine.handle), engine, c_int()
        lib.minivl_session_set_system(self.handle, native(system))

    def cancel(self) -> None:
        """Ends the answer in hand at the next token."""
        self.stop.value = 1

    def add(self, image: Any, size: Optional[Tuple[int, int]] = None, max_tiles: int = 12) -> None:
        """It stands for the next <image> of the next question."""
        if hasattr(image, 'convert'):
            image, size = image.convert('RGB').tobytes(), image.size
        view = memoryview(image)
        width, height = size or view.shape[1::-1]
        depth, rest = divmod(view.nbytes, width * height or 1)
        if view.itemsize != 1 or rest or depth not in (1, 3, 4):
            raise ValueError('a pixel has 1 byte, 3 or 4')
        shown = Image(width=width, height=height, format={3: 0, 4: 2, 1: 4}[depth])  # MINIVL_FORMAT_RGB, _RGBX, _GRAY8
        shown.data[0], shown.stride[0] = view.tobytes(), width * depth
        session, picture = self.handle, call(lib.minivl_picture_new, self.engine.handle, byref(shown), max_tiles, None)
        lib.minivl_session_add_pictures(session, byref(picture), 1)
        lib.minivl_picture_unref(picture)

    def ask(self, prompt: str, on_text: Callable[[str], Any] = lambda _: None, **params: Any) -> SimpleNamespace:
        """params are the fields of MinivlParams; what it returns has those of MinivlAnswer."""
        self.stop, reply, texts = c_int(), Reply(), queue.SimpleQueue()
        asked = Params(cancel=ctypes.pointer(self.stop), **{**PARAMS, **{name: native(value) for name, value in params.items()}})
        try:
            with ThreadPoolExecutor(1) as pool:  # this thread sees Ctrl-C meanwhile
                arguments = self.handle, native(prompt), byref(asked), TEXT(lambda text, _: texts.put(text)), None, byref(reply)
                done = pool.submit(call, lib.minivl_session_ask, *arguments)
                done.add_done_callback(texts.put)
                try:
                    for text in iter(texts.get, done):
                        on_text(text.decode())
                finally:
                    self.stop.value = 1
            done.result()
            answer = {name: getattr(reply, name) for name, _ in Reply._fields_}
            for name, n in ARRAYS.items():
                n = answer[n] * (asked.n_logprobs if name.startswith('top') else 1)
                answer[name] = answer[name][:n] if answer[name] else None
            answer.update(text=reply.text.decode(), finish=lib.minivl_finish_to_string(reply.finish).decode())
            return SimpleNamespace(**answer)
        finally:
            lib.minivl_answer_clear(byref(reply))
