/** Dragging with a mouse, a pen or a finger. */

/**
 * Follow drags that begin on an element, wherever they go.
 *
 * @param {HTMLElement} element
 * @param {(event: PointerEvent) => (now: PointerEvent) => void} begin Gives what follows the drag.
 */
export function followDrags(element, begin) {
  /** @type {((now: PointerEvent) => void) | null} */
  let follow = null;
  element.addEventListener("pointerdown", (event) => {
    follow = begin(event);
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    event.preventDefault();
  });
  element.addEventListener("pointermove", (event) => follow?.(event));
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    element.addEventListener(end, () => {
      follow = null;
    });
  }
  element.addEventListener("contextmenu", (event) => event.preventDefault());
}
