/** How far a job is, in words. */

/** @type {Record<string, string>} */
const STAGES = {
  read: "Reading the upload",
  lungs: "Finding the lungs",
  label: "Labelling tissues",
  opacity: "Finding opacity",
  write: "Writing files",
  view: "Preparing the picture",
  fit: "Fitting the mixture",
};

/** @type {Record<State, string>} */
const STATES = {
  queued: "Waiting",
  running: "Working",
  succeeded: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

/**
 * The state of a job, or the stage of one that runs.
 *
 * @param {Job} job
 */
export function stateName(job) {
  return (job.state === "running" && job.stage && STAGES[job.stage]) || STATES[job.state];
}
