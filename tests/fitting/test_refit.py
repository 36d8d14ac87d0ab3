"""A refit gives five tissues in their places, the same each time, or says why not."""

import datetime
import json
from pathlib import Path

import numpy as np
import pytest
from fitting.cohorts import patient

from gmmlabel.errors import InputError, ModelError
from gmmlabel.fitting.drift import measure_drift
from gmmlabel.fitting.pool import Pool, pool_histograms
from gmmlabel.fitting.prior import named_prior
from gmmlabel.fitting.refit import FREE, FitMethod, Refit, accept, refit
from gmmlabel.histogram import read_histogram
from gmmlabel.model_files import load_model, write_model
from gmmlabel.pipeline import count_lungs
from gmmlabel.readers import read_volume

SCANNER = ([-930, -805, -630, -310, 10], [38, 50, 80, 140, 170])
"""Means and SDs of tissues that are 15 to 30 HU away from the published ones."""


def _pool(patients: int, **numbers: object) -> Pool:
    histograms = (patient(seed, *SCANNER, **numbers) for seed in range(patients))
    return pool_histograms((f"patient {i}", it) for i, it in enumerate(histograms))


def _anchored(pool: Pool, **numbers: object) -> Refit:
    return refit(pool, "any", prior=named_prior("zaffino2021", pool, **numbers))


def test_a_handful_of_patients_stays_near_the_prior_and_enough_recover_the_truth() -> None:
    prior = load_model()
    few, enough = _anchored(_pool(2)), _anchored(_pool(400), patients=1)
    assert np.abs(few.model.means - prior.means).max() < 10
    assert np.abs(enough.model.means - SCANNER[0]).max() < 10
    assert few.implausible == enough.implausible == ()


def test_healthy_patients_alone_still_give_five_tissues() -> None:
    """A free fit calls the denser half of healthy lung ground glass."""
    healthy = ([-930, -840, -690, -400, -20], [40, 45, 70, 120, 150])
    shares = (300, 500, 12, 6, 6)
    histograms = [patient(seed, *healthy, shares=shares) for seed in range(4)]
    pool = pool_histograms((str(i), it) for i, it in enumerate(histograms))
    assert refit(pool, "free", prior=None).implausible
    assert _anchored(pool).implausible == ()


def test_the_same_seed_gives_the_same_model_to_the_last_bit() -> None:
    pool = _pool(5)
    for prior in (None, named_prior("zaffino2021", pool)):
        ours, again = (refit(pool, "any", prior=prior) for _ in range(2))
        for name in ("means", "variances", "weights"):
            assert getattr(ours.model, name).tobytes() == getattr(again.model, name).tobytes()


def test_the_best_of_the_starts_is_taken() -> None:
    fitted = refit(_pool(3), "any", prior=None)
    assert len(fitted.objectives) == FREE.starts == 6
    assert fitted.maximum.objective == max(fitted.objectives)
    pool = _pool(3)
    assert len(refit(pool, "any", prior=named_prior("zaffino2021", pool)).objectives) == 7


def test_an_implausible_model_is_refused_or_marked(tmp_path: Path) -> None:
    fitted = refit(_pool(3), "short", prior=None, method=FitMethod(iterations=2))
    with pytest.raises(ModelError, match=r"short: refused, .*did not converge in 2 iterations"):
        accept(fitted)
    model = accept(fitted, force=True)
    assert any("did not converge" in reason for reason in model.doubts)
    assert load_model(write_model(model, tmp_path / "short.json")).doubts == model.doubts


def test_a_saved_model_tells_how_it_came_about(tmp_path: Path) -> None:
    pool = _pool(4)
    model = accept(_anchored(pool), by="somebody", created=datetime.date(2026, 11, 21))
    document = json.loads(write_model(model, tmp_path / "any.json").read_bytes())
    training = document["training"]
    assert (training["by"], training["created"]) == ("somebody", "2026-11-21")
    assert (training["cases"], training["voxels"]) == (4, 200_000)
    assert training["prior"]["name"] == "zaffino2021"
    assert training["prior"]["strength_voxels"] == 500_000
    assert sum(training["histogram"]["counts"]) == 200_000
    assert document["citation"] == load_model().citation


def test_drift_counts_the_voxels_whose_label_changes() -> None:
    pool, before = _pool(3), load_model()
    drift = measure_drift(before, before, pool)
    assert (drift.moved_hu, drift.changed_percent) == ((0, 0, 0, 0), 0)
    model = _anchored(pool, patients=0.1).model
    drift = measure_drift(model, before, pool)
    changed = 0.0
    for ours, theirs in zip(drift.boundaries_hu, drift.before_hu, strict=True):
        low, high = sorted([ours + 1000, theirs + 1000])
        changed += pool.counts[low:high].sum()
    assert drift.changed_percent == pytest.approx(100 * changed / pool.counts.sum())
    assert drift.changed_percent > 1


def test_lungs_of_fewer_values_than_tissues_are_refused() -> None:
    pool = pool_histograms([("flat", patient(0, [-800] * 5, [0.5] * 5, voxels=50))])
    with pytest.raises(InputError, match="five tissues need more"):
        refit(pool, "any", prior=None)


def test_a_real_covid_patient_and_real_healthy_ones_stay_in_their_places(shared: Path) -> None:
    def counted(*names: str) -> Pool:
        volumes = [read_volume(shared / "data" / name) for name in names]
        return pool_histograms((it.name, count_lungs(it)) for it in volumes)

    healthy = counted("small_id001.nrrd", "small_id002.nrrd", "healthy_4mm.nrrd")
    assert refit(healthy, "free", prior=None).implausible
    assert _anchored(healthy).implausible == ()
    assert _anchored(healthy, patients=0.5).implausible == ()
    assert _anchored(counted("slab_covid_000006.nrrd")).implausible == ()


def test_a_histogram_in_a_file_gives_the_model_of_the_one_in_memory(tmp_path: Path) -> None:
    histogram = patient(3, *SCANNER)
    histogram.write(tmp_path / "histogram.json")
    again = read_histogram(tmp_path / "histogram.json")
    models = [
        _anchored(pool_histograms([("it", one)])).model.means.tobytes()
        for one in (histogram, again)
    ]
    assert models[0] == models[1]
