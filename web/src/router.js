// A router: calls of the C library in its module's memory.
import { VibeRouterError, badArgument, checkNames, codeOf } from "./errors.js";
import { instantiate, readFile } from "./load.js";

const TARGETS = ["device", "cloud"];
const REASONS = ["score", "pinned", "fallback"];
const OPTIONS = ["module", "progress", "cache", "signal"];
const KINDS = { profile: "string", threshold: "number", allowCloud: "boolean", fallback: "string" };
// Sizes and places of the structures of vibe_router.h, with pointers of 4 bytes.
const TERMS = 32;
const DECISION = 56;
const ERROR = 256;

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
   * Load a router's file: a URL of it, in Node also a path, or its bytes.
   *
   * @param {string | URL | Uint8Array | ArrayBuffer} source
   * @param {{module?: URL | BufferSource | WebAssembly.Module, progress?: (loaded: number, total: number) => void,
   *   cache?: boolean, signal?: AbortSignal}} [options]
   */
  static async load(source, options = {}) {
    checkNames(options, "option", OPTIONS);
    // At the same time: a page waits for the slower of the two, not for both.
    const [wasm, file] = await Promise.all([instantiate(options.module), readFile(source, options)]);
    try {
      const router = Router.#openBytes(wasm, file.bytes);
      file.keep?.();
      return router;
    } catch (error) {
      // Without memory for it, what the cache had is as good as before.
      if (!file.forget || error.code !== "corrupt") throw error;
      // It is damaged, or of another version: it is downloaded again.
      await file.forget();
      return Router.load(source, options);
    }
  }

  static #openBytes(wasm, bytes) {
    const size = bytes.byteLength;
    // Of an empty file, too, the library says what it is.
    const memory = allocate(wasm, Math.max(size, 1));
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
    const text = encode(prompt);
    const wasm = this.#opened();
    checkTerms(terms);
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
    return listOf(prompts).map((prompt) => this.route(prompt, terms));
  }

  /** Replay the file's golden sample; throws where anything differs. */
  selfTest() {
    const wasm = this.#opened();
    const status = wasm.vibe_router_self_test(this.#handle, this.#scratch + 192);
    if (status) throw failure(wasm, status, this.#scratch + 192);
  }

  /** Return the ids of a prompt, and whether it had more. */
  tokenize(prompt) {
    const text = encode(prompt);
    const wasm = this.#opened();
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

  /** Free the router. Its memory is the module's, and goes with it, also where somebody keeps the router. */
  close() {
    this.#wasm?.vibe_router_close(this.#handle);
    this.#wasm = null;
  }

  #opened() {
    if (!this.#wasm) throw new VibeRouterError("failed", "the router has been closed");
    return this.#wasm;
  }

  #writeTerms(terms, profile) {
    const view = new DataView(this.#wasm.memory.buffer);
    const at = this.#scratch + 32;
    const fallback = terms.fallback === undefined ? -1 : TARGETS.indexOf(terms.fallback);
    if (terms.fallback !== undefined && fallback < 0) throw badArgument("the fallback is not a target");
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
  return new VibeRouterError(codeOf(status), readText(wasm, error + 4));
}

function readText(wasm, at) {
  const bytes = new Uint8Array(wasm.memory.buffer);
  return new TextDecoder().decode(bytes.slice(at, bytes.indexOf(0, at)));
}

/** Refuse terms of another kind: read as JavaScript reads them, 0 would allow the cloud, and null be a threshold. */
function checkTerms(terms) {
  const names = Object.keys(KINDS);
  checkNames(terms, "term", names);
  const wrong = names.find((name) => terms[name] !== undefined && typeof terms[name] !== KINDS[name]);
  if (wrong !== undefined) throw badArgument(`${wrong} is not a ${KINDS[wrong]}`);
  // In C, a name ends there.
  if (terms.profile?.includes("\0")) throw badArgument("the bundle has no such profile");
}

/** Return prompts as an array; of a single text, which one can iterate over as well, each letter would be a prompt. */
export function listOf(prompts) {
  if (typeof prompts === "string" || !prompts?.[Symbol.iterator]) throw badArgument("the prompts are no list of strings");
  return Array.from(prompts);
}

/** Encode text as UTF-8, each lone surrogate as U+FFFD, which is how the library reads it. */
function encode(text) {
  if (typeof text !== "string") throw new VibeRouterError("bad-prompt", `a prompt must be a string, not ${typeof text}`);
  return new TextEncoder().encode(text);
}

function allocate(wasm, size) {
  // A larger number would wrap around.
  const memory = size < 2 ** 31 - 63 ? wasm.aligned_alloc(64, (size + 63) & ~63) : 0;
  if (!memory) throw new VibeRouterError("no-memory", "there is not enough memory");
  return memory;
}
