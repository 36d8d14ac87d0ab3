"""How the kernels are compiled."""

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop over arrays: kept on disk between runs, and run without Python's lock.

    Where there is no folder to keep it in, as in a container whose file system is read-only, it
    is compiled anew by each process; ``NUMBA_CACHE_DIR`` names another folder.
    """
    compiled: Callable[..., Any]
    try:
        compiled = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba has no place for its cache
        compiled = njit(nogil=True)(function)
    return compiled
