// Decisions in Node are those of Python: VIBE_ROUTER_BUNDLE names a bundle, VIBE_ROUTER_EXPECTED what Python decided.
// VIBE_ROUTER_ANSWERS names a file for what was found, where somebody wants it.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { relative } from "node:path";
import { before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Router, VibeRouterError, WorkerRouter } from "../dist/index.js";
import { answer } from "./answer.js";

const bundle = process.env.VIBE_ROUTER_BUNDLE;
const expected = (await readFile(process.env.VIBE_ROUTER_EXPECTED, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
const file = await readFile(`${bundle}/native/model_int8.safetensors`);
const EMPTY_MODULE = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
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

const code = (wanted) => (error) => error instanceof VibeRouterError && error.code === wanted;

test("mistakes have codes", async () => {
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

test("terms of another kind are refused, so that none of them allows the cloud by mistake", () => {
  const wrong = [
    { allowCloud: 0 },
    { allowCloud: null },
    { allowCloud: "false" },
    { allow_cloud: false },
    { threshold: null },
    { threshold: "" },
    { threshold: 1n },
    { profile: null },
    { profile: Symbol("balanced") },
    { profile: `${router.profiles[0].name}\0` },
    { fallback: null },
    Object.create({ allowCloud: 0 }),
    null,
    "balanced",
  ];
  for (const terms of wrong) assert.throws(() => router.route("hi", terms), code("bad-argument"));
  const unsaid = { profile: undefined, threshold: undefined, allowCloud: undefined, fallback: undefined };
  assert.deepEqual(router.route("hi", unsaid), router.route("hi"));
});

test("what is no prompt is refused in each call", () => {
  for (const prompt of [3, null, undefined, ["hi"]]) {
    assert.throws(() => router.route(prompt), code("bad-prompt"));
    assert.throws(() => router.tokenize(prompt), code("bad-prompt"));
  }
  assert.throws(() => router.routeMany(["hi", 3]), code("bad-prompt"));
  for (const prompts of ["hi", 3, null, undefined]) assert.throws(() => router.routeMany(prompts), code("bad-argument"));
});

test("what cannot be loaded has a code, and a download that its caller ends that caller's reason", async () => {
  const path = `${bundle}/native/model_int8.safetensors`;
  for (const source of [undefined, 3, "http://"]) await assert.rejects(Router.load(source), code("bad-argument"));
  await assert.rejects(Router.load(new Uint8Array(0)), code("corrupt"));
  await assert.rejects(Router.load("http://127.0.0.1:1/"), code("not-found"));
  for (const module of [new Uint8Array(8), EMPTY_MODULE]) {
    await assert.rejects(Router.load(path, { module }), code("unavailable"));
  }
  await assert.rejects(WorkerRouter.load("http://127.0.0.1/"), code("unavailable"));
  const site = createServer((_, response) => response.writeHead(200, { "content-length": 100 }).write("x"));
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${site.address().port}/`;
  const stop = new AbortController();
  const ended = Router.load(address, { signal: stop.signal, progress: () => stop.abort(new Error("enough")) });
  await assert.rejects(ended, { message: "enough" });
  await assert.rejects(Router.load(address, { progress: () => site.closeAllConnections() }), code("not-found"));
  const mistake = new TypeError("of the caller");
  const left = new Promise((resolve) => site.once("connection", (socket) => socket.once("close", resolve)));
  await assert.rejects(Router.load(address, { progress() { throw mistake; } }), (error) => error === mistake);
  await left;
  site.close();
});

test("options that would be ignored are refused", async () => {
  for (const options of [{ cached: true }, { onProgress() {} }, { profile: "balanced" }, null, "cache"]) {
    await assert.rejects(Router.load(file, options), code("bad-argument"));
  }
  for (const options of [{ progress() {} }, { module: file }, { signal: AbortSignal.abort() }, null]) {
    await assert.rejects(WorkerRouter.load("http://127.0.0.1/", options), code("bad-argument"));
  }
});

test("a router that has been closed holds no memory, whoever keeps it", async () => {
  const bytes = () => (collect(), process.memoryUsage().arrayBuffers + process.memoryUsage().external);
  const kept = [];
  const limit = bytes() + 4 * file.length;
  for (let time = 0; time < 12; time++) {
    kept.push(await Router.load(file));
    kept.at(-1).close();
    kept.at(-1).close();
  }
  // What a collection has freed is counted a little later.
  for (let time = 0; time < 50 && bytes() > limit; time++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(bytes() < limit, `${bytes()} bytes, at most ${limit}`);
});

test("a router is loaded from a URL of a file, and from a path as Node's own calls take it", async () => {
  const path = `${bundle}/native/model_int8.safetensors`;
  for (const source of [pathToFileURL(path), pathToFileURL(path).href, path, relative(process.cwd(), path)]) {
    assert.equal((await Router.load(source)).route("hi").pCloud, router.route("hi").pCloud);
  }
});

test("the types name every call of a router, and that nobody makes one with new", async () => {
  const types = await readFile(new URL("../dist/index.d.ts", import.meta.url), "utf8");
  const calls = (from) => Object.entries(Object.getOwnPropertyDescriptors(from)).filter(([, { value }]) => typeof value === "function");
  for (const [name, made] of Object.entries({ Router, WorkerRouter })) {
    const [, block] = types.match(new RegExp(`class ${name} \\{\n([^]*?)\n\\}`));
    const named = [...block.matchAll(/^ +(?:private |static )*(\w+)\(/gm)].map(([, call]) => call);
    const there = [...calls(made), ...calls(made.prototype)].map(([call]) => call);
    assert.deepEqual(named.sort(), there.sort());
  }
});

test("many prompts leave no memory behind", () => {
  const long = "x".repeat(100_000);
  for (let time = 0; time < 8; time++) router.route(long + time);
  assert.equal(router.routeMany(["hi", "hello"]).length, 2);
});
