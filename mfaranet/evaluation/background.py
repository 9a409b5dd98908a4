"""Work in threads beside the network: decoding, encoding and counting leave Python's lock, and so overlap with it."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = min(8, max(2, os.cpu_count() or 1))
"""One thread decodes slower than a GPU predicts."""
_WAITING = 2 * _THREADS
"""Items that are being worked on or are done, and whose turn has not come: so many are in memory at most."""


def in_background(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``work`` of each item, in order, done by threads while the caller is at other items.

    The items are taken in the caller's thread. An error in ``work`` is raised when its item's turn comes; what was
    begun by then, or when the items end in an error, is finished first.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        pending: deque[Future[Result]] = deque()
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > _WAITING:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
