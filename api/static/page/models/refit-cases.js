/** What a refit is made from: labelled jobs of this user, and histogram files from elsewhere. */

import { fill, h } from "../base/elements.js";
import { nameOf } from "../base/names.js";
import { moment, number, percent } from "../base/wording.js";

/** @typedef {{name: string, document: unknown}} HistogramFile */

/**
 * Choose cases.
 *
 * @param {{labelled: Job[], chosen: string[], onChange: () => void}} what `labelled` jobs can be
 *   chosen; those with the ids in `chosen` are at first.
 * @returns {{element: HTMLElement, jobs: () => string[], histograms: () => unknown[]}}
 */
export function refitCases({ labelled, chosen, onChange }) {
  const boxes = labelled.map((job) =>
    h("input", {
      type: "checkbox",
      value: job.id,
      checked: chosen.includes(job.id),
      id: `refit-${job.id}`,
      onchange: changed,
    }),
  );
  const all = h("input", { type: "checkbox", "aria-label": "All cases", onchange: chooseAll });
  const count = h("p", { class: "refit-count", role: "status" });
  /** @type {HistogramFile[]} */
  let files = [];
  const list = h("ul", { class: "refit-files" });
  const fault = h("p", { class: "refit-fault", role: "alert" });
  const chooser = h("input", {
    type: "file",
    multiple: true,
    accept: ".json,application/json",
    class: "visually-hidden",
    id: "refit-histograms",
    onchange: () => add(chooser.files).then(() => (chooser.value = "")),
  });
  const element = h(
    "fieldset",
    { class: "refit-cases" },
    h("legend", {}, "Cases"),
    labelled.length
      ? table()
      : h("p", { class: "faint" }, "None of your jobs has labelled a CT yet."),
    h(
      "div",
      {
        class: "refit-drop",
        ondragenter: dragged,
        ondragover: dragged,
        ondragleave: dragged,
        ondrop: dropped,
      },
      chooser,
      h("label", { for: "refit-histograms", class: "button" }, "Choose histograms"),
      h(
        "span",
        { class: "faint" },
        " or drop them here: ",
        h("code", {}, "histogram.json"),
        " of other sites or of ",
        h("code", {}, "gmmlabel histogram"),
        ".",
      ),
    ),
    fault,
    list,
    count,
  );
  changed();
  return {
    element,
    jobs: () => boxes.filter((box) => box.checked).map((box) => box.value),
    histograms: () => files.map((file) => file.document),
  };

  function table() {
    const severalMethods = new Set(labelled.map((job) => job.method)).size > 1;
    return h(
      "div",
      { class: "refit-table", role: "region", tabindex: 0, "aria-label": "Your labelled cases" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col", class: "refit-box" }, all),
            h("th", { scope: "col" }, "Case"),
            h("th", { scope: "col" }, "Labelled"),
            severalMethods ? h("th", { scope: "col" }, "Method") : null,
            h("th", { scope: "col", class: "num" }, "Lungs mL"),
            h("th", { scope: "col", class: "num" }, "Involvement"),
          ),
        ),
        h(
          "tbody",
          {},
          labelled.map((job, row) =>
            h(
              "tr",
              {},
              h("td", { class: "refit-box" }, boxes[row]),
              h("td", {}, h("label", { for: boxes[row].id }, h("bdi", {}, nameOf(job.id)))),
              h("td", {}, moment(job.ended_at)),
              severalMethods ? h("td", {}, job.method) : null,
              h("td", { class: "num" }, number(job.summary?.lungs_ml)),
              h("td", { class: "num" }, percent(job.summary?.involvement_percent)),
            ),
          ),
        ),
      ),
    );
  }

  function changed() {
    const checked = boxes.filter((box) => box.checked).length;
    all.checked = checked > 0 && checked === boxes.length;
    all.indeterminate = checked > 0 && checked < boxes.length;
    const parts = [];
    if (boxes.length) parts.push(`${number(checked)} of ${number(boxes.length)} cases chosen`);
    if (files.length)
      parts.push(`${number(files.length)} histogram ${files.length === 1 ? "file" : "files"}`);
    fill(count, parts.join(", "));
    onChange();
  }

  function chooseAll() {
    for (const box of boxes) box.checked = all.checked;
    changed();
  }

  /** @param {FileList | null | undefined} added */
  async function add(added) {
    fill(fault);
    for (const file of added ?? []) {
      const document = await read(file);
      if (document) files = [...files, { name: file.name, document }];
      else fault.append(h("span", {}, `${file.name} is no histogram.json. `));
    }
    showFiles();
  }

  function showFiles() {
    fill(
      list,
      files.map((file) =>
        h(
          "li",
          {},
          h("bdi", {}, file.name),
          h(
            "button",
            {
              type: "button",
              "aria-label": `Leave out ${file.name}`,
              onclick: () => leaveOut(file),
            },
            "×",
          ),
        ),
      ),
    );
    changed();
  }

  /** @param {HistogramFile} file */
  function leaveOut(file) {
    files = files.filter((other) => other !== file);
    showFiles();
    chooser.focus();
  }

  /** @param {DragEvent} event */
  function dragged(event) {
    event.preventDefault();
    if (event.type !== "dragleave") event.stopPropagation(); // these are no CTs to upload
    const over = event.type === "dragenter" || event.type === "dragover";
    /** @type {HTMLElement} */ (event.currentTarget).classList.toggle("refit-drop-over", over);
  }

  /** @param {DragEvent} event */
  function dropped(event) {
    dragged(event);
    document.dispatchEvent(new DragEvent("dragleave")); // for what shows that CTs can be dropped
    add(event.dataTransfer?.files);
  }
}

/**
 * The document in a histogram file; null if it is none. The service checks the rest.
 *
 * @param {File} file
 */
async function read(file) {
  try {
    const document = JSON.parse(await file.text());
    return Array.isArray(document.counts) ? document : null;
  } catch {
    return null;
  }
}
