/** One job in the worklist; its cells change in place, so that focus and pictures stay. */

import { link } from "../base/address.js";
import { fill, h } from "../base/elements.js";
import { flagSentence, flagWords } from "../base/flags.js";
import { nameOf } from "../base/names.js";
import { hasEnded } from "../base/service.js";
import { stateName } from "../base/stages.js";
import { confirmed } from "./confirm.js";
import { NameCell } from "./name.js";
import { duration, moment, number, percent } from "../base/wording.js";

/**
 * What a row asks of the worklist.
 *
 * @typedef {object} Asked
 * @property {(row: JobRow, event: MouseEvent) => void} select Its box was ticked or unticked.
 * @property {(ids: string[]) => Promise<void>} end Cancel a job, or delete one that has ended.
 * @property {() => void} renamed
 */

export class JobRow {
  /**
   * @param {Job} job
   * @param {Asked} asked
   */
  constructor(job, asked) {
    this.job = job;
    this.asked = asked;
    this.told = "";
    /** @type {Map<Element, string>} What a cell shows, in short: it is filled anew if that changes. */
    this.said = new Map();
    this.box = h("input", {
      type: "checkbox",
      onclick: (/** @type {MouseEvent} */ event) => asked.select(this, event),
    });
    this.picture = h("td", { class: "worklist-picture" });
    this.name = new NameCell(asked.renamed);
    this.state = h("td", { class: "worklist-state" });
    this.involvement = h("td", { class: "num worklist-involvement" });
    this.opacity = h("td", { class: "num worklist-opacity" });
    this.lungs = h("td", { class: "num worklist-lungs" });
    this.flags = h("td", { class: "worklist-flags" });
    this.fault = h("td", { class: "worklist-fault", colspan: 4 });
    this.sent = h("td", { class: "num worklist-sent" });
    this.actions = h("td", { class: "worklist-actions" });
    this.element = h(
      "tr",
      {
        onclick: (/** @type {MouseEvent} */ event) => open(event, job.id),
        onauxclick: (/** @type {MouseEvent} */ event) => open(event, job.id),
      },
      h("td", { class: "worklist-pick" }, h("label", {}, this.box)),
      this.picture,
      this.name.element,
      this.state,
      this.involvement,
      this.opacity,
      this.lungs,
      this.flags,
      this.fault,
      this.sent,
      this.actions,
    );
    this.update(job);
  }

  /** @param {Job} job */
  update(job) {
    const told = JSON.stringify(job);
    if (told === this.told) return;
    this.told = told;
    const before = this.job.state;
    this.job = job;
    const summary = job.summary ?? null;
    const failed = job.state === "failed";
    this.element.dataset.state = job.state;
    this.name.show(job);
    this.box.setAttribute("aria-label", `Select ${nameOf(job.id)}`);
    this.say(this.picture, job.state, () => (job.state === "succeeded" ? thumbnail(job.id) : null));
    this.say(this.state, stateName(job) + job.progress, () => describeState(job));
    this.say(
      this.involvement,
      JSON.stringify(summary),
      () =>
        summary && [
          h("span", {}, percent(summary.involvement_percent)),
          h("small", {}, `score ${summary.involvement_score}`),
        ],
    );
    this.say(
      this.opacity,
      JSON.stringify(summary),
      () => summary && percent(summary.opacity_percent),
    );
    this.say(
      this.lungs,
      JSON.stringify(summary),
      () => summary && `${number(summary.lungs_ml / 1000, 2)}\u202fL`,
    );
    this.say(this.flags, JSON.stringify(summary), () =>
      [...new Set(summary?.flags)].flatMap((flag) => [
        h("span", { class: "worklist-flag", title: flagSentence(flag) }, flagWords(flag)),
        " ",
      ]),
    );
    this.say(this.fault, job.problem?.detail ?? "", () => job.problem?.detail);
    for (const cell of [this.involvement, this.opacity, this.lungs, this.flags])
      cell.hidden = failed;
    this.fault.hidden = !failed;
    const took = describeTime(job);
    this.say(this.sent, took, () => [
      h("time", { datetime: job.created_at }, moment(job.created_at)),
      h("small", {}, took),
    ]);
    if (!this.actions.hasChildNodes() || before !== job.state) this.showActions();
  }

  showActions() {
    const { id } = this.job;
    const ended = hasEnded(this.job);
    const focused = this.actions.contains(document.activeElement);
    const button = h(
      "button",
      {
        type: "button",
        onclick: () => {
          const question = ended ? "Delete with all files?" : "Cancel the job?";
          confirmed(
            this.actions,
            question,
            ended ? "Delete" : "Cancel job",
            () => this.asked.end([id]),
            () => this.showActions(),
          );
        },
      },
      ended ? "Delete" : "Cancel",
      h("span", { class: "visually-hidden" }, ` ${nameOf(id)}`),
    );
    fill(this.actions, button);
    if (focused) button.focus();
  }

  /**
   * @param {Element} cell
   * @param {string} what
   * @param {() => import("../base/elements.js").Child | import("../base/elements.js").Child[]} make
   */
  say(cell, what, make) {
    if (this.said.get(cell) === what) return;
    this.said.set(cell, what);
    fill(cell, make());
  }
}

/**
 * Open the case of a row that was clicked where there is nothing else to click.
 *
 * @param {MouseEvent} event
 * @param {string} id
 */
function open(event, id) {
  const target = /** @type {Element} */ (event.target);
  const more = event.button === 1 || event.ctrlKey || event.metaKey;
  if (event.button > 1 || target.closest("a, button, input, label") || getSelection()?.toString())
    return;
  if (more) window.open(link("case", id), "_blank", "noopener");
  else location.hash = link("case", id);
}

/** @param {string} id */
function thumbnail(id) {
  const image = h("img", {
    src: `/v1/jobs/${id}/view/thumbnail.jpg`,
    alt: "",
    loading: "lazy",
    decoding: "async",
    width: 48,
    height: 48,
  });
  image.addEventListener("error", () => image.remove()); // a job of an earlier version has none
  return image;
}

/** @param {Job} job */
function describeState(job) {
  const words = h("span", {}, stateName(job));
  if (job.state !== "running") return words;
  return [
    words,
    h("progress", { max: 1, value: job.progress, "aria-label": `Progress of ${nameOf(job.id)}` }),
  ];
}

/** @param {Job} job */
function describeTime({ started_at: started, ended_at: ended }) {
  if (!started || !ended) return "";
  return `took ${duration((Date.parse(ended) - Date.parse(started)) / 1000)}`;
}
