/** Ground glass and consolidation inside translucent lungs, drawn by NiiVue. */

import { h } from "../base/elements.js";
import { surfaceOf } from "./surface.js";
import { SEGMENTS } from "./view-state.js";

/**
 * @typedef {import("./view-state.js").Shown} Shown
 * @typedef {import("./surface.js").Surface} Surface
 *
 * @typedef {object} Camera
 * @property {number} azimuth Degrees; 180 looks from the front.
 * @property {number} elevation Degrees; 90 looks from above.
 * @property {number} zoom At 1 the lungs fill the pane.
 *
 * @typedef {object} Scene
 * @property {(camera: Camera) => void} look
 * @property {(shown: Shown) => void} show Hide the lesions that are hidden.
 * @property {() => void} end Give the graphics memory back.
 */

const NIIVUE = "/static/niivue/niivue.umd.js";

// Values of solid.nii.gz: 1 and 2 are the lungs, 3 and 4 the lesions in them.
const LESIONS = [
  { value: 4, tissue: "consolidation", opacity: 1 },
  { value: 3, tissue: "ground_glass", opacity: 0.8 },
];

const LUNG_RGB = [178, 200, 216];
const SHADER_HEAD = `#version 300 es
precision highp int;
precision highp float;
uniform float opacity;
in vec4 vClr;
in vec3 vN;
out vec4 color;
`;
// Clear where it faces the eye, and seen at its rim, as glass is.
const GLASS = `${SHADER_HEAD}
void main() {
  float facing = abs(normalize(vN).z);
  float rim = pow(1.0 - facing, 2.5);
  color = vec4(vClr.rgb * (0.6 + 0.4 * facing), opacity * mix(0.10, 0.62, rim));
}`;
// The colour of the legend, shaded by a light at the eye and one from above.
const MATT = `${SHADER_HEAD}
void main() {
  vec3 n = normalize(vN);
  float light = 0.42 + 0.46 * abs(n.z) + 0.16 * max(n.y, 0.0);
  color = vec4(vClr.rgb * min(light, 1.0), opacity);
}`;

/** @type {Promise<void> | null} */
let script = null;

/** NiiVue is large, so it comes only when there is something for it to draw. */
export function loadNiivue() {
  script ??= new Promise((resolve, reject) => {
    const failed = () => {
      script = null;
      reject(new Error("the program that draws it did not come"));
    };
    document.head.append(h("script", { src: NIIVUE, onload: () => resolve(), onerror: failed }));
  });
  return script;
}

/**
 * Far walls of the lungs, then lesions, then near walls: so that each lies over what is behind it.
 *
 * @param {HTMLCanvasElement} canvas With a WebGL 2 context.
 * @param {import("./grid.js").Grid} grid
 * @param {Int16Array | Uint8Array} solid
 * @returns {Promise<Scene>}
 */
export async function startScene(canvas, grid, solid) {
  const nv = new niivue.Niivue({
    backColor: [0.063, 0.071, 0.086, 1],
    dragAndDropEnabled: false,
    interactive: false,
    loadingText: "",
    logLevel: "error",
    show3Dcrosshair: false,
    sliceType: niivue.SLICE_TYPE.RENDER,
  });
  await nv.attachToCanvas(canvas, false); // it has its context, and that its own edges
  const glass = nv.setCustomMeshShader(GLASS, "glass");
  const matt = nv.setCustomMeshShader(MATT, "matt");
  /**
   * @param {string} name
   * @param {Surface} surface
   * @param {number[]} rgb
   * @param {number} opacity
   * @param {number} shader
   */
  const add = (name, { points, triangles }, rgb, opacity, shader) => {
    const mesh = new niivue.NVMesh(points, triangles, name, Uint8Array.of(...rgb, 255), opacity, true, nv.gl);
    mesh.meshShaderIndex = shader;
    nv.addMesh(mesh);
    return mesh;
  };
  const walls = surfaceOf(solid, grid, (value) => value > 0, { blurs: 2, level: 0.5 });
  add("far walls", turnedOver(walls), LUNG_RGB, 0.8, glass);
  /** @type {{mesh: niivue.NVMesh, tissue: string, value: number}[]} */
  const lesions = [];
  for (const { value, tissue, opacity } of LESIONS) {
    const surface = surfaceOf(solid, grid, (one) => one === value, { blurs: 1, level: 0.4 });
    if (surface.triangles.length) {
      const rgb = SEGMENTS.smoothed.find((one) => one.key === tissue)?.rgb ?? [255, 255, 255];
      lesions.push({ mesh: add(tissue, surface, rgb, opacity, matt), tissue, value });
    }
  }
  add("near walls", walls, LUNG_RGB, 0.8, glass);
  const fit = fitOf(nv);
  return {
    look({ azimuth, elevation, zoom }) {
      nv.scene.volScaleMultiplier = fit * zoom;
      nv.setRenderAzimuthElevation(azimuth, elevation);
    },
    show({ hidden, highlight }) {
      const pointed = lesions.some(({ value }) => isPointedAt(highlight, value));
      const changed = lesions.filter(({ mesh, tissue, value }) => {
        const visible = pointed ? isPointedAt(highlight, value) : !hidden.includes(tissue);
        return mesh.visible !== visible;
      });
      for (const { mesh } of changed) mesh.visible = !mesh.visible;
      if (changed.length) nv.drawScene();
    },
    end() {
      nv.cleanup();
      nv.gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

/**
 * @param {Shown["highlight"]} highlight
 * @param {number} value Of a tissue.
 */
function isPointedAt(highlight, value) {
  const ofTissues = highlight?.map === "labels" || highlight?.map === "smoothed";
  return ofTissues && highlight.values.includes(value);
}

/**
 * The same surface seen from its other side.
 *
 * @param {Surface} surface
 * @returns {Surface}
 */
function turnedOver({ points, triangles }) {
  const turned = triangles.slice();
  for (let corner = 0; corner < turned.length; corner += 3) {
    [turned[corner], turned[corner + 1]] = [turned[corner + 1], turned[corner]];
  }
  return { points, triangles: turned };
}

/**
 * How much larger than NiiVue draws them the lungs can be drawn: it leaves room for their diagonal.
 *
 * @param {niivue.Niivue} nv
 */
function fitOf({ extentsMin, extentsMax, furthestFromPivot }) {
  const [width, depth, height] = [0, 1, 2].map((axis) => (extentsMax[axis] - extentsMin[axis]) / 2);
  return (0.8 * furthestFromPivot) / (1.06 * Math.max(width, height + 0.14 * depth));
}
