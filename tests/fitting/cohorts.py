"""Cohorts of patients whose lungs are drawn from a known mixture."""

import numpy as np

from gmmlabel.histogram import LAST_HU, LungHistogram

FIRST_HU = -1000


def patient(seed, means, deviations, shares=(8, 9, 4, 1.5, 2.5), voxels=50_000, jitter_hu=0.0):
    """A histogram of five tissues; the shares of each patient are drawn around `shares`."""
    random = np.random.default_rng(seed)
    tissue = random.choice(5, voxels, p=random.dirichlet(shares))
    centres = np.asarray(means) + random.normal(0, jitter_hu, 5)
    hu = np.rint(random.normal(centres[tissue], np.take(deviations, tissue))).astype(int)
    counts = np.bincount(hu.clip(FIRST_HU, LAST_HU) - FIRST_HU, minlength=LAST_HU - FIRST_HU + 1)
    method = {"name": "default", "clip_hu": FIRST_HU}
    return LungHistogram(FIRST_HU, counts, method, (0.7, 0.7, 1.0), f"{seed:064x}")
