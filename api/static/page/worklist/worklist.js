/** The worklist: the CTs of this user, how far each is, and what was found. */

import { address, keep } from "../base/address.js";
import { fill, h } from "../base/elements.js";
import { MOST, followJobs } from "./job-list.js";
import { forget, nameOf } from "../base/names.js";
import { ProblemError, hasEnded, jobs } from "../base/service.js";
import { selectionBar } from "./selection.js";
import { inOrder, matches, readOrder, writeOrder } from "./order.js";
import { JobRow } from "./row.js";
import { percent } from "../base/wording.js";

/** @type {[import("./order.js").Column, string, string][]} Column, words, class. */
const COLUMNS = [
  ["name", "Name", ""],
  ["state", "State", ""],
  ["involvement", "Involvement", "num"],
  ["opacity", "Opacity", "num"],
  ["lungs", "Lungs", "num"],
  ["flags", "Flags", ""],
  ["sent", "Sent", "num"],
];

/**
 * Show the worklist.
 *
 * @param {HTMLElement} place
 * @param {AbortSignal} signal
 */
export function showWorklist(place, signal) {
  const { parameters } = address();
  let order = readOrder(parameters.get("sort"));
  let search = parameters.get("search") ?? "";
  /** @type {readonly Job[]} */
  let all = [];
  /** @type {Map<string, JobRow>} */
  const rows = new Map();
  /** @type {JobRow[]} */
  let shown = [];

  const field = h("input", {
    type: "search",
    value: search,
    placeholder: "Name, id, state or flag",
    "aria-label": "Search the worklist",
    oninput: () => {
      search = field.value;
      keep({ search: search.trim() || null });
      show();
    },
  });
  const count = h("span", { class: "worklist-count faint" });
  const news = h("p", { role: "status", class: "visually-hidden" });
  const lost = h("p", { role: "status", class: "worklist-lost faint" });
  const fault = h("p", { role: "alert", class: "worklist-refused" });
  const none = h("p", { class: "worklist-none", hidden: true });
  const body = h("tbody");
  const selection = selectionBar({ rows: () => shown, end });
  const heads = COLUMNS.map(([column, words, kind]) => {
    const button = h("button", { type: "button", onclick: () => sortBy(column) }, words);
    return {
      column,
      element: h("th", { scope: "col", class: `${kind} worklist-${column}` }, button),
    };
  });
  const table = h(
    "table",
    { class: "worklist-table", hidden: true },
    h("caption", { class: "visually-hidden" }, "CTs that were sent. A column head sorts by it."),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { class: "worklist-pick" }, selection.all),
        h("td", { class: "worklist-picture" }),
        heads.map(({ element }) => element),
        h("td", { class: "worklist-actions" }),
      ),
    ),
    body,
  );
  fill(
    place,
    h("h1", { class: "visually-hidden" }, "Worklist"),
    h("div", { class: "worklist-bar" }, field, count, selection.element),
    lost,
    fault,
    table,
    none,
    news,
  );

  const list = followJobs(
    signal,
    (found) => {
      fill(lost);
      announce(found);
      all = found;
      show();
    },
    (error) => fill(lost, error.message),
  );

  /** Show what is known now: rows stay the same elements, and move only where they must. */
  function show() {
    shown = inOrder(
      all.filter((job) => matches(job, search)),
      order,
    ).map(rowOf);
    const focused = document.activeElement;
    /** @type {Element | null} */
    let at = body.firstElementChild;
    for (const { element } of shown) {
      if (element === at) at = at.nextElementSibling;
      else body.insertBefore(element, at);
    }
    while (at) {
      const rest = at;
      at = at.nextElementSibling;
      rest.remove();
    }
    if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected)
      focused.focus({ preventScroll: true });
    const ids = new Set(all.map(({ id }) => id));
    for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
    for (const { column, element } of heads) {
      if (column === order.column)
        element.setAttribute("aria-sort", order.descending ? "descending" : "ascending");
      else element.removeAttribute("aria-sort");
    }
    table.hidden = shown.length === 0;
    none.hidden = shown.length > 0;
    if (!none.hidden) fill(none, all.length ? `No CT matches “${search.trim()}”.` : NONE);
    field.hidden = all.length === 0;
    fill(count, describe(all, shown.length));
    selection.update();
  }

  /** @param {Job} job */
  function rowOf(job) {
    const known = rows.get(job.id);
    if (known) {
      if (known.job !== job) known.update(job);
      return known;
    }
    const made = new JobRow(job, { select: selection.select, end, renamed: show });
    rows.set(job.id, made);
    return made;
  }

  /** @param {import("./order.js").Column} column */
  function sortBy(column) {
    const numbers = column !== "name" && column !== "state";
    order = { column, descending: order.column === column ? !order.descending : numbers };
    keep({ sort: writeOrder(order) });
    show();
  }

  /**
   * Cancel jobs, or delete those that have ended.
   *
   * @param {string[]} ids
   */
  async function end(ids) {
    fill(fault);
    const at = shown.findIndex(({ element }) => element.contains(document.activeElement));
    const gone = new Set();
    try {
      for (const id of ids) if (await removed(id, rows.get(id)?.job)) gone.add(id);
    } catch (error) {
      fill(fault, /** @type {Error} */ (error).message);
    }
    gone.forEach(forget);
    list.gone(gone);
    // Who works by keyboard goes on at the row that took the place of the one that went.
    const next =
      at < 0 || document.activeElement !== document.body ? null : (shown[at] ?? shown.at(-1));
    next?.element.querySelector("a")?.focus();
  }

  /** @param {readonly Job[]} found */
  function announce(found) {
    const ended = found.filter(
      (job) =>
        hasEnded(job) &&
        rows.has(job.id) &&
        !hasEnded(/** @type {JobRow} */ (rows.get(job.id)).job),
    );
    if (ended.length) fill(news, ended.map(describeEnd).join(" "));
  }
}

const NONE = "There are no CTs yet. Drop one anywhere on this page, or try the sample CT.";

/**
 * @param {string} id
 * @param {Job | undefined} job As it was when it was asked for.
 * @returns {Promise<boolean>} Whether the job is no more.
 */
async function removed(id, job) {
  try {
    if (job && !hasEnded(job)) await jobs.cancel(id);
    else return (await jobs.remove(id)) === null;
    return false;
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 404) return true;
    throw error;
  }
}

/** @param {Job} job */
function describeEnd(job) {
  const name = nameOf(job.id);
  if (job.state === "succeeded")
    return `${name}: done, involvement ${percent(job.summary?.involvement_percent)}.`;
  return job.state === "failed" ? `${name}: failed. ${job.problem?.detail ?? ""}` : "";
}

/**
 * @param {readonly Job[]} all
 * @param {number} shown
 */
function describe(all, shown) {
  if (all.length === 0) return "";
  const states = { running: "working", queued: "waiting" };
  const some = Object.entries(states).map(([state, words]) => {
    const count = all.filter((job) => job.state === state).length;
    return count > 0 && `${count} ${words}`;
  });
  const total =
    all.length === MOST ? `The newest ${MOST} CTs` : `${all.length} CT${all.length > 1 ? "s" : ""}`;
  const found = shown < all.length ? `${shown} of ${all.length} CTs` : total;
  return [found, ...some].filter(Boolean).join(" · ");
}
