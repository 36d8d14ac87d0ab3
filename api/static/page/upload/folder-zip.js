/**
 * What was dropped or chosen, as uploads: a volume file is one, and so are the DICOM files of a
 * folder, which are sent as one zip. The service judges what is in them.
 */

const VOLUME = /\.(nrrd|nii|nii\.gz|mha|zip)$/i;
const DICOM = /\.(dcm|dicom|ima)$/i;
const UNSEEN = /(^|\/)(\.|__MACOSX\/)|(^|\/)(DICOMDIR|Thumbs\.db|desktop\.ini)$/i;
const SIGNATURE_AT = 128; // PS3.10, section 7.1
const SIGNATURE = "DICM";

// The least that a zip can tell: the same series makes the same bytes, whenever it is sent.
const NO_DATE = new Date(1980, 0, 1);

/**
 * @typedef {{file: File, path: string}} Found A file, and where it lies in what was chosen.
 * @typedef {{name: string, files: File[], packed: boolean}} Source What becomes one job.
 */

/**
 * Put files together to what becomes a job each.
 *
 * @param {Found[]} found
 * @returns {Promise<Source[]>} None if nothing among them may be a CT.
 */
export async function sources(found) {
  /** @type {Source[]} */
  const volumes = [];
  /** @type {Map<string, Found[]>} */
  const series = new Map();
  for (const one of found) {
    const folder = one.path.slice(0, Math.max(0, one.path.lastIndexOf("/")));
    if (UNSEEN.test(one.path)) continue;
    if (await isDicom(one.file)) {
      const files = series.get(folder);
      if (files) files.push(one);
      else series.set(folder, [one]);
    } else if (!folder || VOLUME.test(one.path)) {
      volumes.push({ name: one.path, files: [one.file], packed: false });
    }
  }
  const packed = [...series].map(([folder, files]) => ({
    name: folder || loose(files),
    files: files.sort(byPath).map(({ file }) => file),
    packed: true,
  }));
  return [...volumes, ...packed].sort((a, b) => compare(a.name, b.name));
}

/**
 * The files of a drop, those in its folders with the path from there.
 *
 * @param {DataTransfer} dropped Must be read before the event has passed: this does so at once.
 * @returns {Promise<Found[]>}
 */
export async function dropped(dropped) {
  const entries = [...dropped.items]
    .filter((item) => item.kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found = await Promise.all(
    entries.map(({ entry, file }) => {
      if (entry?.isDirectory) return filesBelow(/** @type {FileSystemDirectoryEntry} */ (entry));
      return file ? [{ file, path: file.name }] : [];
    }),
  );
  return found.flat();
}

/**
 * The files that were chosen, those of a folder with the path from there.
 *
 * @param {Iterable<File>} files
 * @returns {Found[]}
 */
export function chosen(files) {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

/**
 * Pack files into one zip, stored as they are. Their names are left out: a name may be a patient's.
 *
 * @param {File[]} files
 * @returns {Promise<Blob>}
 */
export async function pack(files) {
  const { downloadZip } = await import("../../client-zip/index.js");
  const members = files.map((input, at) => ({
    input,
    name: `${String(at + 1).padStart(5, "0")}.dcm`,
    lastModified: NO_DATE,
  }));
  return downloadZip(members).blob();
}

/** @param {File} file */
async function isDicom(file) {
  if (DICOM.test(file.name)) return true;
  const end = SIGNATURE_AT + SIGNATURE.length;
  return (await file.slice(SIGNATURE_AT, end).text()) === SIGNATURE;
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<Found[]>}
 */
async function filesBelow(folder) {
  const reader = folder.createReader();
  /** @type {Found[]} */
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found; // a browser gives them a hundred at a time
    for (const entry of some) {
      if (entry.isDirectory) {
        found.push(...(await filesBelow(/** @type {FileSystemDirectoryEntry} */ (entry))));
      } else {
        const file = await fileOf(/** @type {FileSystemFileEntry} */ (entry));
        found.push({ file, path: entry.fullPath.slice(1) });
      }
    }
  }
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** @param {Found[]} files */
function loose(files) {
  const [first] = [...files].sort(byPath);
  return files.length === 1 ? first.path : `${first.path} and ${files.length - 1} more`;
}

/**
 * @param {Found} a
 * @param {Found} b
 */
function byPath(a, b) {
  return compare(a.path, b.path);
}

/**
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  return a.localeCompare(b, "en", { numeric: true });
}
