/** Which jobs of the worklist are shown, and in which order. */

import { flagWords } from "../base/flags.js";
import { nameOf } from "../base/names.js";
import { stateName } from "../base/stages.js";

/** @type {State[]} */
const STATES = ["running", "queued", "failed", "cancelled", "succeeded"];

/**
 * @typedef {"name" | "state" | "involvement" | "opacity" | "lungs" | "flags" | "sent"} Column
 * @typedef {{column: Column, descending: boolean}} Order
 */

/** @type {Record<Column, (job: Job) => number | string | null | undefined>} */
const VALUES = {
  name: (job) => nameOf(job.id),
  state: (job) => STATES.indexOf(job.state),
  involvement: (job) => job.summary?.involvement_percent,
  opacity: (job) => job.summary?.opacity_percent,
  lungs: (job) => job.summary?.lungs_ml,
  flags: (job) => job.summary?.flags.length,
  sent: (job) => Date.parse(job.created_at),
};

/** @type {Order} */
export const NEWEST_FIRST = { column: "sent", descending: true };

/**
 * @param {string | null} text `involvement`, or `-involvement` from high to low.
 * @returns {Order}
 */
export function readOrder(text) {
  const column = text?.replace(/^-/, "") ?? "";
  if (!(column in VALUES)) return NEWEST_FIRST;
  return { column: /** @type {Column} */ (column), descending: text !== column };
}

/** @param {Order} order */
export function writeOrder({ column, descending }) {
  const { column: usual, descending: usually } = NEWEST_FIRST;
  if (column === usual && descending === usually) return null;
  return `${descending ? "-" : ""}${column}`;
}

/**
 * Put jobs in order; those without a value come last either way.
 *
 * @param {readonly Job[]} jobs
 * @param {Order} order
 */
export function inOrder(jobs, { column, descending }) {
  const value = VALUES[column];
  const sign = descending ? -1 : 1;
  return jobs
    .map((job) => ({ job, value: value(job) ?? null }))
    .sort((a, b) => {
      if (a.value === null || b.value === null)
        return Number(a.value === null) - Number(b.value === null);
      return sign * compare(a.value, b.value);
    })
    .map(({ job }) => job);
}

/**
 * Whether all words of a search occur in what the row of a job says.
 *
 * @param {Job} job
 * @param {string} search
 */
export function matches(job, search) {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const flags = job.summary?.flags.map(flagWords) ?? [];
  const said = [
    nameOf(job.id),
    job.id,
    job.state,
    stateName(job),
    job.model?.name,
    job.method,
    ...flags,
  ]
    .join("\n")
    .toLowerCase();
  return words.every((word) => said.includes(word));
}

const COLLATOR = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/**
 * @param {number | string} a
 * @param {number | string} b
 */
function compare(a, b) {
  return typeof a === "number" && typeof b === "number"
    ? a - b
    : COLLATOR.compare(String(a), String(b));
}
