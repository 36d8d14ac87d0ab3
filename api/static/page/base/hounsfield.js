/** HU as people write them: with a true minus sign, and without a comma in the thousands. */

import { number } from "./wording.js";

/** @param {number | null | undefined} value */
export function hu(value) {
  return number(value).replaceAll(",", "");
}
