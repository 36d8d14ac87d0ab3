/** The map over the CT: which one, how opaque, and which of its values; the legend of the colours. */

import { fill, h } from "../base/elements.js";
import { colour } from "../base/facts.js";
import { SEGMENTS } from "./view-state.js";

/** @type {Record<import("./view-state.js").Overlay, {name: string, key: string, title: string}>} */
export const MAPS = {
  smoothed: { name: "Smoothed", key: "s", title: "Tissues after median smoothing" },
  labels: { name: "Raw", key: "r", title: "The tissue of each voxel by itself" },
  opacity: { name: "Opacity", key: "p", title: "Ground glass and denser, without vessels and borders" },
  lungs: { name: "Lungs", key: "u", title: "The lungs that were segmented" },
  none: { name: "CT only", key: "o", title: "The CT without a map" },
};

/**
 * @param {import("./view-state.js").ViewState} state
 * @param {MapName[]} maps Those that there are.
 */
export function mapControls(state, maps) {
  const buttons = [...maps, /** @type {const} */ ("none")].map((map) =>
    h(
      "button",
      {
        type: "button",
        "data-map": map,
        title: `${MAPS[map].title} (key ${MAPS[map].key.toUpperCase()})`,
        onclick: () => state.change({ map }),
      },
      MAPS[map].name,
    ),
  );
  state.listen(({ map }) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.map === map));
  });
  return h("div", { class: "viewer-buttons", role: "group", "aria-label": "Map over the CT" }, buttons);
}

/** @param {import("./view-state.js").ViewState} state */
export function opacityControl(state) {
  const slider = h("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 5,
    oninput: () => state.change({ opacity: slider.valueAsNumber / 100 }),
  });
  const value = h("output", { class: "number" });
  state.listen(({ opacity, map }) => {
    slider.value = String(Math.round(100 * opacity));
    slider.disabled = map === "none";
    value.textContent = `${Math.round(100 * opacity)} %`;
  });
  return h("label", { class: "viewer-opacity" }, "Overlay", slider, value);
}

/** @param {import("./view-state.js").ViewState} state */
export function tissueList(state) {
  const list = h("ul", { class: "viewer-tissues", "aria-label": "Values of the map" });
  let listed = "";
  state.listen((shown) => {
    const segments = SEGMENTS[shown.map];
    if (listed !== shown.map) {
      listed = shown.map;
      fill(list, segments.map((segment) => item(state, segment)));
    }
    for (const box of list.querySelectorAll("input")) box.checked = !shown.hidden.includes(box.value);
  });
  return list;
}

/**
 * Show or hide a segment.
 *
 * @param {import("./view-state.js").ViewState} state
 * @param {Segment} segment
 */
export function toggle(state, { key }) {
  const { hidden } = state.shown;
  state.change({ hidden: hidden.includes(key) ? hidden.filter((one) => one !== key) : [...hidden, key] });
}

/**
 * @param {import("./view-state.js").ViewState} state
 * @param {Segment} segment
 */
function item(state, segment) {
  const swatch = h("span", { class: "viewer-swatch", "aria-hidden": "true" });
  swatch.style.setProperty("background-color", colour(segment));
  return h(
    "li",
    {},
    h(
      "label",
      { title: `Key ${segment.value}` },
      h("input", { type: "checkbox", value: segment.key, onchange: () => toggle(state, segment) }),
      swatch,
      segment.name,
    ),
  );
}
