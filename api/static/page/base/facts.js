/** What the service says of itself in the page, so that nothing has to be asked for first. */

/** @type {Facts} */
export const facts = JSON.parse(document.getElementById("facts")?.textContent ?? "");

/**
 * The colour of a segment, the same in every picture.
 *
 * @param {Segment} segment
 */
export function colour(segment) {
  return `rgb(${segment.rgb.join(" ")})`;
}
