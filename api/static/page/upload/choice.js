/** With which model and method uploads are labelled; this browser remembers the choice. */

import { address, keep } from "../base/address.js";
import { fill, h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { models } from "../base/service.js";

const KEPT = "gmmlabel-choice";

/** @typedef {{model: string, method: string}} Choice */

/** @returns {{element: HTMLElement, choice: () => Choice}} */
export function uploadChoice() {
  const chosen = { ...defaults(), ...remembered() };
  const words = h("span");
  const model = select("model", [chosen.model]);
  const method = select("method", facts.methods);

  const say = () => fill(words, `Model ${chosen.model}, method ${chosen.method}`);
  /**
   * @param {keyof Choice} what
   * @param {string[]} values
   */
  function select(what, values) {
    const made = h("select", {
      onchange: () => {
        chosen[what] = made.value;
        remember(chosen);
        say();
      },
    });
    offer(made, values, chosen[what]);
    return made;
  }

  const element = h(
    "details",
    {
      class: "upload-choice",
      ontoggle: async () => {
        if (!element.open) return;
        const names = (await models.list().catch(() => [])).map(({ name }) => name);
        if (names.length) offer(model, names, chosen.model);
      },
    },
    h("summary", {}, words),
    h("div", {}, h("label", {}, "Model ", model), h("label", {}, "Method ", method)),
  );
  say();
  const follow = () => {
    const { page, parameters } = address();
    const asked = page === "worklist" ? parameters.get("model") : null;
    if (asked === null) return;
    keep({ model: null }); // taken once: the choice can be changed here
    chosen.model = asked;
    offer(model, [asked], asked);
    remember(chosen);
    say();
  };
  addEventListener("hashchange", follow);
  follow();
  return { element, choice: () => ({ ...chosen }) };
}

/**
 * @param {HTMLSelectElement} place
 * @param {string[]} values
 * @param {string} chosen Stays on offer: the service says it if there is none any more.
 */
function offer(place, values, chosen) {
  const all = values.includes(chosen) ? values : [...values, chosen];
  fill(place, ...all.map((value) => h("option", { value }, value)));
  place.value = chosen;
}

/** @returns {Choice} */
function defaults() {
  return { model: facts.default_model, method: facts.default_method };
}

/** @returns {Partial<Choice>} */
function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}");
  } catch {
    return {};
  }
}

/** @param {Choice} chosen What is as the service has it by itself follows the service. */
function remember(chosen) {
  const own = Object.entries(chosen).filter(
    ([what, value]) => value !== defaults()[/** @type {keyof Choice} */ (what)],
  );
  try {
    if (own.length) localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(own)));
    else localStorage.removeItem(KEPT);
  } catch {
    // The browser keeps nothing: the choice is for this page.
  }
}
