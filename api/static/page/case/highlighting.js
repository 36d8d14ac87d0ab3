/**
 * Numbers that show their voxels: while the pointer or the focus is on one, its voxels stand out in
 * the picture. Pressed, it stays so while the picture is looked through.
 */

import { h } from "../base/elements.js";

/**
 * @param {(what: Voxels | null) => void} highlight Of the viewer.
 */
export function highlighting(highlight) {
  /** @type {Map<HTMLButtonElement, Voxels>} */
  const buttons = new Map();
  /** @type {HTMLButtonElement | null} */
  let pressed = null;

  /** @param {HTMLButtonElement | null} button */
  function press(button) {
    pressed = button;
    for (const one of buttons.keys()) one.setAttribute("aria-pressed", String(one === pressed));
  }

  const leave = () => highlight(pressed && (buttons.get(pressed) ?? null));

  /**
   * Make the button of a number; `on` lets the pointer over an element show its voxels, too.
   *
   * @param {string} words
   * @param {Voxels} what
   */
  return function highlighter(words, what) {
    const show = () => highlight(what);
    const button = h(
      "button",
      {
        type: "button",
        class: "numbers-highlight",
        "aria-pressed": "false",
        title: `Show ${words.toLowerCase()} in the picture`,
        onfocus: show,
        onblur: leave,
        onclick: () => {
          press(button === pressed ? null : button);
          show();
        },
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          if (event.key !== "Escape" || !pressed) return;
          press(null);
          leave();
        },
      },
      words,
    );
    buttons.set(button, what);
    /** @param {Element} element */
    const on = (element) => {
      element.addEventListener("pointerenter", show);
      element.addEventListener("pointerleave", leave);
    };
    return { button, on };
  };
}
