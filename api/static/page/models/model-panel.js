/** One model: its mixture drawn, its numbers, where it comes from, and why it may be no tissue model. */

import { link } from "../base/address.js";
import { h } from "../base/elements.js";
import { colour, facts } from "../base/facts.js";
import { hu } from "../base/hounsfield.js";
import { LAST_HU, labelsByHu } from "../mixture/mixture.js";
import { mixtureChart } from "../mixture/chart.js";
import { moment, number } from "../base/wording.js";

const FIRST_HU = -1000; // the lowest that a boundary can be above

/**
 * Show a model.
 *
 * @param {{model: ModelView, refit?: Job}} what `refit` is the job that made it, if it is this
 *   user's.
 */
export function modelPanel({ model, refit }) {
  const id = `models-${model.name}`;
  const isDefault = model.name === facts.default_model;
  return h(
    "article",
    { class: "panel models-model", "aria-labelledby": id },
    h(
      "header",
      {},
      h("h2", { id }, model.name),
      isDefault ? h("span", { class: "models-tag" }, "default") : null,
      model.doubts.length
        ? h("span", { class: "models-tag models-tag-doubtful" }, "doubtful")
        : null,
    ),
    h("p", { class: "models-origin" }, origin(model, refit)),
    model.doubts.length ? doubts(model) : null,
    mixtureChart({ models: [model], title: model.name }),
    parameters(model),
    h("p", { class: "models-boundaries" }, "Boundaries ", boundaries(model)),
    h(
      "p",
      { class: "models-actions" },
      h("a", { href: link("worklist", "", { model: model.name }) }, "Use for the next upload"),
      refit && h("a", { href: link("models", "", { compare: model.name }) }, "Before and after"),
    ),
  );
}

/**
 * The HU at which each tissue begins; null for the lightest, which has no beginning, and for one
 * that is nowhere the most probable.
 *
 * @param {ModelView} model
 * @returns {(number | null)[]}
 */
export function firstHus(model) {
  const labels = labelsByHu(model, FIRST_HU, LAST_HU);
  return facts.tissues.map(({ value }) => {
    const index = labels.indexOf(value);
    return index <= 0 ? null : FIRST_HU + index;
  });
}

/**
 * A tissue by its colour, its number in the charts, and its name.
 *
 * @param {Segment} segment
 */
export function tissue(segment) {
  const mark = h("span", { class: "models-swatch", "aria-hidden": "true" });
  mark.style.setProperty("background", colour(segment));
  return [mark, `${segment.value} ${segment.name}`];
}

/**
 * @param {ModelView} model
 * @param {Job} [job]
 */
function origin(model, job) {
  if (model.place === "installed") return "Came with gmmlabel.";
  if (!job?.refit) return "Made or imported here.";
  const { histograms, prior, strength_patients: strength } = job.refit;
  const from = `Refit of ${number(histograms)} ${histograms === 1 ? "histogram" : "histograms"}, ${moment(job.ended_at)}`;
  return prior
    ? `${from}. Prior ${prior.name}, worth ${patients(strength)}.`
    : `${from}. No prior.`;
}

/** @param {number} count */
export function patients(count) {
  const digits = Number.isInteger(count) ? 0 : 1;
  return `${number(count, digits)} ${count === 1 ? "patient" : "patients"}`;
}

/** @param {ModelView} model */
function doubts(model) {
  return h(
    "div",
    { class: "models-doubts" },
    h("p", {}, "Its tissues may not be what they are called. It was kept in spite of this:"),
    h(
      "ul",
      {},
      model.doubts.map((doubt) => h("li", {}, doubt)),
    ),
  );
}

/** @param {ModelView} model */
function parameters(model) {
  return h(
    "table",
    { class: "models-parameters" },
    h("caption", { class: "visually-hidden" }, `Parameters of ${model.name}`),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Tissue"),
        ["Mean HU", "SD HU", "Weight %"].map((name) =>
          h("th", { scope: "col", class: "num" }, name),
        ),
      ),
    ),
    h(
      "tbody",
      {},
      model.tissues.map(({ mean_hu: mean, variance_hu2: variance, weight }, row) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, tissue(facts.tissues[row])),
          [mean, Math.sqrt(variance), 100 * weight].map((value) =>
            h("td", { class: "num" }, number(value, 1)),
          ),
        ),
      ),
    ),
  );
}

/** @param {ModelView} model */
function boundaries(model) {
  return h(
    "span",
    { class: "number" },
    model.boundaries_hu.length ? `${model.boundaries_hu.map(hu).join(", ")} HU` : "none",
  );
}
