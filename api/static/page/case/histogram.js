/**
 * The histogram of a case with the mixture behind its labels, and what another model would make of
 * it. All of that follows from the histogram, so choosing a model asks the service for nothing.
 */

import { address, keep } from "../base/address.js";
import { changesTable } from "./changes.js";
import { fill, h } from "../base/elements.js";
import { mixtureFigure } from "../mixture/figure.js";
import { ask, models } from "../base/service.js";

const OWN = ""; // the value of the job's own model in the select

/**
 * @param {{job: Job, result: Result, signal: AbortSignal}} what
 * @returns {HTMLElement}
 */
export function histogramPanel({ job, result, signal }) {
  const content = h("div", {}, h("p", { class: "faint", role: "status" }, "Loading the histogram"));
  load(job, signal).then(
    ({ histogram, all }) => show(content, result, histogram, all),
    (error) => {
      if (signal.aborted) return;
      fill(content, h("p", { class: "page-failure", role: "alert" }, error.message));
    },
  );
  return h(
    "section",
    { class: "panel histogram", "aria-labelledby": "histogram" },
    h("h2", { id: "histogram" }, "Histogram of lung HU"),
    content,
  );
}

/**
 * @param {Job} job
 * @param {AbortSignal} signal
 * @returns {Promise<{histogram: Histogram, all: ModelView[]}>}
 */
async function load(job, signal) {
  const path = `/v1/jobs/${job.id}/files/histogram.json`;
  const [histogram, all] = await Promise.all([ask(path, { signal }), models.list(signal)]);
  return { histogram, all };
}

/**
 * @param {HTMLElement} content
 * @param {Result} result
 * @param {Histogram} histogram
 * @param {ModelView[]} all
 */
function show(content, result, histogram, all) {
  const { name, sha256 } = result.model;
  const own = all.find((model) => model.name === name && model.sha256 === sha256) ?? null;
  const others = all.filter((model) => model !== own);
  const asked = address().parameters.get("model");
  const known = others.some((model) => model.name === asked);

  const select = h(
    "select",
    { id: "histogram-model" },
    h("option", { value: OWN }, `${name} (of this case)`),
    others.map((model) => h("option", { value: model.name }, otherName(model, name))),
  );
  select.value = asked && known ? asked : OWN;
  const drawn = h("div", { class: "histogram-drawn" });
  const said = h("p", { class: "histogram-said", role: "status" });

  const draw = () => {
    const chosen = others.find((model) => model.name === select.value) ?? null;
    const shown = [own, chosen].filter((model) => model !== null);
    fill(
      drawn,
      mixtureFigure({ models: shown, histogram, title: "Histogram of lung HU" }),
      changesTable({ result, histogram, own, chosen }),
    );
    fill(said, chosen ? consequence(name, chosen.name) : null);
  };
  select.addEventListener("change", () => {
    keep({ model: select.value || null });
    draw();
  });
  fill(
    content,
    h("p", { class: "histogram-choice" }, h("label", { for: select.id }, "Model"), select),
    own ? null : h("p", { class: "histogram-warning" }, absence(name, all)),
    asked && asked !== name && !known
      ? h("p", { class: "histogram-warning" }, `There is no model ${asked} here, which the link names.`)
      : null,
    said,
    drawn,
    h("p", { class: "faint" }, reading(result)),
  );
  draw();
}

/**
 * @param {ModelView} model
 * @param {string} own Name of the case's model.
 */
function otherName(model, own) {
  const now = model.name === own ? " (as it is now)" : "";
  return `${model.name}${now}${model.doubts.length ? " (doubtful)" : ""}`;
}

/**
 * @param {string} name
 * @param {ModelView[]} all
 */
function absence(name, all) {
  const why = all.some((model) => model.name === name)
    ? `Model ${name} has changed since it labelled this case`
    : `Model ${name}, which labelled this case, is no longer here`;
  return `${why}, so its curves are not drawn. The numbers of this case stay as they are.`;
}

/**
 * @param {string} own
 * @param {string} chosen
 */
function consequence(own, chosen) {
  return (
    `Drawn with model ${chosen}. The picture, the files and all other numbers are still those of ` +
    `${own}; opacity needs labelling again.`
  );
}

/** @param {Result} result */
function reading({ method }) {
  return (
    "Bars: HU of the lung voxels, in the colour of the tissue that they are labelled; vertical lines: the " +
    "first HU of the next tissue. Curves: the five components of the model with its own weights, not " +
    `fitted to this CT; the numbers stand at their means. What is below ${method.clip_hu} HU counts as that.`
      .replace("-", "−")
  );
}
