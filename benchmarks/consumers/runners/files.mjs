// The request that a runner is given, and the answer that it leaves.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";

const [, , requestFile, answerFile] = process.argv;

export function readRequest() {
  const request = JSON.parse(readFileSync(requestFile, "utf8"));
  request.name = basename(request.bundle);
  request.models = `${dirname(request.bundle)}/`;
  // In Node the library takes fp32 unless told otherwise; in a browser what config.json says.
  request.settings = request.precision === "int8" ? { dtype: "q8" } : {};
  request.settings.session_options = { intraOpNumThreads: 1 };
  return request;
}

export function writeAnswer(answer) {
  writeFileSync(answerFile, JSON.stringify(answer));
}

// Return a CommonJS package of the folder that npm has installed into.
export function installed(request, name) {
  return createRequire(join(request.packages, "package.json"))(name);
}
