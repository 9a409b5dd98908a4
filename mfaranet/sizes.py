"""Heights and widths in pixels, of images that are alike and of such that differ."""

from dataclasses import dataclass

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class InputSize:
    """What images are resized to: ``size`` times ``factors``.

    Where ``size`` is one number, images keep their shape and it is their longer side.
    """

    size: Size | int
    factors: tuple[float, float] = (1.0, 1.0)
    """Of height and width."""

    def of(self, image: Size) -> Size:
        """Height and width that an image of this size is resized to."""
        return times(scaled(image, self.size) if isinstance(self.size, int) else self.size, self.factors)

    @property
    def largest(self) -> Size:
        """Height and width that hold every resized image: of images that keep their shape, a square."""
        return times((self.size, self.size) if isinstance(self.size, int) else self.size, self.factors)

    @property
    def shown(self) -> Size | str:
        """The size that all images have then, or in words what they have in common."""
        if not isinstance(self.size, int):
            return self.largest
        return f"longer side {self.size}" + ("" if self.factors == (1, 1) else f" x {self.factors}")


def scaled(size: Size, longer: float) -> Size:
    """Height and width of the same shape whose longer side is ``longer``, rounded half up; no side is below 1."""
    height, width = size
    side = int(longer + 0.5)
    if height > width:
        return side, max(1, int(width * side / height + 0.5))
    return max(1, int(height * side / width + 0.5)), side


def times(size: Size, factors: tuple[float, float]) -> Size:
    """Height and width, each by its factor, rounded."""
    return round(size[0] * factors[0]), round(size[1] * factors[1])
