/** The form that asks for an access token. */

import { fill, h } from "../base/elements.js";
import { LostError } from "../base/service.js";

/**
 * Ask for a token until one is taken.
 *
 * @template T
 * @param {HTMLElement} place
 * @param {(token: string) => Promise<T>} take What to do with a token; fails if it is refused.
 * @returns {Promise<T>} What became of the token that was taken.
 */
export function askForToken(place, take) {
  const token = h("input", {
    id: "session-token",
    name: "token",
    type: "password",
    required: true,
    autocomplete: "current-password",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": "session-hint session-fault",
  });
  const fault = h("p", { id: "session-fault", class: "session-fault", role: "alert" });
  const button = h("button", { class: "primary" }, "Sign in");
  const form = h(
    "form",
    { class: "session-form panel" },
    h("h1", {}, "Sign in"),
    h("label", { for: "session-token" }, "Access token"),
    token,
    h(
      "p",
      { id: "session-hint", class: "session-hint" },
      "Whoever runs this service gives you one, made by ",
      h("code", {}, "gmmlabel serve token create"),
      ".",
    ),
    fault,
    button,
  );
  fill(place, form);
  token.focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      fill(fault);
      button.disabled = true;
      try {
        resolve(await take(token.value.trim()));
      } catch (error) {
        fill(fault, tellFault(error));
        token.setAttribute("aria-invalid", "true");
        token.select();
      } finally {
        button.disabled = false;
      }
    });
  });
}

/** @param {unknown} error */
export function tellFault(error) {
  if (error instanceof LostError) return "The service does not answer. Try again.";
  return /** @type {Error} */ (error).message;
}
