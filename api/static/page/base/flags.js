/** Quality flags in a word or two, and in a sentence that holds for every case: docs/measures.md. */

/** @type {Record<string, [words: string, sentence: string]>} */
const FLAGS = {
  input_note: ["note", "The reader noted something about the input."],
  implausible_model: ["model", "The model was refused as implausible and saved all the same."],
  lung_volume: ["lung volume", "The lungs are smaller or larger than lungs are."],
  lung_proportion: [
    "proportion",
    "One lung is small against the other, or a part of it was missed.",
  ],
  sides_not_told: ["sides", "Left and right lung could not be told apart."],
  dense_repair: ["repair", "Dense tissue at the chest wall was added to the lungs."],
  airway_leak: ["airways", "Much was taken out as airways; some of it may be lung."],
  lungs_at_edge: ["at edge", "The lungs reach the edge of the image."],
  lungs_cut_off: ["cut off", "The lungs run through the first or last slice."],
  thick_slices: ["thick slices", "Thick slices blur vessels and small lesions."],
  contrast: ["contrast", "Contrast medium makes lung and vessels denser."],
  noise: ["noise", "Noise alone moves voxels between tissues."],
  motion: ["motion", "The patient moved or breathed, or slices are missing."],
  hu_calibration: ["HU", "Air or soft tissue does not have the HU it should have."],
  expiration: ["expiration", "The lungs are small and dense: breathed out, or ill all over."],
};

/** @param {string} flag */
export function flagWords(flag) {
  return FLAGS[flag]?.[0] ?? flag.replaceAll("_", " ");
}

/** @param {string} flag */
export function flagSentence(flag) {
  return FLAGS[flag]?.[1] ?? "";
}
