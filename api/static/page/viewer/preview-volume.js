/** The small volumes that the service makes for the picture: fetched, unpacked and read. */

import { gridOf } from "./grid.js";

/**
 * @typedef {import("./grid.js").Grid} Grid
 * @typedef {{grid: Grid, voxels: Int16Array | Uint8Array}} PreviewVolume
 */

const HEADER = 348;
const UINT8 = 2;
const INT16 = 4;

/**
 * Fetch a `.nii.gz` of the service.
 *
 * @param {string} path
 * @param {AbortSignal} signal
 * @param {(bytes: number) => void} [onBytes] Hears how many bytes have come since the last call.
 * @returns {Promise<PreviewVolume>}
 */
export async function fetchVolume(path, signal, onBytes = () => {}) {
  const response = await fetch(path, { signal, credentials: "same-origin" });
  if (!response.ok || !response.body) throw new Error(`the service answered ${response.status}`);
  const counted = new TransformStream({
    transform(chunk, controller) {
      onBytes(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });
  const unpacked = response.body.pipeThrough(counted).pipeThrough(new DecompressionStream("gzip"));
  return readNifti(await new Response(unpacked).arrayBuffer());
}

/**
 * Read a NIfTI-1 file as the service writes it: little-endian, one volume of int16 or uint8, with
 * its grid as an sform.
 *
 * @param {ArrayBuffer} file
 * @returns {PreviewVolume}
 */
export function readNifti(file) {
  const header = new DataView(file, 0, HEADER);
  const type = header.getInt16(70, true);
  if (
    header.getInt32(0, true) !== HEADER ||
    header.getInt16(40, true) !== 3 ||
    header.getInt16(254, true) < 1 ||
    (type !== UINT8 && type !== INT16)
  ) {
    throw new Error("the file is not one that this page can read");
  }
  /** @type {import("./grid.js").Triple} */
  const size = [header.getInt16(42, true), header.getInt16(44, true), header.getInt16(46, true)];
  // NIfTI is RAS: x and y of LPS have the other sign.
  const affine = [-1, -1, 1].map((sign, row) =>
    [0, 4, 8, 12].map((offset) => sign * header.getFloat32(280 + 16 * row + offset, true)),
  );
  const from = header.getFloat32(108, true);
  const count = size[0] * size[1] * size[2];
  const voxels = type === INT16 ? new Int16Array(file, from, count) : new Uint8Array(file, from, count);
  return { grid: gridOf(size, affine), voxels };
}
