/** The three planes of the patient, and how each is laid on the screen: seen from the feet, from
 * the front and from the left, with the patient's right on the left (radiological convention). */

/**
 * @typedef {"axial" | "coronal" | "sagittal"} PlaneName
 *
 * @typedef {object} Plane
 * @property {string} name
 * @property {string} key The key that shows it large.
 * @property {0 | 1 | 2} across Axis of the patient that runs to the right of the screen.
 * @property {0 | 1 | 2} down Axis that runs along the height of the screen.
 * @property {boolean} upward Whether `down` grows upwards.
 * @property {0 | 1 | 2} through Axis that the slices are counted along.
 * @property {[string, string, string, string]} marks What is at the left, right, top and bottom.
 */

/** @type {Record<PlaneName, Plane>} */
export const PLANES = {
  axial: {
    name: "Axial", key: "a",
    across: 0, down: 1, upward: false, through: 2,
    marks: ["R", "L", "A", "P"],
  },
  coronal: {
    name: "Coronal", key: "c",
    across: 0, down: 2, upward: true, through: 1,
    marks: ["R", "L", "S", "I"],
  },
  sagittal: {
    name: "Sagittal", key: "g",
    across: 1, down: 2, upward: true, through: 0,
    marks: ["A", "P", "S", "I"],
  },
};

export const PLANE_NAMES = /** @type {PlaneName[]} */ (Object.keys(PLANES));
