/** Where the voxels of a slice lie in its pane. */

/**
 * @typedef {import("./grid.js").Triple} Triple
 *
 * @typedef {object} PlaneLayout In CSS pixels of the pane.
 * @property {number} width
 * @property {number} height
 * @property {[number, number, number, number]} image Left, top, width and height of the slice.
 * @property {(voxel: Triple) => [number, number]} place Middle of a voxel.
 * @property {(x: number, y: number, slice: Triple) => Triple} voxelAt What is there in the slice
 *   of a voxel; between voxels, not rounded.
 */

const FIT = 0.96; // of the pane

/**
 * @param {import("./planes.js").Plane} plane
 * @param {import("./grid.js").Grid} grid
 * @param {{clientWidth: number, clientHeight: number}} pane
 * @param {number} zoom
 * @param {Triple} centre The middle of the pane, in voxels.
 * @returns {PlaneLayout}
 */
export function layOut({ across, down, upward }, { size, spacing }, pane, zoom, centre) {
  const { clientWidth: width, clientHeight: height } = pane;
  const whole = Math.min(width / (size[across] * spacing[across]), height / (size[down] * spacing[down]));
  const columnPixels = FIT * whole * zoom * spacing[across];
  const rowPixels = FIT * whole * zoom * spacing[down] * (upward ? -1 : 1);
  /** @type {PlaneLayout["place"]} */
  const place = (voxel) => [
    width / 2 + (voxel[across] - centre[across]) * columnPixels,
    height / 2 + (voxel[down] - centre[down]) * rowPixels,
  ];
  /** @type {Triple} */
  const corner = [0, 0, 0];
  corner[across] = -0.5;
  corner[down] = upward ? size[down] - 0.5 : -0.5;
  return {
    width,
    height,
    image: [...place(corner), size[across] * columnPixels, size[down] * Math.abs(rowPixels)],
    place,
    voxelAt(x, y, slice) {
      const voxel = /** @type {Triple} */ ([...slice]);
      voxel[across] = centre[across] + (x - width / 2) / columnPixels;
      voxel[down] = centre[down] + (y - height / 2) / rowPixels;
      return voxel;
    },
  };
}
