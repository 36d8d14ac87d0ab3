/** Numbers, times and sizes as people read them. */

/** @type {Map<number, Intl.NumberFormat>} */
const FORMATS = new Map();
const MINUS = "\u2212";
const NARROW = "\u202f";

/**
 * @param {number | null | undefined} value
 * @param {number} [digits] After the point.
 */
export function number(value, digits = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  let format = FORMATS.get(digits);
  if (!format) {
    format = new Intl.NumberFormat("en", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    FORMATS.set(digits, format);
  }
  const text = format.format(value).replace("-", MINUS);
  return /[1-9]/.test(text) ? text : text.replace(MINUS, "");
}

/**
 * A difference, with its sign.
 *
 * @param {number} value
 * @param {number} [digits]
 */
export function signed(value, digits = 0) {
  const text = number(value, digits);
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function percent(value, digits = 1) {
  const text = number(value, digits);
  return text === "–" ? text : `${text}${NARROW}%`;
}

/** @param {number | null | undefined} value */
export function millilitres(value) {
  const text = number(value);
  return text === "–" ? text : `${text}${NARROW}mL`;
}

/**
 * A moment in the time of the reader: the hour of today, else the day, too.
 *
 * @param {string | null} iso
 */
export function moment(iso) {
  if (!iso) return "–";
  const then = new Date(iso);
  const today = then.toDateString() === new Date().toDateString();
  const hour = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (today) return hour;
  const day = then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  return `${day}, ${hour}`;
}

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${number(seconds, 1)}${NARROW}s`;
  if (seconds < 100) return `${number(seconds)}${NARROW}s`;
  const whole = Math.round(seconds);
  return `${number(Math.floor(whole / 60))}${NARROW}min ${whole % 60}${NARROW}s`;
}

/** @param {number} count */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  let value = count;
  let unit = 0;
  while (Math.round(value) >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, unit > 0 && value < 10 ? 1 : 0)}${NARROW}${units[unit]}`;
}
