/** A question where the button stood that asks for what cannot be undone. */

import { fill, h } from "../base/elements.js";

/**
 * Ask, and act if the answer is yes.
 *
 * @param {Element} place Holds the question until it is answered.
 * @param {string} question
 * @param {string} yes
 * @param {() => Promise<void>} act
 * @param {() => void} restore Puts back what stood there.
 */
export function confirmed(place, question, yes, act, restore) {
  const button = h("button", { type: "button", class: "worklist-yes" }, yes);
  const keep = h("button", { type: "button", onclick: () => restore() }, "Keep");
  button.addEventListener("click", async () => {
    button.disabled = keep.disabled = true;
    await act();
    if (box.isConnected) restore();
  });
  const box = h(
    "span",
    { class: "worklist-confirm", role: "group", "aria-label": question },
    h("span", {}, question),
    button,
    keep,
  );
  box.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") restore();
  });
  fill(place, box);
  keep.focus();
}
