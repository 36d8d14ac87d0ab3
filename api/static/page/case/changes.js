/** Tissues and involvement of a case by its own model, and by another one. */

import { h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { involvement, percentages, voxels } from "../mixture/mixture.js";
import { number, signed } from "../base/wording.js";

/**
 * @param {{result: Result, histogram: Histogram, own: ModelView | null, chosen: ModelView | null}} what
 *   `own` is null if the model of the case is not at hand: its numbers are those of the result.
 */
export function changesTable({ result, histogram, own, chosen }) {
  const before = own
    ? percentages(histogram, own)
    : facts.tissues.map(({ key }) => result.tissues[/** @type {TissueKey} */ (key)].percent);
  const scored = own ? involvement(voxels(histogram, own)) : result.involvement;
  const after = chosen && percentages(histogram, chosen);
  const rescored = chosen && involvement(voxels(histogram, chosen));
  const models = [result.model.name, ...(chosen ? [chosen.name] : [])];
  return h(
    "div",
    { class: "histogram-wide", role: "region", tabindex: 0, "aria-label": "Tissues by model" },
    h(
      "table",
      { class: "histogram-changes" },
      h("caption", {}, `Labels by the model of this case${chosen ? " and by the chosen one" : ""}`),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "% of lung"),
          models.map((name) => h("th", { scope: "col", class: "num histogram-model" }, name)),
          chosen && h("th", { scope: "col", class: "num" }, "Change"),
        ),
      ),
      h(
        "tbody",
        {},
        facts.tissues.map(({ name }, index) => row(name, before[index], after && after[index])),
        row("Involvement as published", scored.percent, rescored && rescored.percent),
        row("Score of 0 to 5", scored.score, rescored && rescored.score, 0),
      ),
    ),
  );
}

/**
 * @param {string} words
 * @param {number} before
 * @param {number | null} after
 * @param {number} [digits]
 */
function row(words, before, after, digits = 1) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, words),
    h("td", { class: "num" }, number(before, digits)),
    after === null ? null : h("td", { class: "num" }, number(after, digits)),
    after === null ? null : h("td", { class: "num" }, signed(after - before, digits)),
  );
}
