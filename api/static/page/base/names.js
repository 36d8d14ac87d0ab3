/** Names of files. They may be names of patients, so they stay in this browser. */

const PREFIX = "gmmlabel-name:";

/**
 * What to call a job.
 *
 * @param {string} jobId
 */
export function nameOf(jobId) {
  return read(jobId) ?? `CT ${jobId.slice(0, 8)}`;
}

/**
 * @param {string} jobId
 * @param {string} name
 */
export function remember(jobId, name) {
  try {
    localStorage.setItem(PREFIX + jobId, name);
  } catch {
    // The browser keeps nothing: jobs are called by their ids.
  }
}

/** @param {string} jobId */
export function forget(jobId) {
  remove([PREFIX + jobId]);
}

/** Forget all names: somebody else may use this browser next. */
export function forgetAllNames() {
  try {
    remove(Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)));
  } catch {
    // There are none.
  }
}

/** @param {string} jobId */
function read(jobId) {
  try {
    return localStorage.getItem(PREFIX + jobId);
  } catch {
    return null;
  }
}

/** @param {string[]} keys */
function remove(keys) {
  try {
    for (const key of keys) localStorage.removeItem(key);
  } catch {
    // There are none.
  }
}
