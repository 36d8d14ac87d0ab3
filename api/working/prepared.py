"""Importing this labels and shows a small phantom, so that all kernels are compiled and loaded.

The process that workers are forked from imports it once, and each worker begins with the kernels in
its memory, instead of loading them for more than a second. With one thread a step: a process
with more must not be forked.
"""

import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from gmmlabel.pages.coarse import coarse_means
from gmmlabel.pages.view import write_view
from gmmlabel.phantom import make_phantom
from gmmlabel.pipeline import label_volume

from ..logs import configure


def _prepare() -> None:
    before = os.environ.get("GMMLABEL_THREADS")
    os.environ["GMMLABEL_THREADS"] = "1"
    try:
        labelling = label_volume(make_phantom((72, 72, 48), (5.0, 5.0, 7.0)).volume)
        with TemporaryDirectory() as folder:
            write_view(labelling, Path(folder))
        coarse_means(labelling.volume.hu, (24, 36, 36))  # a small CT is shown as it is
    except Exception:
        configure()
        logging.getLogger(__name__).exception("the kernels could not be loaded ahead")
    finally:
        if before is None:
            del os.environ["GMMLABEL_THREADS"]
        else:
            os.environ["GMMLABEL_THREADS"] = before


_prepare()
