"""The package lungmask finds lungs with weights that are at hand, or says what is missing.

Its real weights cannot be had here, so the real package runs stand-ins of its U-Net: set by hand
to tell tissues by density, which a U-Net can do exactly. Most are narrower than the real one (2
feature maps instead of 64 at the top), because a slice takes that one a second.
"""

import logging
import pickle
import sys
import warnings
from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
import SimpleITK
from ct_files import GRIDS, write_itk

from gmmlabel.errors import SegmenterError
from gmmlabel.lungs.unet import Lungmask
from gmmlabel.method import DefaultMethod
from gmmlabel.readers import read_volume
from gmmlabel.segmenters import named_segmenter, segment
from gmmlabel.volume import Geometry, Volume

needs_lungmask = pytest.mark.skipif(
    find_spec("lungmask") is None, reason="lungmask is not installed: pip install '.[lungmask]'"
)
R231 = "unet_r231-d5d2fc3d.pth"
CLASSES_FROM_HU = (-925, -775, -500)  # 1 from -925, 2 from -775, 0 below and from -500
SPACING = (2.0, 2.5, 4.0)
FULL_WIDTH = 6  # 64 feature maps at the top


@pytest.fixture(autouse=True)
def _nothing_is_printed(capfd):
    yield
    assert capfd.readouterr() == ("", "")


@pytest.fixture(autouse=True)
def _no_network_and_no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    if find_spec("lungmask"):
        import torch  # noqa: PLC0415

        def download(*_, **__):
            pytest.fail("a download was tried")

        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
        monkeypatch.setattr(torch.hub, "download_url_to_file", download)


def unet(width):
    """The U-Net of lungmask, with 2 ** width feature maps at the top."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lungmask.resunet import UNet  # noqa: PLC0415

    return partial(UNet, padding=True, depth=5, up_mode="upsample", batch_norm=True, wf=width)


def save_weights(path, width=1, tap=(1, 1)):
    """Save weights that tell three classes by density, looking aside by 4 pixels if asked.

    Parameters
    ----------
    tap
        Row and column of the weight that is not 0 in each of four 3 x 3 kernels.
    """
    import torch  # noqa: PLC0415

    net = unet(width)(n_classes=3)
    with torch.no_grad():
        for name, values in net.named_parameters():
            if values.ndim > 1 or name.endswith("bias"):
                values.zero_()
        first, second, third = ((hu + 1024) / 1624 for hu in CLASSES_FROM_HU)
        down, up = net.down_path[0].block, net.up_path[-1].conv_block.block
        bridge = up[0].in_channels // 2
        # Feature 0 is the density, feature 1 what it has above the third limit.
        for layer, sources in ((down[0], (0, 0)), (down[3], (0, 1)), (up[0], (bridge, bridge + 1))):
            for feature, source in enumerate(sources):
                layer.weight[feature, source][tap] = 1
        up[3].weight[0, 0][tap] = up[3].weight[1, 1][tap] = 1
        down[0].bias[1] = -third
        # The straight lines 0 + much of feature 1, d - first, and 2 d - first - second.
        net.last.weight[:, 0, 0, 0] = torch.tensor([0.0, 1.0, 2.0])
        net.last.weight[0, 1] = 1000.0
        net.last.bias[:] = torch.tensor([0.0, -first, -first - second])
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture
def narrow(monkeypatch):
    """Let lungmask build its U-Net with 2 feature maps at the top."""
    unet(1)
    monkeypatch.setattr("lungmask.mask.UNet", unet(1))


def chest():
    """A stored body with a right lung of -850 HU and a left one of -650 HU, of unlike shapes."""
    hu = np.full((100, 72, 10), -1000, np.int16)  # x, y, z
    hu[6:94, 6:66] = 40
    hu[14:42, 14:56, 1:9] = -850
    hu[56:88, 20:50, 1:9] = -650
    return hu


def volume_of(stored):
    return Volume.from_stored(stored.T, Geometry(stored.shape, SPACING))


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


@needs_lungmask
@pytest.mark.usefixtures("narrow")
def test_the_network_s_labels_are_the_lungs_right_and_left(tmp_path) -> None:
    volume = volume_of(chest())
    network = Lungmask(weights=save_weights(tmp_path / "weights.pth"))
    lungs = segment(volume, network, DefaultMethod())
    found = np.zeros(volume.hu.shape, np.uint8)
    found[lungs.region] = lungs.mask
    # Slices are resampled to 256 x 256 and back, which moves an edge by up to a voxel.
    assert dice(found == 1, volume.hu == -850) > 0.97
    assert dice(found == 2, volume.hu == -650) > 0.97


@needs_lungmask
@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", ["flipped", "feet_first", "sagittal", "coronal"])
def test_the_network_sees_slices_as_lungmask_itself_turns_them(tmp_path, name, monkeypatch) -> None:
    """The oracle is lungmask on the file as SimpleITK reads it; the kernels look aside."""
    from lungmask import LMInferer  # noqa: PLC0415

    weights = save_weights(tmp_path / "weights.pth", tap=(0, 2))
    along = np.abs(GRIDS[name][:3, :3]).argmax(axis=0)
    path = write_itk(tmp_path / "ct.mha", np.asfortranarray(chest().transpose(along)), GRIDS[name])
    volume = read_volume(path)
    monkeypatch.setattr(logging.getLogger("lungmask"), "disabled", True)
    oracle = LMInferer(modelpath=str(weights), tqdm_disable=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = oracle.apply(SimpleITK.ReadImage(str(path)))
    found = Lungmask(weights=weights)(volume)
    assert len(np.unique(found)) == 3
    np.testing.assert_array_equal(volume.geometry.to_stored(found), expected)


@needs_lungmask
@pytest.mark.usefixtures("narrow")
def test_the_stand_in_would_notice_mirrored_slices(tmp_path) -> None:
    network = Lungmask(weights=save_weights(tmp_path / "weights.pth", tap=(0, 2)))
    volume = volume_of(chest())
    found = network(volume)
    for axis in (1, 2):
        mirrored = Volume(np.ascontiguousarray(np.flip(volume.hu, axis)), volume.geometry)
        assert (np.flip(network(mirrored), axis) != found).any()


@needs_lungmask
def test_weights_of_the_real_architecture_are_taken(tmp_path) -> None:
    stored = chest()[..., 4:7]
    volume = Volume(np.ascontiguousarray(stored.T), Geometry(stored.shape, SPACING))
    found = Lungmask(weights=save_weights(tmp_path / "weights.pth", width=FULL_WIDTH))(volume)
    assert dice(found == 1, volume.hu == -850) > 0.97


@needs_lungmask
@pytest.mark.usefixtures("narrow")
def test_weights_are_taken_from_where_lungmask_keeps_them(tmp_path) -> None:
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    save_weights(folder / R231)
    network = named_segmenter("lungmask")
    assert network.find_weights() == folder / R231
    assert network(volume_of(chest())).max() == 2


@needs_lungmask
def test_missing_weights_are_one_line_with_what_goes_where(tmp_path) -> None:
    with pytest.raises(SegmenterError) as caught:
        named_segmenter("lungmask")
    message = str(caught.value)
    assert "\n" not in message
    assert f"/{R231} " in message
    assert f"{tmp_path / 'torch' / 'hub' / 'checkpoints'}," in message
    assert "--lungmask-weights" in message


@needs_lungmask
def test_a_weight_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(SegmenterError, match=r"mine\.pth: no such file"):
        named_segmenter("lungmask", tmp_path / "mine.pth")


@needs_lungmask
def test_an_unknown_model_is_one_line() -> None:
    with pytest.raises(SegmenterError, match="lungmask has LTRCLobes, R231, R231CovidWeb"):
        Lungmask("R232").find_weights()


def _no_torch_file(path):
    path.write_bytes(b"not found")


def _truncated(path):
    save_weights(path)
    path.write_bytes(path.read_bytes()[:5000])


def _other_network(path):
    import torch  # noqa: PLC0415

    torch.save({"layer": torch.zeros(3)}, path)


def _one_tensor(path):
    import torch  # noqa: PLC0415

    torch.save(torch.zeros(3), path)


class _Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return print, ("the trap went off",)


def _pickled_code(path):
    import torch  # noqa: PLC0415

    torch.save({"layer": _Trap()}, path)


@needs_lungmask
@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    "write", [_no_torch_file, _truncated, _other_network, _one_tensor, _pickled_code]
)
def test_files_that_hold_no_weights_of_lungmask_are_one_line(tmp_path, write) -> None:
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(SegmenterError) as caught:
        Lungmask(weights=path)(volume_of(chest()))
    assert str(caught.value).startswith(f"{path}: no weights of lungmask (")
    assert "\n" not in str(caught.value)


@needs_lungmask
@pytest.mark.usefixtures("narrow")
def test_a_failure_within_the_network_is_one_line(tmp_path, monkeypatch) -> None:
    def fail(*_):
        raise RuntimeError("DefaultCPUAllocator: not enough memory\nand a trace")

    monkeypatch.setattr("lungmask.mask.LMInferer.apply", fail)
    network = Lungmask(weights=save_weights(tmp_path / "weights.pth"))
    with pytest.raises(SegmenterError) as caught:
        network(volume_of(chest()))
    assert str(caught.value) == (
        "lungmask R231 failed on this CT (DefaultCPUAllocator: not enough memory); "
        "use --segmenter threshold"
    )


@needs_lungmask
@pytest.mark.usefixtures("narrow")
def test_warnings_of_the_caller_stay_as_they_were(tmp_path) -> None:
    network = Lungmask(weights=save_weights(tmp_path / "weights.pth"))
    before = list(warnings.filters)
    network(volume_of(chest()))
    assert warnings.filters == before


@pytest.mark.parametrize("module", ["lungmask", "torch"])
def test_without_the_package_the_line_says_how_to_install_it(monkeypatch, module) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "lungmask"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SegmenterError) as caught:
        named_segmenter("lungmask")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("pip install 'gmmlabel[lungmask]'")


def test_the_network_goes_to_another_process(tmp_path) -> None:
    network = Lungmask("R231CovidWeb", tmp_path / "weights.pth")
    assert pickle.loads(pickle.dumps(network)) == network  # noqa: S301
