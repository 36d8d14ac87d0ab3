/** One plane of the picture: the CT, the map over it, the crosshair, and a slider of its slices. */

import { drawCrosshair } from "./crosshair.js";
import { followDrags } from "./dragging.js";
import { h } from "../base/elements.js";
import { clamp } from "./grid.js";
import { centreOf, crosshairVoxel, zoomBy } from "./picture.js";
import { layOut } from "./plane-layout.js";
import { PLANES } from "./planes.js";
import { colours, greys, paintSlice } from "./slice-image.js";
import { drawnMap, SEGMENTS, strength } from "./view-state.js";
import { draggedWindow } from "./windowing.js";

/**
 * @typedef {import("./grid.js").Triple} Triple
 * @typedef {import("./picture.js").Picture} Picture
 * @typedef {import("./planes.js").PlaneName} PlaneName
 * @typedef {import("./view-state.js").Shown} Shown
 * @typedef {import("./view-state.js").ViewState} ViewState
 *
 * @typedef {object} Pane
 * @property {HTMLElement} element
 * @property {(shown: Shown) => void} draw
 * @property {(key: KeyboardEvent) => boolean} press Whether the key meant something here.
 * @property {(factor: number) => boolean} [zoom] If it has a zoom of its own.
 */

const SIDES = ["left", "right", "top", "bottom"];
const WHEEL_STEP = 60; // pixels of a wheel or a touch pad that are one slice
const PAGE = 10;

/**
 * @param {PlaneName} name
 * @param {Picture} picture
 * @param {ViewState} state
 * @returns {Pane}
 */
export function planePane(name, picture, state) {
  const plane = PLANES[name];
  const { grid } = picture;
  const slices = grid.size[plane.through];
  const canvas = h("canvas", { class: "viewer-canvas", role: "img", tabindex: -1 });
  const count = h("span", { class: "viewer-count", "aria-hidden": "true" });
  const slider = h("input", {
    type: "range",
    class: "viewer-slider",
    "aria-label": `${plane.name} slice`,
    min: 1,
    max: slices,
    oninput: () => scrollTo(slider.valueAsNumber - 1),
  });
  const element = h(
    "div",
    { class: "viewer-pane", "data-pane": name },
    canvas,
    count,
    plane.marks.map((mark, index) =>
      h("span", { class: `viewer-mark viewer-mark-${SIDES[index]}`, "aria-hidden": "true" }, mark),
    ),
    slider,
  );
  const ctImage = document.createElement("canvas");
  const mapImage = document.createElement("canvas");
  /** @type {Map<HTMLCanvasElement, string>} What they hold: most changes leave most as they are. */
  const painted = new Map();

  const voxel = () => crosshairVoxel(picture, state.shown);
  const layoutOf = (/** @type {Shown} */ shown) =>
    layOut(plane, grid, canvas, shown.zoom, centreOf(picture, shown));

  /** @param {Triple} to */
  function moveTo(to) {
    const within = to.map((one, axis) => clamp(Math.round(one), 0, grid.size[axis] - 1));
    state.change({ at: grid.toMm(/** @type {Triple} */ (within)) });
  }

  /** @param {number} slice */
  function scrollTo(slice) {
    const to = /** @type {Triple} */ ([...voxel()]);
    to[plane.through] = slice;
    moveTo(to);
  }

  /** @param {MouseEvent} event */
  function voxelUnder({ clientX, clientY }) {
    const { left, top } = canvas.getBoundingClientRect();
    return layoutOf(state.shown).voxelAt(clientX - left, clientY - top, voxel());
  }

  /** @param {Shown} shown */
  function draw(shown) {
    const at = voxel();
    const slice = at[plane.through];
    slider.value = String(slice + 1);
    slider.setAttribute("aria-valuetext", `${slice + 1} of ${slices}`);
    count.textContent = `${plane.name} ${slice + 1}/${slices}`;
    canvas.setAttribute("aria-label", `${plane.name} slice ${slice + 1} of ${slices}`);
    const layout = layoutOf(shown);
    const dots = window.devicePixelRatio || 1;
    canvas.width = Math.round(layout.width * dots);
    canvas.height = Math.round(layout.height * dots);
    if (!canvas.width || !canvas.height) return;
    const options = { willReadFrequently: true }; // as the images that are drawn on it
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", options));
    context.scale(dots, dots);
    const { window: hu } = shown;
    paintOnce(ctImage, `${slice} ${hu.level} ${hu.width}`, () =>
      paintSlice(ctImage, picture.ct, grid, plane, slice, greys(hu)),
    );
    context.imageSmoothingQuality = "high";
    context.drawImage(ctImage, ...layout.image);
    const map = drawnMap(shown);
    const labels = picture.labels(map);
    if (labels) {
      const table = colours(SEGMENTS[map], (segment) => strength(shown, segment));
      paintOnce(mapImage, `${slice} ${map} ${table}`, () =>
        paintSlice(mapImage, labels, grid, plane, slice, table),
      );
      context.imageSmoothingEnabled = false; // a label has no value between two others
      context.drawImage(mapImage, ...layout.image);
    }
    if (shown.crosshair) drawCrosshair(context, layout.place(at), layout);
  }

  /**
   * @param {HTMLCanvasElement} image
   * @param {string} what
   * @param {() => void} paint
   */
  function paintOnce(image, what, paint) {
    if (painted.get(image) === what) return;
    painted.set(image, what);
    paint();
  }

  followDrags(canvas, (event) => {
    const begin = state.shown;
    /** @type {(now: PointerEvent) => [number, number]} */
    const way = (now) => [now.clientX - event.clientX, now.clientY - event.clientY];
    if (event.button === 2) {
      return (now) => state.change({ window: draggedWindow(begin.window, ...way(now)) });
    }
    if (event.button === 1 || event.shiftKey) {
      const { voxelAt } = layoutOf(begin);
      const from = voxelAt(0, 0, voxel());
      const centre = centreOf(picture, begin);
      return (now) => {
        const to = voxelAt(...way(now), voxel());
        const moved = centre.map((one, axis) => one - to[axis] + from[axis]);
        moved[plane.through] = centre[plane.through];
        state.change({ centre: /** @type {Triple} */ (moved) });
      };
    }
    moveTo(voxelUnder(event));
    return (now) => moveTo(voxelUnder(now));
  });

  let rest = 0;
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const ofPixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL;
      const pixels = ofPixels ? event.deltaY : event.deltaY * WHEEL_STEP;
      if (event.ctrlKey) return zoomBy(picture, state, Math.exp(-pixels / 300), voxelUnder(event));
      rest += pixels;
      const steps = Math.trunc(rest / WHEEL_STEP);
      rest -= steps * WHEEL_STEP;
      if (steps) scrollTo(voxel()[plane.through] - steps);
    },
    { passive: false },
  );

  /** @param {KeyboardEvent} event */
  function press(event) {
    if (event.shiftKey && event.key.startsWith("Arrow")) {
      const to = /** @type {Triple} */ ([...voxel()]);
      const up = plane.upward ? 1 : -1;
      if (event.key === "ArrowLeft") to[plane.across] -= 1;
      else if (event.key === "ArrowRight") to[plane.across] += 1;
      else to[plane.down] += event.key === "ArrowUp" ? up : -up;
      moveTo(to);
      return true;
    }
    const slice = voxel()[plane.through];
    /** @type {Record<string, number>} */
    const targets = {
      ArrowUp: slice + 1,
      ArrowRight: slice + 1,
      ArrowDown: slice - 1,
      ArrowLeft: slice - 1,
      PageUp: slice + PAGE,
      PageDown: slice - PAGE,
      Home: 0,
      End: slices - 1,
    };
    if (!(event.key in targets)) return false;
    scrollTo(targets[event.key]);
    return true;
  }

  return { element, draw, press };
}
