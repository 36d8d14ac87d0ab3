/** One slice of a volume as an image, one pixel for each voxel. */

import { storedIndex } from "./grid.js";

/**
 * @typedef {import("./grid.js").Grid} Grid
 * @typedef {import("./planes.js").Plane} Plane
 * @typedef {{level: number, width: number}} Window What is drawn from black to white, in HU.
 */

const DARKEST_HU = -32768;

/**
 * Colour of each HU value in a window, for `paintSlice`.
 *
 * @param {Window} window
 */
export function greys({ level, width }) {
  const table = new Uint32Array(65536);
  const darkest = level - width / 2;
  for (let index = 0; index < table.length; index += 1) {
    const share = (index + DARKEST_HU - darkest) / width;
    const grey = share <= 0 ? 0 : share >= 1 ? 255 : Math.round(255 * share);
    table[index] = pixel(grey, grey, grey, 255);
  }
  return table;
}

/**
 * Colour of each value of a map, for `paintSlice`.
 *
 * @param {Segment[]} segments
 * @param {(segment: Segment) => number} strength From 0, not drawn, to 1.
 */
export function colours(segments, strength) {
  const table = new Uint32Array(256);
  for (const segment of segments) {
    table[segment.value] = pixel(...segment.rgb, Math.round(255 * strength(segment)));
  }
  return table;
}

/**
 * @param {HTMLCanvasElement} canvas Takes the size of the slice.
 * @param {Int16Array | Uint8Array} voxels
 * @param {Grid} grid
 * @param {Plane} plane
 * @param {number} slice
 * @param {Uint32Array} table Colours by value: `greys` or `colours`.
 */
export function paintSlice(canvas, voxels, grid, plane, slice, table) {
  const [columns, rows] = [grid.size[plane.across], grid.size[plane.down]];
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  // Kept by the processor, which paints it, and not sent to and fro.
  const options = { willReadFrequently: true };
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", options));
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const lowest = voxels instanceof Int16Array ? DARKEST_HU : 0;
  /** @type {import("./grid.js").Triple} */
  const corner = [0, 0, 0];
  corner[plane.through] = slice;
  const across = grid.step[plane.across];
  for (let row = 0, at = 0; row < rows; row += 1) {
    corner[plane.down] = plane.upward ? rows - 1 - row : row;
    let index = storedIndex(grid, corner);
    for (let column = 0; column < columns; column += 1, at += 1, index += across) {
      pixels[at] = table[voxels[index] - lowest];
    }
  }
  context.putImageData(image, 0, 0);
}

/**
 * The four bytes of an image's pixel as one number; all machines with a browser store the lowest
 * byte first.
 *
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 * @param {number} alpha
 */
function pixel(red, green, blue, alpha) {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
