/**
 * The mathematics of a mixture over HU, as gmmlabel has it: a label is the most probable tissue of
 * an HU, so a histogram says what any model makes of a CT. No elements, no requests.
 */

/**
 * @typedef {Pick<ModelView, "tissues">} Mixture
 * @typedef {Pick<Histogram, "first_hu" | "counts">} Counts
 */

export const LAST_HU = 3071; // of a histogram: what is denser is counted with it
export const LABELS = 5;

/** What each score of the involvement stands for. */
export const SCORE_CLASSES = [
  "0.0\u202f%", "below 5\u202f%", "5 to 25\u202f%", "25 to 50\u202f%", "50 to 75\u202f%", "above 75\u202f%",
];

/**
 * The weighted density of a component: its share of the voxels per HU.
 *
 * @param {ModelTissue} tissue
 * @param {number} hu
 */
export function density(tissue, hu) {
  return Math.exp(logPosterior(tissue, hu)) / Math.sqrt(2 * Math.PI);
}

/**
 * How probable each tissue is at an HU.
 *
 * @param {Mixture} model
 * @param {number} hu
 * @returns {number[]} In the order of the tissues; their sum is 1.
 */
export function probabilities(model, hu) {
  const logs = model.tissues.map((tissue) => logPosterior(tissue, hu));
  const largest = Math.max(...logs); // far from all means every density would be 0
  const parts = logs.map((log) => Math.exp(log - largest));
  const sum = total(parts);
  return parts.map((part) => part / sum);
}

/**
 * The most probable tissue of each HU.
 *
 * @param {Mixture} model
 * @param {number} firstHu
 * @param {number} lastHu
 * @returns {Uint8Array} Labels 1 to 5, from `firstHu` up to and with `lastHu`.
 */
export function labelsByHu(model, firstHu, lastHu) {
  const labels = new Uint8Array(lastHu - firstHu + 1);
  for (let index = 0; index < labels.length; index += 1) {
    let best = -Infinity;
    model.tissues.forEach((tissue, place) => {
      const log = logPosterior(tissue, firstHu + index);
      if (log > best) {
        best = log;
        labels[index] = place + 1;
      }
    });
  }
  return labels;
}

/**
 * Every HU above the first whose label is not that of the HU below it.
 *
 * @param {ArrayLike<number>} labels As of `labelsByHu`.
 * @param {number} firstHu
 */
export function boundaries(labels, firstHu) {
  const found = [];
  for (let index = 1; index < labels.length; index += 1) {
    if (labels[index] !== labels[index - 1]) found.push(firstHu + index);
  }
  return found;
}

/**
 * Voxels of each tissue. What lies below the first HU of a histogram is counted in its first bin,
 * and labelled as that HU is, as the method does with all below its `clip_hu`.
 *
 * @param {Counts} histogram
 * @param {Mixture} model
 * @returns {number[]} In the order of the tissues.
 */
export function voxels(histogram, model) {
  const { first_hu: first, counts } = histogram;
  const labels = labelsByHu(model, first, first + counts.length - 1);
  const found = new Array(LABELS).fill(0);
  counts.forEach((count, index) => (found[labels[index] - 1] += count));
  return found;
}

/**
 * Share of each tissue in the lungs, in percent.
 *
 * @param {Counts} histogram
 * @param {Mixture} model
 */
export function percentages(histogram, model) {
  const found = voxels(histogram, model);
  const all = Math.max(1, total(found));
  return found.map((count) => (100 * count) / all);
}

/**
 * Ground glass and consolidation in percent of the lungs without dense tissue.
 *
 * @param {number[]} tissues Their voxels or percentages. A percentage on the limit of a class may
 *   be moved by rounding; voxels are not.
 * @returns {{percent: number, score: number}}
 */
export function involvement(tissues) {
  const [, , groundGlass, consolidation, dense] = tissues;
  const counted = total(tissues) - dense;
  const percent = counted ? (100 * (groundGlass + consolidation)) / counted : 0;
  return { percent, score: score(percent) };
}

/** @param {number} percent */
function score(percent) {
  if (Number(percent.toFixed(1)) <= 0) return 0;
  if (percent < 5) return 1;
  return 2 + [25, 50, 75].filter((above) => percent > above).length;
}

/**
 * Log of weight and density, but for the factor that all normal densities have. In the same steps
 * as gmmlabel takes them, so that it is the same number.
 *
 * @param {ModelTissue} tissue
 * @param {number} hu
 */
function logPosterior({ mean_hu: mean, variance_hu2: variance, weight }, hu) {
  const away = hu - mean;
  return Math.log(weight) - 0.5 * (Math.log(variance) + (away * away) / variance);
}

/** @param {number[]} parts */
function total(parts) {
  return parts.reduce((sum, part) => sum + part, 0);
}
