/** Where the voxels of a preview volume lie in the patient. */

/**
 * @typedef {[number, number, number]} Triple Numbers along x (to the left), y (to the back) and z
 *   (to the head) of the patient: LPS.
 *
 * @typedef {object} Grid A grid whose axes run along x, y and z of the patient, or nearly so if the
 *   scan is oblique, whichever way its file stores them.
 * @property {Triple} size Voxels along each axis.
 * @property {Triple} spacing Their distance in mm.
 * @property {number} first Index in the stored array of the voxel (0, 0, 0).
 * @property {Triple} step How far the stored index moves with one voxel along each axis.
 * @property {(voxel: Triple) => Triple} toMm Centre of a voxel in mm, LPS.
 * @property {(mm: Triple) => Triple} toVoxel The voxel at a place; the nearest one outside.
 */

const AXES = /** @type {const} */ ([0, 1, 2]);

/**
 * @param {Triple} size Voxels along each stored axis, the fastest first; the service stores them
 *   along x, y and z, to one side or the other.
 * @param {number[][]} affine Three rows of four: from stored indices to mm, LPS.
 * @returns {Grid}
 */
export function gridOf(size, affine) {
  const spacing = triple((axis) => Math.hypot(...AXES.map((row) => affine[row][axis])));
  if (!spacing.every((mm) => mm > 0 && Number.isFinite(mm))) throw new Error("the picture has no grid");
  const stride = [1, size[0], size[0] * size[1]];
  const sign = AXES.map((axis) => (affine[axis][axis] < 0 ? -1 : 1));
  const last = AXES.map((axis) => (sign[axis] < 0 ? size[axis] - 1 : 0)); // of the axes that run back
  // Steps in mm from a voxel to the next along each axis, and the centre of the voxel (0, 0, 0).
  const steps = AXES.map((axis) => AXES.map((row) => sign[axis] * affine[row][axis]));
  const corner = AXES.map((row) => affine[row][3] + sumOver((axis) => affine[row][axis] * last[axis]));
  return {
    size,
    spacing,
    first: sumOver((axis) => stride[axis] * last[axis]),
    step: triple((axis) => sign[axis] * stride[axis]),
    toMm: (voxel) => triple((row) => sumOver((axis) => steps[axis][row] * voxel[axis]) + corner[row]),
    toVoxel: (mm) =>
      triple((axis) => {
        const along = sumOver((row) => steps[axis][row] * (mm[row] - corner[row]));
        return clamp(Math.round(along / spacing[axis] ** 2), 0, size[axis] - 1);
      }),
  };
}

/**
 * Index of a voxel in the stored array.
 *
 * @param {Grid} grid
 * @param {Triple} voxel
 */
export function storedIndex({ first, step }, voxel) {
  return first + voxel[0] * step[0] + voxel[1] * step[1] + voxel[2] * step[2];
}

/**
 * @param {(axis: 0 | 1 | 2) => number} number
 * @returns {Triple}
 */
export function triple(number) {
  return [number(0), number(1), number(2)];
}

/** @param {(axis: 0 | 1 | 2) => number} number */
function sumOver(number) {
  return number(0) + number(1) + number(2);
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
