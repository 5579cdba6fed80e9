// Decisions in Node are those of Python: VIBE_ROUTER_BUNDLE names a bundle, VIBE_ROUTER_EXPECTED what Python decided.
// VIBE_ROUTER_ANSWERS names a file for what was found, where somebody wants it.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";

import { Router, VibeRouterError } from "../dist/index.js";
import { answer } from "./answer.js";

const bundle = process.env.VIBE_ROUTER_BUNDLE;
const expected = (await readFile(process.env.VIBE_ROUTER_EXPECTED, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
const file = await readFile(`${bundle}/native/model_int8.safetensors`);
let router;

before(async () => {
  router = await Router.load(file);
});

test("the golden sample is replayed", () => router.selfTest());

test("every prompt has Python's ids, decision and, within 1e-4, score", async () => {
  assert.ok(expected.length > 100);
  const answers = expected.map(({ prompt }) => answer(router.tokenize(prompt), router.route(prompt)));
  if (process.env.VIBE_ROUTER_ANSWERS) await writeFile(process.env.VIBE_ROUTER_ANSWERS, answers.join(""));
  for (const line of expected) {
    assert.deepEqual(router.tokenize(line.prompt), { ids: line.ids, truncated: line.truncated });
    const decision = router.route(line.prompt);
    assert.ok(Math.abs(decision.pCloud - line.p_cloud) < 1e-4, `${line.prompt}: ${decision.pCloud} ${line.p_cloud}`);
    assert.equal(decision.threshold, line.threshold);
    if (Math.abs(line.p_cloud - line.threshold) > 1e-4) assert.equal(decision.target, line.target);
    assert.equal(decision.tokens, line.ids.length);
  }
});

test("terms are those of Python's table", () => {
  assert.equal(router.route("hi", { threshold: 0 }).target, "cloud");
  const pinned = router.route("hi", { threshold: 0, allowCloud: false });
  assert.deepEqual([pinned.target, pinned.reason], ["device", "pinned"]);
  for (const { name, threshold } of router.profiles) assert.equal(router.route("hi", { profile: name }).threshold, threshold);
});

test("mistakes have codes", async () => {
  const code = (wanted) => (error) => error instanceof VibeRouterError && error.code === wanted;
  assert.throws(() => router.route("hi", { profile: "none" }), code("bad-argument"));
  assert.throws(() => router.route("hi", { threshold: 2 }), code("bad-argument"));
  assert.throws(() => router.route("hi", { fallback: "moon" }), code("bad-argument"));
  assert.throws(() => router.route(3), code("bad-prompt"));
  await assert.rejects(Router.load(file.subarray(0, file.length - 64)), code("corrupt"));
  await assert.rejects(Router.load(new Uint8Array(10)), code("corrupt"));
  await assert.rejects(Router.load("no-such-file"), code("not-found"));
  const closed = await Router.load(file);
  closed.close();
  assert.throws(() => closed.route("hi"), code("failed"));
});

test("a router is loaded from a URL of a file, and from a path as Node's own calls take it", async () => {
  const path = `${bundle}/native/model_int8.safetensors`;
  for (const source of [pathToFileURL(path), pathToFileURL(path).href, path, relative(process.cwd(), path)]) {
    assert.equal((await Router.load(source)).route("hi").pCloud, router.route("hi").pCloud);
  }
});

test("many prompts leave no memory behind", () => {
  const long = "x".repeat(100_000);
  for (let time = 0; time < 8; time++) router.route(long + time);
  assert.equal(router.routeMany(["hi", "hello"]).length, 2);
});
