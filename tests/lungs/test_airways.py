"""Trachea and main bronchi are no lung."""

import pytest

from gmmlabel import DefaultMethod, find_lungs, make_phantom, read_volume


def test_the_airways_of_the_phantom_are_taken_out() -> None:
    phantom = make_phantom((160, 128, 90), (2.4, 2.4, 3.6), lesions=False)
    lungs = find_lungs(phantom.volume, DefaultMethod())
    assert 25 < lungs.airways_ml < 70  # 45 measured
    inside = phantom.volume.hu[lungs.region][lungs.mask > 0]
    # What is left of gas is noise of light lung and small bronchi; with its trachea it is 1.3 %.
    assert (inside < -980).mean() < 0.012


# Trachea and main bronchi of adults hold 30 to 80 mL; slabs show little of them, and 4 mm voxels
# hold partial volume at every side of them.
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("small_id001.nrrd", 30, 80),
        ("small_id002.nrrd", 30, 80),
        ("slicer_ctchest4.nrrd", 25, 80),
        ("healthy_4mm.nrrd", 12, 60),
        ("slab_normal_000061.nrrd", 2, 15),
    ],
)
def test_the_airways_of_real_chests_have_the_volume_of_airways(shared, name, least, most) -> None:
    lungs = find_lungs(read_volume(shared / "data" / name), DefaultMethod())
    assert least < lungs.airways_ml < most
