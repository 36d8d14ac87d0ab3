/** The files of a case: each by itself, the report to read, everything as one zip; and a link. */

import { copyButton } from "../base/copying.js";
import { fill, h } from "../base/elements.js";
import { jobs } from "../base/service.js";
import { bytes } from "../base/wording.js";

const REPORT = "report.html";

/**
 * What each file is, in the order of docs/output.md.
 *
 * @type {[RegExp, string][]}
 */
const MEANINGS = [
  [
    /^labels\./,
    "The most probable tissue of each lung voxel: 1 air, 2 healthy, 3 ground glass, 4 consolidation, " +
      "5 dense; 0 outside the lungs",
  ],
  [/^smoothed\./, "The same after the median"],
  [/^lungs\./, "The lungs: 1 right, 2 left, 0 outside"],
  [/^opacity\./, "1 where the lung is opaque"],
  [/^result\.json$/, "Every number"],
  [
    /^histogram\.json$/,
    "How often each HU occurs in the lungs: all that a refit needs; no name, no date, no pixel",
  ],
  [/^preview\.png$/, "Three planes, the CT and its tissues side by side"],
  [
    /^report\.html$/,
    "Pictures, numbers, quality flags and where all of it comes from, on one page that needs no network",
  ],
];

/**
 * @param {{job: Job, signal: AbortSignal}} what
 * @returns {HTMLElement}
 */
export function downloadsPanel({ job, signal }) {
  const content = h("div", {}, h("p", { class: "faint", role: "status" }, "Loading the list of files"));
  jobs.files(job.id, signal).then(
    (files) => fill(content, actions(job, files), filesTable(files)),
    (error) => {
      if (signal.aborted) return;
      fill(content, h("p", { class: "page-failure", role: "alert" }, error.message));
    },
  );
  return h(
    "section",
    { class: "panel downloads", "aria-labelledby": "downloads" },
    h("h2", { id: "downloads" }, "Downloads"),
    content,
  );
}

/**
 * @param {Job} job
 * @param {FileView[]} files
 */
function actions(job, files) {
  const report = files.find(({ name }) => name === REPORT);
  return [
    h(
      "p",
      { class: "downloads-actions" },
      report &&
        h(
          "a",
          { class: "button", href: report.path, target: "_blank", rel: "noopener" },
          "Open the report",
        ),
      h(
        "a",
        { class: "button", href: `/v1/jobs/${job.id}/files.zip`, download: true },
        "Everything as one zip",
      ),
      copyButton("Copy link to this view", () => location.href),
    ),
    h(
      "p",
      { class: "faint" },
      "The report opens in a new tab. The link opens this case as it is shown now, for whoever may see " +
        "it; names of files stay in this browser, and are not in it.",
    ),
  ];
}

/** @param {FileView[]} files */
function filesTable(files) {
  return h(
    "table",
    { class: "downloads-files" },
    h("caption", {}, "Files of this case"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "File"),
        h("th", { scope: "col" }, "What it is"),
        h("th", { scope: "col", class: "num" }, "Size"),
      ),
    ),
    h(
      "tbody",
      {},
      [...files].sort((a, b) => rank(a) - rank(b)).map(({ name, path, bytes: size }) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, h("a", { href: path, download: name }, name)),
          h("td", {}, MEANINGS.find(([pattern]) => pattern.test(name))?.[1]),
          h("td", { class: "num" }, bytes(size)),
        ),
      ),
    ),
  );
}

/** @param {FileView} file */
function rank({ name }) {
  const found = MEANINGS.findIndex(([pattern]) => pattern.test(name));
  return found < 0 ? MEANINGS.length : found;
}
