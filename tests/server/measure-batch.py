#!/usr/bin/env python3
"""measure-batch.py MINIVL_SERVER MAKE_CHECKPOINT [LAYERS [TIMES]]: tokens a second of the decode phase, of one client and of eight at
once, four of which ask of a picture and four by text alone, 128 tokens each. By hand, on a machine that does nothing else.

The model is random, with the layers and vocabulary of the 4B models but fewer layers (4). Exit 1 if eight have less than 3 times as many."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from endless import never_end
from served import PATH, Server, picture, png, text, user

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.join(HERE, '../data/public-config.json')
TOKENIZER = os.path.join(HERE, '../../examples/demo-model/checkpoint')
TOKENS = 128
LEAST = 3
# Drawn, for a greedy random model soon repeats itself, which drafts would make use of; from 40, of which none ends the answer.
ASK = {'max_tokens': TOKENS, 'temperature': 1, 'top_p': 1, 'top_k': 40, 'stream': True, 'logprobs': True}


def make_model(program, folder, layers):
    """True widths, the demo model's tokenizer, and an answer that does not end by itself."""
    with open(CONFIG, encoding='utf-8') as file:
        config = json.load(file)
    config['llm_config']['num_hidden_layers'] = layers
    config['vision_config']['num_hidden_layers'] = 2
    path = os.path.join(folder, 'config.json')
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(config, file)
    model = os.path.join(folder, 'model')
    subprocess.run([program, path, model, '--tokenizer', TOKENIZER, '--shard-bytes', str(1 << 40)], check=True, stdout=subprocess.DEVNULL)
    never_end(os.path.join(model, 'model.safetensors'))
    return model


class Client(threading.Thread):
    """Asks, and keeps when each of the answer's tokens was there."""

    def __init__(self, server, content, seed):
        super().__init__()
        self.server = server
        self.body = {'messages': [user(content)], 'seed': seed, **ASK}
        self.times = []
        self.begun = threading.Event()

    def run(self):
        connection = self.server.connect(3600)
        connection.request('POST', PATH, json.dumps(self.body), {'Content-Type': 'application/json'})
        for line in connection.getresponse():
            if line.startswith(b'data: {'):
                for choice in json.loads(line[len(b'data: '):])['choices']:
                    self.times += [time.monotonic()] * len((choice['logprobs'] or {}).get('content', []))
                if self.times:
                    self.begun.set()
        connection.close()
        assert len(self.times) == TOKENS, len(self.times)


def speed(server, early, late, seed):
    """Tokens a second while all are being answered; the late ones ask when all early ones are."""
    clients = [Client(server, content, seed + n) for n, content in enumerate([*early, *late])]
    for client in clients[:len(early)]:
        client.start()
    for client in clients[:len(early)]:
        client.begun.wait()
    for client in clients[len(early):]:
        client.start()
    for client in clients:
        client.join()
    since, until = max(client.times[0] for client in clients), min(client.times[-1] for client in clients)
    assert since < until
    return sum(since < at <= until for client in clients for at in client.times) / (until - since)


def steps(server):
    metrics = server.metrics()
    return metrics['minivl_decode_steps_total'], metrics['minivl_decode_step_answers_total']


def main(program, make_checkpoint, layers=4, times=3):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program, '--model', make_model(make_checkpoint, folder, int(layers)), '--context-size', '1024')
        pictures = [[picture(png(64, 64, n), detail='low'), text('What is this?')] for n in range(4)]
        texts = [f'What happens at {hour}?' for hour in range(4)]
        for content in [*pictures, *texts]:  # what stands in front of the answers is computed then
            server.complete(content, max_tokens=1)
        one, eight = [], []
        for n in range(int(times)):
            one.append(speed(server, texts[:1], [], 100 * n))
            before = steps(server)
            eight.append(speed(server, pictures, texts, 100 * n))
            made, answers = (after - count for after, count in zip(steps(server), before))
            print(f'one: {one[-1]:.2f} tokens/s; eight: {eight[-1]:.2f} tokens/s, {answers / made:.1f} answers a step', flush=True)
        server.stop()
    ratio = statistics.median(eight) / statistics.median(one)
    print(f'eight have {ratio:.2f} times the tokens of one')
    return ratio < LEAST


sys.exit(main(*sys.argv[1:]))
