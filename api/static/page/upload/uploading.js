/** The uploads of this page: two are sent at a time, and those not yet accepted outlive it. */

import { deliver } from "./delivering.js";
import { remember } from "../base/names.js";
import { dropPending, keepPending, pending, pendingNumbers } from "./pending.js";
import { Upload, changes, tellChange } from "./upload.js";

/** @typedef {import("./pending.js").Wanted} Wanted */

const AT_ONCE = 2;

/** @type {Upload[]} */
const uploads = [];
let active = 0;

/**
 * All that have not been put away, the oldest first.
 *
 * @returns {readonly Upload[]}
 */
export function allUploads() {
  return uploads;
}

/**
 * Send files, each source as a job of its own.
 *
 * @param {import("./folder-zip.js").Source[]} sources
 * @param {{model: string, method: string}} choice
 */
export function send(sources, choice) {
  for (const source of sources) {
    const upload = new Upload({ ...source, ...choice, key: freshKey() }, null);
    keep(upload);
    begin(upload);
  }
}

/** Take up again what an earlier page, or another that was closed, did not bring to its end. */
export async function takeUp() {
  for (const number of await pendingNumbers()) {
    alone(number, async () => {
      const wanted = await pending(number);
      if (!wanted) return;
      const upload = new Upload(wanted, number);
      begin(upload);
      await ended(upload);
    });
  }
}

/**
 * Give an upload up, or put one away that has ended.
 *
 * @param {Upload} upload
 */
export function dismiss(upload) {
  upload.givenUp.abort();
  upload.goOn();
  drop(upload);
  uploads.splice(uploads.indexOf(upload), 1);
  tellChange();
}

/**
 * Send an upload again, now.
 *
 * @param {Upload} upload
 */
export function tryAgain(upload) {
  if (upload.phase !== "refused") {
    upload.goOn();
    return;
  }
  upload.wanted = { ...upload.wanted, key: freshKey() };
  upload.move("waiting");
  next();
}

/** @param {Upload} upload */
function begin(upload) {
  uploads.push(upload);
  tellChange();
  next();
}

/** Give free places to those that wait. */
function next() {
  while (active < AT_ONCE) {
    const upload = uploads.find(({ phase }) => phase === "waiting");
    if (!upload) return;
    active += 1;
    upload.move("sending");
    bring(upload);
  }
}

/** @param {Upload} upload */
async function bring(upload) {
  await deliver(upload);
  active -= 1;
  if (upload.ended) drop(upload);
  if (upload.job) {
    remember(upload.job.id, upload.wanted.name);
    document.dispatchEvent(new CustomEvent("job-accepted", { detail: upload.job }));
  }
  next();
}

/** @param {Upload} upload */
async function keep(upload) {
  try {
    const number = await keepPending(upload.wanted);
    upload.kept = number;
    if (upload.ended) drop(upload);
    else alone(number, () => ended(upload));
  } catch {
    // The browser keeps nothing, or has no room: who leaves the page is asked first.
  }
}

/** @param {Upload} upload */
function drop(upload) {
  if (upload.kept !== null) dropPending(upload.kept);
}

/**
 * Act as the only page of this browser that cares for a kept upload.
 *
 * @param {number} number
 * @param {() => Promise<void>} act
 */
function alone(number, act) {
  // Only over https or on this machine. Elsewhere two pages may send the same: it is one job.
  if (navigator.locks) navigator.locks.request(`gmmlabel-upload-${number}`, act);
  else act();
}

/**
 * @param {Upload} upload
 * @returns {Promise<void>}
 */
function ended(upload) {
  return new Promise((resolve) => {
    const look = () => {
      if (!upload.ended) return;
      changes.removeEventListener("change", look);
      resolve();
    };
    changes.addEventListener("change", look);
    look();
  });
}

/** What no other upload has; also where the page does not come over https. */
function freshKey() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

addEventListener("beforeunload", (event) => {
  if (uploads.some((upload) => !upload.ended && upload.kept === null)) event.preventDefault();
});
