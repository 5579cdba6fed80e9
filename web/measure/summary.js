/** Describe times in milliseconds by their least, their median and their most. */
export function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  return `least ${sorted[0].toFixed(3)}, median ${middle.toFixed(3)}, most ${sorted.at(-1).toFixed(3)}`;
}
