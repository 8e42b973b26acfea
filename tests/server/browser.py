"""A headless Chromium and its pages, driven by the DevTools protocol over its pipe: as people do, by mouse, keys, fingers and files
that are dropped. Nothing but Chromium itself is needed."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

# A machine may be ten times slower than one thinks.
PATIENCE = 240
OPTIONS = [
    '--headless=new', '--remote-debugging-pipe', '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage', '--disable-extensions',
    '--disable-background-networking', '--disable-component-update', '--disable-default-apps', '--disable-sync', '--hide-scrollbars',
    '--force-color-profile=srgb', '--font-render-hinting=none', '--proxy-server=direct://'
]
KEYS = {'Enter': (13, '\r'), 'Tab': (9, ''), 'Escape': (27, ''), ' ': (32, ' ')}
SHIFT = 8


def find():
    """Chromium's path; None: it is not here."""
    return shutil.which('chromium')


class Browser:
    def __init__(self):
        self.kept = tempfile.TemporaryDirectory()
        orders, self.orders = os.pipe()
        self.reports, reports = os.pipe()
        options = OPTIONS + [f'--user-data-dir={self.kept.name}'] + (['--no-sandbox'] if os.geteuid() == 0 else [])
        # It reads descriptor 3 and writes 4.
        self.process = subprocess.Popen(['sh', '-c', f'exec "$@" 3<&{orders} 4>&{reports}', 'sh', find(), *options],
                                        pass_fds=[orders, reports], stderr=subprocess.DEVNULL, env=self.environment())
        os.close(orders)
        os.close(reports)
        self.rest = b''
        self.n_calls = 0
        self.pages = {}

    def environment(self):
        """All that it keeps is in a folder of its own; what sanitized programs preload is not for it."""
        names = ['HOME', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME']
        return {**{name: value for name, value in os.environ.items() if name != 'LD_PRELOAD'}, **dict.fromkeys(names, self.kept.name)}

    def close(self):
        self.call('Browser.close')
        self.process.wait(PATIENCE)
        os.close(self.orders)
        os.close(self.reports)
        self.kept.cleanup()

    def read(self, deadline):
        """The next message."""
        while b'\0' not in self.rest:
            ready, _, _ = select.select([self.reports], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError('Chromium says nothing')
            data = os.read(self.reports, 1 << 20)
            if not data:
                raise EOFError('Chromium is gone')
            self.rest += data
        line, self.rest = self.rest.split(b'\0', 1)
        return json.loads(line)

    def call(self, method, session=None, **params):
        """The result of a command; events that come before it are handed on."""
        self.n_calls += 1
        number = self.n_calls
        order = {'id': number, 'method': method, 'params': params, **({'sessionId': session} if session else {})}
        data = json.dumps(order).encode() + b'\0'
        while data:
            data = data[os.write(self.orders, data):]
        deadline = time.monotonic() + PATIENCE
        while True:
            message = self.read(deadline)
            if message.get('id') == number:
                if 'error' in message:
                    raise RuntimeError((method, message['error']))
                return message['result']
            if message.get('sessionId') in self.pages:
                self.pages[message['sessionId']].events.append(message)

    def open(self, url, **features):
        """A page of its own, that shares nothing with others. features: media features, for one prefers-color-scheme"""
        context = self.call('Target.createBrowserContext')['browserContextId']
        target = self.call('Target.createTarget', url='about:blank', browserContextId=context)['targetId']
        session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        page = self.pages[session] = Page(self, session, context)
        for domain in ['Page', 'Runtime', 'Network', 'Log', 'DOM']:
            page.call(f'{domain}.enable')
        page.call('Emulation.setEmulatedMedia', features=[{'name': name.replace('_', '-'), 'value': value} for name, value in features.items()])
        page.resize(900, 760)
        page.goto(url)
        return page


class Page:
    def __init__(self, browser, session, context):
        self.browser, self.session, self.context = browser, session, context
        self.events = []

    def close(self):
        self.browser.call('Target.disposeBrowserContext', browserContextId=self.context)
        del self.browser.pages[self.session]

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def goto(self, url):
        self.call('Page.navigate', url=url)
        self.wait('document.readyState === "complete" && location.href !== "about:blank"')

    # --- what it shows ---

    def get(self, expression):
        """The value of an expression, of what it promises."""
        result = self.call('Runtime.evaluate', expression=expression, awaitPromise=True, returnByValue=True)
        if 'exceptionDetails' in result:
            raise RuntimeError((expression, result['exceptionDetails']))
        return result['result'].get('value')

    def wait(self, expression):
        """Until it is true, and what it is then."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            value = self.get(expression)
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError(f'never true: {expression}; the page says: {self.get("document.body.innerText")}')

    def text(self, selector):
        return self.get(f'document.querySelector({json.dumps(selector)})?.textContent')

    def texts(self, selector):
        return self.get(f'[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)')

    def is_shown(self, selector):
        return self.get(f'!!document.querySelector({json.dumps(selector)})?.checkVisibility()')

    def focused(self):
        return self.get('document.activeElement.id')

    def screenshot(self):
        return base64.b64decode(self.call('Page.captureScreenshot', format='png')['data'])

    # --- what it did ---

    def of(self, method):
        self.get('0')  # what happened before it is here then
        return [event['params'] for event in self.events if event['method'] == method]

    def urls(self):
        return [params['request']['url'] for params in self.of('Network.requestWillBeSent')]

    def posted(self):
        """The JSON that it has sent, all of it."""
        sent = [params['requestId'] for params in self.of('Network.requestWillBeSent') if params['request']['method'] == 'POST']
        return [json.loads(self.call('Network.getRequestPostData', requestId=number)['postData']) for number in sent]

    def complaints(self):
        """What its console would show in red or yellow, with what it is about."""
        said = [params['entry'] for params in self.of('Log.entryAdded')]
        thrown = [str(params['exceptionDetails']) for params in self.of('Runtime.exceptionThrown')]
        called = [str(params['args']) for params in self.of('Runtime.consoleAPICalled')]
        return [entry['text'] + ' ' + entry.get('url', '') for entry in said if entry['level'] in ('error', 'warning')] + thrown + called

    # --- what is done to it ---

    def resize(self, width, height, mobile=False, scale=1):
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=scale, mobile=mobile)
        self.call('Emulation.setTouchEmulationEnabled', enabled=mobile)

    def middle(self, selector):
        box = self.wait(f'''(() => {{
          const element = document.querySelector({json.dumps(selector)});
          if (!element?.checkVisibility()) return null;
          element.scrollIntoView({{ block: 'nearest' }});
          const box = element.getBoundingClientRect();
          return box.width > 0 && {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }};
        }})()''')
        return box

    def click(self, selector):
        at = self.middle(selector)
        for kind in ['mousePressed', 'mouseReleased']:
            self.call('Input.dispatchMouseEvent', type=kind, button='left', clickCount=1, **at)

    def tap(self, selector):
        at = self.middle(selector)
        self.call('Input.dispatchTouchEvent', type='touchStart', touchPoints=[at])
        self.call('Input.dispatchTouchEvent', type='touchEnd', touchPoints=[])

    def key(self, name, shift=False):
        code, text = KEYS[name]
        common = {'key': name, 'code': 'Space' if name == ' ' else name, 'windowsVirtualKeyCode': code, 'modifiers': SHIFT if shift else 0}
        self.call('Input.dispatchKeyEvent', type='keyDown', **common, **({'text': text} if text else {}))
        self.call('Input.dispatchKeyEvent', type='keyUp', **common)

    def type(self, text):
        self.call('Input.insertText', text=text)

    def drop(self, *paths, selector='main'):
        """Files, from outside of the browser."""
        at = self.middle(selector)
        data = {'items': [], 'files': [os.path.abspath(path) for path in paths], 'dragOperationsMask': 1}
        for kind in ['dragEnter', 'dragOver', 'drop']:
            self.call('Input.dispatchDragEvent', type=kind, data=data, **at)

    def choose(self, selector, *paths):
        """By the window that a button opens."""
        self.call('Page.setInterceptFileChooserDialog', enabled=True)
        n_before = len(self.of('Page.fileChooserOpened'))
        self.click(selector)
        while len(self.of('Page.fileChooserOpened')) == n_before:
            time.sleep(0.02)
        opened = self.of('Page.fileChooserOpened')[-1]
        self.call('DOM.setFileInputFiles', files=[os.path.abspath(path) for path in paths], backendNodeId=opened['backendNodeId'])
