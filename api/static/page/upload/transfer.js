/** One file on its way to the service, with its progress, which `fetch` does not tell. */

import { LostError } from "../base/service.js";

const SILENCE_MS = 60_000;
const WINDOW_MS = 3000;
const SOON_MS = 1000; // what the system takes at first is not yet sent

/**
 * What the service answered.
 *
 * @typedef {{status: number, retryAfter: number, content: any}} Answer `retryAfter` is in seconds.
 * @typedef {{sent: number, speed: number}} Progress Bytes, and bytes per second of late; 0 if it
 *   cannot be told yet.
 */

/**
 * Send a file as the body of a request.
 *
 * @param {string} path
 * @param {Blob} body
 * @param {{headers: Record<string, string>, signal: AbortSignal,
 *   onProgress: (progress: Progress) => void}} options
 * @returns {Promise<Answer>}
 * @throws {LostError | DOMException} The latter if it was given up.
 */
export function transfer(path, body, { headers, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const speed = speedometer();
    let silence = 0;
    const lost = () => reject(new LostError());
    const giveUp = () => request.abort();
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        lost();
        request.abort();
      }, SILENCE_MS);
    };
    request.open("POST", path);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => {
      listen();
      onProgress({ sent: loaded, speed: speed(loaded) });
    };
    request.upload.onload = () => clearTimeout(silence); // now the service works, in silence
    request.onload = () =>
      resolve({
        status: request.status,
        retryAfter: Number(request.getResponseHeader("Retry-After")) || 0,
        content: request.response,
      });
    request.onerror = lost;
    request.onabort = () => reject(new DOMException("given up", "AbortError"));
    request.onloadend = () => {
      clearTimeout(silence);
      signal.removeEventListener("abort", giveUp);
    };
    signal.addEventListener("abort", giveUp);
    listen();
    request.send(body);
  });
}

/** @returns {(loaded: number) => number} Bytes per second over the last moments; 0 at first. */
function speedometer() {
  /** @type {{at: number, loaded: number}[]} */
  const seen = [{ at: performance.now(), loaded: 0 }];
  return (loaded) => {
    const at = performance.now();
    seen.push({ at, loaded });
    while (seen.length > 2 && at - seen[0].at > WINDOW_MS) seen.shift();
    const first = seen[0];
    const passed = at - first.at;
    return passed < SOON_MS ? 0 : (1000 * (loaded - first.loaded)) / passed;
  };
}
