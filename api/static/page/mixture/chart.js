/**
 * Chart of lung HU: bars in the colour of the tissue that they are labelled, the components of the
 * model and their sum, and its boundaries. Of two models the last is drawn in full, and the first
 * in thin dotted lines to compare with. Without a histogram only the models are drawn.
 */

import { fill, s } from "../base/elements.js";
import { colour, facts } from "../base/facts.js";
import { hu } from "../base/hounsfield.js";
import { drawAxes, drawBoundaries, drawCurve, drawPeak, line, points, round } from "./marks.js";
import { barsOf, curvesOf, extentOf, labelsOf, stretchesOf } from "./plot.js";

/**
 * What to draw. Charts with the same `axes` can be compared: they have room for all of these models.
 *
 * @typedef {{models: ModelView[], histogram?: Counts | null, title: string, axes?: ModelView[]}} Shown
 * @typedef {import("./mixture.js").Counts} Counts
 * @typedef {import("./marks.js").Frame} Frame
 */

/** Room around the plot, in pixels: two rows of boundaries above, the axes beside and below. */
export const MARGIN = { top: 36, right: 14, bottom: 42, left: 48 };
export const HEIGHT = 330;

const HEADROOM = 1.08;

/**
 * @param {Shown} shown
 * @returns {SVGSVGElement} As wide as its place; it is laid out again when that changes.
 */
export function mixtureChart({ models, histogram = null, title, axes = models }) {
  const svg = s("svg", {
    class: "mixture-chart",
    role: "img",
    "aria-label": `${title}. ${describe(models, histogram)}`,
    width: "100%",
    height: HEIGHT,
  });
  const content = layOut(models, histogram, axes);
  const draw = (/** @type {number} */ width) =>
    fill(svg, drawPlot(content, Math.max(160, width - MARGIN.left - MARGIN.right)));
  draw(720);
  new ResizeObserver(([entry]) => draw(entry.contentRect.width)).observe(svg);
  return svg;
}

/**
 * @param {ModelView[]} models
 * @param {Counts | null} histogram
 */
function describe(models, histogram) {
  const sentences = models.map((model) => {
    const limits = model.boundaries_hu.map(hu).join(", ");
    return `Model ${model.name}: boundaries at ${limits} HU.`;
  });
  if (histogram) {
    const what = models.length ? ", each bar in the colour of the tissue that it is labelled" : "";
    sentences.unshift(`Lung voxels by HU${what}.`);
  }
  return sentences.join(" ");
}

/**
 * All that is drawn, whatever the width.
 *
 * @param {ModelView[]} models
 * @param {Counts | null} histogram
 * @param {ModelView[]} axes
 */
function layOut(models, histogram, axes) {
  const extent = extentOf(axes, histogram);
  const labels = labelsOf(models.at(-1), extent);
  const bars = histogram ? barsOf(histogram, extent, labels) : [];
  // The first bar holds everything below it, and would dwarf the others.
  const heights = bars.slice(1).map((bar) => bar.percent);
  const peaks = [...models, ...axes].map((one) => Math.max(...(curvesOf(one, extent).curves.at(-1) ?? [])));
  return {
    models,
    extent,
    bars,
    stretches: stretchesOf(labels, extent),
    drawn: models.map((one) => curvesOf(one, extent)),
    top: HEADROOM * Math.max(...heights, ...peaks),
  };
}

/**
 * @param {ReturnType<typeof layOut>} content
 * @param {number} width
 */
function drawPlot({ models, extent, bars, stretches, drawn, top }, width) {
  const height = HEIGHT - MARGIN.top - MARGIN.bottom;
  const span = extent.last + 1 - extent.first;
  /** @type {Frame} */
  const frame = {
    x: (value) => ((value - extent.first) / span) * width,
    y: (percent) => height * (1 - Math.min(1, percent / top)),
    width,
    height,
  };
  const model = models.at(-1);
  const last = drawn.at(-1);
  const [before] = models.length > 1 ? models : [];
  return s(
    "g",
    { transform: `translate(${MARGIN.left} ${MARGIN.top})` },
    drawAxes(frame, extent, top),
    stretches.map((stretch) => drawBars(frame, stretch, bars)),
    last && !bars.length && drawAreas(frame, last),
    before && drawn[0].curves.map((curve) => line(frame, drawn[0].hu, curve, "mixture-before")),
    last && last.curves.flatMap((curve, index) => drawCurve(frame, last.hu, curve, index)),
    before && stretchesOf(labelsOf(before, extent), extent).slice(1).map(({ first }) =>
      s("path", { class: "mixture-before", d: `M${round(frame.x(first))} 0V${height}` }),
    ),
    drawBoundaries(frame, stretches.slice(1).map(({ first }) => first)),
    model && last && model.tissues.map((tissue, index) =>
      drawPeak(frame, tissue.mean_hu, Math.max(...last.curves[index]), index + 1),
    ),
  );
}

/**
 * The bars of a stretch of one label, as one area; a bar is cut where the label changes.
 *
 * @param {Frame} frame
 * @param {import("./plot.js").Stretch} stretch
 * @param {import("./plot.js").Bar[]} bars
 */
function drawBars({ x, y, height }, { first, stop, label }, bars) {
  const here = bars.filter((bar) => bar.last >= first && bar.first < stop);
  if (!here.length) return null;
  const corners = here.map((bar) => {
    return `V${round(y(bar.percent))}H${round(x(Math.min(stop, bar.last + 1)))}`;
  });
  return s("path", {
    class: "mixture-bars",
    fill: label ? colour(facts.tissues[label - 1]) : "currentColor",
    "fill-opacity": label ? 1 : 0.3,
    d: `M${round(x(first))} ${height}${corners.join("")}V${height}Z`,
  });
}

/**
 * @param {Frame} frame
 * @param {{hu: number[], curves: number[][]}} drawn
 */
function drawAreas(frame, { hu: values, curves }) {
  return facts.tissues.map((segment, index) => {
    const top = points(frame, values, curves[index]);
    const d = `M0 ${frame.height}L${top}L${frame.width} ${frame.height}Z`;
    return s("path", { class: "mixture-area", fill: colour(segment), d });
  });
}
