/** What a chart of lung HU draws, as numbers: bars, stretches of one label, curves and ticks. */

import { boundaries, density, labelsByHu } from "./mixture.js";

/**
 * @typedef {import("./mixture.js").Counts} Counts
 * @typedef {{first: number, last: number}} Extent HU that the chart shows, both included.
 * @typedef {{first: number, last: number, percent: number, parts: Part[]}} Bar
 * @typedef {{label: number, percent: number}} Part What of a bar has one label; 0 without a model.
 * @typedef {{first: number, stop: number, label: number}} Stretch
 */

export const BIN_HU = 10; // exports that round HU to even numbers make bars of 1 or 2 HU a comb
const FIRST_SHOWN = -1024;
const LAST_SHOWN = 200; // what is denser is bone, metal or noise
const MOST_POINTS = 400;
const Y_STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20];

/**
 * The HU to show: those of the histogram that are lung, or all means of the models.
 *
 * @param {ModelView[]} models
 * @param {Counts | null} histogram
 * @returns {Extent}
 */
export function extentOf(models, histogram) {
  if (histogram) return { first: histogram.first_hu, last: LAST_SHOWN - 1 };
  const tissues = models.flatMap((model) => model.tissues);
  const sides = (/** @type {number} */ sign) =>
    tissues.map((tissue) => tissue.mean_hu + sign * Math.sqrt(tissue.variance_hu2));
  const first = BIN_HU * Math.floor(Math.min(FIRST_SHOWN, ...sides(-1)) / BIN_HU);
  return { first, last: Math.max(LAST_SHOWN, Math.ceil(Math.max(...sides(1)))) - 1 };
}

/**
 * The bars of a histogram, and how much of each has which label.
 *
 * @param {Counts} histogram
 * @param {Extent} extent
 * @param {ArrayLike<number>} labels Of each HU of the extent; empty without a model.
 * @returns {Bar[]}
 */
export function barsOf({ counts, first_hu: zero }, { first, last }, labels) {
  const percentEach = 100 / Math.max(1, counts.reduce((sum, count) => sum + count, 0));
  /** @type {Bar[]} */
  const bars = [];
  for (let start = first; start <= last; start += BIN_HU) {
    /** @type {Map<number, number>} */
    const byLabel = new Map();
    const stop = Math.min(start + BIN_HU, last + 1);
    for (let hu = start; hu < stop; hu += 1) {
      const label = labels[hu - first] ?? 0;
      const share = percentEach * (counts[hu - zero] ?? 0);
      byLabel.set(label, (byLabel.get(label) ?? 0) + share);
    }
    const parts = [...byLabel].map(([label, percent]) => ({ label, percent }));
    const percent = parts.reduce((sum, part) => sum + part.percent, 0);
    bars.push({ first: start, last: stop - 1, percent, parts });
  }
  return bars;
}

/**
 * The labels of an extent by a model; none without one.
 *
 * @param {ModelView | undefined} model
 * @param {Extent} extent
 */
export function labelsOf(model, { first, last }) {
  return model ? labelsByHu(model, first, last) : new Uint8Array(0);
}

/**
 * Stretches of HU that have the same label.
 *
 * @param {Uint8Array} labels
 * @param {Extent} extent
 * @returns {Stretch[]}
 */
export function stretchesOf(labels, { first, last }) {
  const edges = [first, ...boundaries(labels, first), last + 1];
  return edges.slice(1).map((stop, index) => {
    const start = edges[index];
    return { first: start, stop, label: labels[start - first] ?? 0 };
  });
}

/**
 * The curves of a model in percent of lung per bar: those of its components, then their sum.
 *
 * @param {ModelView} model
 * @param {Extent} extent
 * @returns {{hu: number[], curves: number[][]}}
 */
export function curvesOf(model, { first, last }) {
  const length = last + 1 - first;
  const narrowest = Math.min(...model.tissues.map((tissue) => Math.sqrt(tissue.variance_hu2)));
  // Straight from point to point, no angle is seen.
  const points = Math.ceil(Math.min(MOST_POINTS, length / Math.min(4, Math.max(1, narrowest / 8))));
  const hu = Array.from({ length: points + 1 }, (_, index) => first + (index * length) / points);
  const curves = model.tissues.map((tissue) =>
    hu.map((value) => 100 * BIN_HU * density(tissue, value)),
  );
  const sum = hu.map((_, index) => curves.reduce((part, curve) => part + curve[index], 0));
  return { hu, curves: [...curves, sum] };
}

/**
 * Ticks of the percentage, five at most.
 *
 * @param {number} top
 */
export function percentTicks(top) {
  const step = Y_STEPS.find((one) => top / one <= 5) ?? Y_STEPS[Y_STEPS.length - 1];
  const ticks = Array.from({ length: Math.floor(top / step) + 1 }, (_, index) => index * step);
  return { ticks, digits: step < 1 ? 1 : 0 };
}

/**
 * Ticks of the HU, every 200 or, where there is little room, 400.
 *
 * @param {Extent} extent
 * @param {number} width
 */
export function huTicks({ first, last }, width) {
  const step = [200, 400, 1000, 5000].find((one) => (width * one) / (last - first) >= 44) ?? 20000;
  const ticks = [];
  for (let tick = step * Math.ceil(first / step); tick <= last + 1; tick += step) ticks.push(tick);
  return ticks;
}
