/** The cursor over a chart of lung HU: it says what a bar holds, or how probable each tissue is. */

import { h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { hu } from "../base/hounsfield.js";
import { density, probabilities } from "./mixture.js";
import { BIN_HU, barsOf, labelsOf } from "./plot.js";
import { percent } from "../base/wording.js";

const INVITATION = "Point at the chart, or use the arrow keys on it, to read it.";

/**
 * Make a cursor to lie over the plot.
 *
 * @param {{models: ModelView[], histogram: import("./mixture.js").Counts | null,
 *   extent: import("./plot.js").Extent, readout: HTMLElement}} what `readout` shows what
 *   is read.
 */
export function mixtureCursor({ models, histogram, extent, readout }) {
  const model = models.at(-1);
  const span = extent.last + 1 - extent.first;
  const count = Math.ceil(span / BIN_HU);
  const bars = histogram ? barsOf(histogram, extent, labelsOf(model, extent)) : null;
  const band = h("div", { class: "mixture-band", hidden: true });
  let at = Math.floor(count / 2);
  readout.textContent = INVITATION;

  const cursor = h(
    "div",
    {
      class: "mixture-cursor",
      role: "slider",
      tabindex: 0,
      "aria-label": "HU to read",
      "aria-valuemin": extent.first,
      "aria-valuemax": extent.last,
      onpointermove: (/** @type {PointerEvent} */ event) => point(event),
      onpointerdown: (/** @type {PointerEvent} */ event) => point(event),
      onpointerleave: () => document.activeElement !== cursor && leave(),
      onfocus: () => read(at),
      onblur: leave,
      onkeydown: (/** @type {KeyboardEvent} */ event) => step(event),
    },
    band,
  );
  value(at);
  return cursor;

  /** @param {PointerEvent} event */
  function point(event) {
    const place = cursor.getBoundingClientRect();
    read(Math.floor((count * (event.clientX - place.left)) / place.width));
  }

  /** @param {KeyboardEvent} event */
  function step(event) {
    /** @type {Record<string, number>} */
    const keys = {
      ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
      PageDown: at - 10, PageUp: at + 10, Home: 0, End: count - 1,
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    read(keys[event.key]);
  }

  /** @param {number} index */
  function read(index) {
    at = Math.max(0, Math.min(count - 1, index));
    value(at);
    readout.textContent = words(at);
    band.hidden = false;
    band.style.setProperty("left", `${(100 * at * BIN_HU) / span}%`);
    band.style.setProperty("width", `${(100 * Math.min(BIN_HU, span - at * BIN_HU)) / span}%`);
  }

  function leave() {
    band.hidden = true;
    readout.textContent = INVITATION;
  }

  /** @param {number} index */
  function value(index) {
    cursor.setAttribute("aria-valuenow", String(extent.first + index * BIN_HU));
    cursor.setAttribute("aria-valuetext", words(index));
  }

  /** @param {number} index */
  function words(index) {
    const first = extent.first + index * BIN_HU;
    return bars ? barWords(bars[index], index === 0, model) : probabilityWords(first);
  }

  /** @param {number} first */
  function probabilityWords(first) {
    const found = models.map((one) => {
      const shares = probabilities(one, first)
        .map((share, index) => ({ share, name: facts.tissues[index].name }))
        .filter(({ share }) => share >= 0.005)
        .sort((a, b) => b.share - a.share)
        .map(({ share, name }) => `${name} ${percent(100 * share, 0)}`);
      return `${models.length > 1 ? `${one.name}: ` : ""}${shares.join(", ")}`;
    });
    return `${hu(first)} HU: ${found.join("; ")}`;
  }
}

/**
 * @param {import("./plot.js").Bar} bar
 * @param {boolean} lowest
 * @param {ModelView | undefined} model
 */
function barWords(bar, lowest, model) {
  const range = lowest ? `up to ${hu(bar.last)} HU` : `${hu(bar.first)} to ${hu(bar.last)} HU`;
  const expected = model && !lowest ? `; by the model ${percent(expectation(model, bar), 2)}` : "";
  return `${range}: ${percent(bar.percent, 2)} of lung${tissueWords(bar.parts)}${expected}`;
}

/** @param {import("./plot.js").Part[]} parts */
function tissueWords(parts) {
  const tissues = parts.map(({ label, percent: share }) => ({ name: facts.tissues[label - 1]?.name, share }));
  if (!tissues[0].name) return "";
  if (tissues.length === 1) return `, ${tissues[0].name}`;
  return `, of it ${tissues.map(({ name, share }) => `${name} ${percent(share, 2)}`).join(" and ")}`;
}

/**
 * What a model expects of a bar, in percent of lung.
 *
 * @param {ModelView} model
 * @param {import("./plot.js").Bar} bar
 */
function expectation(model, { first, last }) {
  let sum = 0;
  for (let value = first; value <= last; value += 1) {
    for (const tissue of model.tissues) sum += 100 * density(tissue, value);
  }
  return sum;
}
