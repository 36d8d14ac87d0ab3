"""The lung segmenter of the package lungmask: a U-Net over axial slices.

Only its extra, ``gmmlabel[lungmask]``, brings the package and torch; both are imported when the
network is asked for.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
from numpy.typing import NDArray

from gmmlabel.errors import SegmenterError
from gmmlabel.morphology.slabs import thread_count
from gmmlabel.volume import Volume

_BATCH_SLICES = 4  # 1.2 GB instead of the 3.3 GB of lungmask's own 20, in the same time on a CPU

# What torch and lungmask raise for weights that are damaged, of another network, or no weights.
_FAILURES = (
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    UnpicklingError,
)


@dataclass(frozen=True)
class Lungmask:
    """The segmenter that runs a U-Net of the package lungmask (Hofmanninger et al. 2020).

    Nothing is ever downloaded: weights are taken from a file, or from where lungmask itself keeps
    them.

    Parameters
    ----------
    model
        ``R231``, ``R231CovidWeb`` or ``LTRCLobes``.
    weights
        File of the weights; those of `model` in the cache of torch unless given.
    """

    model: str = "R231"
    weights: Path | None = None

    def __call__(self, volume: Volume) -> NDArray[np.uint8]:
        """Run the network on each axial slice.

        Returns
        -------
        ndarray
            uint8, (z, y, x): 1 right and 2 left lung; of ``LTRCLobes`` the lobes, 1 to 5.

        Raises
        ------
        SegmenterError
            If the package or the weights are missing, or the network fails.
        """
        weights = self.find_weights()
        with _quiet_lungmask():
            import torch
            from lungmask import LMInferer

            # One of several workers keeps to its share of the cores.
            torch.set_num_threads(min(torch.get_num_threads(), thread_count()))
            try:
                network = LMInferer(
                    modelpath=str(weights), batch_size=_BATCH_SLICES, tqdm_disable=True
                )
            except _FAILURES as error:
                raise SegmenterError(
                    f"{weights}: no weights of lungmask ({_first_line(error)}); get the file again"
                ) from error
            try:
                # Without a direction, lungmask takes slices to be LPS; ours are.
                found: NDArray[np.uint8] = network.apply(volume.hu)
            except _FAILURES as error:
                raise SegmenterError(
                    f"{self} failed on this CT ({_first_line(error)}); use --segmenter threshold"
                ) from error
        return found

    def __str__(self) -> str:
        return f"lungmask {self.model}"

    def find_weights(self) -> Path:
        """Find the file of the weights; asked early, it says before any work what is missing.

        Raises
        ------
        SegmenterError
            If the package is not installed, has no such model, or the file is not there.
        """
        with _quiet_lungmask():
            try:
                from lungmask.mask import MODEL_URLS
                from torch.hub import get_dir
            except ImportError as error:
                raise SegmenterError(
                    f"lungmask is not installed ({error}); pip install 'gmmlabel[lungmask]'"
                ) from error
        if self.model not in MODEL_URLS:
            raise SegmenterError(
                f"{self}: no such model; lungmask has {', '.join(sorted(MODEL_URLS))}"
            )
        url = MODEL_URLS[self.model][0]
        cached = Path(get_dir(), "checkpoints", url.rsplit("/", 1)[1])
        if (self.weights or cached).is_file():
            return self.weights or cached
        if self.weights:
            raise SegmenterError(f"{self.weights}: no such file; give the weights of {self}")
        raise SegmenterError(
            f"the weights of {self} are missing, and nothing is downloaded by itself: get {url} "
            f"and put it into {cached.parent}, or give it with --lungmask-weights"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def _quiet_lungmask() -> Iterator[None]:
    """Keep lungmask's log off stdout, where results go, and its warning filter to itself."""
    logger = logging.getLogger("lungmask")
    was = logger.disabled
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.disabled = True
        try:
            yield
        finally:
            logger.disabled = was
