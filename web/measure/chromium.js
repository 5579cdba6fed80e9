// Times from opening the demo to its first decision in Chromium, on the loopback.
//
//     VIBE_ROUTER_BUNDLE=artifacts/nano VIBE_ROUTER_CHROMIUM=/usr/bin/chromium \
//     VIBE_ROUTER_PLAYWRIGHT=file:///.../playwright-core/index.mjs node web/measure/chromium.js [VISITS]
//
// Each visit has a profile of its own, so that nothing comes from a cache.
import { launch, serve } from "../test/server.js";
import { summary } from "./summary.js";

const visits = Number(process.argv[2] ?? 20);
const { server, address } = await serve(`${process.env.VIBE_ROUTER_BUNDLE}/native/model_int8.safetensors`);
const browser = await launch();
const times = [];
for (let visit = 0; visit < visits; visit++) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${address}/demo/`);
  const body = await page.waitForSelector("body[data-ready]");
  times.push(Number(await body.getAttribute("data-ready")));
  await context.close();
}
console.log(`page opened to first decision, ${visits} visits, ms: ${summary(times)}`);
await browser.close();
server.closeAllConnections();
server.close();
