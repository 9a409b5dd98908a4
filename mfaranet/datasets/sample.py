"""Street scenes drawn by a program: a small data set in Cityscapes form that anyone has at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from mfaranet.datasets import cityscapes
from mfaranet.datasets.scene import (
    DARK,
    FAR,
    GLASS,
    ID,
    NEAR,
    PALE,
    RED,
    SCALE,
    Array,
    Range,
    Scene,
    disc,
    empty_scene,
    label_ids,
    photograph,
    segment,
)

CITIES = {"train": ("ambrafeld", "lindquell", "tornwick"), "val": ("kaltmoor", "weidensand"), "test": ("rosengrund",)}
FRAME = 19
INSTANCE_SUFFIX = "_gtFine_instanceIds.png"
RARE = ("wall", "truck", "motorcycle", "fence", "bus", "bicycle", "train")
"""Classes that chance could leave out: each scene has the next three for certain."""


# Width, height, length in metres; where the windows begin and end (shares of the height), how far they are set back.
_VEHICLES = {
    "car": (1.8, 1.5, 4.3, 0.62, 0.94, 0.15),
    "truck": (2.5, 3.5, 8.0, 0.24, 0.32, 0.05),
    "bus": (2.5, 3.1, 11.0, 0.4, 0.78, 0.0),
    "train": (2.6, 3.5, 26.0, 0.5, 0.8, 0.0),
}


@dataclass(frozen=True)
class Side:
    """One side of the street: where the road, the sidewalk and the verge end, in metres from the camera."""

    sign: int
    curb: float
    walk: float
    front: float

    def strip(self, near: float, far: float) -> Range:
        """The x range between two distances."""
        return (near, far) if self.sign > 0 else (-far, -near)


def draw_sample(root: Path, *, size: tuple[int, int], counts: Mapping[str, int], seed: int) -> None:
    """Draw a data set as a Cityscapes tree: leftImg8bit (RGB), gtFine labelIds (8 bit) and instanceIds (16 bit).

    The same arguments give the same bytes; an image depends only on ``size``, ``seed``, its split and its index there.
    As in Cityscapes, the labels of ``test`` tell only the ego vehicle and the border.

    Args:
        root: made if it is not there; files of the same names are replaced.
        size: height and width in pixels, about 1:2.
        counts: number of images of each split: train, val, test.
        seed: not negative.

    Raises:
        KeyError: a split is none of these.
        ValueError: the seed is negative.
    """
    jobs = [(split, index) for split, count in counts.items() for index in range(count)]
    for split, index in tqdm(jobs, desc="drawing sample", unit="image"):
        cities = CITIES[split]
        rng = np.random.default_rng([seed, list(CITIES).index(split), index])
        image, instances = _draw_scene(rng, size, [RARE[(3 * index + turn) % len(RARE)] for turn in range(3)])
        if split == "test":
            instances[~np.isin(instances, [ID["ego vehicle"], ID["out of roi"]])] = ID["unlabeled"]
        city = cities[index % len(cities)]
        stem = f"{split}/{city}/{city}_{index // len(cities):06d}_{FRAME:06d}"
        _save(root / cityscapes.IMAGES / f"{stem}{cityscapes.IMAGE_SUFFIX}", image)
        _save(root / cityscapes.LABELS / f"{stem}{cityscapes.LABEL_SUFFIX}", label_ids(instances))
        _save(root / cityscapes.LABELS / f"{stem}{INSTANCE_SUFFIX}", instances)


def _save(path: Path, pixels: Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _draw_scene(rng: np.random.Generator, size: tuple[int, int], wanted: Iterable[str]) -> tuple[Array, Array]:
    """The image (H, W, 3), uint8, and the instance ids (H, W), uint16, of a scene that has ``wanted`` of ``RARE``."""
    scene, missing = empty_scene(rng, size), set(wanted)
    left, right = (_side(rng, sign) for sign in (-1, 1))
    _ground(scene, left, right, "train" in missing)
    _background(scene)
    _traffic(scene, left, right, missing)
    for side in (left, right) if rng.random() < 0.5 else (right, left):
        _border(scene, side, missing)
        _sidewalk(scene, side)
    for _, painter in sorted(scene.things, key=lambda thing: -thing[0]):
        painter()
    if rng.random() < 0.85:
        _bonnet(scene)
    instances = np.asarray(scene.instances)[::SCALE, ::SCALE].astype(np.uint16)
    edge = max(1, size[0] // 200)
    instances = np.pad(instances[edge:-edge, edge:-edge], edge, constant_values=ID["out of roi"])
    return photograph(scene, label_ids(instances)), instances


# The street


def _side(rng: np.random.Generator, sign: int) -> Side:
    curb = rng.uniform(2.5, 5) if sign > 0 else rng.uniform(4, 7.5)
    walk = curb + rng.uniform(2.5, 4.5)
    return Side(sign, curb, walk, walk + (rng.uniform(2, 6) if rng.random() < 0.6 else 0))


def _ground(scene: Scene, left: Side, right: Side, rails: bool) -> None:
    """Road, what is painted on it, and the strips beside it."""
    rng, road, walk = scene.rng, scene.colour("asphalt"), scene.colour("slab")
    length = (NEAR, FAR)
    scene.plate((-FAR, FAR), length, scene.colour("grass"), ID["terrain"])
    for side in (left, right):
        scene.plate(side.strip(0, side.walk), length, walk, ID["sidewalk"])
        scene.plate(side.strip(0, side.curb + 0.15), length, walk * 1.15, ID["sidewalk"])
        scene.plate(side.strip(0, side.curb), length, road, ID["road"])
    if rails:
        scene.plate((0.4 - left.curb, 3.2 - left.curb), length, road * 0.9 + 8, ID["rail track"])
        for x in (1.05, 2.5):
            scene.plate((x - left.curb, x + 0.1 - left.curb), length, PALE * 0.75)
    middle, period = (right.curb - left.curb) / 2, rng.uniform(5, 9)
    for z in np.arange(NEAR, 70, period).tolist():
        scene.plate((middle - 0.08, middle + 0.08), (z, z + period / 2), PALE)
    if rng.random() < 0.3:  # roadworks
        x, z = rng.uniform(-2, 2), rng.uniform(6, 14)
        scene.plate((x, x + 1.2), (z, z + 2), road * 0.6, ID["ground"])


def _background(scene: Scene) -> None:
    """Where the street ends, and sometimes a bridge over it."""
    for x in range(-110, 110, 15):
        row, height = (x, x + 15), scene.rng.uniform(5, 18)
        name, material = (("building", "plaster"), ("vegetation", "leaf"))[scene.rng.integers(2)]
        scene.add(FAR, _block, name=name, material=material, x=row, y=(0, height), z=(120, 150))
    if scene.rng.random() < 0.12:
        z = scene.rng.uniform(35, 70)
        scene.add(z, _block, name="bridge", material="plaster", x=(-60, 60), y=(5, 7), z=(z, z + 8))


def _border(scene: Scene, side: Side, missing: set[str]) -> None:
    """Houses and what else stands in a row; takes what it places from ``missing``."""
    rng, z, row = scene.rng, NEAR, side.strip(side.front, side.front + 12)
    kinds = ("house", "trees", "wall", "fence", "guard rail")
    share = rng.dirichlet([6, 2, 0.5, 0.5, 0.4])
    while z < 110:
        end = z + rng.uniform(9, 20)
        due = sorted(missing & {"wall", "fence"}) if z > NEAR else []
        kind = due[0] if due else str(rng.choice(kinds, p=share))
        missing.discard(kind)
        if kind == "house":
            scene.add(end, _house, x=row, z=(z, end), height=rng.uniform(5, 18))
        else:
            for depth in rng.uniform(z, end, 4):
                scene.add(end, _tree, x=side.sign * (side.front + rng.uniform(2, 6)), z=depth)
            if kind != "trees":
                scene.add(z, _barrier, name=kind, x=side.strip(side.front, side.front + 0.3), z=(z, end))
        z = end


def _sidewalk(scene: Scene, side: Side) -> None:
    """Poles, trees, people and things; poles and trees along the curb."""
    rng, curb = scene.rng, side.curb + 0.4
    bike = str(rng.choice(["bicycle", "motorcycle"]))
    for mean, outer, painter in (
        (3, curb + 0.3, _pole),
        (1.2, curb + 0.5, _tree),
        (2.5, side.walk, _person),
        (0.5, side.walk, partial(_two_wheeler, name=bike, ridden=False)),
    ):
        for _ in range(rng.poisson(mean)):
            z = 6 + rng.exponential(14)
            scene.add(z, painter, x=side.sign * rng.uniform(curb, outer), z=z)
    if rng.random() < 0.4:
        z, name = rng.uniform(7, 20), ("static", "dynamic")[rng.integers(2)]
        box = side.strip(side.walk - rng.uniform(0.4, 1.2), side.walk)
        scene.add(z, _block, name=name, material="paint", x=box, y=(0, rng.uniform(0.4, 1.4)), z=(z, z + 0.8))


def _traffic(scene: Scene, left: Side, right: Side, missing: set[str]) -> None:
    """Rows of vehicles, those ``missing`` first, and people who cross the road."""
    rng, rails = scene.rng, "train" in missing
    due = sorted(missing & {"truck", "bus", "motorcycle", "bicycle"})
    for x, oncoming in ((1.7 - left.curb, True), (right.curb - 1, False), (right.curb - 3.6, False)):
        z = rng.uniform(6, 12)
        while z < 90:
            chance = str(rng.choice(["car", "truck", "bus", "motorcycle", "bicycle"], p=[0.72, 0.04, 0.08, 0.08, 0.08]))
            name = "train" if oncoming and rails else due.pop() if due else chance
            length = _VEHICLES.get(name, (0, 0, 2))[2]
            z += length / 4  # large ones would hide the street
            if name in _VEHICLES:
                scene.add(z, _vehicle, name=name, x=x + rng.normal(0, 0.15), z=z, oncoming=oncoming)
            else:
                scene.add(z, _two_wheeler, name=name, x=x, z=z, ridden=True)
            z += length + rng.exponential(9)
    for z in rng.uniform(7, 25, rng.poisson(0.8)):
        scene.add(z, _person, x=rng.uniform(-left.curb, right.curb), z=z)


# Painters of single things


def _block(scene: Scene, name: str, material: str, x: Range, y: Range, z: Range) -> None:
    scene.box(x, y, z, scene.colour(material), ID[name])


def _barrier(scene: Scene, name: str, x: Range, z: Range) -> None:
    y = (0.35, 0.85) if name == "guard rail" else (0, scene.rng.uniform(1.8, 3))
    _block(scene, name, "timber" if name == "fence" else "concrete", x, y, z)
    if name == "fence":
        bars = scene.colour("timber") * 1.4
        for depth in np.arange(*z, 0.5).tolist():
            scene.box(x, y, (depth, depth + 0.15), bars)


def _house(scene: Scene, x: Range, z: Range, height: float) -> None:
    rng, wall = scene.rng, min(x, key=abs)
    _block(scene, "building", "plaster", x, (0, height), z)
    _block(scene, "building", "plaster", x, (height - 0.6, height), z)
    if rng.random() < 0.4:  # shops
        _block(scene, "building", "plaster", x, (0, 2.8), z)
    wide, gap, pane = rng.uniform(0.8, 1.6), rng.uniform(2.2, 3.6), GLASS * rng.uniform(0.6, 2.2)
    for low in np.arange(1.0, height - 2.2, 3.1).tolist():
        for near in np.arange(max(z[0], 3) + 0.7, z[1] - wide, gap).tolist():
            far, high = near + wide, low + 1.5
            corners = [(wall, low, near), (wall, low, far), (wall, high, far), (wall, high, near)]
            scene.fill(corners, pane * rng.uniform(0.8, 1.3))


def _tree(scene: Scene, x: float, z: float) -> None:
    rng, leaf = scene.rng, scene.colour("leaf")
    crown, spread = rng.uniform(3.2, 6), rng.uniform(1.2, 2.4)
    scene.box((x - 0.15, x + 0.15), (0, crown), (z, z + 0.3), DARK * 2, ID["vegetation"])
    for _ in range(6):
        across, up = rng.normal((0, crown), spread / 2)
        outline = disc(across, up, spread * rng.uniform(0.5, 0.9)) + rng.normal(0, spread / 12, (12, 2))
        scene.board(x, z, 1, outline, leaf * rng.uniform(0.7, 1.3), ID["vegetation"])


def _pole(scene: Scene, x: float, z: float) -> None:
    """A pole with a lamp, a sign or a traffic light."""
    rng, colour, kind = scene.rng, scene.colour("metal"), scene.rng.integers(3)
    radius, height = rng.uniform(0.05, 0.1), rng.uniform(2.8, 3.6)
    if kind == 0:
        height *= 2
        scene.board(x, z, 1, segment((0, height), (-np.sign(x) * 1.5, height), 0.12), colour, ID["pole"])
    scene.box((x - radius, x + radius), (0, height), (z, z + radius), colour, ID["pole"])
    if kind == 1:
        corners = int(rng.choice([3, 4, 12]))
        for size, face in ((rng.uniform(0.38, 0.5), scene.colour("sign")), (0.22, PALE)):
            scene.board(x, z, 1, disc(0, height - 0.4, size, corners), face, ID["traffic sign"])
    if kind == 2:
        scene.box((x - 0.22, x + 0.22), (height - 1, height + 0.1), (z, z + 0.3), DARK, ID["traffic light"])
        scene.board(x, z, 1, disc(0, height - 0.15, 0.15), RED)


def _person(scene: Scene, x: float, z: float) -> None:
    # Far away people cannot be told apart; there Cityscapes has one id for the group.
    value = scene.instance("person") if z < 35 else ID["person"]
    rng, coat, trousers = scene.rng, scene.colour("coat"), scene.colour("trousers")
    tall, stride = rng.uniform(0.88, 1.08), rng.uniform(0.05, 0.3)
    put = partial(scene.board, x, z, tall)
    scene.plate((x - 0.3, x + 0.3), (z - 0.1, z + 0.3), DARK * 1.4)
    for foot in (-stride, stride):
        put(segment((0, 0.9 * tall), (foot, 0), 0.17), trousers, value)
        put(segment((0.8 * foot, 1.4 * tall), (1.6 * foot, 0.8 * tall), 0.12), coat * 0.9, value)
    put(segment((0, 0.8 * tall), (0, 1.45 * tall), 0.42), coat, value)
    put(disc(0, 1.58 * tall, 0.13), scene.colour("skin"), value)


def _two_wheeler(scene: Scene, name: str, x: float, z: float, ridden: bool) -> None:
    """A bicycle or a motorcycle, seen at an angle, and its rider."""
    value, colour, heavy = scene.instance(name), scene.colour(name), name == "motorcycle"
    put = partial(scene.board, x, z, scene.rng.uniform(0.35, 1))
    thick = 0.3 if heavy else 0.08
    scene.plate((x - 0.5, x + 0.5), (z - 0.1, z + 0.4), DARK * 1.4)
    for hub in (-0.55, 0.55):
        put(disc(hub, 0.35, 0.36), DARK, value)
        put(disc(hub, 0.35, 0.2 if heavy else 0.29), DARK * 4, value)
    back, saddle, pedal, bar, front = (-0.55, 0.35), (-0.2, 0.85), (0.05, 0.35), (0.4, 1.05), (0.55, 0.35)
    for start, end in ((back, saddle), (saddle, pedal), (saddle, bar), (pedal, bar), (front, bar)):
        put(segment(start, end, thick), colour, value)
    if ridden:
        rider, coat = scene.instance("rider"), scene.colour("vest")
        put(segment((-0.2, 1.0), (0.05, 0.35), 0.2), scene.colour("vest") * 0.6, rider)
        put(segment((-0.2, 0.9), (0.1, 1.5), 0.42), coat, rider)
        put(segment((0.1, 1.4), (0.4, 1.1), 0.13), coat * 0.9, rider)
        put(disc(0.15, 1.68, 0.15), DARK if heavy else scene.colour("skin"), rider)


def _vehicle(scene: Scene, name: str, x: float, z: float, oncoming: bool) -> None:
    *dimensions, sill, roof, inset = _VEHICLES[name]
    width, height, length = (scene.rng.uniform(0.92, 1.08) * np.array(dimensions)).tolist()
    value, body, half = scene.instance(name), scene.colour(name), width / 2
    scene.plate((x - half - 0.15, x + half + 0.15), (z - 0.4, z + length), DARK * 1.4)
    layers = ((0, 0.12, 0.12, DARK), (0.1, sill, 0, body), (sill, roof, inset, GLASS), (roof, 1, inset, body * 1.1))
    for low, high, back, colour in layers:
        row, column = (x - half + back, x + half - back), (z + 5 * back, z + length - 5 * back)
        scene.box(row, (low * height, high * height), column, colour, value)
    if name == "truck" and oncoming:
        scene.box((x - half, x + half), (0.4, 2.7), (z - 0.1, z + 2), scene.colour("truck"), value)
        scene.box((x - half + 0.1, x + half - 0.1), (1.6, 2.4), (z - 0.2, z), GLASS, value)
    for axle in (z + 0.18 * length, z + 0.8 * length):
        scene.fill([(x - np.sign(x) * half, y, depth) for depth, y in disc(axle, 0.33, 0.33).tolist()], DARK, value)
    for lamp in (-0.38 * width, 0.38 * width):
        scene.board(x + lamp, z - 0.2, 1, disc(0, 0.75, 0.13, 4), PALE if oncoming else RED)


def _bonnet(scene: Scene) -> None:
    """The ego vehicle along the lower edge; in pixels, since it moves with the camera."""
    width, height = scene.image.size
    angle, rise = np.linspace(0, np.pi, 24), scene.rng.uniform(0.03, 0.08)
    columns, rows = width * (0.5 - 0.6 * np.cos(angle)), height * (1 - rise * np.sin(angle) ** 0.5)
    scene.paint(list(zip(columns.tolist(), rows.tolist(), strict=True)), scene.colour("paint"), ID["ego vehicle"])
