/** The pane of the lungs in 3-D, which are turned round by the pointer or by keys. */

import { followDrags } from "./dragging.js";
import { h } from "../base/elements.js";
import { clamp } from "./grid.js";
import { loadNiivue, startScene } from "./lungs-scene.js";
import { fetchVolume } from "./preview-volume.js";

/**
 * @typedef {import("./plane-pane.js").Pane} Pane
 * @typedef {import("./view-state.js").Shown} Shown
 * @typedef {import("./lungs-scene.js").Camera} Camera
 * @typedef {import("./lungs-scene.js").Scene} Scene
 */

const FROM_THE_FRONT = { azimuth: 180, elevation: 8, zoom: 1 };
const COMING = "3-D follows.";
const TURN = 15; // degrees for a key
const DEGREES_PER_PIXEL = 0.5;
const SIDES = ["LR", "PA", "IS"];
const ZOOM_LIMITS = [0.6, 6];

/**
 * The pane, empty until `load` is called.
 *
 * @param {import("./view-state.js").ViewState} state
 * @param {AbortSignal} signal
 * @returns {Pane & {load: (path: string) => Promise<void>, absent: () => void}}
 */
export function lungs3d(state, signal) {
  /** @type {Camera} */
  let camera = { ...FROM_THE_FRONT };
  /** @type {Scene | null} */
  let scene = null;
  const words = h("p", { class: "viewer-words" }, COMING);
  const marks = ["left", "right", "top", "bottom"].map((side) =>
    h("span", { class: `viewer-mark viewer-mark-${side}`, "aria-hidden": "true" }),
  );
  const element = h(
    "div",
    { class: "viewer-pane", "data-pane": "lungs", "data-state": "loading" },
    h("span", { class: "viewer-count", "aria-hidden": "true" }, "3-D"),
    marks,
    words,
  );
  signal.addEventListener("abort", () => scene?.end());

  /** @param {Partial<Camera>} changes */
  function turn(changes) {
    camera = { ...camera, ...changes };
    camera.elevation = clamp(camera.elevation, -90, 90);
    camera.zoom = clamp(camera.zoom, ZOOM_LIMITS[0], ZOOM_LIMITS[1]);
    lookSoon();
  }

  let due = false;
  /** Once a frame: without a graphics processor a picture takes longer than the pointer's steps. */
  function lookSoon() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      look();
    });
  }

  function look() {
    if (!scene) return;
    scene.look(camera);
    for (const [index, text] of sidesOf(camera).entries()) marks[index].textContent = text;
  }

  /** @param {string} path Of solid.nii.gz. */
  async function load(path) {
    const canvas = h("canvas", {
      class: "viewer-canvas",
      role: "img",
      tabindex: 0,
      "aria-label": "Lungs in 3-D with ground glass and consolidation; arrow keys turn them",
    });
    // Smooth edges make a picture three times as slow where there is no graphics processor.
    const antialias = navigator.hardwareConcurrency > 6;
    if (!canvas.getContext("webgl2", { alpha: false, antialias })) {
      tell("none", "3-D needs WebGL 2, which this browser does not offer here. The slices do without.");
      return;
    }
    canvas.addEventListener("webglcontextlost", () => {
      scene = null;
      canvas.remove();
      tell("error", "The graphics processor dropped the 3-D picture. ", () => load(path));
    });
    try {
      const [{ grid, voxels }] = await Promise.all([fetchVolume(path, signal), loadNiivue()]);
      if (signal.aborted) return;
      element.prepend(canvas);
      scene = await startScene(canvas, grid, voxels);
      if (signal.aborted) return scene.end();
      followPointer(canvas);
      scene.show(state.shown);
      look();
      tell("ready", "");
      performance.mark("viewer-3d-drawn");
    } catch (error) {
      if (signal.aborted) return;
      canvas.remove();
      const { message } = /** @type {Error} */ (error);
      tell("error", `The 3-D picture could not be made: ${message}. `, () => load(path));
    }
  }

  /**
   * @param {"none" | "loading" | "ready" | "error"} now
   * @param {string} text
   * @param {() => void} [again]
   */
  function tell(now, text, again) {
    element.dataset.state = now;
    words.replaceChildren(text);
    if (again) {
      const retry = () => {
        tell("loading", COMING);
        again();
      };
      words.append(h("button", { type: "button", onclick: retry }, "Draw again"));
    }
    words.hidden = text === "";
  }

  /** @param {HTMLCanvasElement} canvas */
  function followPointer(canvas) {
    followDrags(canvas, (event) => {
      const { azimuth, elevation } = camera;
      return (now) =>
        turn({
          azimuth: azimuth + DEGREES_PER_PIXEL * (now.clientX - event.clientX),
          elevation: elevation + DEGREES_PER_PIXEL * (now.clientY - event.clientY),
        });
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        turn({ zoom: camera.zoom * Math.exp(-event.deltaY / 500) });
      },
      { passive: false },
    );
  }

  return {
    element,
    load,
    /** Say that there is no volume to draw. */
    absent: () => tell("none", "There is no 3-D picture of this case."),
    /** @param {Shown} shown */
    draw: (shown) => scene?.show(shown),
    /** @param {number} factor */
    zoom(factor) {
      turn({ zoom: camera.zoom * factor });
      return true;
    },
    /** @param {KeyboardEvent} event */
    press(event) {
      /** @type {Record<string, Partial<Camera>>} */
      const turns = {
        ArrowLeft: { azimuth: camera.azimuth - TURN },
        ArrowRight: { azimuth: camera.azimuth + TURN },
        ArrowUp: { elevation: camera.elevation - TURN },
        ArrowDown: { elevation: camera.elevation + TURN },
        Home: FROM_THE_FRONT,
      };
      if (!(event.key in turns)) return false;
      turn(turns[event.key]);
      return true;
    },
  };
}

/**
 * Sides of the patient at the left, the right, the top and the bottom of the screen.
 *
 * @param {Camera} camera
 */
function sidesOf({ azimuth, elevation }) {
  const [turned, raised] = [azimuth - 180, elevation].map((degrees) => (degrees * Math.PI) / 180);
  const right = [-Math.cos(turned), Math.sin(turned), 0];
  const tilt = -Math.sin(raised);
  const up = [tilt * Math.sin(turned), tilt * Math.cos(turned), Math.cos(raised)];
  const opposite = (/** @type {number[]} */ one) => one.map((part) => -part);
  return [opposite(right), right, up, opposite(up)].map(sideName);
}

/**
 * @param {number[]} direction RAS.
 */
function sideName(direction) {
  return direction
    .map((part, axis) => ({ size: Math.abs(part), letter: SIDES[axis][Number(part > 0)] }))
    .filter(({ size }) => size > 0.4)
    .sort((one, other) => other.size - one.size)
    .map(({ letter }) => letter)
    .join("");
}
