/** Refits that wait, run or failed: how far each is, and what can be done about it. */

import { fill, h } from "../base/elements.js";
import { patients } from "./model-panel.js";
import { forgetWanted, rememberWanted, wantedOf } from "./refit-wanted.js";
import { hasEnded, jobs, models, ProblemError, watchJob } from "../base/service.js";
import { stateName } from "../base/stages.js";
import { moment, number } from "../base/wording.js";

/** @typedef {import("./refit-wanted.js").RefitWanted} RefitWanted */

const AT_ONCE = 3; // a browser has few connections to a service

/**
 * List refits that made no model, or not yet.
 *
 * @param {{signal: AbortSignal, onMade: (job: Job) => void}} what
 * @returns {{element: HTMLElement, show: (found: Job[]) => void,
 *   add: (job: Job, wanted: RefitWanted) => void}}
 */
export function refitJobs({ signal, onMade }) {
  const list = h("ul", { class: "refit-jobs" });
  const element = h(
    "section",
    { "aria-labelledby": "refit-jobs", hidden: true },
    h("h2", { id: "refit-jobs" }, "Refits"),
    list,
  );
  /** @type {Map<string, HTMLElement>} */
  const items = new Map();
  /** @type {string[]} */
  const waiting = [];
  let watched = 0;
  return { element, show: showFound, add };

  /** @param {Job[]} found The newest first. */
  function showFound(found) {
    const open = found.filter(({ state }) => state !== "succeeded" && state !== "cancelled");
    for (const job of open) place(job, false);
    // The oldest run first.
    for (const job of open.reverse()) if (!hasEnded(job)) watch(job.id);
  }

  /**
   * @param {Job} job
   * @param {RefitWanted} wanted
   */
  function add(job, wanted) {
    rememberWanted(job.id, wanted);
    place(job, true);
    watch(job.id);
  }

  /**
   * @param {Job} job
   * @param {boolean} first
   */
  function place(job, first) {
    items.get(job.id)?.remove();
    const item = h("li", { class: "panel" });
    items.set(job.id, item);
    if (first) list.prepend(item);
    else list.append(item);
    element.hidden = false;
    show(job);
  }

  /** @param {string} id */
  function watch(id) {
    if (watched === AT_ONCE) {
      waiting.push(id);
      return;
    }
    watched += 1;
    const item = items.get(id);
    watchJob(
      id,
      (job) => {
        show(job);
        if (hasEnded(job)) next();
        if (job.state === "succeeded") onMade(job);
      },
      signal,
      (error) => {
        const gone = error instanceof ProblemError && error.problem.status === 404;
        if (gone) leaveOut(id);
        if (gone) next();
        else if (item) fill(part(item, ".refit-fault"), error.message);
      },
    );
  }

  function next() {
    watched -= 1;
    const id = waiting.shift();
    if (id) watch(id);
  }

  /** @param {Job} job */
  function show(job) {
    const item = items.get(job.id);
    if (!item) return;
    if (job.state === "succeeded" || job.state === "cancelled") {
      leaveOut(job.id);
      return;
    }
    if (!hasEnded(job) && item.querySelector("progress")) {
      // Replaced, a button would lose the focus, and the state would be read out again.
      const words = part(item, "[role=status]");
      if (words.textContent !== stateName(job)) fill(words, stateName(job));
      item.querySelector("progress")?.setAttribute("value", String(job.progress));
      fill(part(item, ".refit-fault"));
      return;
    }
    fill(
      item,
      h(
        "p",
        { class: "refit-job" },
        h("strong", {}, job.refit?.name ?? ""),
        h("span", { role: "status" }, stateName(job)),
        h("span", { class: "faint" }, about(job)),
      ),
      hasEnded(job)
        ? null
        : h("progress", {
            max: 1,
            value: job.progress,
            "aria-label": `Progress of ${job.refit?.name}`,
          }),
      h(
        "p",
        { class: "refit-fault", role: "alert" },
        job.problem && `${job.problem.title}: ${job.problem.detail}`,
      ),
      h("p", { class: "refit-buttons" }, buttons(job)),
    );
  }

  /** @param {Job} job */
  function buttons(job) {
    if (!hasEnded(job)) return [act("Cancel", job, () => jobs.cancel(job.id))];
    const wanted = job.problem?.type.endsWith(":implausible") ? wantedOf(job.id) : null;
    return [
      wanted && act("Keep it anyway", job, async () => force(job, wanted)),
      act("Remove", job, async () => {
        await jobs.remove(job.id);
        leaveOut(job.id);
      }),
    ];
  }

  /**
   * @param {string} name
   * @param {Job} job
   * @param {() => Promise<unknown>} action
   */
  function act(name, job, action) {
    const button = h("button", { type: "button" }, name);
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await action();
      } catch (error) {
        const item = items.get(job.id);
        if (item) fill(part(item, ".refit-fault"), /** @type {Error} */ (error).message);
        button.disabled = false;
      }
    });
    return button;
  }

  /**
   * @param {Job} job
   * @param {RefitWanted} wanted
   */
  async function force(job, wanted) {
    const forced = { ...wanted, force: true };
    const made = await models.refit(forced);
    add(made, forced);
    leaveOut(job.id);
    await jobs.remove(job.id);
  }

  /** @param {string} id */
  function leaveOut(id) {
    items.get(id)?.remove();
    items.delete(id);
    forgetWanted(id);
    element.hidden = items.size === 0;
  }
}

/** @param {Job} job */
function about({ refit, created_at: created }) {
  if (!refit) return "";
  const { histograms, prior, strength_patients: strength } = refit;
  const from = `${number(histograms)} ${histograms === 1 ? "histogram" : "histograms"}`;
  const anchor = prior ? `prior ${prior.name}, worth ${patients(strength)}` : "no prior";
  return `${from} · ${anchor} · sent ${moment(created)}`;
}

/**
 * @param {HTMLElement} item
 * @param {string} selector
 */
function part(item, selector) {
  return /** @type {HTMLElement} */ (item.querySelector(selector));
}
