/** Brings one upload to its end: sent, sent again after a pause, and accepted or refused. */

import { facts } from "../base/facts.js";
import { pack } from "./folder-zip.js";
import { LostError } from "../base/service.js";
import { transfer } from "./transfer.js";
import { tellChange } from "./upload.js";
import { bytes } from "../base/wording.js";

/** @typedef {import("./upload.js").Upload} Upload */

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
// The queue is full, or the service or a proxy before it is not ready: it will be.
const LATER = new Set([429, 502, 503, 504]);
// A refusal of which no word came looks like a lost connection, but then the service does answer.
const BREAKS = 6;

/**
 * Send an upload until it is accepted, refused or given up.
 *
 * @param {Upload} upload
 */
export async function deliver(upload) {
  try {
    await bring(upload);
  } catch (error) {
    if (upload.givenUp.signal.aborted) return;
    upload.refuse(error instanceof FilesGoneError ? error.message : String(error), false);
  }
}

/** What was chosen is no longer there, or no longer the same. */
class FilesGoneError extends Error {
  constructor() {
    super("It was moved or changed. Choose it again.");
  }
}

/** @param {Upload} upload */
async function bring(upload) {
  const body = await bodyOf(upload);
  if (body.size > facts.upload_limit) {
    // Refused after it was sent, it might not hear why.
    const most = bytes(facts.upload_limit);
    upload.refuse(`It has ${bytes(body.size)}. The service takes ${most} at most.`, false);
    return;
  }
  let breaks = 0;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const answer = await attempt(upload, body);
    if (answer === null) {
      if (!(await readable(body))) throw new FilesGoneError();
      breaks = (await serviceAnswers()) ? breaks + 1 : 0;
      if (breaks === BREAKS) {
        upload.refuse("The service answers, but breaks this upload off each time.", true);
        return;
      }
      await rest(upload, "The connection was lost.", pause);
    } else if (answer.status === 401) {
      await signedInAgain(upload);
    } else if (LATER.has(answer.status)) {
      const why = answer.content?.title ?? "The service is not ready";
      await rest(upload, `${why}.`, Math.max(pause, 1000 * answer.retryAfter));
    } else {
      settle(upload, answer);
      return;
    }
  }
}

/**
 * What is sent: a file, or the zip of a series.
 *
 * @param {Upload} upload
 * @returns {Promise<Blob>}
 */
async function bodyOf(upload) {
  const { packed, files } = upload.wanted;
  if (!packed) return files[0];
  upload.move("packing");
  try {
    const body = await pack(files);
    upload.size = body.size;
    return body;
  } catch (error) {
    for (const file of files) if (!(await readable(file))) throw new FilesGoneError();
    throw error;
  }
}

/**
 * Send it once.
 *
 * @param {Upload} upload
 * @param {Blob} body
 * @returns {Promise<import("./transfer.js").Answer | null>} Null if the connection was lost.
 */
async function attempt(upload, body) {
  const { signal } = upload.givenUp;
  signal.throwIfAborted();
  const { model, method, key } = upload.wanted;
  upload.sent = upload.speed = 0;
  upload.move("sending");
  try {
    return await transfer(`/v1/jobs?${new URLSearchParams({ model, method })}`, body, {
      headers: { "Idempotency-Key": key },
      signal,
      onProgress: (progress) => {
        Object.assign(upload, progress);
        tellChange();
      },
    });
  } catch (error) {
    if (error instanceof LostError) return null;
    throw error;
  }
}

/**
 * @param {Upload} upload
 * @param {import("./transfer.js").Answer} answer
 */
function settle(upload, { status, content }) {
  if (status === 202) {
    upload.job = content;
    upload.move("accepted");
  } else {
    // What the sender did not cause, another time may cure: 408 is an upload that stalled.
    const mayTryAgain = status >= 500 || status === 408;
    const why = content?.detail
      ? `${content.title}: ${content.detail}.`
      : `The service answered ${status}.`;
    upload.refuse(why, mayTryAgain);
  }
}

/**
 * Wait before an upload is sent again: for a time, for the network, or for the user.
 *
 * @param {Upload} upload
 * @param {string} reason
 * @param {number} pause Milliseconds.
 */
function rest(upload, reason, pause) {
  return new Promise((/** @type {(nothing: void) => void} */ resolve) => {
    const goOn = () => {
      clearTimeout(timer);
      removeEventListener("online", goOn);
      resolve();
    };
    const timer = setTimeout(goOn, pause);
    addEventListener("online", goOn);
    upload.goOn = goOn;
    upload.move("pausing", reason);
  });
}

/** @param {Upload} upload */
function signedInAgain(upload) {
  return new Promise((/** @type {(nothing: void) => void} */ resolve) => {
    upload.goOn = resolve;
    document.addEventListener("signed-in", () => resolve(), { once: true });
    upload.move("held", "Sign in, and it is sent.");
    document.dispatchEvent(new CustomEvent("signed-out"));
  });
}

/**
 * Whether a file is still what was chosen, which a failed request does not tell.
 *
 * @param {Blob} file
 */
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function serviceAnswers() {
  try {
    return (await fetch("/healthz")).ok;
  } catch {
    return false;
  }
}
