"""How the kernels are compiled."""

from collections.abc import Callable
from typing import TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a loop over arrays: kept on disk between runs, and run without Python's lock."""
    compiled: F = njit(cache=True, nogil=True)(function)
    return compiled
