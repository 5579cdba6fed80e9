// Times from opening the demo to its first decision in Chromium, on the loopback, and prints them as JSON.
//
// `python -m benchmarks web` calls it: VIBE_ROUTER_BUNDLE, VIBE_ROUTER_CHROMIUM, VIBE_ROUTER_PLAYWRIGHT; [VISITS].
// Each visit has a profile of its own, so that nothing comes from a cache.
import { launch, serve } from "../test/server.js";

const visits = Number(process.argv[2] ?? 20);
const { server, address } = await serve(`${process.env.VIBE_ROUTER_BUNDLE}/native/model_int8.safetensors`);
const browser = await launch();
const times = [];
// The first visit also starts processes of the browser, and is not counted.
for (let visit = 0; visit <= visits; visit++) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${address}/demo/`);
  const body = await page.waitForSelector("body[data-ready]");
  if (visit) times.push(Number(await body.getAttribute("data-ready")));
  await context.close();
}
console.log(JSON.stringify({ times }));
await browser.close();
server.closeAllConnections();
server.close();
