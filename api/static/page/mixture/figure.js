/**
 * Chart of lung HU with its legend, a cursor that reads what is under it by pointer or keyboard, and
 * its numbers as tables.
 */

import { h, s } from "../base/elements.js";
import { colour, facts } from "../base/facts.js";
import { hu } from "../base/hounsfield.js";
import { HEIGHT, MARGIN, mixtureChart } from "./chart.js";
import { DASHES } from "./marks.js";
import { barsOf, extentOf, labelsOf } from "./plot.js";
import { mixtureCursor } from "./cursor.js";
import { number, percent } from "../base/wording.js";

/**
 * @param {import("./chart.js").Shown} shown
 * @returns {HTMLElement}
 */
export function mixtureFigure(shown) {
  const { models, histogram = null, axes = models } = shown;
  const readout = h("p", { class: "mixture-readout number", "aria-hidden": "true" });
  const place = h("div", { class: "mixture-plot" }, mixtureChart(shown));
  place.style.setProperty("height", `${HEIGHT}px`);
  const cursor = mixtureCursor({ models, histogram, extent: extentOf(axes, histogram), readout });
  for (const [side, pixels] of Object.entries(MARGIN)) cursor.style.setProperty(side, `${pixels}px`);
  place.append(cursor);
  return h(
    "figure",
    { class: "mixture-figure" },
    place,
    readout,
    legend(models, histogram !== null),
    tables(models, histogram),
  );
}

/**
 * @param {ModelView[]} models
 * @param {boolean} bars
 */
function legend(models, bars) {
  const model = models.at(-1);
  const before = models.length > 1 ? models[0] : null;
  return h(
    "ul",
    { class: "mixture-legend" },
    facts.tissues.map((segment, index) =>
      h(
        "li",
        {},
        swatch(segment),
        model ? sample("mixture-component", DASHES[index]) : null,
        `${segment.value} ${segment.name}`,
        model ? h("span", { class: "mixture-spread" }, spread(model.tissues[index])) : null,
      ),
    ),
    model ? h("li", { class: "faint" }, "mean ± SD, weight") : null,
    model ? h("li", {}, sample("mixture-sum"), "sum of the five") : null,
    model ? h("li", {}, sample("mixture-boundary"), "first HU of the next tissue") : null,
    before ? h("li", {}, sample("mixture-before"), `model ${before.name}`) : null,
    bars && !model ? h("li", {}, "bars: lung voxels") : null,
  );
}

/** @param {Segment} segment */
function swatch(segment) {
  const square = h("span", { class: "mixture-swatch" });
  square.style.setProperty("background", colour(segment));
  return square;
}

/**
 * @param {string} name
 * @param {string} [dashes]
 */
function sample(name, dashes) {
  return s(
    "svg",
    { class: "mixture-sample", viewBox: "0 0 44 12", "aria-hidden": "true" },
    s("path", { class: name, "stroke-dasharray": dashes, d: "M0 6H44" }),
  );
}

/** @param {ModelTissue} tissue */
function spread({ mean_hu: mean, variance_hu2: variance, weight }) {
  return `${hu(mean)} ± ${hu(Math.sqrt(variance))} HU, ${percent(100 * weight)}`;
}

/**
 * @param {ModelView[]} models
 * @param {import("./mixture.js").Counts | null} histogram
 */
function tables(models, histogram) {
  const place = h("div", { class: "mixture-tables" });
  const show = () => {
    if (place.firstChild) return;
    place.append(...models.map(components), ...(histogram ? [bars(models.at(-1), histogram)] : []));
  };
  return h("details", { ontoggle: show }, h("summary", {}, "Numbers of this chart"), place);
}

/** @param {ModelView} model */
function components(model) {
  return wide(
    `Components of ${model.name}`,
    ["Tissue", "Mean HU", "SD HU", "Weight %"],
    model.tissues.map(({ mean_hu: mean, variance_hu2: variance, weight }, index) => [
      facts.tissues[index].name,
      number(mean, 1).replaceAll(",", ""),
      number(Math.sqrt(variance), 1),
      number(100 * weight, 1),
    ]),
    `Boundaries at ${model.boundaries_hu.map(hu).join(", ")} HU.`,
  );
}

/**
 * @param {ModelView | undefined} model
 * @param {import("./mixture.js").Counts} histogram
 */
function bars(model, histogram) {
  const extent = extentOf([], histogram);
  const names = ["–", ...facts.tissues.map((segment) => segment.name)];
  const found = barsOf(histogram, extent, labelsOf(model, extent));
  const beyond = 100 - found.reduce((sum, bar) => sum + bar.percent, 0);
  return wide(
    "Bars",
    ["HU", "% of lung", "Tissue"],
    found.map(({ first, last, percent: share, parts }) => [
      `${hu(first)}\u00a0to\u00a0${hu(last)}`,
      number(share, 2),
      parts.map((part) => names[part.label]).join(", "),
    ]),
    `The first bar holds all that is lower, too. ${percent(beyond)} of lung is denser than the chart shows.`,
  );
}

/**
 * @param {string} caption
 * @param {string[]} columns
 * @param {string[][]} rows
 * @param {string} note
 */
function wide(caption, columns, rows, note) {
  const aligned = (/** @type {number} */ index) => (columns[index] === "Tissue" || !index ? null : "num");
  return h(
    "div",
    { class: "mixture-table", role: "region", tabindex: 0, "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h(
        "thead",
        {},
        h("tr", {}, columns.map((name, at) => h("th", { scope: "col", class: aligned(at) }, name))),
      ),
      h(
        "tbody",
        {},
        rows.map(([name, ...cells]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            cells.map((cell, at) => h("td", { class: aligned(at + 1) }, cell)),
          ),
        ),
      ),
    ),
    h("p", { class: "faint" }, note),
  );
}
