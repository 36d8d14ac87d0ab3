/** The marks of a chart of lung HU: axes, curves, boundaries, and numbers at the means. */

import { s } from "../base/elements.js";
import { hu } from "../base/hounsfield.js";
import { BIN_HU, huTicks, percentTicks } from "./plot.js";
import { number } from "../base/wording.js";

/**
 * Where things stand in the plot, in pixels.
 *
 * @typedef {{x: (hu: number) => number, y: (percent: number) => number, width: number,
 *   height: number}} Frame
 */

export const DASHES = ["2 3", "7 3", "12 4", "7 3 2 3", "14 3 2 3 2 3"]; // as in the report
const LABEL_WIDTH = 36;

/**
 * @param {Frame} frame
 * @param {import("./plot.js").Extent} extent
 * @param {number} top Percentage at the top.
 */
export function drawAxes({ x, y, width, height }, extent, top) {
  const percents = percentTicks(top);
  return [
    percents.ticks.map((tick) => [
      s("path", { class: "mixture-grid", d: `M0 ${round(y(tick))}H${width}` }),
      text(-7, y(tick), number(tick, percents.digits), { dy: ".35em", "text-anchor": "end" }),
    ]),
    s("path", { class: "mixture-axis", d: `M0 ${height}H${width}` }),
    huTicks(extent, width).map((tick) => [
      s("path", { class: "mixture-axis", d: `M${round(x(tick))} ${height}v5` }),
      text(x(tick), height + 18, hu(tick), { "text-anchor": "middle" }),
    ]),
    text(width / 2, height + 37, "HU", { "text-anchor": "middle" }),
    s(
      "text",
      { transform: `translate(-36 ${height / 2}) rotate(-90)`, "text-anchor": "middle" },
      `% of lung per ${BIN_HU} HU`,
    ),
  ].flat(3);
}

/**
 * @param {Frame} frame
 * @param {number[]} values
 * @param {number[]} curve
 * @param {number} index Of the component; the last curve is the sum.
 */
export function drawCurve(frame, values, curve, index) {
  const dashes = DASHES[index];
  const path = line(frame, values, curve, dashes ? "mixture-component" : "mixture-sum");
  if (dashes) path.setAttribute("stroke-dasharray", dashes);
  return [line(frame, values, curve, "mixture-halo"), path]; // seen over bars of any colour
}

/**
 * @param {Frame} frame
 * @param {number[]} values
 * @param {number[]} curve
 * @param {string} name
 */
export function line(frame, values, curve, name) {
  return s("path", { class: name, d: `M${points(frame, values, curve)}` });
}

/**
 * @param {Frame} frame
 * @param {number[]} values
 * @param {number[]} curve
 */
export function points({ x, y }, values, curve) {
  return values.map((value, index) => `${round(x(value))} ${round(y(curve[index]))}`).join("L");
}

/**
 * The first HU of each next tissue; where two are close, the second stands higher.
 *
 * @param {Frame} frame
 * @param {number[]} limits
 */
export function drawBoundaries({ x, height }, limits) {
  const ends = [-Infinity, -Infinity]; // of the last label in each row
  return limits.flatMap((limit) => {
    const at = x(limit);
    const row = ends.findIndex((end) => end + LABEL_WIDTH <= at);
    const up = 8 + 14 * Math.max(0, row);
    const boundary = s("path", { class: "mixture-boundary", d: `M${round(at)} ${4 - up}V${height}` });
    if (row < 0) return [boundary]; // no room: its HU is in the table
    ends[row] = at;
    return [boundary, text(at, -up, hu(limit), { class: "mixture-limit", "text-anchor": "middle" })];
  });
}

/**
 * The number of a tissue at its mean; nothing where that is beyond the chart.
 *
 * @param {Frame} frame
 * @param {number} mean
 * @param {number} percent
 * @param {number} value
 */
export function drawPeak({ x, y, width, height }, mean, percent, value) {
  const at = x(mean);
  if (at < 0 || at > width) return null;
  const up = Math.min(y(percent), height - 11);
  return s(
    "g",
    { class: "mixture-peak" },
    s("circle", { cx: round(at), cy: round(up), r: 9 }),
    text(at, up, String(value), { dy: ".35em", "text-anchor": "middle" }),
  );
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} words
 * @param {Record<string, unknown>} attributes
 */
function text(x, y, words, attributes) {
  return s("text", { x: round(x), y: round(y), ...attributes }, words);
}

/** @param {number} value */
export function round(value) {
  return Math.round(10 * value) / 10;
}
