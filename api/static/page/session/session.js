/** Who is signed in: the name and "Sign out" in the header, and nothing left to the next user. */

import { fill, h } from "../base/elements.js";
import { facts } from "../base/facts.js";
import { forgetAllNames } from "../base/names.js";
import { forgetAll } from "../upload/pending.js";
import { LostError, ProblemError, ask } from "../base/service.js";
import { askForToken, tellFault } from "./token-form.js";

const PATH = "/v1/session";
const AGAIN_MS = 2000;
const INVALID = "This is no valid token, or it was revoked.";

/** @typedef {{name: string | null}} Session */

/** Who was here last, so that the next one finds nothing of theirs. */
const user = {
  key: "gmmlabel-user",
  get() {
    try {
      return localStorage.getItem(this.key);
    } catch {
      return null;
    }
  },
  /** @param {string | null} name */
  set(name) {
    try {
      if (name === null) localStorage.removeItem(this.key);
      else if (name !== this.get()) localStorage.setItem(this.key, name);
    } catch {
      // The browser keeps nothing, so that nothing is left of anybody.
    }
  },
};

/** @type {Session} */
let session = { name: null };
const menu = h("div", { class: "session-menu" });

/**
 * Whose token this browser sends; null if it has none that is valid.
 *
 * @returns {Promise<Session | null>}
 */
export async function signedIn() {
  if (!facts.tokens_needed) return { name: null };
  try {
    return await ask(PATH);
  } catch (error) {
    if (unknown(error)) return null;
    throw error;
  }
}

/**
 * Wait until somebody is signed in; ask for a token if one is needed.
 *
 * @param {HTMLElement} place Where the form is shown.
 */
export async function signIn(place) {
  session = (await known(place)) ?? (await asked(place));
  if (session.name !== null) {
    const before = user.get();
    user.set(session.name);
    // What is left of another user - names of files, uploads - is not for this one.
    if (before !== null && before !== session.name) await leaveNothing();
  }
  fill(place);
  document.dispatchEvent(new CustomEvent("signed-in"));
}

/** The name of the token and "Sign out"; empty where no token is needed. */
export function sessionMenu() {
  fill(menu);
  if (session.name === null) return menu;
  return fill(
    menu,
    h("span", { class: "session-name" }, session.name),
    h("button", { type: "button", onclick: signOut }, "Sign out"),
  );
}

/**
 * The session, however long the service is away.
 *
 * @param {HTMLElement} place
 */
async function known(place) {
  for (;;) {
    try {
      return await signedIn();
    } catch (error) {
      if (!(error instanceof LostError)) throw error;
      fill(place, h("p", { class: "session-lost", role: "status" }, error.message));
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/**
 * @param {HTMLElement} place
 * @returns {Promise<Session>}
 */
function asked(place) {
  document.body.dataset.page = "sign-in";
  document.title = "Sign in – gmmlabel";
  fill(menu);
  return askForToken(place, exchange);
}

/**
 * Give the token for a cookie that scripts cannot read.
 *
 * @param {string} token
 * @returns {Promise<Session>}
 */
async function exchange(token) {
  if (!/^[!-~]+$/.test(token)) throw new Error(INVALID); // no header can hold it
  try {
    await ask(PATH, { method: "POST", headers: { Authorization: `Bearer ${token}` } });
  } catch (error) {
    throw unknown(error) ? new Error(INVALID) : error;
  }
  const session = await signedIn();
  if (!session) throw new Error("This browser does not keep the cookie that stands for the token.");
  return session;
}

/** @param {unknown} error */
function unknown(error) {
  return error instanceof ProblemError && error.problem.status === 401;
}

/** Others may use this computer: the page begins anew, and holds nothing of this user. */
async function signOut() {
  try {
    await ask(PATH, { method: "DELETE" });
  } catch (error) {
    if (!unknown(error)) {
      menu.append(h("p", { class: "session-fault", role: "alert" }, tellFault(error)));
      return;
    }
  }
  user.set(null);
  history.replaceState(null, "", "#/");
  await leaveNothing();
}

async function leaveNothing() {
  await forgetAll();
  forgetAllNames(); // last: an upload that was accepted meanwhile had one
  sessionStorage.clear();
  location.reload();
  return new Promise(() => {}); // nothing is shown until then
}

// Somebody signed out, or another one in, in another tab.
addEventListener("storage", (event) => {
  if (event.key === user.key && event.oldValue !== null) location.reload();
});
