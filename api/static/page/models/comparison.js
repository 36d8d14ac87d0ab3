/** Two models side by side: their mixtures on equal axes, and how far each number moved. */

import { h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { hu } from "../base/hounsfield.js";
import { mixtureChart } from "../mixture/chart.js";
import { firstHus, tissue } from "./model-panel.js";
import { number, percent, signed } from "../base/wording.js";

/**
 * How far a refit moved, as its job tells it: see docs/refit.md.
 *
 * @typedef {{against: string, moved_hu: number[] | null, changed_percent: number}} Drift
 */

const DOTTED = "Thin dotted lines: the other model.";
const BARS = "Bars: the lung voxels of the fit, in the colours of their labels.";

/** What is compared: a heading, digits after the point, and the number of a tissue. */
const MEASURES = [
  {
    name: "Mean HU",
    digits: 1,
    of: (/** @type {ModelView} */ model) => model.tissues.map((t) => t.mean_hu),
  },
  {
    name: "SD HU",
    digits: 1,
    of: (/** @type {ModelView} */ model) => model.tissues.map((t) => Math.sqrt(t.variance_hu2)),
  },
  {
    name: "Weight %",
    digits: 1,
    of: (/** @type {ModelView} */ model) => model.tissues.map((t) => 100 * t.weight),
  },
  { name: "Begins at HU", digits: 0, of: firstHus },
];

/**
 * Compare two models.
 *
 * @param {{before: ModelView, after: ModelView, drift?: Drift | null, histogram?: Histogram | null}} what
 *   `drift` and `histogram` are of the refit that made `after`, if that is known.
 */
export function comparison({ before, after, drift, histogram }) {
  return h(
    "div",
    { class: "comparison" },
    h(
      "div",
      { class: "comparison-charts" },
      chart("Before", before, after),
      chart("After", after, before),
    ),
    h("p", { class: "comparison-key" }, histogram ? `${BARS} ${DOTTED}` : DOTTED),
    drift ? h("p", { class: "comparison-drift" }, driftSentence(drift)) : null,
    parameters(before, after),
    boundaries(before, after),
  );

  /**
   * @param {string} which
   * @param {ModelView} model
   * @param {ModelView} other
   */
  function chart(which, model, other) {
    return h(
      "figure",
      {},
      h("figcaption", {}, `${which}: `, h("strong", {}, model.name)),
      // With both in each, the axes are equal.
      mixtureChart({ models: [other, model], histogram, title: `${which}: ${model.name}` }),
    );
  }
}

/** @param {Drift} drift */
function driftSentence({ against, moved_hu: moved, changed_percent: changed }) {
  const how = moved
    ? `the boundaries moved by ${moved.map((by) => signed(by)).join(", ")} HU`
    : "the number of boundaries changed";
  return `Against ${against}, ${how}, and ${percent(changed)} of the lung voxels of the fit changed their tissue.`;
}

/**
 * @param {ModelView} before
 * @param {ModelView} after
 */
function parameters(before, after) {
  const columns = MEASURES.map(({ digits, of }) => ({
    digits,
    before: of(before),
    after: of(after),
  }));
  return h(
    "div",
    {
      class: "comparison-numbers",
      role: "region",
      tabindex: 0,
      "aria-label": "Parameters before and after",
    },
    h(
      "table",
      { class: "comparison-table" },
      h("caption", {}, "Parameters, and by how much they changed"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col", rowspan: 2 }, "Tissue"),
          MEASURES.map(({ name }) => h("th", { scope: "colgroup", colspan: 3 }, name)),
        ),
        h(
          "tr",
          {},
          MEASURES.flatMap(() =>
            ["Before", "After", "Change"].map((name) =>
              h("th", { scope: "col", class: "num" }, name),
            ),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        facts.tissues.map((segment, row) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, tissue(segment)),
            columns.flatMap(({ digits, before: one, after: other }) => [
              h("td", { class: "num comparison-first" }, number(one[row], digits)),
              h("td", { class: "num" }, number(other[row], digits)),
              h("td", { class: "num comparison-change" }, change(one[row], other[row], digits)),
            ]),
          ),
        ),
      ),
    ),
  );
}

/**
 * All boundaries, where the first HU of each tissue does not say them all.
 *
 * @param {ModelView} before
 * @param {ModelView} after
 */
function boundaries(before, after) {
  const inOrder = [before, after].every(
    (model) => firstHus(model).slice(1).join() === model.boundaries_hu.join(),
  );
  if (inOrder) return null;
  return h(
    "p",
    {},
    `Boundaries before ${before.boundaries_hu.map(hu).join(", ")} HU, `,
    `after ${after.boundaries_hu.map(hu).join(", ")} HU.`,
  );
}

/**
 * @param {number | null} before
 * @param {number | null} after
 * @param {number} digits
 */
function change(before, after, digits) {
  return before === null || after === null ? "–" : signed(after - before, digits);
}
