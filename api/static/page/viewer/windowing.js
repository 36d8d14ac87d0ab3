/** Which HU are drawn from black to white: presets, numbers, and the drag that changes them. */

import { clamp } from "./grid.js";
import { h } from "../base/elements.js";

/** @typedef {import("./slice-image.js").Window} Window */

/** @type {Record<string, Window & {name: string, key: string}>} */
export const PRESETS = {
  lung: { name: "Lung", key: "l", level: -600, width: 1500 },
  mediastinum: { name: "Mediastinum", key: "m", level: 40, width: 400 },
  bone: { name: "Bone", key: "b", level: 400, width: 1800 },
};

const LIMITS = { level: [-1024, 3071], width: [1, 4096] };
const HU_PER_PIXEL = 2;

/**
 * A window as the address names it: a preset, or width and level.
 *
 * @param {Window} window
 */
export function windowText({ level, width }) {
  const preset = Object.entries(PRESETS).find(([, one]) => one.level === level && one.width === width);
  return preset ? preset[0] : `${width},${level}`;
}

/**
 * @param {string | null} text
 * @returns {Window}
 */
export function readWindow(text) {
  const preset = PRESETS[text ?? ""];
  if (preset) return { level: preset.level, width: preset.width };
  const [width, level] = (text ?? "").split(",").map(Number);
  if (!text || !Number.isFinite(width) || !Number.isFinite(level)) return readWindow("lung");
  return within({ level, width });
}

/**
 * The window after a drag: to the right is wider, upwards is brighter.
 *
 * @param {Window} window At the beginning of the drag.
 * @param {number} right Pixels.
 * @param {number} down
 */
export function draggedWindow({ level, width }, right, down) {
  return within({ level: level + HU_PER_PIXEL * down, width: width + HU_PER_PIXEL * right });
}

/**
 * @param {import("./view-state.js").ViewState} state
 * @returns {HTMLElement}
 */
export function windowControls(state) {
  const buttons = Object.entries(PRESETS).map(([id, preset]) =>
    h(
      "button",
      {
        type: "button",
        "data-window": id,
        title: `Width ${preset.width}, level ${preset.level} HU (key ${preset.key.toUpperCase()})`,
        onclick: () => state.change({ window: readWindow(id) }),
      },
      preset.name,
    ),
  );
  const width = numberField("Window width in HU", LIMITS.width, (value) =>
    state.change({ window: within({ ...state.shown.window, width: value }) }),
  );
  const level = numberField("Window level in HU", LIMITS.level, (value) =>
    state.change({ window: within({ ...state.shown.window, level: value }) }),
  );
  state.listen(({ window }) => {
    const text = windowText(window);
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.window === text));
    }
    if (document.activeElement !== width) width.value = String(window.width);
    if (document.activeElement !== level) level.value = String(window.level);
  });
  return h(
    "div",
    { class: "viewer-group", role: "group", "aria-label": "Window" },
    h("span", { class: "viewer-buttons" }, buttons),
    h("label", { class: "viewer-number" }, "W", width),
    h("label", { class: "viewer-number" }, "L", level),
  );
}

/**
 * @param {string} name
 * @param {number[]} limits
 * @param {(value: number) => void} onValue
 */
function numberField(name, [min, max], onValue) {
  const field = h("input", {
    type: "number",
    "aria-label": name,
    title: name,
    min,
    max,
    step: 10,
    onchange: () => {
      if (Number.isFinite(field.valueAsNumber)) onValue(field.valueAsNumber);
    },
  });
  return field;
}

/** @param {Window} window */
function within({ level, width }) {
  return {
    level: clamp(Math.round(level), LIMITS.level[0], LIMITS.level[1]),
    width: clamp(Math.round(width), LIMITS.width[0], LIMITS.width[1]),
  };
}
