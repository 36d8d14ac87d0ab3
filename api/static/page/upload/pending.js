/** Uploads that the service has not accepted, kept in this browser over a reload. */

const DATABASE = "gmmlabel";
const STORE = "uploads";

/**
 * What is sent, and how the service is to work on it.
 *
 * @typedef {object} Wanted
 * @property {string} name What the user calls it; it stays in this browser.
 * @property {File[]} files One that is sent as it is, or those of a DICOM series.
 * @property {boolean} packed Whether the files are sent as one zip.
 * @property {string} model
 * @property {string} method
 * @property {string} key Sent again with this `Idempotency-Key`, it is the same job.
 */

/**
 * Keep an upload, files and all.
 *
 * @param {Wanted} wanted
 * @returns {Promise<number>} Under which it is kept.
 * @throws {DOMException} If the browser keeps nothing, or has no room.
 */
export async function keepPending(wanted) {
  return /** @type {Promise<number>} */ (
    done(await store("readwrite"), (kept) => kept.add(wanted))
  );
}

/**
 * What is kept under a number, unless it has been dropped.
 *
 * @param {number} number
 * @returns {Promise<Wanted | undefined>}
 */
export async function pending(number) {
  return done(await store("readonly"), (kept) => kept.get(number));
}

/** The numbers of all that is kept, the oldest first; none if the browser keeps nothing. */
export async function pendingNumbers() {
  try {
    const numbers = await done(await store("readonly"), (kept) => kept.getAllKeys());
    return /** @type {number[]} */ (numbers);
  } catch {
    return [];
  }
}

/** @param {number} number */
export async function dropPending(number) {
  await done(await store("readwrite"), (kept) => kept.delete(number));
}

/** Drop all that is kept: somebody else may use this browser next. */
export async function forgetAll() {
  try {
    await done(await store("readwrite"), (kept) => kept.clear());
  } catch {
    // There is nothing.
  }
}

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

/** @param {IDBTransactionMode} mode */
async function store(mode) {
  opened ??= open();
  return (await opened).transaction(STORE, mode).objectStore(STORE);
}

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore(STORE, { autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Wait until what is asked of the store is on disk.
 *
 * @template T
 * @param {IDBObjectStore} kept
 * @param {(kept: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
function done(kept, act) {
  return new Promise((resolve, reject) => {
    const request = act(kept);
    kept.transaction.oncomplete = () => resolve(request.result);
    kept.transaction.onabort = () => reject(kept.transaction.error);
  });
}
