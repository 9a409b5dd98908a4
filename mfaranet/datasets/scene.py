"""A canvas for street scenes: a pinhole camera, materials, figures, and the look of a photograph.

A scene is a street in metres (x to the right, y up, z away from the camera, which is at x = z = 0). Everything in it
is flat polygons, painted from far to near into the image and the instance ids alike.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from cityscapesscripts.helpers import labels as official
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

ID: dict[str, int] = {label.name: label.id for label in official.labels if label.id >= 0}
SCALE = 2  # the image is drawn larger and reduced, which antialiases it; the labels are sampled
NEAR, FAR = 1.5, 400.0  # metres
GLASS, DARK, PALE, RED = np.array([(45, 55, 65), (28, 28, 30), (225, 222, 205), (225, 40, 30)])
# Each class has colours of its own, so that some dozens of training steps tell seeds and networks apart. Real streets
# are not so kind.
_MATERIALS = {
    "asphalt": [(84, 84, 90), (96, 94, 96), (74, 76, 84)],
    "slab": [(214, 186, 170), (202, 178, 164), (220, 194, 182)],
    "plaster": [(160, 116, 84), (142, 98, 74), (176, 134, 100)],
    "concrete": [(206, 206, 196), (190, 192, 186)],
    "timber": [(104, 66, 34), (88, 58, 36)],
    "metal": [(52, 70, 76), (64, 80, 84)],
    "leaf": [(46, 92, 36), (62, 106, 44), (40, 78, 40)],
    "grass": [(150, 152, 66), (168, 160, 84)],
    "sky": [(150, 186, 236), (176, 204, 240), (196, 214, 236)],
    "sign": [(240, 240, 90), (224, 220, 70)],
    "coat": [(196, 40, 96), (214, 66, 120)],
    "trousers": [(110, 30, 66), (96, 40, 70)],
    "vest": [(196, 226, 40), (176, 210, 50)],
    "car": [(36, 60, 190), (30, 50, 160), (50, 76, 210)],
    "truck": [(224, 124, 36), (206, 110, 40)],
    "bus": [(24, 170, 150), (36, 152, 140)],
    "train": [(140, 50, 196), (124, 44, 176)],
    "motorcycle": [(196, 26, 28), (172, 30, 30)],
    "bicycle": [(236, 200, 30), (220, 184, 44)],
    "skin": [(195, 150, 120), (140, 100, 75), (95, 68, 52)],
    "paint": [(40, 42, 46), (178, 180, 182), (140, 40, 35), (40, 60, 110)],
}
# Fine and coarse texture of a class: standard deviation relative to its colour.
_PLAIN = (0.03, 0.05)
_TEXTURES = {"vegetation": (0.17, 0.22), "terrain": (0.10, 0.13), "sky": (0.0, 0.03), "wall": (0.07, 0.06)}

Array = NDArray[Any]
Range = tuple[float, float]
Painter = Callable[..., None]


@dataclass
class Scene:
    """Image and instance ids, painted together, and the camera through which they show the street."""

    rng: np.random.Generator
    image: Image.Image
    """RGB, ``SCALE`` times the size of the sample."""
    instances: Image.Image
    """Mode I, of the same size; where a thing has no instances, its label id."""
    horizon: Range
    """The vanishing point of the street: column and row in pixels of ``image``."""
    focal: float
    """In pixels of ``image``."""
    eye: float
    """Height of the camera above the road in metres."""
    sun: float
    """Brightness of the right flanks of things; the left ones have ``2 - sun``."""
    haze: Array
    numbers: Counter[str] = field(default_factory=Counter)
    things: list[tuple[float, Painter]] = field(default_factory=list)

    def add(self, depth: float, painter: Painter, **arguments: Any) -> None:
        """Something to be painted before all that is nearer than ``depth``."""
        self.things.append((depth, partial(painter, self, **arguments)))

    def colour(self, material: str) -> Array:
        """One of the colours of a material, varied."""
        chosen: Array = self.rng.choice(_MATERIALS[material]) * self.rng.uniform(0.85, 1.15)
        return chosen + self.rng.normal(0, 4, 3)

    def instance(self, name: str) -> int:
        """The id of a new instance."""
        self.numbers[name] += 1
        return ID[name] * 1000 + self.numbers[name] - 1

    def paint(self, corners: list[Range], colour: Array, value: int | None) -> None:
        """A polygon in pixels. Without a ``value`` it belongs to what it lies on."""
        red, green, blue = (min(255, max(0, int(part))) for part in colour.tolist())
        on_image, on_instances = self._brushes
        on_image.polygon(corners, fill=(red, green, blue))
        if value is not None:
            on_instances.polygon(corners, fill=value)

    @cached_property
    def _brushes(self) -> tuple[ImageDraw.ImageDraw, ImageDraw.ImageDraw]:
        return ImageDraw.Draw(self.image), ImageDraw.Draw(self.instances)

    def fill(self, points: Sequence[tuple[float, float, float]], colour: Array, value: int | None = None) -> None:
        """A polygon in the street."""
        (column, row), focal = self.horizon, self.focal
        clear = np.exp(-min(z for _, _, z in points) / 400)
        corners = [(column + focal * x / z, row + focal * (self.eye - y) / z) for x, y, z in points]
        self.paint(corners, clear * colour + (1 - clear) * self.haze, value)

    def board(self, x: float, z: float, width: float, outline: Array, colour: Array, value: int | None = None) -> None:
        """A flat figure, (N, 2), that stands at (x, 0, z), its width scaled."""
        self.fill([(x + width * across, y, z) for across, y in outline.tolist()], colour, value)

    def plate(self, x: Range, z: Range, colour: Array, value: int | None = None, y: float = 0.0) -> None:
        """A level rectangle."""
        self.fill([(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])], colour, value)

    def box(self, x: Range, y: Range, z: Range, colour: Array, value: int | None = None) -> None:
        """The faces of a box that can be seen."""
        (x0, x1), (y0, y1), (z0, z1) = x, y, z
        if not y0 < self.eye < y1:
            self.plate(x, z, colour * (1.15 if y1 < self.eye else 0.5), value, y1 if y1 < self.eye else y0)
        if not x0 < 0 < x1:
            flank, light = (x0, 2 - self.sun) if x0 > 0 else (x1, self.sun)
            self.fill([(flank, y0, z0), (flank, y1, z0), (flank, y1, z1), (flank, y0, z1)], colour * light, value)
        self.fill([(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)], colour, value)


def empty_scene(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Nothing but sky."""
    height, width = (SCALE * length for length in size)
    zenith, low, cloud = (rng.choice(_MATERIALS["sky"]) * rng.uniform(0.85, 1.1) for _ in range(3))
    rows = np.linspace(0, 2, 32).clip(0, 1)[:, None, None]
    cover = (0.3 + 0.4 * _noise(rng, (32, 64), 0.15)).clip(0, 0.8)[..., None]
    sky = (zenith * (1 - rows) + low * rows) * (1 - cover) + cloud * cover
    return Scene(
        rng=rng,
        image=Image.fromarray(sky.clip(0, 255).astype(np.uint8)).resize((width, height)),
        instances=Image.new("I", (width, height), ID["sky"]),
        horizon=(width * rng.uniform(0.36, 0.64), height * rng.uniform(0.36, 0.5)),
        focal=height * rng.uniform(1.3, 1.9),
        eye=rng.uniform(1.3, 1.8),
        sun=rng.uniform(0.85, 1.15),
        haze=low,
    )


def label_ids(instances: Array) -> Array:
    return np.where(instances < 1000, instances, instances // 1000).astype(np.uint8)


def disc(x: float, y: float, radius: float, corners: int = 12) -> Array:
    angle = np.arange(corners) * 2 * np.pi / corners + np.pi / 2
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def segment(start: Range, end: Range, width: float) -> Array:
    """A thick line."""
    a, b = np.array(start), np.array(end)
    across = (b - a)[::-1] * (-1, 1) * width / 2 / np.hypot(*(b - a))
    return np.array([a + across, b + across, b - across, a - across])


def _noise(rng: np.random.Generator, shape: tuple[int, ...], grain: float) -> Array:
    """Smooth noise (H, W), float32, of about unit deviation; ``grain`` is a share of the height."""
    height, width = shape
    cell = max(1.0, grain * height)
    grid = rng.standard_normal((2 + int(height / cell), 2 + int(width / cell)), dtype=np.float32)
    return np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC))


def photograph(scene: Scene, labels: Array) -> Array:
    """The reduced image with texture, light, blur and sensor noise."""
    rng, shape = scene.rng, labels.shape
    fine, coarse = np.array([_TEXTURES.get(name, _PLAIN) for name in ID], dtype=np.float32)[labels].transpose(2, 0, 1)
    texture = 1 + fine * _noise(rng, shape, 0.012) + coarse * _noise(rng, shape, 0.04) + 0.07 * _noise(rng, shape, 0.4)
    warm = rng.uniform(0.95, 1.05)
    light = rng.uniform(0.85, 1.15) * np.array([warm, 1, 2 - warm], dtype=np.float32)
    pixels = np.asarray(scene.image.reduce(SCALE)) * light * texture[..., None]
    lens = ImageFilter.GaussianBlur(rng.uniform(0.2, 0.6) * shape[0] / 128)
    blurred = np.asarray(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).filter(lens))
    noise = rng.uniform(1, 5) * rng.standard_normal(blurred.shape, dtype=np.float32)
    return np.asarray((blurred + noise).clip(0, 255), dtype=np.uint8)
