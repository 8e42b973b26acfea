"""The yard: what a seed shows, as facts and as rectangles, in integers only, so that a C twin draws the same pixels.

A scene lasts one segment; `moment` is a time in it, 0..1000. Coordinates are 1024ths of the picture's width and height, whatever its
size. All chance comes from one SplitMix64 stream a scene, drawn in the order of `Scene.__init__`, and one a picture (rain).
"""
import numpy as np

MASK = (1 << 64) - 1
LIGHTS = ('day', 'dusk', 'night', 'rain')
COLOURS = {'red': (205, 35, 35), 'blue': (40, 70, 215), 'green': (30, 165, 60), 'white': (235, 235, 235), 'black': (22, 22, 24), 'yellow': (230, 205, 40)}
ACTIONS = ('right', 'left', 'stops', 'loiters', 'enters', 'exits', 'leaves', 'takes', 'cycles right', 'cycles left')
ACTION_WEIGHTS = (4, 4, 3, 3, 3, 3, 4, 3, 2, 2)
CARS = ('parked', 'arrives', 'leaves')
PATTERNS = ('smpte', 'snow', 'black', 'white', 'red', 'green', 'blue', 'checkers-8', 'circular', 'ball', 'pinwheel')
KINDS = ('person', 'cyclist', 'car', 'dog', 'bag', 'lamp')                   # what the helpers are asked for, patch by patch

SKY = {'day': (150, 190, 230), 'dusk': (190, 120, 90), 'night': (14, 17, 40), 'rain': (120, 125, 130)}
GROUND = {'day': (112, 142, 92), 'dusk': (92, 86, 62), 'night': (30, 36, 32), 'rain': (80, 95, 80)}
LUMINANCE = {'day': 256, 'dusk': 196, 'night': 130, 'rain': 205}
RAIN_DROPS = 130


class Random:
    """SplitMix64."""
    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def within(self, low, high):
        """low..high, both possible; the modulo's bias is below 2**-50 here."""
        return low + self.next() % (high - low + 1)

    def pick(self, weights):
        at = self.next() % sum(weights)
        for i, w in enumerate(weights):
            if at < w:
                return i
            at -= w

    def chance(self, percent):
        return self.next() % 100 < percent


def between(a, b, at, start, stop):
    """From a to b while `at` goes from start to stop; floor division, as the C twin's."""
    if at <= start:
        return a
    if at >= stop:
        return b
    return a + (b - a) * (at - start) // (stop - start)


class Actor:
    """One person: what they do, when, where, and how they look. Every field is drawn, needed or not, so that the stream never forks."""
    def __init__(self, rng, action, lane, door_x, door_y):
        self.action, self.side = action, 1 if rng.chance(50) else -1         # the side they come from (exits: go to): 1 is the right
        start, pace, place, shade = rng.within(0, 120), rng.within(0, 200), rng.within(230, 790), rng.within(0, 2)
        self.height, self.y, self.x = rng.within(230, 275), lane, place
        hue = rng.within(0, 5)
        bright = rng.within(170, 235)
        dim = rng.within(30, 90)
        self.shirt = [(bright, dim, dim), (dim, bright, dim), (dim, dim, bright), (bright, bright, dim), (dim, bright, bright), (bright, dim, bright)][hue]
        self.trousers = [(40, 40, 62), (70, 55, 40), (30, 30, 30)][shade]
        if action in ('right', 'cycles right'):
            self.side = -1
        elif action in ('left', 'cycles left'):
            self.side = 1
        if action in ('enters', 'exits'):
            self.x, self.y = door_x, door_y
        self.start, self.turn = start, {'stops': 330 + pace, 'enters': 620 + pace, 'leaves': 330 + pace // 2, 'takes': 330 + pace // 2}.get(action, 0)
        self.stop = {'exits': 820 + pace, 'leaves': 820 + pace // 2, 'takes': 820 + pace // 2}.get(action, 0)
        if action in ('right', 'left'):
            self.stop = 850 + pace
        if action.startswith('cycles'):
            self.start, self.stop = start * 2, start * 2 + 500 + pace
        if action == 'exits':
            self.start = 120 + start * 2

    def place(self, moment):
        """Where their feet are across the picture, or None."""
        edge, far = (1090, -66) if self.side > 0 else (-66, 1090)
        a = self.action
        if a in ('right', 'left') or a.startswith('cycles'):
            return between(edge, far, moment, self.start, self.stop)
        if a == 'stops':
            return between(edge, self.x, moment, self.start, self.turn)
        if a == 'loiters':
            swing = (moment + self.start * 5) % 400
            return self.x + (swing if swing < 200 else 400 - swing) * 70 // 200 - 35
        if a == 'enters':
            return between(edge, self.x, moment, self.start, self.turn) if moment < self.turn + 40 else None
        if a == 'exits':
            return between(self.x, edge, moment, self.start + 60, self.stop) if moment >= self.start else None
        if moment < self.turn + 130:                                         # leaves, takes: in, a halt, and back
            return between(edge, self.x, moment, self.start, self.turn)
        return between(self.x, edge, moment, self.turn + 130, self.stop)

    def bag(self, moment):
        """Whether their bag lies at (x, y) now."""
        return (self.action == 'leaves') == (moment >= self.turn + 65)


class Scene:
    """What one segment shows. `background` alone fixes house, tree and horizon, so that the scenes of a clip can share a yard."""
    def __init__(self, seed, background=None, light=None):
        back = Random(seed * 2 + 1 if background is None else background)
        self.horizon, self.house, self.mirror = back.within(470, 540), back.within(70, 520), back.chance(50)
        self.tree, self.tint = (back.within(40, 980) if back.chance(60) else None), [back.within(-10, 10) for _ in range(3)]
        rng = Random(seed * 2)
        self.rng_rain = rng.next()
        self.light = LIGHTS[rng.within(0, 3)] if light is None else light
        self.door_x = self.house + (110 if self.mirror else 310)
        self.window_x = self.house + (300 if self.mirror else 110)
        n = rng.pick((20, 50, 30))
        lanes = [rng.within(590, 630), rng.within(660, 705)]
        order = rng.within(0, 1)
        actions = [ACTIONS[rng.pick(ACTION_WEIGHTS)] for _ in range(2)]
        if n == 2 and set(actions) <= {'leaves', 'takes'}:                   # one bag in a scene
            actions[1] = 'loiters'
        if n == 2 and set(actions) <= {'enters', 'exits'}:                   # one at a time through the door
            actions[1] = 'right'
        self.actors = [Actor(rng, actions[i], lanes[i ^ order], self.door_x, self.horizon + 25) for i in range(2)][:n]
        self.car = None
        car, colour, x, way, start, stop = rng.pick((35, 25, 20, 20)), rng.within(0, 5), rng.within(220, 800), rng.chance(50), rng.within(0, 150), rng.within(500, 750)
        if car:
            self.car = (CARS[car - 1], list(COLOURS)[colour])
        self.car_x, self.car_y, self.car_way, self.car_start, self.car_stop = x, rng.within(880, 905), 1 if way else -1, start, stop
        self.dog = rng.chance(30)
        self.dog_x, self.dog_way = rng.within(150, 870), 1 if rng.chance(50) else -1
        lies, self.bag_x, self.bag_y = rng.chance(12), rng.within(120, 900), rng.within(665, 705)
        self.bag = lies and not any(a.action in ('leaves', 'takes') for a in self.actors)
        lamp, self.lamp_moment = rng.pick((64, 18, 18)), rng.within(280, 720)
        self.lamp = ('off', 'on', 'goes on')[lamp]

    def car_place(self, moment):
        """Where the car is across the picture; it drives towards car_way."""
        edge = 1024 + 190 if self.car_way < 0 else -190
        if self.car[0] == 'arrives':
            return between(edge, self.car_x, moment, self.car_start, self.car_stop)
        if self.car[0] == 'leaves':
            return between(self.car_x, 1024 - edge, moment, self.car_start + 250, self.car_stop + 250)
        return self.car_x

    def facts(self):
        return dict(light=self.light, people=sorted((a.action for a in self.actors), key=ACTIONS.index), car=self.car, dog=self.dog, bag=self.bag,
                    lamp=self.lamp == 'goes on')

    def shapes(self, moment):
        """(rectangles, boxes): rectangles (x0, y0, x1, y1, colour, alpha of 256) in painting order; boxes (kind, x0, y0, x1, y1) of what is there."""
        rects, boxes, lum = [], [], LUMINANCE[self.light]

        def rect(x, y, w, h, colour, light=lum):
            """Centred at x, standing on y."""
            rects.append((x - w // 2, y - h, x - w // 2 + w, y, tuple(c * light >> 8 for c in colour), 256))

        def box(kind, x, y, w, h):
            boxes.append((kind, x - w // 2, y - h, x + w // 2, y))

        tinted = lambda c: tuple(min(255, max(0, v + t)) for v, t in zip(c, self.tint))
        rects.append((0, 0, 1024, self.horizon, tinted(SKY[self.light]), 256))
        rects.append((0, self.horizon, 1024, 1024, tinted(GROUND[self.light]), 256))
        if self.tree is not None:
            rect(self.tree, self.horizon + 10, 34, 150, (96, 70, 44))
            rect(self.tree, self.horizon - 120, 150, 170, (50, 104, 50))
        base = self.horizon + 25
        rect(self.house + 210, base, 420, 330, (150, 118, 92))
        rect(self.house + 210, base - 330, 460, 36, (110, 60, 50))
        rect(self.door_x, base, 116, 268, (64, 42, 30))
        lit = self.lamp == 'on' or (self.lamp == 'goes on' and moment >= self.lamp_moment)
        rect(self.window_x, base - 120, 124, 124, (90, 70, 58))
        rect(self.window_x, base - 130, 104, 104, (255, 226, 120) if lit else (52, 60, 72), 256 if lit else lum)
        if lit:
            box('lamp', self.window_x, base - 130, 104, 104)
        layers = []
        for a in self.actors:
            if a.action in ('leaves', 'takes') and a.bag(moment):
                layers.append((a.y + 12, 'bag', a.x - 46 * a.side, None))
            x = a.place(moment)
            if x is not None:
                layers.append((a.y, 'actor', x, a))
        if self.bag:
            layers.append((self.bag_y, 'bag', self.bag_x, None))
        for y, what, x, a in sorted(layers, key=lambda item: item[0]):
            if what == 'bag':
                rect(x, y, 92, 72, (222, 120, 24))
                rect(x, y - 72, 44, 18, (120, 60, 16))
                rect(x, y - 26, 92, 12, (120, 60, 16))
                box('bag', x, y, 92, 90)
            elif a.action.startswith('cycles'):
                self._cyclist(rect, x, y, a)
                box('cyclist', x, y, 240, a.height + 20)
            else:
                self._person(rect, x, y, a, moment)
                box('person', x, y, 96, a.height)
        if self.car:
            self._car(rect, box, moment)
        if self.dog:
            x = self.dog_x + self.dog_way * (moment * 260 // 1000 - 130)
            rect(x, 975, 150, 50, (150, 98, 48))
            rect(x - 56, 1004, 22, 34, (130, 84, 40))
            rect(x + 56, 1004, 22, 34, (130, 84, 40))
            rect(x + self.dog_way * 86, 952, 54, 48, (166, 112, 58))
            rect(x - self.dog_way * 84, 944, 26, 40, (130, 84, 40))
            box('dog', x, 1004, 210, 100)
        return rects, boxes

    def _person(self, rect, x, y, a, moment):
        h = a.height
        step = 14 if x != a.place(moment - 25) and (moment // 45) % 2 else 0
        rect(x - 20 - step, y, 30, h * 36 // 100, a.trousers)
        rect(x + 20 + step, y, 30, h * 36 // 100, a.trousers)
        rect(x, y - h * 34 // 100, 92, h * 42 // 100, a.shirt)
        rect(x, y - h * 76 // 100, 62, h * 24 // 100, (226, 182, 150))
        rect(x, y - h * 94 // 100, 66, h * 8 // 100, (50, 36, 26))

    def _cyclist(self, rect, x, y, a):
        for w in (-74, 74):
            rect(x + w, y, 92, 92, (24, 24, 26))
            rect(x + w, y - 20, 52, 52, (150, 150, 156))
        rect(x, y - 46, 150, 16, (210, 210, 215))
        rect(x - 8 * a.side, y - 52, 40, 74, a.trousers)
        rect(x - 14 * a.side, y - 116, 82, 90, a.shirt)
        rect(x - 22 * a.side, y - 206, 58, 56, (226, 182, 150))
        rect(x - 22 * a.side, y - 252, 66, 20, (230, 230, 60))

    def _car(self, rect, box, moment):
        x, colour = self.car_place(moment), self.car[1]
        lum = max(LUMINANCE[self.light], 150)
        paint = COLOURS[colour]
        rect(x, self.car_y - 22, 340, 92, paint, lum)
        rect(x, self.car_y - 114, 196, 70, paint, lum)
        rect(x - 46, self.car_y - 112, 76, 50, (130, 156, 176), lum)
        rect(x + 46, self.car_y - 112, 76, 50, (130, 156, 176), lum)
        for w in (-102, 102):
            rect(x + w, self.car_y, 74, 62, (16, 16, 16))
            rect(x + w, self.car_y - 16, 34, 30, (120, 120, 120))
        rect(x + self.car_way * 160, self.car_y - 74, 20, 24, (255, 244, 190), 256)
        rect(x - self.car_way * 160, self.car_y - 74, 20, 24, (190, 30, 30), 256)
        if -160 < x < 1184:
            box('car', x, self.car_y, 340, 184)

    def render(self, moment, width, height):
        """RGB bytes [height][width][3]."""
        picture = np.empty((height, width, 3), np.uint8)
        rects = self.shapes(moment)[0]
        if self.light == 'rain':
            drops = Random(self.rng_rain + moment)
            for _ in range(RAIN_DROPS):
                x, y, n = drops.within(0, 1023), drops.within(-40, 1023), drops.within(36, 60)
                rects.append((x, y, x + 4, y + n, (190, 198, 206), 120))
        for x0, y0, x1, y1, colour, alpha in rects:
            x0, x1 = (min(width, max(0, (v * width + 512) >> 10)) for v in (x0, x1))
            y0, y1 = (min(height, max(0, (v * height + 512) >> 10)) for v in (y0, y1))
            if alpha < 256:
                x1 = max(x1, min(width, x0 + 1))
                part = picture[y0:y1, x0:x1]
                part[:] = (part.astype(np.uint16) * (256 - alpha) + np.array(colour, np.uint16) * alpha) >> 8
            else:
                picture[y0:y1, x0:x1] = colour
        return picture


if __name__ == '__main__':
    import sys
    from PIL import Image
    rows = [np.concatenate([Scene(s).render(m, 320, 240) for m in range(62, 1000, 125)], 1) for s in range(int(sys.argv[1]), int(sys.argv[1]) + 8)]
    Image.fromarray(np.concatenate(rows)).resize((1280, 960)).save(sys.argv[2])
