// What the service says, as types: see docs/api.md and docs/output.md.

interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
}

type State = "queued" | "running" | "succeeded" | "failed" | "cancelled";

interface NamedModel {
  name: string;
  sha256: string;
}

interface Summary {
  lungs_ml: number;
  involvement_percent: number;
  involvement_score: number;
  opacity_percent: number | null;
  flags: string[];
}

interface RefitView {
  name: string;
  histograms: number;
  prior: NamedModel | null;
  strength_patients: number;
  weights: string;
}

/** A job; lists leave its result out. */
interface Job {
  id: string;
  kind: "label" | "refit";
  state: State;
  stage: string | null;
  progress: number;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  input_sha256: string;
  model: NamedModel | null;
  method: string | null;
  format: string | null;
  refit: RefitView | null;
  summary?: Summary | null;
  result: any;
  problem: Problem | null;
}

interface FileView {
  name: string;
  bytes: number;
  path: string;
}

type TissueKey = "air" | "healthy" | "ground_glass" | "consolidation" | "dense";

interface TissueMeasure {
  voxels: number;
  volume_ml: number;
  percent: number;
}

type Tissues = Record<TissueKey, TissueMeasure>;

interface Opacity {
  percent: number;
  volume_ml: number;
  high_opacity_percent: number;
}

interface Region {
  voxels: number;
  volume_ml: number;
  tissues: Tissues;
  opacity: Opacity | null;
  [measure: string]: any;
}

interface Flag {
  flag: string;
  message: string;
  value: any;
}

/** Content of `result.json` of a labelled CT. */
interface Result {
  schema_version: 1;
  software: { name: string; version: string };
  input: { name: string; sha256: string; size: number[]; spacing_mm: number[] };
  acquisition: Record<string, any>;
  method: { name: string; clip_hu: number; [number: string]: any };
  model: { name: string; sha256: string | null; boundaries_hu: number[] };
  lungs: { voxels: number; volume_ml: number };
  tissues: Tissues;
  smoothed: Tissues;
  involvement: { percent: number; score: number };
  opacity: Opacity | null;
  regions: Record<string, Region>;
  zone_scores: Record<string, any> | null;
  quality: Flag[];
  seconds: Record<string, number>;
}

/** Content of `histogram.json`. */
interface Histogram {
  first_hu: number;
  counts: number[];
  voxels: number;
  method: { name: string; clip_hu: number; [number: string]: any };
  [more: string]: any;
}

interface ModelTissue {
  tissue: TissueKey;
  mean_hu: number;
  variance_hu2: number;
  weight: number;
}

interface ModelView {
  name: string;
  sha256: string | null;
  place: string;
  boundaries_hu: number[];
  tissues: ModelTissue[];
  doubts: string[];
}

/** A value of a label map: gmmlabel/tissues.py. */
interface Segment {
  value: number;
  key: string;
  name: string;
  rgb: [number, number, number];
}

/** What the service says of itself in the page. */
interface Facts {
  version: string;
  default_model: string;
  default_method: string;
  methods: string[];
  upload_limit: number;
  tokens_needed: boolean;
  tissues: Segment[];
  lungs: Segment[];
  opacity: Segment[];
}

type MapName = "labels" | "smoothed" | "lungs" | "opacity";

/** Voxels to show before all others: those of `map` with one of `values`. */
interface Voxels {
  map: MapName;
  values: number[];
}

interface Viewer {
  highlight(what: Voxels | null): void;
}
