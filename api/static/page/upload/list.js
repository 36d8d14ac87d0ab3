/** The uploads on their way: how far each is, and what the service said if it refused one. */

import { address, link } from "../base/address.js";
import { fill, h } from "../base/elements.js";
import { changes } from "./upload.js";
import { allUploads, dismiss, tryAgain } from "./uploading.js";
import { bytes, duration, number } from "../base/wording.js";

/** @typedef {import("./upload.js").Upload} Upload */

/** @returns {HTMLElement} */
export function uploadList() {
  /** @type {Map<Upload, ReturnType<typeof row>>} */
  const rows = new Map();
  const list = h("ul", { class: "upload-list", "aria-label": "Uploads" });
  const count = h("span", { class: "faint" });
  const cancelAll = h(
    "button",
    { type: "button", onclick: () => [...allUploads()].forEach(dismiss) },
    "Cancel all",
  );
  const several = h("div", { class: "upload-several" }, count, cancelAll);
  const status = h("p", { role: "status", class: "visually-hidden" });
  const element = h("div", {}, several, list, status);

  const show = () => {
    const uploads = allUploads();
    for (const upload of uploads) {
      if (rows.has(upload)) continue;
      const made = row(upload, (words) => fill(status, words));
      rows.set(upload, made);
      list.append(made.element);
    }
    for (const [upload, { element: gone, update }] of rows) {
      if (uploads.includes(upload)) update();
      else rows.delete(upload) && gone.remove();
    }
    const waiting = uploads.filter((upload) => !upload.ended).length;
    several.hidden = waiting < 2;
    fill(count, `${waiting} uploads`);
  };
  changes.addEventListener("change", () => {
    putAwayWhatTheWorklistShows();
    show();
  });
  addEventListener("hashchange", putAwayWhatTheWorklistShows);
  show();
  return element;
}

/** There a new job has its row; elsewhere, and for a CT that was there before, a link is left. */
function putAwayWhatTheWorklistShows() {
  if (address().page !== "worklist") return;
  const shown = allUploads().filter(({ job }) => job && job.state !== "succeeded");
  shown.forEach(dismiss);
}

/**
 * @param {Upload} upload
 * @param {(words: string) => void} announce
 */
function row(upload, announce) {
  const { name } = upload.wanted;
  const words = h("span", { class: "upload-words number" });
  const bar = h("progress", { max: 1, "aria-label": `Upload of ${name}` });
  const again = h("button", { type: "button", onclick: () => tryAgain(upload) }, "Try again");
  const open = h("a", { class: "button" }, "Open");
  const cancel = h("button", { type: "button", onclick: () => dismiss(upload) });
  const element = h(
    "li",
    {},
    h("bdi", { class: "upload-name", title: name }, name),
    words,
    h("span", { class: "upload-actions" }, again, open, cancel),
    bar,
  );
  let before = "";
  const update = () => {
    const { phase, job } = upload;
    fill(words, describe(upload));
    const known = phase === "sending" && upload.sent > 0;
    if (known) bar.value = upload.sent / upload.size;
    else if (phase === "waiting" || phase === "pausing") bar.value = 0;
    else bar.removeAttribute("value");
    if (phase === before) return;
    before = phase;
    element.dataset.phase = phase;
    bar.hidden = phase === "refused" || phase === "accepted";
    again.hidden = !(
      phase === "pausing" ||
      phase === "held" ||
      (phase === "refused" && upload.mayTryAgain)
    );
    open.hidden = !job;
    if (job) open.href = link("case", job.id);
    fill(
      cancel,
      bar.hidden ? "Dismiss" : "Cancel",
      h("span", { class: "visually-hidden" }, ` ${name}`),
    );
    if (bar.hidden || phase === "pausing") announce(`${name}: ${describe(upload)}`);
  };
  return { element, update };
}

/** @param {Upload} upload */
function describe(upload) {
  switch (upload.phase) {
    case "waiting":
      return "Waiting for its turn";
    case "packing":
      return `Packing ${upload.wanted.files.length} files`;
    case "sending":
      return describeSending(upload);
    case "pausing":
      return `${upload.reason} It is sent again by itself.`;
    case "accepted":
      return upload.job?.state === "succeeded" ? "Labelled before" : "The service has it";
    default:
      return upload.reason;
  }
}

/** @param {Upload} upload */
function describeSending({ sent, size, speed }) {
  if (sent >= size) return "Sent; the service takes it in";
  const far = `${bytes(sent)} of ${bytes(size)}`;
  if (!speed) return far;
  return `${far} · ${bytes(speed)}/s · ${left((size - sent) / speed)} left`;
}

/** @param {number} seconds */
function left(seconds) {
  const whole = Math.ceil(seconds);
  return whole < 10 ? `${number(whole)}\u202fs` : duration(whole);
}
