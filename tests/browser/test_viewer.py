"""The picture shows the voxels that the service made, in their colours, however it is asked to."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import httpx
import nibabel
import numpy as np
import pytest
from browser.driving import WAIT, Complaints, Launch, until
from numpy.typing import NDArray
from PIL import Image
from service.test_serve import Process

from gmmlabel.tissues import LUNG_SEGMENTS, OPACITY_SEGMENTS, TISSUE_SEGMENTS, Segment, Tissue

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

Pixels = NDArray[np.int64]
PLANES = ("axial", "coronal", "sagittal")
TWO_FRAMES = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
HEALTHY = TISSUE_SEGMENTS[Tissue.HEALTHY - 1]
CONSOLIDATION = TISSUE_SEGMENTS[Tissue.CONSOLIDATION - 1]


class Viewer:
    """The viewer of a page, and the volumes that it should show."""

    def __init__(self, page: Page, service: Process, job: str) -> None:
        self.page, self.service, self.job = page, service, job

    def open(self, query: str = "") -> Viewer:
        self.page.goto(f"/#/jobs/{self.job}{query}")
        return self.ready()

    def ready(self) -> Viewer:
        self.page.locator('.viewer-stage[data-state="ready"]').wait_for()
        return self

    def drawn(self) -> Viewer:
        """Wait until the last change is on the screen."""
        self.page.evaluate(TWO_FRAMES)
        return self

    def pane(self, name: str) -> Locator:
        return self.page.locator(f'[data-pane="{name}"]')

    def pixels(self, *names: str) -> Pixels:
        """What is on the screen in panes, once the last change has been drawn."""
        self.drawn()
        png = self.page.screenshot(timeout=4 * WAIT)  # 3-D is drawn without a graphics processor
        shot = Image.open(io.BytesIO(png)).convert("RGB")
        found = []
        for name in names:
            box = self.pane(name).locator("canvas").bounding_box()
            assert box
            left, top = box["x"], box["y"]
            part = shot.crop((left, top, left + box["width"], top + box["height"]))
            found.append(np.asarray(part).reshape(-1, 3))
        return np.concatenate(found).astype(int)

    def counts(self, segments: Iterable[Segment], *names: str) -> list[int]:
        """Pixels of the colour of each segment."""
        shown = self.pixels(*(names or PLANES))
        return [int((np.abs(shown - one.rgb).max(1) <= 3).sum()) for one in segments]

    def count(self, segment: Segment, *names: str) -> int:
        return self.counts([segment], *names)[0]

    def volume(self, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Voxels (x, y, z) and affine of a file of the view, by nibabel."""
        answer = httpx.get(f"{self.service.url}/v1/jobs/{self.job}/view/{name}.nii.gz")
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(answer.raise_for_status().content))
        return np.asarray(image.dataobj), np.asarray(image.affine)

    def read(self, what: str) -> str:
        return (
            self.page.locator(f'[data-readout="{what}"]')
            .inner_text()
            .replace("\N{MINUS SIGN}", "-")
        )

    def place(self) -> NDArray[Any]:
        """The crosshair in mm, RAS."""
        sides = re.findall(r"([RLAPSI]) ([\d.]+)", self.read("place"))
        return np.array([float(mm) if side in "RAS" else -float(mm) for side, mm in sides])

    def slice(self, name: str) -> int:
        return int(self.pane(name).get_by_role("slider").input_value())


@pytest.fixture
def viewer(page: Page, service: Process, labelled: str) -> Viewer:
    return Viewer(page, service, labelled)


def voxel_of(affine: NDArray[Any], place: NDArray[Any]) -> tuple[int, ...]:
    return tuple(np.rint(np.linalg.solve(affine, [*place, 1]))[:3].astype(int))


def test_each_tissue_has_its_colour_and_vanishes_when_its_box_is_unticked(viewer: Viewer) -> None:
    viewer.open("?map=labels&opacity=100&layout=axial")
    before = viewer.counts(TISSUE_SEGMENTS, "axial")
    assert min(before) > 20
    for hidden, segment in enumerate(TISSUE_SEGMENTS):
        viewer.page.get_by_role("checkbox", name=segment.name).uncheck()
        now = viewer.counts(TISSUE_SEGMENTS, "axial")
        assert now == [0] * (hidden + 1) + before[hidden + 1 :]
    viewer.page.get_by_role("checkbox", name=HEALTHY.name).check()
    assert viewer.count(HEALTHY, "axial") == before[1]
    viewer.page.get_by_role("slider", name="Overlay").fill("0")
    assert viewer.count(HEALTHY, "axial") == 0


def test_keys_and_buttons_change_the_map(viewer: Viewer) -> None:
    viewer.open("?opacity=100")
    assert viewer.count(HEALTHY) > 20
    viewer.page.keyboard.press("u")
    viewer.ready()
    assert min(viewer.counts(LUNG_SEGMENTS, "axial", "coronal")) > 20
    viewer.page.get_by_role("button", name="Opacity", exact=True).click()
    viewer.ready()
    assert viewer.count(OPACITY_SEGMENTS[0]) > 20
    assert viewer.count(HEALTHY) == 0
    viewer.page.keyboard.press("o")
    assert viewer.count(OPACITY_SEGMENTS[0]) == 0
    viewer.page.keyboard.press("o")
    assert viewer.count(OPACITY_SEGMENTS[0]) > 20


@pytest.mark.parametrize(("preset", "level", "width"), [("Lung", -600, 1500), ("Bone", 400, 1800)])
def test_the_ct_is_drawn_in_its_window_with_the_right_side_on_the_left(
    viewer: Viewer, preset: str, level: int, width: int
) -> None:
    viewer.open("?map=none&layout=axial&window=mediastinum")
    viewer.page.get_by_role("button", name=preset, exact=True).click()
    viewer.page.keyboard.press("x")
    canvas = viewer.pane("axial").locator("canvas").bounding_box()
    assert canvas
    drawn = viewer.pixels("axial")[:, 0].reshape(round(canvas["height"]), -1)
    ct, affine = viewer.volume("ct")
    spacing = np.abs(np.diag(affine))[:2]
    # The file runs to the patient's right and front, the screen to the left and back.
    hu = ct[::-1, ::-1, viewer.slice("axial") - 1].T.astype(float)
    grey = ((hu - (level - width / 2)) / width).clip(0, 1) * 255
    scale = 0.96 * min(np.array(drawn.shape[::-1]) / (ct.shape[:2] * spacing))
    size = np.rint(ct.shape[:2] * spacing * scale).astype(int)
    left, top = np.rint((np.array(drawn.shape[::-1]) - size) / 2).astype(int)
    shown = drawn[top : top + size[1], left : left + size[0]]
    wanted = np.asarray(
        Image.fromarray(grey.astype(np.uint8)).resize(tuple(size), Image.Resampling.BILINEAR)
    )
    inner = (slice(20, -40), slice(20, -20))  # without marks and slider
    away = np.abs(shown - wanted)[inner].mean()
    assert away < 4
    assert away < np.abs(shown - wanted[:, ::-1])[inner].mean() / 2
    assert viewer.page.get_by_label("Window level in HU").input_value() == str(level)


def test_the_readout_is_that_of_the_volumes(viewer: Viewer) -> None:
    viewer.open("?map=labels")
    names = {0: "outside the lungs", **{one.value: one.name for one in TISSUE_SEGMENTS}}
    ct, affine = viewer.volume("ct")
    labels, _ = viewer.volume("labels")
    seen = set()
    for x, y in [(0.3, 0.5), (0.34, 0.6), (0.65, 0.55), (0.5, 0.2)]:
        box = viewer.pane("axial").locator("canvas").bounding_box()
        assert box
        viewer.page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        viewer.drawn()
        voxel = voxel_of(affine, viewer.place())
        assert viewer.read("hu").replace(",", "") == str(ct[voxel])
        assert viewer.read("tissue") == names[int(labels[voxel])]
        assert viewer.slice("axial") == voxel[2] + 1
        assert viewer.slice("sagittal") == ct.shape[0] - voxel[0]
        seen.add(viewer.read("tissue"))
    assert len(seen) > 1


def test_the_keyboard_reaches_all(viewer: Viewer) -> None:
    page = viewer.open("?layout=coronal").page
    slider = viewer.pane("coronal").get_by_role("slider")
    slider.focus()
    before, place = viewer.slice("coronal"), viewer.place()
    for key, after in [("ArrowUp", 1), ("PageUp", 11), ("ArrowDown", 10), ("PageDown", 0)]:
        page.keyboard.press(key)
        until(page, f"document.activeElement.value === '{before + after}'")
    page.keyboard.press("Shift+ArrowRight")
    _, affine = viewer.volume("ct")
    page.keyboard.press("Shift+ArrowUp")
    moved = viewer.drawn().place() - place
    assert moved == pytest.approx([-abs(affine[0, 0]), 0, abs(affine[2, 2])], abs=0.11)
    page.keyboard.press("i")
    assert page.locator(".viewer-readout [role=status]").inner_text().endswith("mm")
    page.keyboard.press("1")
    assert not page.get_by_role("checkbox", name="Air").is_checked()
    page.keyboard.press("g")
    assert viewer.pane("sagittal").is_visible()
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Window width in HU").focus()
    page.keyboard.press("b")
    assert (
        page.get_by_role("button", name="Lung", exact=True).get_attribute("aria-pressed") == "true"
    )
    page.get_by_label("Window width in HU").fill("800")
    page.keyboard.press("Enter")
    until(page, "location.hash.includes('window=800,-600')")


def test_mouse_moves_slices_window_and_zoom(viewer: Viewer) -> None:
    page = viewer.open("?layout=axial").page
    box = viewer.pane("axial").bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    before = viewer.slice("axial")
    page.mouse.wheel(0, -180)
    until(page, f"document.querySelector('.viewer-slider').value === '{before + 3}'")
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 250, box["y"] + 180)
    page.mouse.up(button="right")
    assert page.get_by_label("Window width in HU").input_value() == "1600"
    assert page.get_by_label("Window level in HU").input_value() == "-640"
    page.get_by_role("slider", name="Overlay").fill("100")
    whole = viewer.count(HEALTHY, "axial")
    page.get_by_role("button", name="Zoom in").click()
    assert viewer.count(HEALTHY, "axial") > 1.2 * whole
    page.get_by_role("button", name="Fit").click()
    assert viewer.count(HEALTHY, "axial") == whole


def test_a_link_opens_the_same_view_again(viewer: Viewer, new_page: Callable[..., Page]) -> None:
    page = viewer.open().page
    page.keyboard.press("r")
    page.keyboard.press("m")
    page.keyboard.press("3")
    page.get_by_role("button", name="Sagittal").click()
    page.get_by_role("slider", name="Overlay").fill("100")
    viewer.pane("sagittal").get_by_role("slider").fill("20")
    for one in (
        "map=labels",
        "window=mediastinum",
        "hide=ground_glass",
        "layout=sagittal",
        "opacity=100",
        "at=",
    ):
        until(page, f"location.hash.includes('{one}')")
    page.evaluate("document.activeElement.blur()")  # a slider that has the focus is drawn stronger
    page.mouse.move(0, 0)
    viewer.ready()
    again = Viewer(new_page(), viewer.service, viewer.job)
    again.open(page.url[page.url.index("?") :])
    assert viewer.count(HEALTHY, "sagittal") > 20
    assert np.array_equal(viewer.pixels("sagittal"), again.pixels("sagittal"))
    viewer.page.get_by_role("button", name="All", exact=True).click()
    again.open(page.url[page.url.index("?") :].replace("layout=sagittal", "layout=four"))
    assert np.array_equal(viewer.pixels(*PLANES), again.pixels(*PLANES))


def test_numbers_that_are_pointed_at_show_their_voxels_and_then_all_is_as_before(
    viewer: Viewer,
) -> None:
    page = viewer.open("?map=smoothed&opacity=100&hide=air").page
    page.evaluate(
        """async (id) => {
            const { showViewer } = await import("/static/page/viewer/viewer.js");
            const { jobs } = await import("/static/page/base/service.js");
            const [job, view] = await Promise.all([jobs.get(id), jobs.view(id)]);
            const place = document.querySelector(".case-picture");
            const { signal } = new AbortController();
            window.viewer = await showViewer(place, signal, { job, result: job.result, view });
        }""",
        viewer.job,
    )
    viewer.ready()
    before = viewer.pixels(*PLANES)
    # Faster than a map can come: the last one counts.
    page.evaluate(
        """async () => {
            for (const map of ["lungs", "opacity", "labels"]) {
                window.viewer.highlight({ map, values: [1] });
            }
            window.viewer.highlight({ map: "lungs", values: [2] });
            await new Promise(requestAnimationFrame);
        }"""
    )
    until(page, "document.querySelector('.viewer-stage').dataset.state === 'ready'")
    right, left = viewer.counts(LUNG_SEGMENTS)
    assert right == 0
    assert left > 20
    page.evaluate("window.viewer.highlight({ map: 'smoothed', values: [4] })")
    assert viewer.count(CONSOLIDATION) > 20
    assert viewer.count(HEALTHY) == 0
    page.evaluate("window.viewer.highlight(null)")
    assert np.array_equal(viewer.pixels(*PLANES), before)


def test_lesions_lie_in_translucent_lungs_that_can_be_turned(viewer: Viewer) -> None:
    page = viewer.open("?layout=lungs").page
    page.locator('[data-pane="lungs"][data-state="ready"]').wait_for()

    def lesions() -> int:
        """Pixels of a hue; the lungs have next to none."""
        shown = viewer.pixels("lungs")
        return int((shown.max(1) - shown.min(1) > 60).sum())

    assert lesions() > 500
    front = viewer.pixels("lungs")
    assert (front.max(1) > 40).mean() > 0.15  # lungs around them
    page.locator('[data-pane="lungs"] canvas').focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert (np.abs(viewer.pixels("lungs") - front).max(1) > 20).mean() > 0.05
    assert viewer.pane("lungs").locator(".viewer-mark-right").inner_text() == "A"
    page.evaluate("document.activeElement.blur()")  # without the coloured frame of the focus
    page.keyboard.press("3")
    page.keyboard.press("4")
    assert lesions() == 0


def test_a_lost_context_is_told_and_drawn_again(viewer: Viewer) -> None:
    page = viewer.open("?layout=lungs").page
    ready = page.locator('[data-pane="lungs"][data-state="ready"]')
    ready.wait_for()
    page.evaluate(
        """document.querySelector('[data-pane="lungs"] canvas').getContext("webgl2")
            .getExtension("WEBGL_lose_context").loseContext()"""
    )
    page.get_by_role("button", name="Draw again").click()
    ready.wait_for()


def test_without_webgl_the_slices_are_as_good(
    launch: Launch, new_page: Callable[..., Page], service: Process, labelled: str
) -> None:
    page = new_page(of=launch("--disable-3d-apis"))
    viewer = Viewer(page, service, labelled).open("?map=labels&opacity=100")
    page.get_by_text("3-D needs WebGL 2").wait_for()
    assert min(viewer.counts(TISSUE_SEGMENTS)) > 20
    before = viewer.pixels("coronal")
    viewer.pane("coronal").get_by_role("slider").fill("20")
    assert not np.array_equal(viewer.pixels("coronal"), before)
    assert "HU" in page.locator(".viewer-readout").inner_text()


def test_what_does_not_come_is_told_in_a_line(viewer: Viewer, complaints: Complaints) -> None:
    complaints.allow("404")
    page = viewer.page
    page.route("**/view/lungs.nii.gz", lambda route: route.fulfill(status=404))
    page.route("**/view/ct.nii.gz", lambda route: route.fulfill(status=404), times=1)
    page.goto(f"/#/jobs/{viewer.job}?layout=axial")
    page.locator('.viewer-stage[data-state="error"]').wait_for()
    page.get_by_role("button", name="Try again").click()
    viewer.ready()
    page.keyboard.press("u")
    page.get_by_text("The map “Lungs” could not be loaded").wait_for(timeout=WAIT)
    viewer.ready()
    shown = viewer.pixels("axial")
    assert (shown.max(1) > 100).mean() > 0.1  # the CT
    page.keyboard.press("r")
    page.get_by_text("The map “Lungs” could not be loaded").wait_for(state="hidden")
