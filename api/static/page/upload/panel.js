/** Where CTs come in: dropped anywhere on the page, chosen, or the sample; and how far they are. */

import { fill, h, s } from "../base/elements.js";
import { chosen, dropped, sources } from "./folder-zip.js";
import { uploadChoice } from "./choice.js";
import { uploadList } from "./list.js";
import { send, takeUp } from "./uploading.js";

const FORMATS = ".nrrd, .nii.gz, .mha, or DICOM: files, a folder or a .zip";
const SAMPLE = "/sample.nrrd";

/** @typedef {import("./folder-zip.js").Found} Found */

/** Made once: uploads go on whatever view is shown. @returns {HTMLElement} */
export function uploadPanel() {
  const fault = h("p", { class: "upload-fault", role: "alert" });
  const { element: choiceElement, choice } = uploadChoice();

  /** @param {() => Found[] | Promise<Found[]>} give */
  const take = async (give) => {
    fill(fault);
    try {
      const found = await give();
      const taken = await sources(found);
      if (taken.length) send(taken, choice());
      else fill(fault, found.length ? NOTHING : EMPTY);
    } catch (error) {
      fill(fault, `This could not be read: ${/** @type {Error} */ (error).message}`);
    }
  };

  const files = chooser({ multiple: true }, take);
  const folder = chooser({ webkitdirectory: true }, take);
  const sample = h(
    "button",
    { type: "button", onclick: () => take(() => sampleFile(sample)) },
    "Try the sample CT",
  );
  const veil = h(
    "div",
    { class: "upload-veil", hidden: true, "aria-hidden": "true" },
    h("p", {}, "Drop to label"),
  );
  takeDrops(veil, take);
  takeUp();
  return h(
    "section",
    { class: "upload", "aria-label": "Upload" },
    h(
      "div",
      { class: "upload-zone" },
      h(
        "button",
        { type: "button", class: "upload-choose", onclick: () => files.click() },
        arrow(),
        h(
          "span",
          {},
          h("strong", { class: "upload-by-mouse" }, "Drop chest CTs here, or choose files"),
          h("strong", { class: "upload-by-hand" }, "Choose chest CTs"),
          h("small", {}, FORMATS),
        ),
      ),
      h(
        "div",
        { class: "upload-more" },
        h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder"),
        sample,
      ),
      choiceElement,
    ),
    files,
    folder,
    fault,
    uploadList(),
    veil,
  );
}

const EMPTY = "The folder is empty.";
const NOTHING = `There is no CT in it. What can be sent: ${FORMATS}.`;

/**
 * @param {Record<string, boolean>} kind
 * @param {(give: () => Found[]) => void} take
 */
function chooser(kind, take) {
  const input = h("input", {
    type: "file",
    hidden: true,
    ...kind,
    onchange: () => {
      const found = chosen(input.files ?? []);
      input.value = ""; // so that the same can be chosen again
      take(() => found);
    },
  });
  return input;
}

/**
 * @param {HTMLButtonElement} button
 * @returns {Promise<Found[]>}
 */
async function sampleFile(button) {
  button.disabled = true;
  try {
    const answer = await fetch(SAMPLE);
    if (!answer.ok) throw new Error(`the service answered ${answer.status}.`);
    return [{ file: new File([await answer.blob()], "Sample CT"), path: "Sample CT" }];
  } finally {
    button.disabled = false;
  }
}

/**
 * Take what is dropped anywhere on the page.
 *
 * @param {HTMLElement} veil Shown while files are over the page.
 * @param {(give: () => Promise<Found[]>) => void} take
 */
function takeDrops(veil, take) {
  const show = (/** @type {boolean} */ over) => {
    veil.hidden = !over || document.body.dataset.page === "sign-in";
  };
  document.addEventListener("dragenter", (event) => hasFiles(event) && show(true));
  document.addEventListener("dragleave", (event) => event.relatedTarget || show(false));
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    show(false);
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault(); // or the browser would open the file instead of the page
    if (document.body.dataset.page === "sign-in") return;
    const found = dropped(event.dataTransfer);
    take(() => found);
  });
}

/** @param {DragEvent} event */
function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

function arrow() {
  return s(
    "svg",
    { viewBox: "0 0 24 24", width: 28, height: 28, "aria-hidden": "true", class: "upload-arrow" },
    s("path", { d: "M12 16V4m0 0L7 9m5-5 5 5M4 15v4h16v-4" }),
  );
}
