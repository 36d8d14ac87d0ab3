/** What there is to draw of a case: the CT, and the maps that have been fetched. */

import { clamp } from "./grid.js";
import { fetchVolume } from "./preview-volume.js";
import { startingVoxel } from "./starting-voxel.js";
import { bytes } from "../base/wording.js";

/**
 * @typedef {import("./grid.js").Triple} Triple
 *
 * @typedef {object} Picture
 * @property {import("./grid.js").Grid} grid Of the CT and of all maps.
 * @property {Int16Array} ct HU.
 * @property {(map: import("./view-state.js").Overlay) => Uint8Array | undefined} labels Of a map
 *   that has come.
 * @property {(map: MapName) => Promise<void>} fetchMap
 * @property {Triple} start The voxel of the crosshair until it is moved.
 */

/**
 * Fetch the CT and the map that is shown first.
 *
 * @param {Map<string, string>} paths Of the files, by their names without suffix.
 * @param {import("./view-state.js").Overlay} first
 * @param {AbortSignal} signal
 * @param {(words: string) => void} onProgress
 * @returns {Promise<Picture>}
 */
export async function fetchPicture(paths, first, signal, onProgress) {
  const path = paths.get("ct");
  if (!path) throw new Error("the service has no CT for it");
  /** @type {Map<string, import("./preview-volume.js").PreviewVolume>} */
  const maps = new Map();
  let come = 0;
  const [{ grid, voxels: ct }] = await Promise.all([
    fetchVolume(path, signal, (count) => {
      come += count;
      onProgress(`Loading the picture: ${bytes(come)}`);
    }),
    // A map that does not come leaves the CT; it is asked for again when it is to be drawn.
    first === "none" ? null : keepMap(first).catch(() => null),
  ]);
  if (!(ct instanceof Int16Array)) throw new Error("its CT has no HU");
  /** @param {import("./view-state.js").Overlay} map */
  const labels = (map) => {
    const volume = maps.get(map);
    return volume?.voxels instanceof Uint8Array && String(volume.grid.size) === String(grid.size)
      ? volume.voxels
      : undefined;
  };
  return {
    grid,
    ct,
    labels,
    async fetchMap(map) {
      await keepMap(map);
      if (!labels(map)) throw new Error("it does not fit the CT");
    },
    start: startingVoxel(grid, labels(first)),
  };

  /** @param {MapName} map */
  async function keepMap(map) {
    maps.set(map, await fetchVolume(paths.get(map) ?? "", signal));
  }
}

/**
 * The voxel that the crosshair is at.
 *
 * @param {Picture} picture
 * @param {import("./view-state.js").Shown} shown
 */
export function crosshairVoxel({ grid, start }, { at }) {
  return at ? grid.toVoxel(at) : start;
}

/**
 * Middle of the panes, in voxels.
 *
 * @param {Picture} picture
 * @param {import("./view-state.js").Shown} shown
 * @returns {Triple}
 */
export function centreOf({ grid }, { centre }) {
  return centre ?? /** @type {Triple} */ (grid.size.map((size) => (size - 1) / 2));
}

const ZOOM_LIMITS = [1, 12];

/**
 * Zoom, keeping a place where it is on the screen.
 *
 * @param {Picture} picture
 * @param {import("./view-state.js").ViewState} state
 * @param {number} factor
 * @param {Triple} [about] In voxels; the crosshair if left out.
 */
export function zoomBy(picture, state, factor, about = crosshairVoxel(picture, state.shown)) {
  const { zoom } = state.shown;
  const wanted = clamp(zoom * factor, ZOOM_LIMITS[0], ZOOM_LIMITS[1]);
  if (wanted === 1) return state.change({ zoom: 1, centre: null });
  const from = centreOf(picture, state.shown);
  const centre = /** @type {Triple} */ (
    from.map((one, axis) => about[axis] + ((one - about[axis]) * zoom) / wanted)
  );
  return state.change({ zoom: wanted, centre });
}
