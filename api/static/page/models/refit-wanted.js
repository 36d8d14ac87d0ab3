/** What refits were asked for, kept while this tab is open, so that one can be asked for again. */

const PREFIX = "gmmlabel-refit:";

/**
 * What `POST /v1/models` is sent: see docs/api.md.
 *
 * @typedef {object} RefitWanted
 * @property {string} name
 * @property {string[]} jobs
 * @property {unknown[]} histograms
 * @property {string} prior
 * @property {number} strength_patients
 * @property {string} weights
 * @property {number} seed
 * @property {string | null} by
 * @property {boolean} [force]
 */

/**
 * @param {string} jobId
 * @param {RefitWanted} wanted
 */
export function rememberWanted(jobId, wanted) {
  try {
    sessionStorage.setItem(PREFIX + jobId, JSON.stringify(wanted));
  } catch {
    // Too many histograms: it can be asked for again with the form.
  }
}

/**
 * What a refit was asked for with; null if this tab did not ask for it.
 *
 * @param {string} jobId
 * @returns {RefitWanted | null}
 */
export function wantedOf(jobId) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + jobId) ?? "null");
  } catch {
    return null;
  }
}

/** @param {string} jobId */
export function forgetWanted(jobId) {
  try {
    sessionStorage.removeItem(PREFIX + jobId);
  } catch {
    // It was not kept.
  }
}
