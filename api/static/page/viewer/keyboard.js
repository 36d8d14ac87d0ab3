/** Keys of the viewer, and the dialog that lists them. */

import { h } from "../base/elements.js";
import { PLANE_NAMES, PLANES } from "./planes.js";
import { enlarged } from "./stage.js";
import { MAPS, toggle } from "./tissue-list.js";
import { SEGMENTS } from "./view-state.js";
import { PRESETS, readWindow } from "./windowing.js";

/**
 * @typedef {import("./view-state.js").ViewState} ViewState
 * @typedef {import("./view-state.js").Layout} Layout
 *
 * @typedef {object} Deeds What keys can do besides changing what is shown.
 * @property {() => import("./plane-pane.js").Pane} pane The one that was used last.
 * @property {(factor: number) => void} zoom
 * @property {() => void} centre
 * @property {() => void} announce
 */

/** @type {[string, string][]} */
const HELP = [
  ["↑ ↓ Page Up Page Down Home End", "Slices of the plane that was used last; in 3-D, turn"],
  ["Shift + arrows", "Move the crosshair in the plane"],
  ["+ − 0", "Zoom in, zoom out, whole slice"],
  ["H", "Crosshair to the middle of the panes"],
  ["F", "One pane large, or all four"],
  ["A C G D", "Axial, coronal, sagittal or 3-D large"],
  ["1 to 5", "A tissue on and off"],
  ["O", "The map on and off"],
  ["S R P U", "Smoothed, raw, opacity, lungs"],
  ["L M B", "Window: lung, mediastinum, bone"],
  ["X", "Crosshair on and off"],
  ["I", "Say what is at the crosshair"],
  ["?", "This list"],
];

/** @type {[string, string][]} */
const MOUSE = [
  ["Left drag", "Crosshair, in all planes"],
  ["Right drag", "Window: across its width, up and down its level"],
  ["Wheel", "Slices; with Ctrl, zoom"],
  ["Middle or Shift drag", "Move the picture"],
  ["Double click", "The pane large, or all four"],
];

const NO_TEXT = ["checkbox", "radio", "range", "button", "submit"]; // inputs in which letters mean nothing

/**
 * Listen to keys while the viewer is shown. Letters count only while nothing or a part of the
 * viewer has the focus, and never in a field.
 *
 * @param {HTMLElement} viewer
 * @param {ViewState} state
 * @param {MapName[]} maps
 * @param {Deeds} deeds
 * @param {AbortSignal} signal
 * @returns {HTMLElement} The button that opens the list of keys.
 */
export function keyboard(viewer, state, maps, deeds, signal) {
  const help = helpDialog();
  viewer.append(help);
  const letters = lettersOf(state, maps, deeds, help);
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector("dialog[open]")) return;
      const target = /** @type {HTMLElement} */ (event.target);
      const inside = viewer.contains(target);
      if ((!inside && target !== document.body) || isField(target)) return;
      const deed = letters[event.key.toLowerCase()];
      if (deed && !event.repeat) deed();
      const inPane = inside && target.closest("[data-pane]");
      if (deed || (inPane && deeds.pane().press(event))) event.preventDefault();
    },
    { signal },
  );
  return h(
    "button",
    {
      type: "button",
      title: "Keys and mouse (key ?)",
      "aria-label": "Keys and mouse",
      onclick: () => help.showModal(),
    },
    "?",
  );
}

/**
 * @param {ViewState} state
 * @param {MapName[]} maps
 * @param {Deeds} deeds
 * @param {HTMLDialogElement} help
 */
function lettersOf(state, maps, deeds, help) {
  let last = state.shown.map === "none" ? maps[0] : state.shown.map;
  state.listen(({ map }) => {
    if (map !== "none") last = map;
  });
  /** @param {Layout} layout */
  const large = (layout) => () => state.change({ layout: state.shown.layout === layout ? "four" : layout });
  /** @type {Record<string, (() => void) | undefined>} */
  const letters = {
    "+": () => deeds.zoom(1.25),
    "=": () => deeds.zoom(1.25),
    "-": () => deeds.zoom(0.8),
    0: () => state.change({ zoom: 1, centre: null }),
    h: deeds.centre,
    f: () => state.change({ layout: enlarged(state.shown.layout, deeds.pane()) }),
    d: large("lungs"),
    x: () => state.change({ crosshair: !state.shown.crosshair }),
    o: () => state.change({ map: state.shown.map === "none" ? (last ?? "none") : "none" }),
    i: deeds.announce,
    "?": () => help.showModal(),
  };
  for (const name of PLANE_NAMES) letters[PLANES[name].key] = large(name);
  for (const map of maps) letters[MAPS[map].key] = () => state.change({ map });
  for (const [id, { key }] of Object.entries(PRESETS)) {
    letters[key] = () => state.change({ window: readWindow(id) });
  }
  for (let value = 1; value <= 5; value += 1) {
    letters[value] = () => {
      const segment = SEGMENTS[state.shown.map].find((one) => one.value === value);
      if (segment) toggle(state, segment);
    };
  }
  return letters;
}

/** @param {HTMLElement} target */
function isField(target) {
  if (target instanceof HTMLInputElement) return !NO_TEXT.includes(target.type);
  return /^(TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable;
}

function helpDialog() {
  const close = () => dialog.close();
  const dialog = h(
    "dialog",
    { class: "viewer-help", "aria-labelledby": "viewer-help-title" },
    h("h2", { id: "viewer-help-title" }, "Keys and mouse"),
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        [...HELP, ...MOUSE].map(([what, does]) =>
          h("tr", {}, h("th", { scope: "row" }, what), h("td", {}, does)),
        ),
      ),
    ),
    h("p", {}, h("button", { type: "button", class: "primary", onclick: close }, "Close")),
  );
  return dialog;
}
