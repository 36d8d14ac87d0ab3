// What this page uses of NiiVue 0.69.0 (../niivue).

declare namespace niivue {
  class Niivue {
    constructor(options: Record<string, unknown>);
    gl: WebGL2RenderingContext;
    extentsMin: ArrayLike<number>;
    extentsMax: ArrayLike<number>;
    furthestFromPivot: number;
    scene: { volScaleMultiplier: number };
    attachToCanvas(canvas: HTMLCanvasElement, antialias?: boolean | null): Promise<Niivue>;
    addMesh(mesh: NVMesh): void;
    setCustomMeshShader(fragmentShader: string, name: string): number;
    setRenderAzimuthElevation(azimuth: number, elevation: number): void;
    drawScene(): void;
    cleanup(): void;
  }

  class NVMesh {
    constructor(
      points: Float32Array,
      triangles: Uint32Array,
      name: string,
      rgba255: Uint8Array,
      opacity: number,
      visible: boolean,
      gl: WebGL2RenderingContext,
    );
    opacity: number;
    visible: boolean;
    meshShaderIndex: number;
  }

  const SLICE_TYPE: { RENDER: number };
}
