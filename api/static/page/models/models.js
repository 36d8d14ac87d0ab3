/** The models: their mixtures drawn, two of them compared, and how a new one is made. */

import { address, keep } from "../base/address.js";
import { comparePanel, madeBy } from "./compare.js";
import { fill, h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { modelPanel } from "./model-panel.js";
import { refitForm } from "./refit.js";
import { refitJobs } from "./refit-jobs.js";
import { LostError, jobs, models } from "../base/service.js";

/** @typedef {import("./compare.js").Known} Known */

const AGAIN_MS = 2000;

/**
 * Show the models.
 *
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 */
export function showModels(place, signal) {
  const opener = h(
    "button",
    { type: "button", class: "primary", onclick: () => attempt(open([])) },
    "New model",
  );
  const fault = h("p", { class: "page-failure", role: "alert", hidden: true });
  const form = h("div");
  const compared = comparePanel(signal);
  const running = refitJobs({ signal, onMade: (job) => attempt(made(job)) });
  const list = h("div", { class: "models-list" });
  /** @type {Known} */
  let known = { all: [], refits: [] };
  fill(
    place,
    h(
      "header",
      { class: "models-header" },
      h("h1", {}, "Models"),
      h(
        "p",
        { class: "faint" },
        "A model is five Gaussians over HU. Nothing else decides which tissue a voxel is.",
      ),
      opener,
    ),
    fault,
    form,
    running.element,
    compared.element,
    list,
  );
  opener.disabled = true;
  attempt(begin());

  async function begin() {
    await load();
    const { parameters } = address();
    running.show(known.refits);
    compared.show(known, names(parameters.get("compare")));
    opener.disabled = false;
    const chosen = parameters.get("refit");
    if (chosen !== null) await open(names(chosen));
  }

  /** Ask for all models, however long the service is away, and show them. */
  async function load() {
    for (;;) {
      try {
        const [all, refits] = await Promise.all([
          models.list(signal),
          jobs.list({ kind: "refit", signal }),
        ]);
        known = { all: defaultFirst(all), refits };
        break;
      } catch (error) {
        if (!(error instanceof LostError)) throw error;
        tell(error);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
    fault.hidden = true;
    fill(
      list,
      known.all.map((model) => modelPanel({ model, refit: madeBy(known, model) })),
    );
  }

  /**
   * Open the form for a new model.
   *
   * @param {string[]} chosen Ids of jobs to fit it to.
   */
  async function open(chosen) {
    keep({ refit: chosen.join(",") });
    const labelled = await jobs.list({ kind: "label", state: "succeeded", signal });
    fill(form, refitForm({ all: known.all, labelled, chosen, onClose: close, onAccepted }));
    opener.hidden = true;
    /** @type {HTMLElement | null} */ (
      form.querySelector(chosen.length ? "#refit-name" : "input")
    )?.focus();
  }

  function close() {
    keep({ refit: null });
    fill(form);
    opener.hidden = false;
    opener.focus();
  }

  /** @type {import("./refit.js").OnAccepted} */
  function onAccepted(job, wanted) {
    close();
    running.add(job, wanted);
  }

  /** @param {Job} job */
  async function made(job) {
    await load();
    const name = job.refit?.name ?? "";
    const pair = [job.result.drift.against, name];
    keep({ compare: pair.join() });
    compared.show(known, pair);
    if (!form.firstChild) compared.focus(); // not while another is asked for
  }

  /** @param {Promise<void>} work */
  function attempt(work) {
    work.catch(tell);
  }

  /** @param {unknown} error */
  function tell(error) {
    if (signal.aborted) return;
    fault.hidden = false;
    fill(fault, /** @type {Error} */ (error).message);
  }
}

/** @param {ModelView[]} all */
function defaultFirst(all) {
  const rank = (/** @type {ModelView} */ model) => Number(model.name !== facts.default_model);
  return [...all].sort((one, other) => rank(one) - rank(other));
}

/**
 * Names or ids of a parameter.
 *
 * @param {string | null} parameter
 */
function names(parameter) {
  return (parameter ?? "").split(",").filter(Boolean);
}
