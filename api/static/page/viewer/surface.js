/** The surface of a set of voxels as triangles: surface nets over a slightly blurred mask. */

/**
 * @typedef {import("./grid.js").Grid} Grid
 * @typedef {{points: Float32Array, triangles: Uint32Array}} Surface Points in mm, RAS.
 */

const RIM = 2; // voxels of nothing around the mask, so that surfaces close at the edge of the scan

/**
 * @param {Uint8Array | Int16Array} voxels
 * @param {Grid} grid
 * @param {(value: number) => boolean} isInside
 * @param {{blurs: number, level: number}} how How often the mask is blurred by 1-2-1 along each
 *   axis, and the share of it at which the surface lies.
 * @returns {Surface}
 */
export function surfaceOf(voxels, grid, isInside, { blurs, level }) {
  const size = grid.size.map((one) => one + 2 * RIM);
  const mask = padded(voxels, grid, isInside, size);
  for (let time = 0; time < blurs; time += 1) blur(mask, size);
  return net(mask, size, level, grid);
}

/**
 * @param {Uint8Array | Int16Array} voxels
 * @param {Grid} grid
 * @param {(value: number) => boolean} isInside
 * @param {number[]} size
 */
function padded(voxels, { size: inner, first, step }, isInside, size) {
  const mask = new Float32Array(size[0] * size[1] * size[2]);
  const inside = Uint8Array.from({ length: 256 }, (_, value) => Number(isInside(value)));
  for (let z = 0; z < inner[2]; z += 1) {
    for (let y = 0; y < inner[1]; y += 1) {
      let from = first + y * step[1] + z * step[2];
      let to = RIM + size[0] * (y + RIM + size[1] * (z + RIM));
      for (let x = 0; x < inner[0]; x += 1, from += step[0], to += 1) mask[to] = inside[voxels[from]];
    }
  }
  return mask;
}

/**
 * @param {Float32Array} mask Changed in place; its outermost voxels stay as they are.
 * @param {number[]} size
 */
function blur(mask, size) {
  let stride = 1;
  for (const length of size) {
    const lines = mask.length / length;
    for (let line = 0; line < lines; line += 1) {
      let at = Math.floor(line / stride) * stride * length + (line % stride);
      let before = mask[at];
      for (let index = 1; index < length - 1; index += 1) {
        at += stride;
        const here = mask[at];
        mask[at] = (before + 2 * here + mask[at + stride]) / 4;
        before = here;
      }
    }
    stride *= length;
  }
}

/**
 * Naive surface nets: one point in each cell of eight voxels that the surface crosses, one
 * quadrangle around each edge that it crosses.
 *
 * @param {Float32Array} field
 * @param {number[]} size
 * @param {number} level
 * @param {Grid} grid
 * @returns {Surface}
 */
function net(field, [nx, ny, nz], level, grid) {
  /** @type {number[]} */
  const points = [];
  /** @type {number[]} */
  const triangles = [];
  const strides = [1, nx, nx * ny];
  const corners = Array.from({ length: 8 }, (_, corner) => [corner & 1, (corner >> 1) & 1, corner >> 2]);
  const offsets = corners.map(([x, y, z]) => x + y * strides[1] + z * strides[2]);
  const edges = corners.flatMap((_, corner) =>
    [1, 2, 4].filter((bit) => !(corner & bit)).map((bit) => [corner, corner | bit]),
  );
  const pointOf = new Int32Array(field.length).fill(-1);
  const values = new Float32Array(8);
  for (let z = 0; z < nz - 1; z += 1) {
    for (let y = 0; y < ny - 1; y += 1) {
      for (let x = 0; x < nx - 1; x += 1) {
        const cell = x + y * strides[1] + z * strides[2];
        let inside = 0;
        for (let corner = 0; corner < 8; corner += 1) {
          values[corner] = field[cell + offsets[corner]];
          if (values[corner] > level) inside += 1;
        }
        if (inside === 0 || inside === 8) continue;
        pointOf[cell] = points.length / 3;
        addPoint(points, [x, y, z], values, corners, edges, level, grid);
        addFaces(triangles, cell, values, pointOf, strides, level);
      }
    }
  }
  return { points: new Float32Array(points), triangles: new Uint32Array(triangles) };
}

/**
 * @param {number[]} points
 * @param {number[]} cell
 * @param {Float32Array} values At the corners of the cell.
 * @param {number[][]} corners
 * @param {number[][]} edges
 * @param {number} level
 * @param {Grid} grid
 */
function addPoint(points, cell, values, corners, edges, level, grid) {
  const middle = [0, 0, 0];
  let crossed = 0;
  for (const [from, to] of edges) {
    if (values[from] > level === values[to] > level) continue;
    const share = (level - values[from]) / (values[to] - values[from]);
    for (let axis = 0; axis < 3; axis += 1) {
      middle[axis] += corners[from][axis] + share * (corners[to][axis] - corners[from][axis]);
    }
    crossed += 1;
  }
  const [left, back, up] = grid.toMm([
    cell[0] + middle[0] / crossed - RIM,
    cell[1] + middle[1] / crossed - RIM,
    cell[2] + middle[2] / crossed - RIM,
  ]);
  points.push(-left, -back, up);
}

/**
 * Faces around the three edges that begin at the first corner of a cell: their other cells have
 * had their points before.
 *
 * @param {number[]} triangles
 * @param {number} cell
 * @param {Float32Array} values
 * @param {Int32Array} pointOf
 * @param {number[]} strides
 * @param {number} level
 */
function addFaces(triangles, cell, values, pointOf, strides, level) {
  const inside = values[0] > level;
  for (let axis = 0; axis < 3; axis += 1) {
    if (inside === values[1 << axis] > level) continue;
    const [one, other] = [strides[(axis + 1) % 3], strides[(axis + 2) % 3]];
    const ring = [cell, cell - one, cell - one - other, cell - other].map((at) => pointOf[at]);
    if (!inside) ring.reverse();
    triangles.push(ring[0], ring[1], ring[2], ring[0], ring[2], ring[3]);
  }
}
