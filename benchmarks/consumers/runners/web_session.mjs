// Runner of onnxruntime-web alone, in WebAssembly under Node. It has no tokenizer: the ids are those of the request.

import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { installed, readRequest, writeAnswer } from "./files.mjs";

const request = readRequest();
const ort = installed(request, "onnxruntime-web");
ort.env.wasm.numThreads = 1;
const graph = join(request.bundle, request.graph);
const weights = `${graph}_data`;
const started = performance.now();
const externalData = existsSync(weights) ? [{ path: basename(weights), data: readFileSync(weights) }] : [];
const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData });
const answer = { load_ms: performance.now() - started, ids: request.ids, p: [], ms: [] };
for (const ids of request.ids) {
  const shape = [1, ids.length];
  const before = performance.now();
  const { p_cloud } = await session.run({
    input_ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), shape),
    attention_mask: new ort.Tensor("int64", new BigInt64Array(ids.length).fill(1n), shape),
  });
  answer.ms.push(performance.now() - before);
  answer.p.push(p_cloud.data[0]);
}
writeAnswer(answer);
