// Route prompts on this machine: the C library of this project, compiled to WebAssembly.

const TARGETS = ["device", "cloud"];
const REASONS = ["score", "pinned", "fallback"];
const CODES = ["ok", "bad-argument", "not-found", "corrupt", "unavailable", "no-memory", "bad-prompt", "cancelled", "failed"];
const CACHE = "vibe-router";
// Sizes and places of the structures of vibe_router.h, with pointers of 4 bytes.
const TERMS = 32;
const DECISION = 56;
const ERROR = 256;

/** What a router throws: `code` is a status of vibe_router.h in words. */
export class VibeRouterError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "VibeRouterError";
    this.code = code;
  }
}

export class Router {
  #wasm;
  #handle;
  #scratch;
  #profiles = [];

  constructor(wasm, handle, scratch) {
    this.#wasm = wasm;
    this.#handle = handle;
    this.#scratch = scratch;
    this.#readInfo();
  }

  /**
   * Load a router's file: a URL of it, or its bytes.
   *
   * @param {string | URL | Uint8Array | ArrayBuffer} source
   * @param {{module?: URL | BufferSource | WebAssembly.Module, progress?: (loaded: number, total: number) => void,
   *   cache?: boolean, signal?: AbortSignal}} [options]
   */
  static async load(source, options = {}) {
    const module = options.module ?? new URL(hasRelaxedSimd() ? "./vibe_router_relaxed.wasm" : "./vibe_router.wasm", import.meta.url);
    // At the same time: a page waits for the slower of the two, not for both.
    const instance = compile(module).then(instantiate);
    const [wasm, bytes] = await Promise.all([instance, isBytes(source) ? asBytes(source) : download(source, options)]);
    return Router.#openBytes(wasm, bytes);
  }

  static #openBytes(wasm, bytes) {
    const size = bytes.byteLength;
    const memory = allocate(wasm, (size + 63) & ~63);
    new Uint8Array(wasm.memory.buffer).set(bytes, memory);
    const scratch = allocate(wasm, 64 + TERMS + 32 + DECISION + 8 + ERROR);
    const status = wasm.vibe_router_open_memory(memory, size, 0, scratch, scratch + 192);
    if (status) throw failure(wasm, status, scratch + 192);
    return new Router(wasm, new DataView(wasm.memory.buffer).getInt32(scratch, true), scratch);
  }

  /**
   * Decide one prompt.
   *
   * @param {string} prompt
   * @param {{profile?: string, threshold?: number, allowCloud?: boolean, fallback?: "device" | "cloud"}} [terms]
   */
  route(prompt, terms = {}) {
    if (typeof prompt !== "string") throw new VibeRouterError("bad-prompt", `a prompt must be a string, not ${typeof prompt}`);
    const wasm = this.#opened();
    const text = encode(prompt);
    const profile = terms.profile === undefined ? null : encode(`${terms.profile}\0`);
    const memory = allocate(wasm, text.length + (profile?.length ?? 0) + 1);
    try {
      const bytes = new Uint8Array(wasm.memory.buffer);
      bytes.set(text, memory);
      if (profile) bytes.set(profile, memory + text.length);
      this.#writeTerms(terms, profile ? memory + text.length : 0);
      const decision = this.#scratch + 96;
      const error = this.#scratch + 192;
      const status = wasm.vibe_router_route(this.#handle, memory, text.length, this.#scratch + 32, decision, error);
      if (status) throw failure(wasm, status, error);
      return readDecision(new DataView(wasm.memory.buffer), decision);
    } finally {
      wasm.free(memory);
    }
  }

  /** Decide several prompts, one after the other. */
  routeMany(prompts, terms = {}) {
    return Array.from(prompts, (prompt) => this.route(prompt, terms));
  }

  /** Replay the file's golden sample; throws where anything differs. */
  selfTest() {
    const wasm = this.#opened();
    const status = wasm.vibe_router_self_test(this.#handle, this.#scratch + 192);
    if (status) throw failure(wasm, status, this.#scratch + 192);
  }

  /** Return the ids of a prompt, and whether it had more. */
  tokenize(prompt) {
    const wasm = this.#opened();
    const text = encode(prompt);
    const ids = allocate(wasm, 8 * this.maxTokens + 8 + text.length);
    try {
      const begin = ids + 8 * this.maxTokens;
      new Uint8Array(wasm.memory.buffer).set(text, begin + 8);
      const error = this.#scratch + 192;
      const status = wasm.vibe_router_tokenize(this.#handle, begin + 8, text.length, ids, begin, begin + 4, error);
      if (status) throw failure(wasm, status, error);
      const view = new DataView(wasm.memory.buffer);
      const count = view.getInt32(begin, true);
      return {
        ids: Array.from({ length: count }, (_, place) => Number(view.getBigInt64(ids + 8 * place, true))),
        truncated: view.getInt32(begin + 4, true) !== 0,
      };
    } finally {
      wasm.free(ids);
    }
  }

  /** Names and thresholds of the profiles. */
  get profiles() {
    return this.#profiles.map((profile) => ({ ...profile }));
  }

  /** Free the router. Its memory is the module's, and goes with it. */
  close() {
    if (this.#handle) this.#wasm.vibe_router_close(this.#handle);
    this.#handle = 0;
  }

  #opened() {
    if (!this.#handle) throw new VibeRouterError("failed", "the router has been closed");
    return this.#wasm;
  }

  #writeTerms(terms, profile) {
    const view = new DataView(this.#wasm.memory.buffer);
    const at = this.#scratch + 32;
    const fallback = terms.fallback === undefined ? -1 : TARGETS.indexOf(terms.fallback);
    if (terms.fallback !== undefined && fallback < 0) throw new VibeRouterError("bad-argument", "the fallback is not a target");
    view.setUint32(at, TERMS, true);
    view.setInt32(at + 4, terms.allowCloud === false ? 0 : 1, true);
    view.setInt32(at + 8, fallback, true);
    view.setInt32(at + 12, terms.threshold === undefined ? 0 : 1, true);
    view.setFloat64(at + 16, terms.threshold ?? 0, true);
    view.setUint32(at + 24, profile, true);
    view.setUint32(at + 28, 0, true);
  }

  #readInfo() {
    const wasm = this.#wasm;
    const at = this.#scratch + 96;
    wasm.vibe_router_info(this.#handle, at);
    const view = new DataView(wasm.memory.buffer);
    this.name = readText(wasm, view.getUint32(at, true));
    this.version = readText(wasm, view.getUint32(at + 4, true));
    this.labels = { device: readText(wasm, view.getUint32(at + 8, true)), cloud: readText(wasm, view.getUint32(at + 12, true)) };
    this.temperature = view.getFloat64(at + 16, true);
    this.maxTokens = view.getInt32(at + 24, true);
    const count = view.getInt32(at + 28, true);
    for (let place = 0; place < count; place++) {
      wasm.vibe_router_profile(this.#handle, place, at);
      this.#profiles.push({
        name: readText(wasm, view.getUint32(at, true)),
        threshold: view.getFloat64(at + 8, true),
        isDefault: view.getInt32(at + 16, true) !== 0,
      });
    }
  }
}

function readDecision(view, at) {
  const scored = view.getInt32(at + 8, true) !== 0;
  return {
    target: TARGETS[view.getInt32(at, true)],
    pCloud: scored ? view.getFloat64(at + 24, true) : null,
    threshold: view.getFloat64(at + 32, true),
    margin: scored ? view.getFloat64(at + 40, true) : null,
    tokens: view.getInt32(at + 12, true),
    truncated: view.getInt32(at + 16, true) !== 0,
    reason: REASONS[view.getInt32(at + 4, true)],
    engine: "native-wasm",
  };
}

function failure(wasm, status, error) {
  return new VibeRouterError(CODES[status] ?? "failed", readText(wasm, error + 4));
}

function readText(wasm, at) {
  const bytes = new Uint8Array(wasm.memory.buffer);
  return new TextDecoder().decode(bytes.slice(at, bytes.indexOf(0, at)));
}

/** Encode text as UTF-8, each lone surrogate as U+FFFD, which is how the library reads it. */
function encode(text) {
  return new TextEncoder().encode(text);
}

function allocate(wasm, size) {
  const memory = wasm.aligned_alloc(64, (size + 63) & ~63);
  if (!memory) throw new VibeRouterError("no-memory", "there is not enough memory");
  return memory;
}

// A module with one relaxed instruction, which engines without them refuse.
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11,
];

function hasRelaxedSimd() {
  return WebAssembly.validate(new Uint8Array(RELAXED));
}

async function compile(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (isBytes(source)) return WebAssembly.compile(source);
  const url = new URL(source, import.meta.url);
  if (url.protocol === "file:") return WebAssembly.compile(await read(url));
  const response = await fetched(url);
  // Compiles while the bytes arrive; servers that do not know the type are common.
  if (response.headers.get("content-type") === "application/wasm") return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

async function instantiate(module) {
  // The C library of WASI imports these; none is called but where it aborts.
  const imports = Object.fromEntries(
    WebAssembly.Module.imports(module).map(({ module: from, name }) => [from, name]).reduce((map, [from, name]) => {
      map.set(from, { ...map.get(from), [name]: name === "proc_exit" ? abort : () => 52 });
      return map;
    }, new Map()),
  );
  const { exports } = await WebAssembly.instantiate(module, imports);
  exports._initialize?.();
  return exports;
}

function abort(code) {
  throw new VibeRouterError("failed", `the library ended with ${code}`);
}

function isBytes(source) {
  return source instanceof ArrayBuffer || ArrayBuffer.isView(source);
}

function asBytes(source) {
  return source instanceof ArrayBuffer ? new Uint8Array(source) : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
}

async function read(url) {
  if (new URL(url, import.meta.url).protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return readFile(new URL(url, import.meta.url));
  }
  return (await fetched(url)).arrayBuffer();
}

async function fetched(url, options) {
  const response = await fetch(url, options);
  if (!response.ok) throw new VibeRouterError("not-found", `${url}: ${response.status}`);
  return response;
}

/** Download a file with progress; with `cache`, keep it in the Cache API and take it from there the next time. */
async function download(source, { progress, cache = false, signal } = {}) {
  const url = new URL(source, globalThis.location?.href ?? import.meta.url);
  if (url.protocol === "file:") return read(url);
  const store = cache && globalThis.caches ? await caches.open(CACHE) : null;
  const kept = await store?.match(url);
  if (kept) return new Uint8Array(await kept.arrayBuffer());
  const response = await fetched(url, { signal });
  const bytes = await readStream(response, progress);
  // Nobody waits for the cache, and a full one is no reason to have no router.
  store?.put(url, new Response(bytes)).catch(() => {});
  return bytes;
}

async function readStream(response, progress) {
  const total = Number(response.headers.get("content-length")) || 0;
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    loaded += part.value.byteLength;
    progress?.(loaded, total);
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

/** A router in a worker: the same calls, each a promise. */
export class WorkerRouter {
  #worker;
  #calls = new Map();
  #next = 0;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data: { id, value, error } }) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call.reject(new VibeRouterError(error.code, error.message));
      else call.resolve(value);
    };
  }

  /** Load a router in a worker of its own; `source` is a URL. */
  static async load(source, { cache = false } = {}) {
    const router = new WorkerRouter(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
    const url = new URL(source, globalThis.location?.href ?? import.meta.url).href;
    Object.assign(router, await router.#call("load", url, { cache }));
    return router;
  }

  route(prompt, terms = {}) {
    return this.#call("route", prompt, terms);
  }

  selfTest() {
    return this.#call("selfTest");
  }

  close() {
    this.#worker.terminate();
  }

  #call(name, ...values) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#calls.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, values });
    });
  }
}
