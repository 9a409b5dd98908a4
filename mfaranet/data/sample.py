"""Street scenes drawn by a program: a small data set in Cityscapes form that can be had everywhere, at once.

A scene is a street in metres (x to the right, y up, z away from the camera, the camera at x = z = 0), seen through a
pinhole. Everything in it is a flat polygon, painted from far to near into the image and the instance ids alike.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cityscapesscripts.helpers import labels as official
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

from mfaranet.data import cityscapes

CITIES = {
    "train": ("ambrafeld", "lindquell", "tornwick"),
    "val": ("kaltmoor", "weidensand"),
    "test": ("rosengrund",),
}
FRAME = 19
INSTANCE_SUFFIX = "_gtFine_instanceIds.png"
RARE = ("wall", "truck", "motorcycle", "fence", "bus", "bicycle", "terrain", "train")
"""Classes that chance would leave out: three in turn are certain in each scene."""

_ID: dict[str, int] = {label.name: label.id for label in official.labels if label.id >= 0}
_SCALE = 2  # the image is drawn larger and reduced, which antialiases it; the labels are sampled
_NEAR, _FAR = 1.5, 400.0  # metres
_GLASS, _DARK, _PALE, _RED = (45, 55, 65), (28, 28, 30), (225, 222, 205), (165, 30, 25)
# Several likely colours of each class; they overlap on purpose.
_COLOURS: dict[str, Sequence[tuple[int, int, int]]] = {
    "road": [(105, 105, 108), (82, 82, 86), (128, 122, 116)],
    "sidewalk": [(135, 132, 128), (150, 125, 110), (112, 112, 112)],
    "terrain": [(95, 112, 60), (125, 115, 75), (85, 95, 60)],
    "building": [(150, 130, 105), (120, 75, 60), (165, 160, 150), (105, 105, 110), (180, 160, 115), (130, 120, 120)],
    "wall": [(130, 125, 118), (125, 85, 70), (105, 108, 105)],
    "fence": [(95, 80, 62), (75, 85, 80), (130, 130, 128)],
    "pole": [(95, 98, 98), (65, 70, 68), (135, 135, 132)],
    "vegetation": [(62, 85, 42), (45, 66, 38), (92, 98, 45), (120, 92, 45)],
    "sky": [(150, 180, 220), (200, 205, 212), (222, 220, 215), (175, 195, 215)],
    "person": [(45, 48, 65), (110, 45, 45), (60, 75, 60), (150, 145, 135), (35, 35, 38)],
    "car": [(40, 42, 46), (175, 178, 182), (110, 112, 116), (125, 30, 30), (35, 55, 105), (215, 215, 212)],
    "truck": [(200, 200, 198), (60, 85, 130), (150, 60, 45), (125, 130, 120)],
    "bus": [(205, 175, 60), (175, 45, 40), (190, 192, 195), (70, 110, 95)],
    "train": [(180, 50, 45), (210, 195, 140), (60, 110, 140), (190, 190, 192)],
    "motorcycle": [(45, 45, 48), (130, 35, 30), (50, 60, 95)],
    "bicycle": [(60, 60, 64), (110, 50, 45), (55, 75, 95)],
    "skin": [(195, 150, 120), (140, 100, 75), (95, 68, 52)],
    "traffic sign": [(200, 50, 45), (50, 90, 170), (215, 190, 60), (205, 205, 200)],
}
# Standard deviation of the fine and of the coarse texture of a class, relative to its colour.
_PLAIN = (0.03, 0.05)
_TEXTURE = {"vegetation": (0.17, 0.22), "terrain": (0.10, 0.13), "sky": (0.0, 0.03), "wall": (0.07, 0.06)}
# Width, height, length in metres.
_VEHICLES = {"car": (1.8, 1.5, 4.3), "truck": (2.5, 3.5, 8.0), "bus": (2.5, 3.1, 11.0), "train": (2.6, 3.5, 26.0)}

Pixels = NDArray[np.float32]
Colour = NDArray[np.float64]
Range = tuple[float, float]


@dataclass
class Canvas:
    """Image and instance ids of one scene, painted together, and the camera through which the painters see it."""

    image: Image.Image
    """RGB, ``_SCALE`` times the size of the sample."""
    instances: Image.Image
    """Mode I, of the same size; where a thing has no instances, its label id."""
    rng: np.random.Generator
    horizon: tuple[float, float]
    """The vanishing point of the street: column and row, in pixels of ``image``."""
    focal: float
    """In pixels of ``image``."""
    eye: float
    """Height of the camera above the road, in metres."""
    sun: float
    """Brightness of the right flanks of things; left ones have ``2 - sun``."""
    haze: Colour
    numbers: Counter[str] = field(default_factory=Counter)

    def colour(self, name: str) -> Colour:
        """One of the colours of a class, varied."""
        colour = self.rng.choice(_COLOURS[name]) * self.rng.uniform(0.75, 1.2) + self.rng.normal(0, 7, 3)
        return np.asarray(colour, dtype=np.float64)

    def instance(self, name: str) -> int:
        """The id of a new instance."""
        self.numbers[name] += 1
        return _ID[name] * 1000 + self.numbers[name] - 1

    def paint(self, points: Any, colour: ArrayLike, value: int | None) -> None:
        """A polygon of pixel positions, (N, 2). Without a ``value`` it belongs to what it lies on."""
        corners = [(x, y) for x, y in points.tolist()]
        red, green, blue = np.clip(colour, 0, 255).astype(int).tolist()
        ImageDraw.Draw(self.image).polygon(corners, fill=(red, green, blue))
        if value is not None:
            ImageDraw.Draw(self.instances).polygon(corners, fill=value)

    def fill(self, points: ArrayLike, colour: ArrayLike, value: int | None = None) -> None:
        """A polygon in the street, (N, 3) in metres."""
        x, y, z = np.asarray(points, dtype=np.float64).T
        clear = np.exp(-z.min() / 250)
        pixels = np.stack([self.horizon[0] + self.focal * x / z, self.horizon[1] + self.focal * (self.eye - y) / z], 1)
        self.paint(pixels, clear * np.asarray(colour) + (1 - clear) * self.haze, value)

    def ground(self, x: Range, z: Range, colour: ArrayLike, value: int | None = None) -> None:
        (x0, x1), (z0, z1) = x, z
        self.fill([(x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)], colour, value)

    def box(self, x: Range, y: Range, z: Range, colour: ArrayLike, value: int | None = None) -> None:
        """The faces of a box that can be seen."""
        (x0, x1), (y0, y1), (z0, z1), base = x, y, z, np.asarray(colour)
        for level, light, seen in ((y1, 1.15, y1 < self.eye), (y0, 0.5, y0 > self.eye)):
            if seen:
                self.fill([(x0, level, z0), (x1, level, z0), (x1, level, z1), (x0, level, z1)], base * light, value)
        for flank, light, seen in ((x0, 2 - self.sun, x0 > 0), (x1, self.sun, x1 < 0)):
            if seen:
                self.fill([(flank, y0, z0), (flank, y1, z0), (flank, y1, z1), (flank, y0, z1)], base * light, value)
        self.fill([(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)], base, value)

    def board(self, x: float, z: float, width: float, outline: Any, colour: ArrayLike, value: int | None) -> None:
        """A flat figure (N, 2) that stands at (x, 0, z), its width scaled."""
        self.fill(np.c_[x + width * outline[:, 0], outline[:, 1], np.full(len(outline), z)], colour, value)


Thing = tuple[float, Callable[[Canvas], None]]
"""What is painted later than all that is deeper: its depth and its painter."""


@dataclass(frozen=True)
class Side:
    """One side of the street, as distances from the camera in metres: the road ends at ``curb``."""

    sign: int
    curb: float
    walk: float
    front: float

    def across(self, near: float, far: float) -> Range:
        """The x range between two distances."""
        low, high = sorted((self.sign * near, self.sign * far))
        return low, high


def draw_sample(root: Path, *, size: tuple[int, int], counts: Mapping[str, int], seed: int) -> None:
    """Draw a data set as a Cityscapes tree under ``root``: leftImg8bit (RGB), gtFine labelIds and instanceIds.

    The same arguments give the same bytes; an image depends only on ``size``, ``seed``, its split and its index there.
    As in Cityscapes, the labels of ``test`` tell only the ego vehicle and the border.

    Args:
        root: made if it is not there; files of the same names are replaced.
        size: height and width in pixels; the drawing is made for about 1:2.
        counts: number of images of each split, train, val or test.
        seed: not negative.

    Raises:
        KeyError: a split is none of these.
        ValueError: the seed is negative.
    """
    jobs = [(split, index) for split, count in counts.items() for index in range(count)]
    for split, index in tqdm(jobs, desc="drawing sample", unit="image"):
        cities = CITIES[split]
        rng = np.random.default_rng([seed, list(CITIES).index(split), index])
        image, instances = draw_scene(rng, size, [RARE[(3 * index + turn) % len(RARE)] for turn in range(3)])
        if split == "test":
            instances[~np.isin(instances, [_ID["ego vehicle"], _ID["out of roi"]])] = _ID["unlabeled"]
        city = cities[index % len(cities)]
        stem = f"{split}/{city}/{city}_{index // len(cities):06d}_{FRAME:06d}"
        _save(root / cityscapes.IMAGES / f"{stem}{cityscapes.IMAGE_SUFFIX}", image)
        _save(root / cityscapes.LABELS / f"{stem}{cityscapes.LABEL_SUFFIX}", label_ids(instances))
        _save(root / cityscapes.LABELS / f"{stem}{INSTANCE_SUFFIX}", instances)


def label_ids(instances: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The label ids in instance ids, both (H, W)."""
    return np.where(instances < 1000, instances, instances // 1000).astype(np.uint8)


def draw_scene(
    rng: np.random.Generator, size: tuple[int, int], wanted: Sequence[str]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """The image (H, W, 3) and the instance ids (H, W) of one scene, with the classes ``wanted`` (of ``RARE``) in it."""
    canvas = _canvas(rng, size)
    sides = [_side(rng, sign, "terrain" in wanted) for sign in (-1, 1)]
    _ground(canvas, sides, "train" in wanted)
    things = _background(rng) + _traffic(rng, sides, wanted)
    borders = [name for name in ("wall", "fence") if name in wanted]
    for side in rng.permutation(np.array(sides, dtype=object)):
        things += _border(rng, side, borders) + _pavement(rng, side)
    for _, painter in sorted(things, key=lambda thing: -thing[0]):
        painter(canvas)
    if rng.random() < 0.85:
        _bonnet(canvas)
    instances = np.asarray(canvas.instances)[::_SCALE, ::_SCALE].astype(np.uint16)
    edge = max(1, size[0] // 200)
    inner = np.zeros(size, dtype=bool)
    inner[edge:-edge, edge:-edge] = True
    instances[~inner] = _ID["out of roi"]
    return _photograph(canvas, label_ids(instances)), instances


def _save(path: Path, pixels: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


# The street


def _canvas(rng: np.random.Generator, size: tuple[int, int]) -> Canvas:
    """A canvas with nothing but sky."""
    height, width = (_SCALE * length for length in size)
    zenith, low, cloud = (
        rng.choice(_COLOURS["sky"]) * rng.uniform(*light) for light in ((0.7, 1), (0.9, 1.1), (0.9, 1.15))
    )
    fade = np.linspace(0, 1, height).clip(0, 0.5)[:, None, None] * 2
    cover = (0.3 + 0.4 * _noise(rng, (height, width), 0.15)).clip(0, 0.8)[..., None]
    sky = (zenith * (1 - fade) + low * fade) * (1 - cover) + cloud * cover
    return Canvas(
        image=Image.fromarray(sky.clip(0, 255).astype(np.uint8)),
        instances=Image.new("I", (width, height), _ID["sky"]),
        rng=rng,
        horizon=(width * rng.uniform(0.36, 0.64), height * rng.uniform(0.36, 0.5)),
        focal=height * rng.uniform(1.3, 1.9),
        eye=rng.uniform(1.3, 1.8),
        sun=rng.uniform(0.7, 1.3),
        haze=low,
    )


def _side(rng: np.random.Generator, sign: int, terrain: bool) -> Side:
    curb = rng.uniform(2.5, 5) if sign > 0 else rng.uniform(4, 7.5)
    walk = curb + rng.uniform(1.8, 4)
    verge = rng.uniform(2, 6) if rng.random() < (0.75 if terrain else 0.15) else 0.0
    return Side(sign, curb, walk, walk + verge)


def _ground(canvas: Canvas, sides: Sequence[Side], rails: bool) -> None:
    """Road, what is painted on it, and the strips beside it."""
    rng, left, right = canvas.rng, *sides
    length = (_NEAR, _FAR)
    canvas.ground((-_FAR, _FAR), length, canvas.colour("terrain"), _ID["terrain"])
    road, walk = canvas.colour("road"), canvas.colour("sidewalk")
    canvas.ground((-left.curb, right.curb), length, road, _ID["road"])
    for side in sides:
        canvas.ground(side.across(side.curb, side.walk), length, walk, _ID["sidewalk"])
        canvas.ground(side.across(side.curb, side.curb + 0.15), length, walk * 1.15, _ID["sidewalk"])
    if rng.random() < 0.5:  # the shadow of the houses
        side = sides[rng.integers(2)]
        canvas.ground(side.across(side.curb - rng.uniform(0.5, 2), side.curb), length, road * 0.7)
    if rails:
        canvas.ground((0.4 - left.curb, 3.2 - left.curb), length, road * 0.9 + 8, _ID["rail track"])
        for x in (1.05, 2.5):
            canvas.ground((x - left.curb, x + 0.1 - left.curb), length, (165, 165, 170))
    elif rng.random() < 0.2:
        canvas.ground((-left.curb, 2 - left.curb), (rng.uniform(8, 15), 60), road * 0.9 + 15, _ID["parking"])
    middle, period = (right.curb - left.curb) / 2, rng.uniform(5, 9)
    for z in np.arange(_NEAR, 70, period):
        canvas.ground((middle - 0.08, middle + 0.08), (z, z + period / 2), _PALE)
    if rng.random() < 0.4:
        z = rng.uniform(8, 20)
        for x in np.arange(0.3 - left.curb, right.curb - 0.5, 1.0):
            canvas.ground((x, x + 0.5), (z, z + 3), _PALE)
    if rng.random() < 0.3:  # a manhole or roadworks
        x, z = rng.uniform(-2, 2), rng.uniform(6, 14)
        canvas.ground((x, x + 1.2), (z, z + 2), road * 0.6, _ID["ground"])


def _background(rng: np.random.Generator) -> list[Thing]:
    """Where the street ends, and sometimes a bridge over it."""
    things: list[Thing] = []
    x = -110.0
    while x < 110:
        width, painter = rng.uniform(8, 25), _house if rng.random() < 0.5 else _hedge
        things.append((150.0, partial(painter, x=(x, x + width), z=(120.0, 150.0), height=rng.uniform(6, 20))))
        x += width
    if rng.random() < 0.12:
        z = rng.uniform(35, 70)
        things.append((z, partial(_slab, name="bridge", like="wall", x=(-60, 60), y=(5, 7), z=(z, z + 8))))
    return things


def _border(rng: np.random.Generator, side: Side, wanted: list[str]) -> list[Thing]:
    """Houses and what else stands in a row along one side; takes what is ``wanted`` from that list."""
    things: list[Thing] = []
    z = _NEAR
    kinds = ("house", "trees", "hedge", "wall", "fence", "guard rail")
    share = rng.dirichlet([6, 1.5, 0.8, 0.5, 0.5, 0.4])
    while z < 110:
        end = z + rng.uniform(9, 20)
        kind = wanted.pop() if wanted and z > _NEAR else str(rng.choice(kinds, p=share))
        row = side.across(side.front, side.front + 12)
        if kind == "house":
            things.append((end, partial(_house, x=row, z=(z, end), height=rng.uniform(5, 18))))
        elif kind == "hedge":
            things.append((end, partial(_hedge, x=row, z=(z, end), height=rng.uniform(1.5, 5))))
        else:
            if kind != "trees":
                things.append((z, partial(_barrier, name=kind, side=side, z=(z, end))))
            for depth in rng.uniform(z, end, 4):
                things.append((end, partial(_tree, x=side.sign * (side.front + rng.uniform(2, 6)), z=depth)))
        z = end
    return things


def _pavement(rng: np.random.Generator, side: Side) -> list[Thing]:
    """Poles, trees, people and things on one sidewalk."""
    kerb, house = side.curb + 0.4, side.walk - 0.3
    things: list[Thing] = []

    def place(count: int, nearest: float, painter: Callable[..., None], low: float = kerb, high: float = house) -> None:
        for _ in range(count):
            x, z = side.sign * rng.uniform(low, high), nearest + rng.exponential(14)
            things.append((z, partial(painter, x=x, z=z)))

    place(rng.integers(2, 5), 6, _pole, high=kerb + 0.3)
    place(rng.poisson(1.2), 10, _tree, high=kerb + 0.5)
    place(rng.poisson(2.2), 6, _person)
    place(rng.poisson(0.5), 7, partial(_two_wheeler, name=str(rng.choice(["bicycle", "motorcycle"])), ridden=False))
    place(rng.poisson(0.5), 6, partial(_litter, name=str(rng.choice(["static", "dynamic"]))))
    if rng.random() < 0.15:
        place(6, 25, partial(_person, crowd=True))
    return things


def _traffic(rng: np.random.Generator, sides: Sequence[Side], wanted: Sequence[str]) -> list[Thing]:
    """What is on the road: rows of vehicles and people that cross."""
    left, right = sides
    rails = "train" in wanted
    rows = {1.7 - left.curb: True, right.curb - 1.0: False, right.curb - 3.4: False}
    queue = [name for name in wanted if name in ("truck", "bus", "motorcycle", "bicycle")]
    things: list[Thing] = []
    for x, oncoming in rows.items():
        z = rng.uniform(9, 22)
        while z < 80 and x > 1.0 - left.curb:
            name = "train" if oncoming and rails else queue.pop() if queue else _vehicle_name(rng)
            length = _VEHICLES.get(name, (0, 0, 2.0))[2]
            painter = partial(_vehicle, oncoming=oncoming) if name in _VEHICLES else partial(_two_wheeler, ridden=True)
            things.append((z, partial(painter, name=name, x=x + rng.normal(0, 0.15), z=z)))
            z += length + rng.exponential(14) + (60 if name == "train" else 1.5)
    for _ in range(rng.poisson(0.8)):
        z = rng.uniform(7, 25)
        things.append((z, partial(_person, x=rng.uniform(-left.curb, right.curb), z=z)))
    return things


def _vehicle_name(rng: np.random.Generator) -> str:
    return str(rng.choice(["car", "truck", "bus", "motorcycle", "bicycle"], p=[0.78, 0.06, 0.04, 0.05, 0.07]))


# Painters of single things


def _house(canvas: Canvas, x: Range, z: Range, height: float) -> None:
    rng, colour = canvas.rng, canvas.colour("building")
    canvas.box(x, (0, height), z, colour, _ID["building"])
    canvas.box(x, (height - 0.6, height), z, colour * rng.uniform(0.5, 1.2), _ID["building"])
    if rng.random() < 0.4:
        canvas.box(x, (0, 2.8), z, canvas.colour("building"), _ID["building"])
    flat = x[0] <= 0 <= x[1] or z[0] > 100
    start, end = x if flat else z
    wall = z[0] if flat else min(x, key=abs)
    wide, gap, pane = rng.uniform(0.8, 1.6), rng.uniform(2.2, 3.6), np.multiply(_GLASS, rng.uniform(0.6, 2.2))
    for low in np.arange(1.0, height - 2.2, 3.1):
        for a in np.arange(max(start, 3.5) + 0.7 if not flat else start + 0.7, end - wide, gap):
            corners = [(a, low), (a + wide, low), (a + wide, low + 1.5), (a, low + 1.5)]
            points = [(s, y, wall) if flat else (wall, y, s) for s, y in corners]
            canvas.fill(points, pane * rng.uniform(0.8, 1.3))


def _hedge(canvas: Canvas, x: Range, z: Range, height: float) -> None:
    canvas.box(x, (0, height), z, canvas.colour("vegetation"), _ID["vegetation"])


def _slab(canvas: Canvas, name: str, like: str, x: Range, y: Range, z: Range) -> None:
    canvas.box(x, y, z, canvas.colour(like), _ID[name])


def _barrier(canvas: Canvas, name: str, side: Side, z: Range) -> None:
    """A wall, a fence or a guard rail along the street."""
    x, height = side.across(side.front, side.front + 0.3), canvas.rng.uniform(1.2, 2.8)
    if name == "guard rail":
        _slab(canvas, name, "pole", x, (0.35, 0.85), z)
        return
    _slab(canvas, name, name, x, (0, height), z)
    bar = canvas.colour("fence")
    for depth in np.arange(z[0], z[1], 0.5) if name == "fence" else ():
        canvas.box(x, (0, height), (depth, depth + 0.15), bar)


def _tree(canvas: Canvas, x: float, z: float) -> None:
    rng, leaf = canvas.rng, canvas.colour("vegetation")
    crown, spread = rng.uniform(3.2, 6), rng.uniform(1.2, 2.4)
    canvas.box((x - 0.15, x + 0.15), (0, crown), (z, z + 0.3), (72, 60, 48), _ID["vegetation"])
    for _ in range(7):
        outline = _disc(*rng.normal((0, crown), spread / 2), spread * rng.uniform(0.5, 0.9))
        outline += rng.normal(0, spread / 12, outline.shape)
        canvas.board(x, z, 1, outline, leaf * rng.uniform(0.7, 1.3), _ID["vegetation"])


def _pole(canvas: Canvas, x: float, z: float) -> None:
    """A pole with a sign, a traffic light or a lamp."""
    rng, colour, radius = canvas.rng, canvas.colour("pole"), canvas.rng.uniform(0.05, 0.12)
    kind = rng.choice(["lamp", "sign", "light"])
    height = rng.uniform(5, 8) if kind == "lamp" else rng.uniform(2.8, 3.6)
    canvas.box((x - radius, x + radius), (0, height), (z, z + radius), colour, _ID["pole"])
    if kind == "lamp":
        arm = _segment((0, height), (-np.sign(x) * 1.5, height + 0.3), 0.12)
        canvas.board(x, z, 1, arm, colour, _ID["pole"])
    elif kind == "sign":
        corners = int(rng.choice([3, 4, 12]))
        for size, paint in ((rng.uniform(0.38, 0.5), canvas.colour("traffic sign")), (0.22, _PALE)):
            canvas.board(x, z, 1, _disc(0, height - 0.4, size, corners), paint, _ID["traffic sign"])
    else:
        canvas.box((x - 0.22, x + 0.22), (height - 1, height + 0.1), (z, z + 0.3), _DARK, _ID["traffic light"])
        lamp = rng.integers(2)
        canvas.board(x, z, 1, _disc(0, height - 0.75 + 0.6 * lamp, 0.15), [(40, 230, 130), (255, 60, 40)][lamp], None)


def _litter(canvas: Canvas, name: str, x: float, z: float) -> None:
    width, height = canvas.rng.uniform(0.4, 1.3, 2)
    _slab(canvas, name, "car", (x - width / 2, x + width / 2), (0, height), (z, z + 0.8))


def _person(canvas: Canvas, x: float, z: float, crowd: bool = False) -> None:
    """Someone on foot; a crowd has one id for all, as where the annotators could not tell people apart."""
    value = _ID["person"] if crowd else canvas.instance("person")
    rng, coat = canvas.rng, canvas.colour("person")
    tall, stride, trousers = rng.uniform(0.88, 1.08), rng.uniform(0.05, 0.3), canvas.colour("person")
    _shadow(canvas, (x - 0.3, x + 0.3), (z - 0.1, z + 0.3))
    for foot in (-stride, stride):
        canvas.board(x, z, tall, _segment((0, 0.9 * tall), (foot, 0), 0.17), trousers, value)
        canvas.board(x, z, tall, _segment((0.8 * foot, 1.4 * tall), (1.6 * foot, 0.8 * tall), 0.12), coat * 0.9, value)
    torso = np.array([(-0.16, 0.8), (0.16, 0.8), (0.23, 1.4), (-0.23, 1.4)]) * (1, tall)
    canvas.board(x, z, tall, torso, coat, value)
    canvas.board(x, z, tall, _disc(0, 1.58 * tall, 0.13), canvas.colour("skin"), value)


def _two_wheeler(canvas: Canvas, name: str, x: float, z: float, ridden: bool) -> None:
    """A bicycle or a motorcycle, seen at an angle, and its rider."""
    value, colour, heavy = canvas.instance(name), canvas.colour(name), name == "motorcycle"
    put = partial(canvas.board, x, z, canvas.rng.uniform(0.35, 1))
    _shadow(canvas, (x - 0.5, x + 0.5), (z - 0.1, z + 0.4))
    for hub in (-0.55, 0.55):
        put(_disc(hub, 0.35, 0.36), _DARK, value)
        put(_disc(hub, 0.35, 0.2 if heavy else 0.29), (120, 120, 122), value)
    for start, end in (((-0.55, 0.35), (-0.2, 0.85)), ((-0.2, 0.85), (0.45, 0.85)), ((0.55, 0.35), (0.4, 1.1))):
        put(_segment(start, end, 0.3 if heavy else 0.08), colour, value)
    put(_segment((-0.2, 0.8), (0.05, 0.35), 0.5 if heavy else 0.08), colour, value)
    if ridden:
        rider, coat = canvas.instance("rider"), canvas.colour("person")
        put(_segment((-0.2, 1.0), (0.05, 0.35), 0.2), canvas.colour("person"), rider)
        put(_segment((-0.2, 0.9), (0.1, 1.5), 0.42), coat, rider)
        put(_segment((0.1, 1.4), (0.4, 1.1), 0.13), coat * 0.9, rider)
        put(_disc(0.15, 1.68, 0.15), _DARK if heavy else canvas.colour("skin"), rider)


def _vehicle(canvas: Canvas, name: str, x: float, z: float, oncoming: bool) -> None:
    rng, value, body = canvas.rng, canvas.instance(name), canvas.colour(name)
    width, height, length = np.multiply(_VEHICLES[name], rng.uniform(0.92, 1.08))
    # Layers from the road up: share of the height, metres by which it is narrower, colour.
    layers: dict[str, list[tuple[float, float, float, ArrayLike]]] = {
        "car": [(0.1, 0.62, 0, body), (0.62, 0.94, 0.15, _GLASS), (0.94, 1, 0.2, body)],
        "truck": [(0.12, 0.3, 0.1, _DARK), (0.3, 1, 0, body)],
        "bus": [(0.1, 1, 0, body), (0.4, 0.78, 0, _GLASS)],
        "train": [(0.06, 1, 0, body), (0.5, 0.8, 0, _GLASS), (0.8, 0.86, 0, body * 0.7)],
    }
    _shadow(canvas, (x - width / 2 - 0.15, x + width / 2 + 0.15), (z - 0.4, z + length))
    for low, high, inset, colour in [(0, 0.12, 0.12, _DARK), *layers[name]]:
        half = width / 2 - inset
        depth = (z + 3 * inset, z + length - 3 * inset)
        canvas.box((x - half, x + half), (low * height, high * height), depth, colour, value)
    if name == "truck" and oncoming:
        canvas.box((x - width / 2, x + width / 2), (0.4, 2.6), (z - 0.1, z + 2), canvas.colour("car"), value)
        canvas.box((x - width / 2 + 0.1, x + width / 2 - 0.1), (1.5, 2.3), (z - 0.1, z + 0.1), _GLASS)
    flank = x - np.sign(x) * width / 2
    for axle in (z + 0.18 * length, z + 0.8 * length):
        wheel = _disc(axle, 0.33, 0.33)
        canvas.fill(np.c_[np.full(len(wheel), flank), wheel[:, ::-1]], _DARK, value)
    for lamp in (-0.38 * width, 0.38 * width):
        canvas.board(x + lamp, z - 0.1, 1, _disc(0, 0.75, 0.13, 4), _PALE if oncoming else _RED, None)
    canvas.board(x, z - 0.1, 1, _segment((-0.25, 0.5), (0.25, 0.5), 0.12), _PALE, None)


def _shadow(canvas: Canvas, x: Range, z: Range) -> None:
    canvas.ground(x, z, (38, 38, 42))


def _bonnet(canvas: Canvas) -> None:
    """The ego vehicle at the lower edge, in pixels since it moves with the camera."""
    width, height = canvas.image.size
    angle, rise = np.linspace(0, np.pi, 24), canvas.rng.uniform(0.04, 0.1)
    points = np.stack([width * (0.5 - 0.6 * np.cos(angle)), height * (1 - rise * np.sin(angle) ** 0.5)], 1)
    canvas.paint(points, canvas.colour("car"), _ID["ego vehicle"])


# Figures and the look of a photograph


def _disc(x: float, y: float, radius: float, corners: int = 12) -> NDArray[np.float64]:
    angle = np.arange(corners) * 2 * np.pi / corners + np.pi / 2
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)


def _segment(start: Range, end: Range, width: float) -> NDArray[np.float64]:
    """A thick line."""
    a, b = np.array(start), np.array(end)
    along = (b - a) * (width / 2 / np.hypot(*(b - a)))
    across = np.array([-along[1], along[0]])
    return np.array([a + across, b + across, b - across, a - across])


def _noise(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Pixels:
    """Smooth noise (H, W) of about unit deviation; ``cell`` is its grain, as a share of the height."""
    height, width = shape
    pixel = max(1.0, cell * height)
    grid = rng.standard_normal((2 + int(height / pixel), 2 + int(width / pixel)), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))


def _photograph(canvas: Canvas, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The reduced image (H, W, 3) with texture, light, blur and sensor noise."""
    rng, shape = canvas.rng, labels.shape
    fine, coarse = np.array([_TEXTURE.get(name, _PLAIN) for name in _ID], dtype=np.float32)[labels].transpose(2, 0, 1)
    texture = 1 + fine * _noise(rng, shape, 0.012) + coarse * _noise(rng, shape, 0.04)
    warm = rng.uniform(0.88, 1.12)
    light = rng.uniform(0.6, 1.15) * np.array([warm, 1, 2 - warm], dtype=np.float32)
    shade = 1 + 0.07 * _noise(rng, shape, 0.4)
    pixels = np.asarray(canvas.image.reduce(_SCALE), dtype=np.float32) * light * (texture * shade)[..., None]
    lens = ImageFilter.GaussianBlur(rng.uniform(0.2, 0.6) * shape[0] / 128)
    blurred = np.asarray(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).filter(lens))
    noise = rng.uniform(1, 5) * rng.standard_normal(blurred.shape, dtype=np.float32)
    return (blurred + noise).clip(0, 255).astype(np.uint8)
