"""Kernels over slabs of an axis, one thread a slab.

The kernels release Python's lock, so plain threads use all cores; numba's own threading is not
used because its default layer aborts when two threads of one process enter it. A process that
should keep to itself, such as one of several workers, sets ``GMMLABEL_THREADS=1``.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def thread_count() -> int:
    """Threads that a step may use: ``GMMLABEL_THREADS``, or else the cores this process has."""
    asked = os.environ.get("GMMLABEL_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_slab(kernel: Callable[[int, int], T], length: int) -> list[T]:
    """Call ``kernel(start, stop)`` on as many even slabs of ``range(length)`` as there are threads.

    Returns
    -------
    list
        What each call returned, in the order of the slabs.
    """
    count = max(1, min(thread_count(), length))
    edges = [length * i // count for i in range(count + 1)]
    if count == 1:
        return [kernel(0, length)]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(kernel, edges[:-1], edges[1:]))
