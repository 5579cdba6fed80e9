// Times a prompt of 16 tokens in Node.
//
//     VIBE_ROUTER_BUNDLE=artifacts/nano node web/measure/node.js [CALLS]
import { readFile } from "node:fs/promises";

import { Router } from "../dist/index.js";
import { summary } from "./summary.js";

const calls = Number(process.argv[2] ?? 500);
const PROMPT = "Write a thread-safe LRU cache in Python, and a test";
const router = await Router.load(await readFile(`${process.env.VIBE_ROUTER_BUNDLE}/native/model_int8.safetensors`));
const { ids } = router.tokenize(PROMPT);
const times = [];
for (let call = 0; call < calls + 20; call++) {
  const begin = performance.now();
  router.route(PROMPT);
  if (call >= 20) times.push(performance.now() - begin);
}
console.log(`Node ${process.version}, ${ids.length} tokens, ${calls} calls, ms: ${summary(times)}`);
