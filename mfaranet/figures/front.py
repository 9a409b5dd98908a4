"""Which of several networks no other one beats."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def pareto(points: Iterable[T], place: Callable[[T], tuple[float, float]], *, less_is_better: bool) -> list[T]:
    """The points that no other one beats in both ways, from left to right.

    ``place`` gives a point's x, a cost or a speed, and its y, a score; less may be better of x.
    """

    def order(point: T) -> tuple[float, float]:
        x, y = place(point)
        return (x if less_is_better else -x, -y)

    best: list[T] = []
    for point in sorted(points, key=order):
        if not best or place(point)[1] > place(best[-1])[1]:
            best.append(point)
    return best if less_is_better else best[::-1]
