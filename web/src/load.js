// The module and a router's file: from a URL, from the browser's cache, in Node from the disk.
import { VibeRouterError } from "./errors.js";

const CACHE = "vibe-router";
// Not a literal where it is imported: bundlers for pages would look for it.
const NODE_FILES = "node:fs/promises";
const NODE_URLS = "node:url";
// A module with one relaxed instruction, which engines without them refuse.
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11,
];

function hasRelaxedSimd() {
  return WebAssembly.validate(new Uint8Array(RELAXED));
}

/** Compile and start the module; without a `source` the one next to this file. */
export async function instantiate(source = nextToThisFile()) {
  try {
    return await start(await compile(source));
  } catch (error) {
    if (error instanceof VibeRouterError) throw error;
    // An engine without SIMD, a policy that forbids WebAssembly, or a module that is none.
    throw new VibeRouterError("unavailable", `the module cannot be started: ${error.message}`);
  }
}

async function start(module) {
  // The C library of WASI imports these; none is called but where it aborts.
  const imports = Object.fromEntries(
    WebAssembly.Module.imports(module).map(({ module: from, name }) => [from, name]).reduce((map, [from, name]) => {
      map.set(from, { ...map.get(from), [name]: name === "proc_exit" ? abort : () => 52 });
      return map;
    }, new Map()),
  );
  const { exports } = await WebAssembly.instantiate(module, imports);
  exports._initialize?.();
  if (!exports.vibe_router_open_memory) throw new VibeRouterError("unavailable", "the module is not that of this library");
  return exports;
}

function abort(code) {
  throw new VibeRouterError("failed", `the library ended with ${code}`);
}

function isBytes(source) {
  return source instanceof ArrayBuffer || ArrayBuffer.isView(source);
}

// Two literals, so that bundlers find both files.
function nextToThisFile() {
  if (hasRelaxedSimd()) return new URL("./vibe_router_relaxed.wasm", import.meta.url);
  return new URL("./vibe_router.wasm", import.meta.url);
}

async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (isBytes(source)) return WebAssembly.compile(source);
  const url = await locate(source);
  if (url.protocol === "file:") return WebAssembly.compile(await readFromDisk(url));
  const response = await fetched(url);
  // Compiles while the bytes arrive; servers that do not know the type are common.
  if (response.headers.get("content-type") === "application/wasm") return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Return the URL of what a page names relative to itself, and a program of Node by a path. */
export async function locate(source) {
  try {
    return await urlOf(source);
  } catch (error) {
    throw new VibeRouterError("bad-argument", `the file is named neither by a URL nor by a path: ${error.message}`);
  }
}

async function urlOf(source) {
  if (globalThis.location) return new URL(source, globalThis.location.href);
  // A single letter before the colon is a drive of Windows.
  if (source instanceof URL || /^[a-z][a-z0-9+.-]+:/i.test(source)) return new URL(source);
  const { pathToFileURL } = await import(/* webpackIgnore: true */ /* @vite-ignore */ NODE_URLS);
  return pathToFileURL(source);
}

async function readFromDisk(url) {
  const { readFile } = await import(/* webpackIgnore: true */ /* @vite-ignore */ NODE_FILES);
  try {
    return await readFile(url);
  } catch (error) {
    throw new VibeRouterError("not-found", error.message);
  }
}

async function fetched(url, options) {
  const response = await fetch(url, options).catch((error) => unread(url, error, options?.signal));
  if (!response.ok) throw new VibeRouterError("not-found", `${url}: ${response.status}`);
  return response;
}

/** Throw what a download failed with: the caller's own reason, or that the file cannot be read. */
function unread(url, error, signal) {
  if (signal?.aborted) throw error;
  throw new VibeRouterError("not-found", `${url}: ${error.cause?.message ?? error.message}`);
}

/** Return what the Cache API has at a URL. A browser that refuses a cache, or cannot read it, has none. */
async function cached(url) {
  try {
    const store = await caches.open(CACHE);
    const kept = await store.match(url);
    return { store, bytes: kept && new Uint8Array(await kept.arrayBuffer()) };
  } catch {
    return {};
  }
}

/**
 * Return a file's bytes. With `cache`, `keep` puts a file that was downloaded into the Cache API, and `forget` takes one
 * that came from there out of it: the caller knows whether it is a router's.
 */
export async function readFile(source, { progress, cache = false, signal } = {}) {
  if (source instanceof ArrayBuffer) return { bytes: new Uint8Array(source) };
  if (isBytes(source)) return { bytes: new Uint8Array(source.buffer, source.byteOffset, source.byteLength) };
  const url = await locate(source);
  if (url.protocol === "file:") return { bytes: await readFromDisk(url) };
  const { store, bytes: kept } = cache && globalThis.caches ? await cached(url) : {};
  if (kept) return { bytes: kept, forget: () => store.delete(url) };
  const bytes = await readStream(await fetched(url, { signal }), url, progress, signal);
  // Nobody waits for the cache, and a full one is no reason to have no router.
  return { bytes, keep: () => store?.put(url, new Response(bytes)).catch(() => {}) };
}

async function readStream(response, url, progress, signal) {
  // The length of a compressed answer is not that of the file.
  const total = response.headers.get("content-encoding") ? 0 : Number(response.headers.get("content-length")) || 0;
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  const next = () => reader.read().catch((error) => unread(url, error, signal));
  try {
    for (let part = await next(); !part.done; part = await next()) {
      parts.push(part.value);
      loaded += part.value.byteLength;
      progress?.(loaded, total);
    }
  } finally {
    // What the caller's own `progress` throws is the caller's, and nobody reads the rest.
    reader.cancel().catch(() => {});
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
