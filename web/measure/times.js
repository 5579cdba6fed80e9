/** Return milliseconds of a call, each a mean of ten: clocks of pages count in tenths of a millisecond. */
export function timeCalls(call, calls) {
  const times = [];
  // The first are computed by a compiler that is quick and not good.
  for (let turn = 0; turn < 30 + calls / 10; turn++) {
    const begin = performance.now();
    for (let count = 0; count < 10; count++) call();
    if (turn >= 30) times.push((performance.now() - begin) / 10);
  }
  return times;
}
