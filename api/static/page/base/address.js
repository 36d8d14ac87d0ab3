/** The address of what is shown: `#/`, `#/jobs/ID`, `#/models`, each with parameters. */

/** @typedef {"worklist" | "case" | "models"} PageName */

/** @type {Record<PageName, string>} */
const PATHS = { worklist: "/", case: "/jobs/", models: "/models" };

/** What the address names; what is not known is the worklist. */
export function address() {
  const [path, query = ""] = location.hash.slice(1).split("?", 2);
  const parameters = new URLSearchParams(query);
  const id = /^\/jobs\/([0-9a-f]{32})$/.exec(path)?.[1];
  if (id) return { page: /** @type {PageName} */ ("case"), id, parameters };
  /** @type {PageName} */
  const page = path === PATHS.models ? "models" : "worklist";
  return { page, id: null, parameters };
}

/**
 * An address to link to.
 *
 * @param {PageName} page
 * @param {string} [id] Id of a job, for a case.
 * @param {URLSearchParams | Record<string, string>} [parameters]
 */
export function link(page, id = "", parameters = {}) {
  // Commas and colons are allowed there, and such links can be read.
  const query = new URLSearchParams(parameters).toString().replace(/%2C/g, ",").replace(/%3A/g, ":");
  return `#${PATHS[page]}${id}${query && `?${query}`}`;
}

/**
 * Keep how the present view is shown in its address, so that the link opens it so again.
 *
 * @param {Record<string, string | null>} changes Parameters; null removes one.
 */
export function keep(changes) {
  const { page, id, parameters } = address();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) parameters.delete(name);
    else parameters.set(name, value);
  }
  history.replaceState(null, "", link(page, id ?? "", parameters));
}
