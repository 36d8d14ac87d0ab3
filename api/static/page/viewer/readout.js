/** What is at the crosshair: HU, tissue, place in the patient, slices; and the same for screen readers. */

import { fill, h } from "../base/elements.js";
import { storedIndex } from "./grid.js";
import { crosshairVoxel } from "./picture.js";
import { drawnMap, SEGMENTS } from "./view-state.js";
import { number } from "../base/wording.js";

/**
 * @typedef {import("./picture.js").Picture} Picture
 * @typedef {import("./view-state.js").Shown} Shown
 */

const SIDES = [["R", "L"], ["A", "P"], ["I", "S"]];
const OUTSIDE = "outside the lungs";

/**
 * @param {Picture} picture
 * @param {string | null} resampled How the voxels differ from those of the CT, if they do.
 */
export function readout(picture, resampled) {
  const hu = h("dd", { "data-readout": "hu" });
  const tissue = h("dd", { "data-readout": "tissue" });
  const place = h("dd", { "data-readout": "place" });
  const title = resampled ?? "Of this voxel of the CT";
  const spoken = h("p", { class: "visually-hidden", role: "status" });
  const element = h(
    "div",
    { class: "viewer-readout", role: "group", "aria-label": "At the crosshair" },
    h(
      "dl",
      {},
      h("div", { class: "viewer-readout-hu", title }, h("dt", {}, resampled ? "HU, preview" : "HU"), hu),
      h("div", { class: "viewer-readout-place" }, h("dt", {}, "Place"), place),
      h("div", { class: "viewer-readout-tissue" }, h("dt", {}, "Tissue"), tissue),
    ),
    spoken,
  );
  return {
    element,
    /** @param {Shown} shown */
    update(shown) {
      const at = read(picture, shown);
      hu.textContent = number(at.hu);
      tissue.textContent = at.tissue ?? "–";
      const lps = at.mm.map((mm) => number(mm, 1)).join(", ");
      fill(place, h("span", { title: `Millimetres, LPS: ${lps}` }, at.place));
    },
    /** Say it to screen readers: only when asked, since it changes with every movement. */
    announce(/** @type {Shown} */ shown) {
      const at = read(picture, shown);
      spoken.textContent = [`${number(at.hu)} HU`, at.tissue, at.place].filter(Boolean).join(", ");
    },
  };
}

/**
 * @param {Picture} picture
 * @param {Shown} shown
 */
function read(picture, shown) {
  const voxel = crosshairVoxel(picture, shown);
  const index = storedIndex(picture.grid, voxel);
  const mm = picture.grid.toMm(voxel);
  const map = drawnMap(shown);
  const value = picture.labels(map)?.[index];
  const segment = SEGMENTS[map].find((one) => one.value === value);
  const place = mm
    .map((one, axis) => `${SIDES[axis][one < 0 ? 0 : 1]} ${number(Math.abs(one), 1)}`)
    .join("  ");
  return {
    hu: picture.ct[index],
    tissue: value === undefined ? null : (segment?.name ?? outside(map)),
    mm,
    place: `${place} mm`,
  };
}

/** @param {import("./view-state.js").Overlay} map */
function outside(map) {
  return map === "opacity" ? "no opacity" : OUTSIDE;
}
