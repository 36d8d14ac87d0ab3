/** One job: how far it is while it works, and then what it found. */

import { link } from "../base/address.js";
import { downloadsPanel } from "./downloads.js";
import { fill, h } from "../base/elements.js";
import { histogramPanel } from "./histogram.js";
import { nameOf } from "../base/names.js";
import { numbersPanel } from "./numbers.js";
import { hasEnded, jobs, ProblemError, watchJob } from "../base/service.js";
import { stateName } from "../base/stages.js";
import { showViewer } from "../viewer/viewer.js";
import { duration, moment } from "../base/wording.js";

/**
 * Show a job.
 *
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 * @param {string} id
 */
export function showCase(place, signal, id) {
  const name = nameOf(id);
  document.title = `${name} – gmmlabel`;
  const about = h("p", { class: "case-about" });
  const content = h("div", { class: "case-content" });
  fill(
    place,
    h(
      "header",
      { class: "case-header" },
      h("h1", {}, h("bdi", {}, name)),
      about,
    ),
    content,
  );
  const progress = h("div", { class: "panel case-progress" });
  watchJob(
    id,
    (job) => {
      fill(about, describe(job));
      if (job.state === "succeeded") {
        showFindings(content, signal, job).catch((error) => {
          if (!signal.aborted) fill(content, failure(String(error.message ?? error)));
        });
      } else if (hasEnded(job)) {
        fill(content, job.problem ? failure(job.problem.detail, job.problem.title) : null, back());
      } else {
        if (!progress.isConnected) fill(content, progress);
        showProgress(progress, job);
      }
    },
    signal,
    (error) => {
      if (error instanceof ProblemError) fill(content, failure(error.message), back());
      else if (progress.isConnected) fill(about, error.message);
      else fill(content, failure(error.message));
    },
  );
}

/** @param {Job} job */
function describe(job) {
  const seconds =
    job.started_at && job.ended_at
      ? (Date.parse(job.ended_at) - Date.parse(job.started_at)) / 1000
      : null;
  return [
    stateName(job),
    job.model && `model ${job.model.name}`,
    job.method && `method ${job.method}`,
    `sent ${moment(job.created_at)}`,
    seconds !== null && `took ${duration(seconds)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

/**
 * @param {HTMLElement} place
 * @param {Job} job
 */
function showProgress(place, job) {
  const bar = place.querySelector("progress");
  const words = place.querySelector("[role=status]");
  if (bar && words) {
    bar.value = job.progress;
    if (words.textContent !== stateName(job)) words.textContent = stateName(job);
    return;
  }
  fill(
    place,
    h("p", { role: "status" }, stateName(job)),
    h("progress", { "aria-label": "Progress", max: 1, value: job.progress }),
    h("p", {}, h("button", { type: "button", onclick: () => cancel(place, job.id) }, "Cancel")),
    h("p", { class: "faint" }, "The page can be closed: the service goes on."),
  );
}

/**
 * @param {HTMLElement} place
 * @param {string} id
 */
async function cancel(place, id) {
  const button = place.querySelector("button");
  if (button) button.disabled = true;
  try {
    await jobs.cancel(id); // the events tell how it ends
  } catch (error) {
    place.append(failure(/** @type {Error} */ (error).message));
    if (button) button.disabled = false;
  }
}

/**
 * @param {HTMLElement} content
 * @param {AbortSignal} signal
 * @param {Job} job
 */
async function showFindings(content, signal, job) {
  if (job.kind === "refit") {
    const name = job.refit?.name ?? "";
    fill(
      content,
      h("p", {}, "This job made the model ", h("a", { href: link("models", "", { compare: name }) }, name), "."),
    );
    return;
  }
  /** @type {Result} */
  const result = job.result;
  const picture = h("section", { class: "case-picture", "aria-label": "Picture" });
  /** @type {Viewer | null} */
  let viewer = null;
  fill(
    content,
    h(
      "div",
      { class: "case-columns" },
      picture,
      numbersPanel({ job, result, highlight: (what) => viewer?.highlight(what) }),
      histogramPanel({ job, result, signal }),
    ),
    downloadsPanel({ job, signal }),
  );
  const view = await jobs.view(job.id, signal);
  if (view.length) {
    viewer = await showViewer(picture, signal, { job, result, view });
  } else {
    fill(picture, failure("This job has no picture volumes; its report below has pictures."));
  }
}

/**
 * @param {string} detail
 * @param {string} [title]
 */
function failure(detail, title) {
  return h(
    "div",
    { class: "page-failure", role: "alert" },
    title ? h("h2", {}, title) : null,
    h("p", {}, detail),
  );
}

function back() {
  return h("p", {}, h("a", { href: link("worklist") }, "Back to the worklist"));
}
