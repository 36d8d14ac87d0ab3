/** The panes of the picture, drawn anew after every change of what is shown. */

import { h } from "../base/elements.js";
import { lungs3d } from "./lungs-3d.js";
import { planePane } from "./plane-pane.js";
import { PLANE_NAMES } from "./planes.js";
import { MAPS } from "./tissue-list.js";
import { drawnMap } from "./view-state.js";

/**
 * @typedef {import("./view-state.js").Layout} Layout
 * @typedef {import("./plane-pane.js").Pane} Pane
 */

/**
 * Fill the stage.
 *
 * @param {HTMLElement} stage Its `data-state` is `ready` while what is wanted is on the screen.
 * @param {import("./picture.js").Picture} picture
 * @param {import("./view-state.js").ViewState} state
 * @param {string | undefined} solid Path of the volume that is drawn in 3-D.
 * @param {(shown: import("./view-state.js").Shown) => void} onDraw
 * @param {AbortSignal} signal
 * @returns {{used: () => Pane}} The pane that is alone, or was used last.
 */
export function fillStage(stage, picture, state, solid, onDraw, signal) {
  const lungs = lungs3d(state, signal);
  const panes = [...PLANE_NAMES.map((name) => planePane(name, picture, state)), lungs];
  const notice = h("p", { class: "viewer-notice", role: "status", hidden: true });
  stage.replaceChildren(...panes.map((pane) => pane.element), notice);
  let used = panes[0];
  for (const pane of panes) {
    const use = () => {
      used = pane;
    };
    pane.element.addEventListener("focusin", use);
    pane.element.addEventListener("pointerdown", use);
    pane.element.addEventListener("dblclick", () =>
      state.change({ layout: enlarged(state.shown.layout, pane) }),
    );
  }

  let due = false;
  function drawSoon() {
    if (due || signal.aborted) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      draw();
    });
  }

  function draw() {
    const { shown } = state;
    const { layout } = shown;
    stage.dataset.layout = layout;
    // All of them find their places before the first is drawn, since it takes the size it has then.
    for (const { element } of panes) element.hidden = layout !== "four" && layout !== element.dataset.pane;
    for (const pane of panes) if (!pane.element.hidden) pane.draw(shown);
    onDraw(shown);
    const map = drawnMap(shown);
    if (failed !== map) {
      failed = null;
      notice.hidden = true;
    }
    if (map === "none" || picture.labels(map) || failed) settle();
    else fetchMap(map);
  }

  let frame = 0;
  /** Two frames later the browser has put it on the screen; then there is time for 3-D. */
  function settle() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => {
        if (signal.aborted) return;
        if (stage.dataset.state !== "ready") performance.mark("viewer-drawn");
        stage.dataset.state = "ready";
        if (!lungs.element.hidden) beginLungs();
      });
    });
  }

  let begun = false;
  function beginLungs() {
    if (begun) return;
    begun = true;
    if (solid) lungs.load(solid);
    else lungs.absent();
  }

  /** @type {MapName | null} Of the maps that are asked for, the one that did not come. */
  let failed = null;
  /** @type {Set<MapName>} */
  const onTheWay = new Set();
  /** @param {MapName} map */
  function fetchMap(map) {
    stage.dataset.state = "loading";
    if (onTheWay.has(map)) return;
    onTheWay.add(map);
    picture
      .fetchMap(map)
      .catch((error) => {
        if (signal.aborted) return;
        failed = map;
        notice.textContent = `The map “${MAPS[map].name}” could not be loaded: ${error.message}.`;
        notice.hidden = false;
      })
      .finally(() => {
        onTheWay.delete(map);
        drawSoon();
      });
  }

  const observer = new ResizeObserver(drawSoon);
  observer.observe(stage);
  signal.addEventListener("abort", () => observer.disconnect());
  state.listen(drawSoon);
  return { used: () => panes.find(({ element }) => element.dataset.pane === state.shown.layout) ?? used };
}

/**
 * The layout in which a pane is alone; all panes if it is.
 *
 * @param {Layout} layout
 * @param {Pane} pane
 */
export function enlarged(layout, pane) {
  const alone = /** @type {Layout} */ (pane.element.dataset.pane);
  return layout === alone ? "four" : alone;
}
