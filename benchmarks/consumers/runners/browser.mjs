// Runner of transformers.js in headless Chromium, over a server of this process.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { installed, readRequest, writeAnswer } from "./files.mjs";

const TYPES = { ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };
const PACKAGE = "/packages/@huggingface/transformers/dist/transformers.web.min.js";
const IMPORTS = {
  "onnxruntime-web": "/packages/onnxruntime-web/dist/ort.bundle.min.mjs",
  "onnxruntime-web/webgpu": "/packages/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs",
  "onnxruntime-common": "/packages/onnxruntime-common/dist/esm/index.js",
};
const PAGE = `<!doctype html><script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>`;

const request = readRequest();
const folders = {
  models: request.models,
  packages: join(request.packages, "node_modules"),
  runners: dirname(fileURLToPath(import.meta.url)),
};

const server = createServer((asked, answer) => {
  const [, folder, ...rest] = decodeURIComponent(new URL(asked.url, "http://x").pathname).split("/");
  if (folder === "") {
    answer.writeHead(200, { "content-type": "text/html" }).end(PAGE);
    return;
  }
  const file = folders[folder] && join(folders[folder], normalize(rest.join("/")));
  if (!file || !existsSync(file) || !statSync(file).isFile()) {
    answer.writeHead(404).end();
    return;
  }
  const type = TYPES[extname(file)] ?? "application/octet-stream";
  answer.writeHead(200, { "content-type": type, "content-length": statSync(file).size });
  createReadStream(file).pipe(answer);
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));

const { chromium } = installed(request, "playwright-core");
const browser = await chromium.launch({
  executablePath: request.browser,
  args: ["--no-sandbox", "--enable-unsafe-webgpu"],
});
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const inPage = { ...request, models: "/models/", settings: { ...request.settings, device: request.options.device } };
  const answer = await page.evaluate(
    async ([request, address]) => {
      const adapter = request.settings.device === "webgpu" && (await navigator.gpu?.requestAdapter());
      if (adapter === undefined || adapter === null) throw new Error("no WebGPU adapter on this machine");
      const library = await import(address);
      Object.assign(library.env.backends.onnx.wasm, { wasmPaths: "/packages/onnxruntime-web/dist/", numThreads: 1 });
      const { score } = await import("/runners/score.mjs");
      const answer = await score(library, request);
      if (adapter) answer.adapter = `${adapter.info.vendor} ${adapter.info.architecture}`;
      return answer;
    },
    [inPage, PACKAGE],
  );
  writeAnswer(answer);
} finally {
  await browser.close();
  server.close();
}
