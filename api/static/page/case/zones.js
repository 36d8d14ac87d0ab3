/**
 * The zones of the lungs on a schematic: each lung from the side, its front to the left, in thirds of
 * its height and halves of its depth. The deeper the colour, the more of a zone is opaque.
 */

import { h, s } from "../base/elements.js";
import { colour, facts } from "../base/facts.js";
import { millilitres, number, percent } from "../base/wording.js";

const SIDES = ["right", "left"];
const THIRDS = ["upper", "middle", "lower"];
const HALVES = ["ventral", "dorsal"];
const CLASSES = "0 below 1\u202f%, 1 up to 25\u202f%, 2 up to 50\u202f%, 3 up to 75\u202f%, 4 above";

// A lung from the side in a box of 160 x 210: the apex above, the diaphragm rising to the front.
const OUTLINE =
  "M82 4C50 4 26 32 16 76C8 112 6 144 8 172C9 180 14 184 22 181C58 166 92 172 138 204" +
  "C146 209 152 206 153 198C157 150 154 92 142 50C132 20 110 4 82 4Z";
const [WIDTH, HEIGHT] = [160, 210];
const MIDDLE = 80;
const ROWS = [0, 72, 134, HEIGHT]; // thirds of what can be seen of them, so that numbers fit
const CENTRES = [
  [[56, 44], [108, 44]],
  [[46, 104], [116, 104]],
  [[44, 151], [116, 163]],
];

/**
 * @param {Result} result With opacity.
 * @param {ReturnType<typeof import("./highlighting.js").highlighting>} highlighter
 */
export function zonesFigure({ regions, zone_scores: scores }, highlighter) {
  return h(
    "figure",
    { class: "zones" },
    h(
      "div",
      { class: "zones-lungs" },
      SIDES.map((side, index) => {
        const { volume_ml: volume, opacity } = regions[side];
        const name = facts.lungs[index].name;
        const { button, on } = highlighter(name, { map: "lungs", values: [facts.lungs[index].value] });
        const about = volume
          ? `${millilitres(volume)} · opacity ${percent(opacity?.percent)}`
          : "not found";
        const lung = h(
          "div",
          { class: "zones-lung" },
          h("p", {}, button, h("span", { class: "number" }, about)),
          drawLung(side, name, regions, scores?.zones),
        );
        on(lung);
        return lung;
      }),
    ),
    h(
      "figcaption",
      {},
      `Share of each zone that is opaque, and its zone score: ${CLASSES}. Zones are thirds of the ` +
        "height and halves of the depth of each lung, not lobes. Front is to the left in both.",
    ),
    zonesTable(regions, scores?.zones),
  );
}

/**
 * @param {string} side
 * @param {string} name
 * @param {Result["regions"]} regions
 * @param {Record<string, number>} scores
 */
function drawLung(side, name, regions, scores) {
  const clip = `zones-${side}`;
  const zones = THIRDS.flatMap((third, row) =>
    HALVES.map((half, column) => ({ key: `${side}_${third}_${half}`, row, column })),
  );
  return s(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${name}: its zones are in the table` },
    s("clipPath", { id: clip }, s("path", { d: OUTLINE })),
    s(
      "g",
      { "clip-path": `url(#${clip})` },
      zones.map(({ key, row, column }) =>
        s("rect", {
          class: "zones-zone",
          x: column * MIDDLE,
          y: ROWS[row],
          width: MIDDLE,
          height: ROWS[row + 1] - ROWS[row],
          fill: colour(facts.opacity[0]),
          "fill-opacity": depth(regions[key].opacity?.percent),
        }),
      ),
    ),
    s("path", { class: "zones-outline", d: OUTLINE }),
    zones.map(({ key, row, column }) => {
      const [x, y] = CENTRES[row][column];
      const { volume_ml: volume, opacity } = regions[key];
      if (!volume) return s("text", { x, y }, "–");
      return s(
        "text",
        { x, y },
        s("tspan", { class: "zones-percent", x }, percent(opacity?.percent)),
        s("tspan", { x, dy: 14 }, `score ${scores[key]}`),
      );
    }),
  );
}

/**
 * How deep a colour stands for a percentage: as in the report, deeper at once, then slowly.
 *
 * @param {number | undefined} share
 */
function depth(share) {
  return (0.03 + 0.047 * Math.sqrt(share ?? 0)).toFixed(3);
}

/**
 * The same for readers of the screen.
 *
 * @param {Result["regions"]} regions
 * @param {Record<string, number>} scores
 */
function zonesTable(regions, scores) {
  return h(
    "table",
    { class: "visually-hidden" },
    h("caption", {}, "Opacity and score by zone"),
    h(
      "thead",
      {},
      h("tr", {}, ["Zone", "Opacity %", "Score"].map((words) => h("th", { scope: "col" }, words))),
    ),
    h(
      "tbody",
      {},
      Object.keys(scores).map((key) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, key.replaceAll("_", " ")),
          h("td", {}, regions[key].volume_ml ? number(regions[key].opacity?.percent, 1) : "–"),
          h("td", {}, scores[key]),
        ),
      ),
    ),
  );
}
