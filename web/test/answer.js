/** Return a line of what was found, as `python -m benchmarks conformance` reads it. */
export function answer({ ids, truncated }, { pCloud, threshold, target }) {
  return `${JSON.stringify({ ids, truncated, p_cloud: pCloud, threshold, target })}\n`;
}
