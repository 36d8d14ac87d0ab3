/** Where a picture begins: in the middle of the lesions of the lungs. */

import { clamp, storedIndex, triple } from "./grid.js";

/**
 * @typedef {import("./grid.js").Triple} Triple
 * @typedef {import("./grid.js").Grid} Grid
 */

const GROUND_GLASS = 3;
const CONSOLIDATION = 4;

/**
 * The axial slice of most ground glass and consolidation, and there the column and the row of
 * most; without any, of most of what the map has; without a map, the middle.
 *
 * @param {Grid} grid
 * @param {Uint8Array | undefined} map
 * @returns {Triple}
 */
export function startingVoxel(grid, map) {
  const middle = triple((axis) => Math.floor(grid.size[axis] / 2));
  if (!map) return middle;
  const lesions = (/** @type {number} */ value) => value === GROUND_GLASS || value === CONSOLIDATION;
  const wanted = map.some(lesions) ? lesions : Boolean;
  let place = middle;
  // Along z first, then within that slice along y, then within that row along x.
  for (const axis of /** @type {const} */ ([2, 1, 0])) {
    const low = triple((one) => (one > axis ? place[one] : 0));
    const high = triple((one) => (one > axis ? place[one] : grid.size[one] - 1));
    place = triple((one) => (one === axis ? mostAlong(axis, low, high) : place[one]));
  }
  return place;

  /**
   * @param {0 | 1 | 2} axis
   * @param {Triple} low
   * @param {Triple} high
   */
  function mostAlong(axis, low, high) {
    const counts = new Uint32Array(grid.size[axis]);
    const voxel = /** @type {Triple} */ ([...low]);
    for (voxel[2] = low[2]; voxel[2] <= high[2]; voxel[2] += 1) {
      for (voxel[1] = low[1]; voxel[1] <= high[1]; voxel[1] += 1) {
        let index = storedIndex(grid, [low[0], voxel[1], voxel[2]]);
        for (voxel[0] = low[0]; voxel[0] <= high[0]; voxel[0] += 1, index += grid.step[0]) {
          if (wanted(/** @type {Uint8Array} */ (map)[index])) counts[voxel[axis]] += 1;
        }
      }
    }
    return middleOfMost(counts);
  }
}

/**
 * Middle of the first run of the highest count.
 *
 * @param {Uint32Array} counts
 */
function middleOfMost(counts) {
  const most = counts.reduce((high, count) => Math.max(high, count), 0);
  const first = counts.indexOf(most);
  let last = first;
  while (counts[last + 1] === most) last += 1;
  return clamp(Math.floor((first + last) / 2), 0, counts.length - 1);
}
