/** A button that puts text on the clipboard, and says so. */

import { h } from "./elements.js";

const SAID_FOR_MS = 2000;

/**
 * @param {string} words What the button says.
 * @param {() => string} text What it copies.
 */
export function copyButton(words, text) {
  const said = h("span", { role: "status", class: "faint" });
  const button = h("button", { type: "button" }, words);
  button.addEventListener("click", async () => {
    said.textContent = (await copy(text())) ? "Copied" : "The browser does not let pages copy.";
    setTimeout(() => (said.textContent = ""), SAID_FOR_MS);
  });
  return h("span", { class: "copying" }, button, " ", said);
}

/**
 * @param {string} text
 * @returns {Promise<boolean>} Whether it is on the clipboard.
 */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/**
 * Copy where a page has no clipboard: one that came over plain HTTP from another machine.
 *
 * @param {string} text
 */
function copySelected(text) {
  const focused = document.activeElement;
  const field = h("textarea", { class: "visually-hidden", "aria-hidden": "true", tabindex: -1 });
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}
