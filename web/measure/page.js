// Times a prompt in a page of Chromium, and prints JSON. `python -m benchmarks web` calls it, as visits.js; [CALLS].
import { launch, serve } from "../test/server.js";

const calls = Number(process.argv[2] ?? 400);
const { server, address } = await serve(`${process.env.VIBE_ROUTER_BUNDLE}/native/model_int8.safetensors`);
const browser = await launch();
const page = await browser.newPage();
const modules = [];
page.on("request", (request) => modules.push(request.url()));
await page.goto(`${address}/demo/`);
await page.waitForSelector("body[data-ready]");
const found = await page.evaluate(
  async ({ prompt, calls }) => {
    const { Router } = await import("/dist/index.js");
    const { timeCalls } = await import("/measure/times.js");
    const router = await Router.load("/demo/model.safetensors");
    return { tokens: router.tokenize(prompt).ids.length, times: timeCalls(() => router.route(prompt), calls) };
  },
  { prompt: process.env.VIBE_ROUTER_PROMPT, calls },
);
const relaxed = modules.some((url) => url.endsWith("_relaxed.wasm"));
console.log(JSON.stringify({ version: browser.version(), relaxed, ...found }));
await browser.close();
server.closeAllConnections();
server.close();
