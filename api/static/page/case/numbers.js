/**
 * The numbers of a case beside its picture: quality flags first, then involvement, opacity and
 * lungs, the tissues, each lung and its zones, and densitometry. As in the report of the case.
 */

import { copyButton } from "../base/copying.js";
import { densitometry } from "./densitometry.js";
import { h } from "../base/elements.js";
import { colour, facts } from "../base/facts.js";
import { highlighting } from "./highlighting.js";
import { SCORE_CLASSES } from "../mixture/mixture.js";
import { regionsText } from "./regions-text.js";
import { millilitres, number, percent } from "../base/wording.js";
import { zonesFigure } from "./zones.js";

/**
 * @typedef {ReturnType<typeof highlighting>} Highlighter
 */

/**
 * @param {{job: Job, result: Result, highlight: (what: Voxels | null) => void}} what
 * @returns {HTMLElement}
 */
export function numbersPanel({ result, highlight }) {
  const highlighter = highlighting(highlight);
  return h(
    "section",
    { class: "numbers", "aria-labelledby": "numbers" },
    h(
      "header",
      { class: "numbers-header" },
      h("h2", { id: "numbers" }, "Numbers"),
      copyButton("Copy numbers", () => regionsText(result)),
    ),
    flags(result.quality),
    headlines(result),
    tissues(result, highlighter),
    result.opacity ? zones(result, highlighter) : sides(result, highlighter),
    densitometry(result),
  );
}

/** @param {Flag[]} quality */
function flags(quality) {
  const raised = quality.filter(({ flag }) => flag !== "input_note");
  const notes = quality.filter(({ flag }) => flag === "input_note");
  const count = raised.length === 1 ? "1 quality flag" : `${raised.length} quality flags`;
  return [
    raised.length
      ? h(
          "section",
          { class: "numbers-flags", "aria-labelledby": "numbers-flags" },
          h("h3", { id: "numbers-flags" }, `${count}: read the numbers with care`),
          h(
            "ul",
            {},
            raised.map(({ flag, message }) =>
              h("li", {}, message, " ", h("span", { class: "faint" }, `(${flag})`)),
            ),
          ),
        )
      : h("p", { class: "numbers-no-flags faint" }, "No quality flags."),
    notes.map(({ message }) => h("p", { class: "numbers-note faint" }, `Note on the input: ${message}`)),
  ].flat();
}

/** @param {Result} result */
function headlines({ involvement, opacity, lungs, regions, zone_scores: scores }) {
  const { right, left } = regions;
  return [
    h(
      "dl",
      { class: "numbers-headlines" },
      headline(
        "Involvement as published",
        percent(involvement.percent),
        `score ${involvement.score} of 0 to 5: ${SCORE_CLASSES[involvement.score]}`,
      ),
      opacity &&
        headline(
          "Opacity",
          percent(opacity.percent),
          `of lung, ${millilitres(opacity.volume_ml)}; denser than −200 HU: ` +
            `${percent(opacity.high_opacity_percent)} of lung`,
        ),
      headline(
        "Lungs",
        millilitres(lungs.volume_ml),
        `right ${millilitres(right.volume_ml)}, left ${millilitres(left.volume_ml)}`,
      ),
      scores &&
        headline(
          "Zone scores",
          `${scores.sum} of ${scores.maximum}`,
          `sum of ${Object.keys(scores.zones).length} zones from 0 to 4`,
        ),
    ),
    h(
      "p",
      { class: "numbers-about faint" },
      opacity
        ? "Opacity leaves out vessels, airway walls and the rim of the lungs. The involvement of " +
            "Zaffino et al. 2021 counts them, and so is above zero in healthy lungs."
        : "The published method has no opacity: its lungs hold the mediastinum. Its involvement counts " +
            "vessels, airway walls and the rim of the lungs, and so is above zero in healthy lungs.",
    ),
  ];
}

/**
 * @param {string} what
 * @param {string} value
 * @param {string} more
 */
function headline(what, value, more) {
  return h("div", {}, h("dt", {}, what), h("dd", {}, value), h("dd", {}, more));
}

/**
 * @param {Result} result
 * @param {Highlighter} highlighter
 */
function tissues(result, highlighter) {
  const { right, left } = result.regions;
  const column = (/** @type {string} */ words) => h("th", { scope: "col", class: "num" }, words);
  return h(
    "div",
    { class: "numbers-wide", role: "region", tabindex: 0, "aria-label": "Tissues" },
    h(
      "table",
      { class: "numbers-tissues" },
      h(
        "caption",
        {},
        "Tissues, before smoothing. Point at one to see it in the picture, press it to keep it.",
      ),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Tissue"),
          ["mL", "%\u00a0of lung", "%\u00a0of right", "%\u00a0of left"].map(column),
        ),
      ),
      h(
        "tbody",
        {},
        facts.tissues.map((segment) => {
          const key = /** @type {TissueKey} */ (segment.key);
          const { button, on } = highlighter(segment.name, { map: "labels", values: [segment.value] });
          const row = h(
            "tr",
            {},
            h("th", { scope: "row" }, swatch(segment), button),
            h("td", { class: "num" }, number(result.tissues[key].volume_ml)),
            h("td", { class: "num" }, number(result.tissues[key].percent, 1)),
            [right, left].map((lung) =>
              h("td", { class: "num" }, lung.volume_ml ? number(lung.tissues[key].percent, 1) : "–"),
            ),
          );
          on(row);
          return row;
        }),
      ),
    ),
  );
}

/** @param {Segment} segment */
function swatch(segment) {
  const square = h("span", { class: "numbers-swatch" });
  square.style.setProperty("background", colour(segment));
  return square;
}

/**
 * @param {Result} result
 * @param {Highlighter} highlighter
 */
function zones(result, highlighter) {
  return [h("h3", {}, "Opacity by zone"), zonesFigure(result, highlighter)];
}

/**
 * The lungs without zones, where opacity was not looked for.
 *
 * @param {Result} result
 * @param {Highlighter} highlighter
 */
function sides({ regions }, highlighter) {
  return h(
    "p",
    { class: "numbers-sides" },
    facts.lungs.map((segment, index) => {
      const { button, on } = highlighter(segment.name, { map: "lungs", values: [segment.value] });
      const { volume_ml: volume } = regions[["right", "left"][index]];
      const lung = h("span", { class: "number" }, button, volume ? millilitres(volume) : "not found");
      on(lung);
      return lung;
    }),
  );
}
