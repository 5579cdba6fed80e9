// The module and the demo in Chromium, under a strict Content-Security-Policy: decisions, worker, no network.
// VIBE_ROUTER_PLAYWRIGHT is the URL of playwright-core's module, VIBE_ROUTER_CHROMIUM the browser.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { answer } from "./answer.js";
import { launch, serve } from "./server.js";

const skip = process.env.VIBE_ROUTER_PLAYWRIGHT ? false : "VIBE_ROUTER_PLAYWRIGHT names no playwright-core";
const model = `${process.env.VIBE_ROUTER_BUNDLE}/native/model_int8.safetensors`;
let browser;
let site;
let page;
const problems = [];

before(async () => {
  if (skip) return;
  site = await serve(model);
  browser = await launch();
  page = await browser.newPage();
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(`${site.address}/test/page/`);
  await page.waitForSelector("html[data-ready]", { state: "attached" });
});

after(async () => {
  await browser?.close();
  site?.server.closeAllConnections();
  site?.server.close();
});

test("the module runs where strings are no code, and violates nothing else than the test's own attempt", { skip }, async () => {
  assert.equal(await page.evaluate(() => window.test.evaluates), false);
  await page.evaluate(() => window.test.selfTest());
  assert.deepEqual(await page.evaluate(() => window.test.violations()), ["script-src"]);
  assert.deepEqual(problems, []);
});

test("a download reports its progress up to the end", { skip }, async () => {
  const progress = await page.evaluate(() => window.test.progress);
  const size = (await readFile(model)).length;
  assert.deepEqual(progress.at(-1), [size, size]);
});

test("page and worker decide as Python", { skip }, async () => {
  const lines = (await readFile(process.env.VIBE_ROUTER_EXPECTED, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  const prompts = lines.map((line) => line.prompt);
  const here = await page.evaluate((all) => window.test.route(all), prompts);
  const there = await page.evaluate((all) => window.test.routeInWorker(all), prompts.slice(0, 60));
  const answers = here.map((found) => answer(found, found));
  if (process.env.VIBE_ROUTER_ANSWERS) await writeFile(process.env.VIBE_ROUTER_ANSWERS, answers.join(""));
  lines.forEach((line, place) => {
    const found = here[place];
    assert.deepEqual(found.ids, line.ids);
    assert.equal(found.truncated, line.truncated);
    assert.ok(Math.abs(found.pCloud - line.p_cloud) < 1e-4);
    if (Math.abs(line.p_cloud - line.threshold) > 1e-4) assert.equal(found.target, line.target);
    if (place < there.length) assert.equal(there[place].pCloud, found.pCloud);
  });
  assert.equal(await page.evaluate(() => window.test.failInWorker()), "bad-argument");
});

test("a worker has the calls of a router, and fails where it cannot answer", { skip }, async () => {
  const prompts = ["hi", "Design a distributed consensus algorithm"];
  assert.deepEqual(
    await page.evaluate((all) => window.test.manyInWorker(all), prompts),
    await page.evaluate((all) => window.test.routeInWorker(all), prompts),
  );
  assert.deepEqual(await page.evaluate(() => window.test.tokenizeInWorker("hi")), await page.evaluate(() => {
    const [{ ids, truncated }] = window.test.route(["hi"]);
    return { ids, truncated };
  }));
  assert.deepEqual(await page.evaluate(() => window.test.workersThatDoNotAnswer()), ["unavailable", "failed", "failed", "not-found"]);
});

test("what a worker cannot be sent, or is sent by mistake, is a bad argument", { skip }, async () => {
  assert.deepEqual(await page.evaluate(() => window.test.sendWhatAWorkerCannotRead()), Array(4).fill("bad-argument"));
});

test("a browser that refuses a cache has a router", { skip }, async () => {
  await page.evaluate(() => window.test.loadWithoutACache());
});

test("a page that has no memory keeps the file that it had", { skip }, async () => {
  assert.deepEqual(await page.evaluate(() => window.test.loadWithoutMemory()), ["no-memory", true]);
});

test("a file that the cache has damaged is downloaded again, and kept", { skip }, async () => {
  assert.equal(await page.evaluate(() => window.test.loadWhereTheCacheIsDamaged()), (await readFile(model)).length);
});

test("the demo routes while one types, and opens again without a server", { skip }, async () => {
  const other = await serve(model);
  const context = await browser.newContext();
  const demo = await context.newPage();
  await demo.goto(`${other.address}/demo/`);
  await demo.waitForSelector("body[data-ready]");
  await demo.fill("#prompt", "Prove that there are infinitely many primes");
  const details = await demo.textContent("#details");
  assert.match(details, /^p_cloud 0\.\d{4}, \d+ tokens/);
  await demo.fill("#threshold", "0");
  assert.match(await demo.textContent("#decision"), /^cloud/);
  await demo.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  other.server.closeAllConnections();
  await new Promise((resolve) => other.server.close(resolve));
  await demo.reload();
  await demo.waitForSelector("body[data-ready]");
  await demo.fill("#prompt", "Prove that there are infinitely many primes");
  assert.equal((await demo.textContent("#details")).split(",")[0], details.split(",")[0]);
  await context.close();
});
