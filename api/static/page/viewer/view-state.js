/** What the picture shows: one value that all controls and planes share, kept in the address. */

import { address, keep } from "../base/address.js";
import { facts } from "../base/facts.js";
import { clamp } from "./grid.js";
import { PLANE_NAMES } from "./planes.js";
import { readWindow, windowText } from "./windowing.js";

/**
 * @typedef {MapName | "none"} Overlay
 * @typedef {import("./planes.js").PlaneName | "lungs" | "four"} Layout
 *
 * @typedef {object} Shown
 * @property {Overlay} map The map over the CT.
 * @property {import("./grid.js").Triple | null} at The crosshair in mm, LPS; null is where the
 *   picture begins.
 * @property {import("./slice-image.js").Window} window
 * @property {string[]} hidden Keys of the segments that are not drawn.
 * @property {number} opacity Of the overlay, 0 to 1.
 * @property {Layout} layout
 * @property {number} zoom 1 is the whole slice.
 * @property {import("./grid.js").Triple | null} centre Middle of the panes, in voxels; null is
 *   the middle of the volume.
 * @property {boolean} crosshair
 * @property {{map: MapName, values: number[]} | null} highlight Voxels that numbers are pointed at
 *
 * @typedef {object} ViewState
 * @property {Shown} shown
 * @property {(changes: Partial<Shown>) => void} change
 * @property {(listener: (shown: Shown) => void) => void} listen Calls at once, and after changes.
 */

const DEFAULT_OPACITY = 0.45;
const KEEP_AFTER_MS = 250; // browsers refuse more than about three new addresses a second
const LAYOUTS = ["four", ...PLANE_NAMES, "lungs"];

/** The segments of a map. @type {Record<Overlay, Segment[]>} */
export const SEGMENTS = {
  labels: facts.tissues,
  smoothed: facts.tissues,
  lungs: facts.lungs,
  opacity: facts.opacity,
  none: [],
};

/**
 * @param {MapName[]} maps Those that there are; the first is shown unless the address says
 *   otherwise.
 * @param {Layout} layout Unless the address says otherwise.
 * @param {AbortSignal} signal
 * @returns {ViewState}
 */
export function viewState(maps, layout, signal) {
  const defaults = { map: maps[0] ?? "none", layout };
  let shown = read(address().parameters, maps, defaults);
  /** @type {((shown: Shown) => void)[]} */
  const listeners = [];
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  return {
    get shown() {
      return shown;
    },
    change(changes) {
      if (signal.aborted) return;
      shown = { ...shown, ...changes };
      for (const listener of listeners) listener(shown);
      clearTimeout(timer);
      timer = setTimeout(() => keep(write(shown, defaults)), KEEP_AFTER_MS);
    },
    listen(listener) {
      listeners.push(listener);
      listener(shown);
    },
  };
}

/**
 * The map that is drawn: while numbers are pointed at, theirs.
 *
 * @param {Shown} shown
 */
export function drawnMap({ map, highlight }) {
  return highlight ? highlight.map : map;
}

/**
 * How strongly a segment is drawn, 0 to 1.
 *
 * @param {Shown} shown
 * @param {Segment} segment
 */
export function strength({ highlight, hidden, opacity }, segment) {
  if (highlight) return highlight.values.includes(segment.value) ? Math.max(opacity, 0.8) : 0.15 * opacity;
  return hidden.includes(segment.key) ? 0 : opacity;
}

/**
 * @param {URLSearchParams} parameters
 * @param {MapName[]} maps
 * @param {{map: Overlay, layout: Layout}} defaults
 * @returns {Shown}
 */
function read(parameters, maps, defaults) {
  const map = /** @type {Overlay} */ (parameters.get("map"));
  const layout = /** @type {Layout} */ (parameters.get("layout"));
  const at = (parameters.get("at") ?? "").split(",").map(Number);
  const opacity = Number.parseFloat(parameters.get("opacity") ?? "");
  const keys = Object.values(SEGMENTS).flat().map((segment) => segment.key);
  const hidden = (parameters.get("hide") ?? "").split(",");
  return {
    map: map === "none" || maps.includes(map) ? map : defaults.map,
    at: at.length === 3 && at.every(Number.isFinite) ? [at[0], at[1], at[2]] : null,
    window: readWindow(parameters.get("window")),
    hidden: hidden.filter((key) => keys.includes(key)),
    opacity: Number.isFinite(opacity) ? clamp(opacity / 100, 0, 1) : DEFAULT_OPACITY,
    layout: LAYOUTS.includes(layout) ? layout : defaults.layout,
    zoom: 1,
    centre: null,
    crosshair: true,
    highlight: null,
  };
}

/**
 * @param {Shown} shown
 * @param {{map: Overlay, layout: Layout}} defaults
 * @returns {Record<string, string | null>} What is as it would be anyway is left out.
 */
function write(shown, defaults) {
  const window = windowText(shown.window);
  return {
    map: shown.map === defaults.map ? null : shown.map,
    at: shown.at && shown.at.map((mm) => mm.toFixed(1)).join(","),
    window: window === "lung" ? null : window,
    hide: shown.hidden.join(",") || null,
    opacity: shown.opacity === DEFAULT_OPACITY ? null : String(Math.round(100 * shown.opacity)),
    layout: shown.layout === defaults.layout ? null : shown.layout,
  };
}
