/** What can be done with the rows that are ticked. */

import { link } from "../base/address.js";
import { fill, h } from "../base/elements.js";
import { hasEnded } from "../base/service.js";
import { confirmed } from "./confirm.js";

/** @typedef {import("./row.js").JobRow} JobRow */

/**
 * @param {object} options
 * @param {() => JobRow[]} options.rows Those that are shown, from above downwards.
 * @param {(ids: string[]) => Promise<void>} options.end Cancel jobs, or delete those that have ended.
 * @returns {{element: HTMLElement, all: HTMLElement, update: () => void,
 *   select: (row: JobRow, event: MouseEvent) => void}} `all` ticks all rows, `select` is for the
 *   box of a row, `update` for when rows have changed.
 */
export function selectionBar({ rows, end }) {
  /** @type {JobRow | null} */
  let last = null;
  const box = h("input", {
    type: "checkbox",
    "aria-label": "Select all that are shown",
    onclick: () => {
      for (const row of rows()) row.box.checked = box.checked;
      update();
    },
  });
  const words = h("span", {});
  const refit = h("a", { class: "button" }, "Refit from these");
  const ending = h("span", { class: "worklist-ending" });
  const element = h(
    "div",
    { class: "worklist-selection", role: "group", "aria-label": "Selected CTs", hidden: true },
    words,
    refit,
    ending,
  );

  /** @type {Map<string, string>} */
  let offered = new Map();

  const ticked = () => rows().filter((row) => row.box.checked);

  /** @param {Map<string, string>} states */
  function offer(states) {
    offered = states;
    const chosen = ticked().map(({ job }) => job);
    const unfinished = chosen.filter((job) => !hasEnded(job)).map(({ id }) => id);
    const ended = chosen.filter(hasEnded).map(({ id }) => id);
    fill(
      ending,
      unfinished.length > 0 &&
        asking(`Cancel ${unfinished.length}`, `Cancel ${count(unfinished)}?`, unfinished),
      ended.length > 0 &&
        asking(`Delete ${ended.length}`, `Delete ${count(ended)} with all files?`, ended),
    );
  }

  /**
   * @param {string} label
   * @param {string} question
   * @param {string[]} ids
   */
  function asking(label, question, ids) {
    return h(
      "button",
      {
        type: "button",
        onclick: () =>
          confirmed(
            ending,
            question,
            label,
            () => end(ids),
            () => offer(offered),
          ),
      },
      label,
    );
  }

  function update() {
    const shown = rows();
    const chosen = shown.filter((row) => row.box.checked);
    box.checked = shown.length > 0 && chosen.length === shown.length;
    box.indeterminate = chosen.length > 0 && !box.checked;
    element.hidden = chosen.length === 0;
    fill(words, `${chosen.length} selected`);
    const done = chosen.filter(({ job }) => job.state === "succeeded").map(({ job }) => job.id);
    refit.hidden = done.length === 0;
    refit.href = link("models", "", { refit: done.join(",") });
    const states = new Map(chosen.map(({ job }) => [job.id, job.state]));
    const same =
      states.size === offered.size && [...states].every(([id, state]) => offered.get(id) === state);
    if (!same) offer(states); // else a question that is asked stays
  }

  /**
   * @param {JobRow} row
   * @param {MouseEvent} event With shift, all from the last box on become as this one.
   */
  function select(row, event) {
    const shown = rows();
    const from = last ? shown.indexOf(last) : -1;
    if (event.shiftKey && from >= 0) {
      const [first, until] = [from, shown.indexOf(row)].sort((a, b) => a - b);
      for (const one of shown.slice(first, until + 1)) one.box.checked = row.box.checked;
    }
    last = row;
    update();
  }

  return { element, all: box, update, select };
}

/** @param {string[]} ids */
function count(ids) {
  return `${ids.length} CT${ids.length > 1 ? "s" : ""}`;
}
