/** The name of a job in the worklist, and a new one for it, which stays in this browser. */

import { link } from "../base/address.js";
import { fill, h, s } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { nameOf, remember } from "../base/names.js";

export class NameCell {
  /** @param {() => void} renamed */
  constructor(renamed) {
    this.renamed = renamed;
    this.element = h("th", { scope: "row", class: "worklist-name" });
    this.said = "";
    this.changing = false;
  }

  /** @param {Job} job */
  show(job) {
    const name = nameOf(job.id);
    const more = describe(job, name);
    const said = `${name}\n${more}`;
    if (this.changing || this.said === said) return;
    this.said = said;
    fill(
      this.element,
      h("a", { href: link("case", job.id), title: name }, h("bdi", {}, name)),
      h(
        "button",
        {
          type: "button",
          class: "worklist-rename",
          "aria-label": `Rename ${name}`,
          title: "Rename, in this browser only",
          onclick: () => this.change(job),
        },
        pencil(),
      ),
      more && h("small", {}, more),
    );
  }

  /** @param {Job} job */
  change(job) {
    const input = h("input", {
      type: "text",
      value: nameOf(job.id),
      "aria-label": "New name, in this browser only",
      maxlength: 120,
    });
    const close = (/** @type {boolean} */ taken) => {
      if (!this.changing) return; // it loses the focus when it goes
      const name = input.value.trim();
      if (taken && name && name !== nameOf(job.id)) remember(job.id, name);
      const focused = document.activeElement === input;
      this.changing = false;
      this.said = "";
      this.show(job);
      if (focused) this.element.querySelector("button")?.focus();
      this.renamed();
    };
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault(); // or it would press the button that has the focus next
      close(event.key === "Enter");
    });
    input.addEventListener("blur", () => close(true));
    this.changing = true;
    fill(this.element, input);
    input.focus();
    input.select();
  }
}

/**
 * What the name does not say: the id, and what is not as usual.
 *
 * @param {Job} job
 * @param {string} name
 */
function describe({ id, model, method }, name) {
  const short = id.slice(0, 8);
  return [
    !name.includes(short) && short,
    model && model.name !== facts.default_model && model.name,
    method !== facts.default_method && method,
  ]
    .filter(Boolean)
    .join(" · ");
}

function pencil() {
  return s(
    "svg",
    { viewBox: "0 0 16 16", width: 13, height: 13, "aria-hidden": "true" },
    s("path", { d: "M2 14l1-4 8-8 3 3-8 8z" }),
  );
}
