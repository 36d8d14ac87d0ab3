"""Where EM starts: clusters of the bins, as scikit-learn's GaussianMixture starts from."""

from collections.abc import Iterator

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from gmmlabel.fitting.expectation import maximisation
from gmmlabel.fitting.pool import Bins
from gmmlabel.mixture import Mixture
from gmmlabel.tissues import Tissue


def k_means_starts(bins: Bins, starts: int, seed: int) -> Iterator[Mixture]:
    """Cluster the bins, weighted by their voxels, and take the Gaussians of the clusters.

    Parameters
    ----------
    bins
        The histogram; at least as many bins as tissues.
    starts
        How many times to cluster, each from other random centres.
    seed
        Centres follow from it.

    Yields
    ------
    Mixture
        Components in the order of their means.
    """
    random = np.random.RandomState(seed)  # scikit-learn knows no Generator
    none = np.zeros(len(Tissue))
    unfitted = Mixture("start", none, none, none)
    for _ in range(starts):
        with threadpool_limits(1, "openmp"):  # threads would add up in an order of their own
            means = KMeans(len(Tissue), n_init=1, random_state=random)
            clusters = means.fit(bins.hu[:, np.newaxis], sample_weight=bins.voxels)
        order = clusters.cluster_centers_[:, 0].argsort()
        shares = (clusters.labels_[:, np.newaxis] == order).astype(np.float64)
        yield maximisation(unfitted, bins, shares, prior=None)
