/** The page: which view the address names, and what stays while views change. */

import { address } from "./base/address.js";
import { fill, h } from "./base/elements.js";
import { sessionMenu, signIn } from "./session/session.js";
import { uploadPanel } from "./upload/panel.js";

/**
 * @typedef {(place: HTMLElement, signal: AbortSignal, id: string) => void} Show
 * @type {Record<import("./base/address.js").PageName, {title: string, load: () => Promise<Show>}>}
 */
const VIEWS = {
  worklist: {
    title: "Worklist",
    load: async () => (await import("./worklist/worklist.js")).showWorklist,
  },
  case: { title: "Case", load: async () => (await import("./case/case.js")).showCase },
  models: { title: "Models", load: async () => (await import("./models/models.js")).showModels },
};

const place = element("place");
const uploads = element("uploads");
let leaving = new AbortController();
let shown = "";

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** Show what the address names. */
async function show() {
  const { page, id, parameters } = address();
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  document.body.dataset.page = page;
  document.title = `${VIEWS[page].title} – gmmlabel`;
  for (const link of document.querySelectorAll("nav [data-page]")) {
    const here = link instanceof HTMLElement && link.dataset.page === page;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = await VIEWS[page].load();
  if (signal.aborted) return;
  const moved = shown !== "" && shown !== `${page} ${id}`;
  shown = `${page} ${id}`;
  view(fill(place), signal, id ?? "");
  // A reader of the screen, or of the keyboard, goes on where the new view begins.
  if (moved && parameters.size === 0) place.focus();
}

/** Ask for a token where one is needed, and then show what the address names. */
async function begin() {
  leaving.abort();
  uploads.hidden = true;
  await signIn(fill(place));
  fill(element("session"), sessionMenu());
  if (!uploads.firstChild) fill(uploads, uploadPanel()); // goes on whatever is shown
  uploads.hidden = false;
  await show();
}

/** @param {unknown} error */
function tell(error) {
  fill(
    place,
    h("p", { class: "page-failure", role: "alert" }, "The page could not be shown: ", String(error)),
    h("button", { type: "button", onclick: () => location.reload() }, "Try again"),
  );
}

let beginning = false;
async function beginOnce() {
  if (beginning) return;
  beginning = true;
  try {
    await begin();
  } catch (error) {
    tell(error);
  } finally {
    beginning = false;
  }
}

window.addEventListener("hashchange", () => {
  if (!beginning) show().catch(tell);
});
document.addEventListener("signed-out", beginOnce);
document.querySelector(".page-skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  place.focus();
});
beginOnce();
