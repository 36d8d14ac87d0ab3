/** The numbers of a case as text for a spreadsheet: a line for each region, tabs between values. */

import { facts } from "../base/facts.js";

/**
 * @param {Result} result
 * @returns {string} With the names and the full digits of `result.json`; what is not known is empty.
 */
export function regionsText(result) {
  const lines = Object.entries(result.regions).map(([name, region]) => {
    const whole = name === "both";
    return new Map([
      ["region", name],
      ["volume_ml", region.volume_ml],
      ["involvement_percent", whole ? result.involvement.percent : null],
      ["involvement_score", whole ? result.involvement.score : null],
      ["opacity_percent", region.opacity?.percent],
      ["opacity_ml", region.opacity?.volume_ml],
      ["high_opacity_percent", region.opacity?.high_opacity_percent],
      ["zone_score", whole ? result.zone_scores?.sum : result.zone_scores?.zones[name]],
      ...facts.tissues.flatMap(({ key }) => {
        const { volume_ml: volume, percent } = region.tissues[/** @type {TissueKey} */ (key)];
        return /** @type {[string, number][]} */ ([
          [`${key}_ml`, volume],
          [`${key}_percent`, percent],
        ]);
      }),
      ...Object.entries(region.densitometry),
    ]);
  });
  const rows = [[...lines[0].keys()], ...lines.map((line) => [...line.values()])];
  return rows.map((row) => row.map((cell) => cell ?? "").join("\t")).join("\n");
}
