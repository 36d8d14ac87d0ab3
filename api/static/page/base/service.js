/** Requests to the service, and the problems that it answers. */

const RETRY_MS = 2000;

/** The service refused a request, or a job failed; `problem.detail` says why and what to do. */
export class ProblemError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }

  /** The last part of its type, which programs can rely on. */
  get word() {
    return this.problem.type.split(":").at(-1) ?? "";
  }
}

/** No answer came: the service or the network is away. */
export class LostError extends Error {
  constructor() {
    super("The service does not answer. It is asked again by itself.");
  }
}

/**
 * Ask the service.
 *
 * @param {string} path
 * @param {{method?: string, json?: unknown, body?: BodyInit, headers?: Record<string, string>,
 *   signal?: AbortSignal}} [options] `json` is sent as such a document.
 * @returns {Promise<any>} The answer's document; null if it has none.
 * @throws {ProblemError | LostError}
 */
export async function ask(path, { method, json, body, headers = {}, signal } = {}) {
  if (json !== undefined) {
    body = JSON.stringify(json);
    headers = { ...headers, "Content-Type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(path, { method, body, headers, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new LostError();
  }
  if (!answer.ok) throw await refused(answer);
  return answer.status === 204 ? null : answer.json();
}

/**
 * What an answer says is wrong. Where a token is missing, the page is told to ask for one.
 *
 * @param {Response} answer
 */
async function refused(answer) {
  const told = await answer.json().catch(() => null);
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("signed-out"));
  return new ProblemError(
    told?.detail
      ? told
      : {
          type: "about:blank",
          title: answer.statusText,
          status: answer.status,
          detail: `The service answered ${answer.status} ${answer.statusText}.`,
        },
  );
}

const of = (/** @type {string} */ id) => `/v1/jobs/${id}`;

export const jobs = {
  /**
   * The jobs of this user, the newest first, without their results.
   *
   * @param {{limit?: number, kind?: Job["kind"], state?: State, signal?: AbortSignal}} [options]
   * @returns {Promise<Job[]>}
   */
  async list({ limit = 1000, kind, state, signal } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (kind) query.set("kind", kind);
    if (state) query.set("state", state);
    return (await ask(`/v1/jobs?${query}`, { signal })).jobs;
  },

  /**
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<Job>}
   */
  get: (id, signal) => ask(of(id), { signal }),

  /**
   * Cancel a job; one that has ended meanwhile stays.
   *
   * @param {string} id
   * @returns {Promise<Job>}
   */
  cancel: (id) => ask(`${of(id)}?cancel=true`, { method: "DELETE" }),

  /**
   * Cancel a job that has not ended; remove one that has.
   *
   * @param {string} id
   * @returns {Promise<Job | null>} The cancelled job; null if it was removed.
   */
  remove: (id) => ask(of(id), { method: "DELETE" }),

  /**
   * The files of the case folder.
   *
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<FileView[]>}
   */
  files: async (id, signal) => (await ask(`${of(id)}/files`, { signal })).files,

  /**
   * The files that the viewer shows.
   *
   * @param {string} id
   * @param {AbortSignal} [signal]
   * @returns {Promise<FileView[]>}
   */
  view: async (id, signal) => (await ask(`${of(id)}/view`, { signal })).files,
};

export const models = {
  /**
   * @param {AbortSignal} [signal]
   * @returns {Promise<ModelView[]>}
   */
  list: async (signal) => (await ask("/v1/models", { signal })).models,

  /**
   * Ask for a new model.
   *
   * @param {unknown} wanted
   * @returns {Promise<Job>}
   */
  refit: (wanted) => ask("/v1/models", { method: "POST", json: wanted }),
};

/** @param {Job} job */
export function hasEnded(job) {
  return job.state !== "queued" && job.state !== "running";
}

/**
 * Follow a job until it has ended, also over lost connections.
 *
 * @param {string} id
 * @param {(job: Job) => void} onJob Is told the job each time it changes.
 * @param {AbortSignal} signal
 * @param {(error: Error) => void} [onError] Is told that the job is gone, or the service is away.
 */
export function watchJob(id, onJob, signal, onError = () => {}) {
  const stream = new EventSource(`${of(id)}/events`);
  signal.addEventListener("abort", () => stream.close());
  stream.addEventListener("job", (event) => {
    const job = /** @type {Job} */ (JSON.parse(event.data));
    if (hasEnded(job)) stream.close();
    if (!signal.aborted) onJob(job);
  });
  stream.addEventListener("error", async () => {
    if (signal.aborted) return;
    // The browser tries again by itself after a break, but not after a refusal.
    const refusedForGood = stream.readyState === EventSource.CLOSED;
    try {
      const job = await jobs.get(id, signal);
      onJob(job);
      if (hasEnded(job)) stream.close();
      else if (refusedForGood) setTimeout(again, RETRY_MS);
    } catch (error) {
      if (signal.aborted) return;
      onError(/** @type {Error} */ (error));
      if (error instanceof ProblemError && error.problem.status < 500) stream.close();
      else if (refusedForGood) setTimeout(again, RETRY_MS);
    }
  });
  const again = () => signal.aborted || watchJob(id, onJob, signal, onError);
}
