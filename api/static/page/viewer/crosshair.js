/** Two lines through a place that leave the place itself free. */

const GAP = 9;
const STROKES = [
  { style: "rgb(0 0 0 / 30%)", width: 3 },
  { style: "rgb(255 255 255 / 65%)", width: 1 },
];

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number]} place
 * @param {{width: number, height: number}} pane
 */
export function drawCrosshair(context, place, { width, height }) {
  const [x, y] = place.map((one) => Math.round(one) + 0.5); // lines of one pixel are sharp there
  for (const stroke of STROKES) {
    context.strokeStyle = stroke.style;
    context.lineWidth = stroke.width;
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(x - GAP, y);
    context.moveTo(x + GAP, y);
    context.lineTo(width, y);
    context.moveTo(x, 0);
    context.lineTo(x, y - GAP);
    context.moveTo(x, y + GAP);
    context.lineTo(x, height);
    context.stroke();
  }
}
