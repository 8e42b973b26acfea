#!/usr/bin/env python3
"""layer_settings.py OUTPUT [MANIFEST]: settings of the validation layer for tests, found by it through VK_LAYER_SETTINGS_PATH.

A message is printed, then raises SIGTRAP, which fails the test. Synchronization is checked between dispatches and between submits.
What that is called has changed, and a layer complains of a name it does not know or no longer likes: its manifest, which lists the
settings of its version, chooses. Without a layer, which is then nothing to set, the file has what all versions know."""
import json
import os
import sys

MANIFEST = '/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json'
ALWAYS = {
    'debug_action': 'VK_DBG_LAYER_ACTION_LOG_MSG,VK_DBG_LAYER_ACTION_BREAK',
    'report_flags': 'error,warn,perf',
    'log_filename': 'stdout',
}
# To 1.3.2xx: flags of one setting. What submits do to each other is looked at only when asked for.
FLAGS = {
    'enables': 'VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,'
               'VALIDATION_CHECK_ENABLE_SYNCHRONIZATION_VALIDATION_QUEUE_SUBMIT',
}
# Later ones have a setting each and look at submits anyway, but at what shaders read and write through buffers only when asked.
SETTINGS = {'validate_sync': 'true', 'syncval_shader_accesses_heuristic': 'true'}


def known(settings):
    """Every setting and flag in the manifest, those inside others too."""
    for entry in settings:
        yield entry['key']
        yield from known(entry.get('settings', []))
        yield from known(entry.get('flags', []))


def chosen(manifest):
    names = set(known(manifest['layer'].get('features', {}).get('settings', [])))
    if SETTINGS.keys() & names:
        return ALWAYS | {key: value for key, value in SETTINGS.items() if key in names}
    return ALWAYS | {key: ','.join(f for f in value.split(',') if f in names) for key, value in FLAGS.items()}


def main(output, path=MANIFEST):
    settings = ALWAYS
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            settings = chosen(json.load(file))
    text = ''.join(f'khronos_validation.{key} = {value}\n' for key, value in settings.items())
    if os.path.exists(output):
        with open(output, encoding='utf-8') as file:
            if file.read() == text:
                return
    with open(output, 'w', encoding='utf-8') as file:
        file.write(text)


main(*sys.argv[1:])
