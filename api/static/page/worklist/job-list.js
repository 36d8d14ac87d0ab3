/** The labelling jobs of this user, as they are now. */

import { hasEnded, jobs } from "../base/service.js";

const BUSY_MS = 1000;
const QUIET_MS = 10_000;
const NEW = 20; // that may have come from elsewhere since the last look
export const MOST = 1000;

/**
 * Follow the jobs, the newest first.
 *
 * All of them are asked for now and then; while some have not ended, the newest as far as those.
 *
 * @param {AbortSignal} signal
 * @param {(jobs: readonly Job[]) => void} onJobs
 * @param {(error: Error) => void} onError
 * @returns {{gone: (ids: Set<string>) => void, look: () => void}} `gone` says which jobs were
 *   removed; `look` asks at once.
 */
export function followJobs(signal, onJobs, onError) {
  /** @type {Job[]} */
  let known = [];
  let timer = 0;
  let allAt = -Infinity;
  let asking = new AbortController();

  async function look() {
    clearTimeout(timer);
    asking.abort(); // an older answer may not know of what has come or gone since
    asking = new AbortController();
    const limit = performance.now() - allAt < QUIET_MS ? newest() : MOST;
    const { signal: given } = asking;
    try {
      const found = await jobs.list({ kind: "label", limit, signal: given });
      if (limit === MOST) allAt = performance.now();
      known = found.length < limit ? found : [...found, ...olderThan(found, known)];
      onJobs(known);
    } catch (error) {
      if (given.aborted) return;
      onError(/** @type {Error} */ (error));
    }
    const busy = known.some((job) => !hasEnded(job)) && !document.hidden;
    timer = setTimeout(look, busy ? BUSY_MS : QUIET_MS);
  }

  /** How many jobs reach to the oldest that has not ended. */
  function newest() {
    const ended = [...known].reverse().findIndex((job) => !hasEnded(job));
    return Math.min(MOST, NEW + (ended < 0 ? 0 : known.length - ended));
  }

  /** @param {Job} job */
  function accept(job) {
    known = [job, ...known.filter(({ id }) => id !== job.id)];
    onJobs(known);
    look();
  }

  /** @param {Set<string>} ids */
  function gone(ids) {
    known = known.filter(({ id }) => !ids.has(id));
    onJobs(known);
    look();
  }

  document.addEventListener(
    "job-accepted",
    (event) => accept(/** @type {CustomEvent<Job>} */ (event).detail),
    { signal },
  );
  document.addEventListener("visibilitychange", () => document.hidden || look(), { signal });
  addEventListener("online", look, { signal });
  addEventListener("offline", look, { signal });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    asking.abort();
  });
  look();
  return { gone, look };
}

/**
 * @param {Job[]} found
 * @param {Job[]} known
 */
function olderThan(found, known) {
  const ids = new Set(found.map(({ id }) => id));
  const oldest = Date.parse(found[found.length - 1].created_at);
  return known.filter((job) => !ids.has(job.id) && Date.parse(job.created_at) <= oldest);
}
