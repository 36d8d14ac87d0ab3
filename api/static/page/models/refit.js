/** The form that asks for a new model: a refit of the mixture to chosen cases. */

import { fill, h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { refitCases } from "./refit-cases.js";
import { models } from "../base/service.js";

const FREE_FIT = "none";
const PATIENTS = 10; // what the service takes the prior to be worth, if it is not told
const NAME = "[A-Za-z0-9][A-Za-z0-9._\\-]{0,99}";

/**
 * @typedef {import("./refit-wanted.js").RefitWanted} RefitWanted
 * @typedef {(job: Job, wanted: RefitWanted) => void} OnAccepted
 */

/**
 * Ask for a refit.
 *
 * @param {{all: ModelView[], labelled: Job[], chosen: string[], onClose: () => void,
 *   onAccepted: OnAccepted}} what `all` models may be the prior;
 *   `chosen` are ids of jobs in `labelled`.
 */
export function refitForm({ all, labelled, chosen, onClose, onAccepted }) {
  const name = h("input", {
    id: "refit-name",
    required: true,
    maxlength: 100,
    pattern: NAME,
    title: "At most 100 letters, digits, '.', '_' and '-'; begins with a letter or digit",
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
  });
  const prior = h(
    "select",
    { id: "refit-prior", onchange: settle },
    all.map((model) =>
      h("option", { value: model.name, selected: model.name === facts.default_model }, model.name),
    ),
    h("option", { value: FREE_FIT }, "None: a free fit"),
  );
  const strength = numberInput("refit-strength", {
    value: PATIENTS,
    min: 0.01,
    max: 1e9,
    step: "any",
  });
  const weights = h(
    "select",
    { id: "refit-weights" },
    h("option", { value: "voxels" }, "Its lung voxels"),
    h("option", { value: "patients" }, "As much as any other"),
  );
  const seed = numberInput("refit-seed", { value: 0, min: 0, max: 2 ** 32 - 1, step: 1 });
  const by = h("input", { id: "refit-by", maxlength: 200, autocomplete: "off" });
  const fault = h("p", { class: "refit-fault", role: "alert" });
  const button = h("button", { class: "primary" }, "Fit the model");
  const cases = refitCases({ labelled, chosen, onChange: () => fill(fault) });
  settle();

  return h(
    "form",
    { class: "panel refit-form", "aria-labelledby": "refit-heading", onsubmit: submit },
    h("h2", { id: "refit-heading" }, "New model from your patients"),
    h(
      "div",
      { class: "refit-columns" },
      cases.element,
      h(
        "div",
        { class: "refit-settings" },
        field(
          "Name of the new model",
          name,
          "A name is given once. All who use this service see it.",
        ),
        field(
          "Prior",
          prior,
          "The fit is anchored to this model, so that its components stay the five tissues.",
        ),
        field(
          "Strength of the prior, in patients",
          strength,
          "Some dozens of patients outweigh a prior of 1, some hundreds a prior of 10.",
        ),
        h(
          "details",
          {},
          h("summary", {}, "More settings"),
          field(
            "What a case weighs",
            weights,
            "By voxels, as published, thin slices weigh ten times as much as thick ones. If all weigh the same, a few scans do not decide.",
          ),
          field(
            "Seed",
            seed,
            "The starts of the fit follow from it. The same seed gives the same model.",
          ),
          field("Who fits it", by, "Is written into the model file."),
        ),
        fault,
        h(
          "p",
          { class: "refit-buttons" },
          button,
          h("button", { type: "button", onclick: onClose }, "Close"),
        ),
      ),
    ),
  );

  function settle() {
    strength.disabled = prior.value === FREE_FIT;
  }

  /** @returns {RefitWanted} */
  function wanted() {
    return {
      name: name.value,
      jobs: cases.jobs(),
      histograms: cases.histograms(),
      prior: prior.value,
      strength_patients: strength.disabled ? PATIENTS : Number(strength.value),
      weights: weights.value,
      seed: Number(seed.value),
      by: by.value.trim() || null,
    };
  }

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    fill(fault);
    button.disabled = true;
    try {
      const asked = wanted();
      onAccepted(await models.refit(asked), asked);
    } catch (error) {
      fill(fault, /** @type {Error} */ (error).message);
    } finally {
      button.disabled = false;
    }
  }
}

/**
 * @param {string} id
 * @param {{value: number, min: number, max: number, step: number | string}} limits
 */
function numberInput(id, limits) {
  return h("input", { id, type: "number", required: true, ...limits });
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} meaning
 */
function field(label, control, meaning) {
  const id = `${control.id}-meaning`;
  control.setAttribute("aria-describedby", id);
  return h(
    "div",
    { class: "refit-field" },
    h("label", { for: control.id }, label),
    control,
    h("p", { id, class: "refit-meaning" }, meaning),
  );
}
