/** Figures of the density of both lungs and each, folded up; docs/measures.md says what each is. */

import { h } from "../base/elements.js";
import { hu } from "../base/hounsfield.js";
import { number } from "../base/wording.js";

/** @type {[string, string, (value: number | null) => string][]} */
const MEASURES = [
  ["mean_hu", "Mean HU", hu],
  ["sd_hu", "SD HU", hu],
  ["percentile_15_hu", "15th percentile HU", hu],
  ["laa_950_percent", "Below −950 HU, %", (value) => number(value, 1)],
  ["laa_910_percent", "Below −910 HU, %", (value) => number(value, 1)],
  ["haa_600_250_percent", "−600 to −250 HU, %", (value) => number(value, 1)],
  ["dense_250_50_percent", "−250 to 50 HU, %", (value) => number(value, 1)],
  ["gas_ml", "Gas mL", (value) => number(value)],
  ["tissue_g", "Tissue g", (value) => number(value)],
];
const REGIONS = { both: "Both", right: "Right", left: "Left" };

/** @param {Result} result */
export function densitometry({ regions, acquisition }) {
  return h(
    "details",
    { class: "numbers-densitometry" },
    h("summary", {}, "Densitometry"),
    h(
      "table",
      {},
      h("caption", {}, "Percentages are of the region."),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Measure"),
          Object.values(REGIONS).map((words) => h("th", { scope: "col", class: "num" }, words)),
        ),
      ),
      h(
        "tbody",
        {},
        MEASURES.map(([key, words, write]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, words),
            Object.keys(REGIONS).map((region) =>
              h("td", { class: "num" }, write(regions[region].densitometry[key])),
            ),
          ),
        ),
      ),
    ),
    h("p", { class: "faint" }, conditions(acquisition)),
  );
}

/** @param {Result["acquisition"]} acquisition */
function conditions({ slice_spacing_mm: spacing, slice_thickness_mm: thickness, kernel }) {
  return (
    "Emphysema figures depend on slices and kernel. " +
    `Slices: ${number(spacing, 2)} mm apart, thickness ` +
    `${thickness === null ? "not stated in the input" : `${number(thickness, 2)} mm`}. ` +
    `Kernel: ${kernel ?? "not stated in the input"}. The report has these figures of every zone, too.`
  );
}
