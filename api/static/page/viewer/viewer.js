/** The picture of a case: CT with a map in three planes, the lungs in 3-D, and their controls. */

import { h } from "../base/elements.js";
import { keyboard } from "./keyboard.js";
import { crosshairVoxel, fetchPicture, zoomBy } from "./picture.js";
import { readout } from "./readout.js";
import { fillStage } from "./stage.js";
import { mapControls, opacityControl, tissueList } from "./tissue-list.js";
import { viewState } from "./view-state.js";
import { windowControls } from "./windowing.js";
import { number } from "../base/wording.js";

/**
 * @typedef {import("./view-state.js").Layout} Layout
 * @typedef {import("./view-state.js").ViewState} ViewState
 * @typedef {import("./picture.js").Picture} Picture
 */

/** @type {MapName[]} In the order of their buttons; the first that there is is shown first. */
const MAPS = ["smoothed", "labels", "opacity", "lungs"];

/** @type {Record<Layout, string>} */
const LAYOUTS = { four: "All", axial: "Axial", coronal: "Coronal", sagittal: "Sagittal", lungs: "3-D" };
const NARROW_PIXELS = 560; // four panes would be too small

const IN = 1.25;
const OUT = 0.8;

/**
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 * @param {{job: Job, result: Result, view: FileView[]}} what
 * @returns {Promise<Viewer>} At once; the picture follows.
 */
export async function showViewer(place, signal, { result, view }) {
  const paths = new Map(view.map(({ name, path }) => [name.replace(/\.nii\.gz$/, ""), path]));
  const maps = MAPS.filter((map) => paths.has(map));
  const state = viewState(maps, place.clientWidth < NARROW_PIXELS ? "axial" : "four", signal);
  const stage = h("div", { class: "viewer-stage", "data-state": "empty" });
  const toolbar = h(
    "div",
    { class: "viewer-toolbar" },
    mapControls(state, maps),
    windowControls(state),
    layoutControls(state),
  );
  const under = h("div", { class: "viewer-under" }, opacityControl(state), tissueList(state));
  const viewer = h("div", { class: "viewer" }, toolbar, stage, under);
  place.replaceChildren(viewer);
  open();
  return {
    highlight: (what) => state.change({ highlight: what && paths.has(what.map) ? what : null }),
  };

  async function open() {
    performance.mark("viewer-opened");
    stage.dataset.state = "loading";
    const words = h("p", { class: "viewer-words" }, "Loading the picture");
    stage.replaceChildren(words);
    try {
      const picture = await fetchPicture(paths, state.shown.map, signal, (progress) => {
        words.textContent = progress;
      });
      performance.mark("viewer-loaded");
      if (!signal.aborted) show(picture);
    } catch (error) {
      if (signal.aborted) return;
      stage.dataset.state = "error";
      words.setAttribute("role", "alert");
      words.replaceChildren(
        `The picture could not be loaded: ${/** @type {Error} */ (error).message}. `,
        h("button", { type: "button", onclick: open }, "Try again"),
      );
    }
  }

  /** @param {Picture} picture */
  function show(picture) {
    const values = readout(picture, averaging(picture, result));
    const { used } = fillStage(stage, picture, state, paths.get("solid"), values.update, signal);
    /** @param {number} factor */
    const zoom = (factor) => {
      if (!used().zoom?.(factor)) zoomBy(picture, state, factor);
    };
    const deeds = {
      pane: used,
      zoom,
      centre: () => state.change({ centre: crosshairVoxel(picture, state.shown) }),
      announce: () => values.announce(state.shown),
    };
    under.prepend(values.element);
    toolbar.append(zoomControls(state, zoom), keyboard(viewer, state, maps, deeds, signal));
  }
}

/** @param {ViewState} state */
function layoutControls(state) {
  const buttons = Object.entries(LAYOUTS).map(([layout, name]) =>
    h(
      "button",
      {
        type: "button",
        "data-layout": layout,
        onclick: () => state.change({ layout: /** @type {Layout} */ (layout) }),
      },
      name,
    ),
  );
  state.listen(({ layout }) => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.layout === layout));
    }
  });
  return h("div", { class: "viewer-buttons", role: "group", "aria-label": "Panes" }, buttons);
}

/**
 * @param {ViewState} state
 * @param {(factor: number) => void} zoom
 */
function zoomControls(state, zoom) {
  /** @type {[string, string, () => void][]} */
  const buttons = [
    ["−", "Zoom out (key −)", () => zoom(OUT)],
    ["+", "Zoom in (key +)", () => zoom(IN)],
    ["Fit", "Fit whole slices (key 0)", () => state.change({ zoom: 1, centre: null })],
  ];
  return h(
    "div",
    { class: "viewer-buttons", role: "group", "aria-label": "Zoom" },
    buttons.map(([text, title, onclick]) =>
      h("button", { type: "button", "aria-label": title.split(" (")[0], title, onclick }, text),
    ),
  );
}

/**
 * What a voxel of the picture is, if it is not one of the CT.
 *
 * @param {Picture} picture
 * @param {Result} result
 */
function averaging({ ct, grid }, { input }) {
  const [x, y, z] = input.size;
  if (ct.length === x * y * z) return null;
  const voxel = grid.spacing.map((mm) => number(mm, 1)).join(" × ");
  return `Mean of the preview's voxel, ${voxel} mm; the CT has voxels of ${input.spacing_mm
    .map((mm) => number(mm, 1))
    .join(" × ")} mm`;
}
