/** Two models to compare, chosen by their names, which are kept in the address. */

import { keep, link } from "../base/address.js";
import { comparison } from "./comparison.js";
import { fill, h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { ask, jobs } from "../base/service.js";
import { number } from "../base/wording.js";

/**
 * The models, and the refits of this user that made some of them.
 *
 * @typedef {{all: ModelView[], refits: Job[]}} Known
 */

/**
 * Choose and compare two models.
 *
 * @param {AbortSignal} signal
 * @returns {{element: HTMLElement, show: (known: Known, names: string[]) => void, focus: () => void}}
 */
export function comparePanel(signal) {
  const before = h("select", { id: "compare-before", onchange: chosen });
  const after = h("select", { id: "compare-after", onchange: chosen });
  const swap = h("button", { type: "button", onclick: swapped }, "Swap");
  const heading = h("h2", { id: "compare-heading", tabindex: -1 }, "Compare");
  const content = h("div");
  /** @type {Known} */
  let known = { all: [], refits: [] };
  const element = h(
    "section",
    { class: "panel compare", "aria-labelledby": "compare-heading", hidden: true },
    h(
      "div",
      { class: "compare-choice" },
      heading,
      h("label", { for: "compare-before" }, "before"),
      before,
      h("label", { for: "compare-after" }, "after"),
      after,
      swap,
    ),
    content,
  );
  return { element, show, focus: () => heading.focus() };

  /**
   * @param {Known} now
   * @param {string[]} names Of the model before and the one after; of one alone it is the latter.
   */
  function show(now, names) {
    known = now;
    element.hidden = known.all.length < 2;
    const [one, other] = names.length === 1 ? [precedingName(names[0]), names[0]] : names;
    for (const [select, name] of /** @type {const} */ ([
      [before, one ?? facts.default_model],
      [after, other],
    ])) {
      fill(
        select,
        h("option", { value: "" }, "–"),
        known.all.map((model) =>
          h("option", { value: model.name, selected: model.name === name }, model.name),
        ),
      );
    }
    draw();
  }

  function swapped() {
    [before.value, after.value] = [after.value, before.value];
    chosen();
  }

  function chosen() {
    const both = before.value && after.value;
    keep({ compare: both ? `${before.value},${after.value}` : null });
    draw();
  }

  function draw() {
    const [one, other] = [before, after].map((select) =>
      known.all.find(({ name }) => name === select.value),
    );
    swap.hidden = !one || !other;
    if (!one || !other) {
      fill(content);
      return;
    }
    fill(content, comparison({ before: one, after: other }));
    const job = madeBy(known, other);
    if (job) addRefit(job, one, other);
  }

  /**
   * Add what the refit that made a model tells of it.
   *
   * @param {Job} job
   * @param {ModelView} one
   * @param {ModelView} other
   */
  async function addRefit(job, one, other) {
    const told = await Promise.all([
      jobs.get(job.id, signal),
      ask(`/v1/jobs/${job.id}/files/${other.name}.json`, { signal }),
    ]).catch(() => null); // it may have been removed by now
    if (!told || signal.aborted) return;
    const [{ result }, file] = told;
    if (before.value !== one.name || after.value !== other.name) return;
    if (result.model.sha256 !== other.sha256) return; // another model has that name by now
    const drift = result.drift.against === one.name ? result.drift : null;
    const histogram = file.training?.histogram ?? null;
    fill(content, made(result, other), comparison({ before: one, after: other, drift, histogram }));
  }

  /** @param {string} name */
  function precedingName(name) {
    const model = known.all.find((one) => one.name === name);
    return (model && madeBy(known, model)?.refit?.prior?.name) ?? facts.default_model;
  }
}

/**
 * The refit that made a model, if it is one of this user's.
 *
 * @param {Known} known
 * @param {ModelView} model
 */
export function madeBy({ refits }, model) {
  if (model.place === "installed") return undefined;
  return refits.find((job) => job.state === "succeeded" && job.refit?.name === model.name);
}

/**
 * @param {{cases: number, voxels: number, left_out: number}} result
 * @param {ModelView} model
 */
function made({ cases, voxels, left_out: twice }, model) {
  return h(
    "p",
    { class: "compare-made" },
    `${model.name} was fitted to ${number(voxels)} lung voxels of ${number(cases)} ${cases === 1 ? "case" : "cases"}.`,
    twice ? ` What was given twice counted once: ${number(twice)}.` : null,
    " ",
    h(
      "a",
      { href: link("worklist", "", { model: model.name }) },
      `Use ${model.name} for the next upload`,
    ),
  );
}
