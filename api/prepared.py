"""Importing this labels a small phantom, so that all kernels are compiled and loaded.

The process that workers are forked from imports it once, and each worker begins with the kernels in
its memory, instead of loading them for more than a second. With one thread a step: a process
with more must not be forked.
"""

import os
import sys

from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import label_volume


def _prepare() -> None:
    before = os.environ.get("GMMLABEL_THREADS")
    os.environ["GMMLABEL_THREADS"] = "1"
    try:
        label_volume(make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
    except Exception as error:  # noqa: BLE001 - then each worker loads them, or says what is wrong
        sys.stderr.write(f"the kernels could not be loaded ahead: {error!r}\n")
    finally:
        if before is None:
            del os.environ["GMMLABEL_THREADS"]
        else:
            os.environ["GMMLABEL_THREADS"] = before


_prepare()
