// A router in a worker, from the page's side.
import { VibeRouterError, badArgument, checkNames } from "./errors.js";
import { locate } from "./load.js";
import { listOf } from "./router.js";

/** A router in a worker: the same calls, each a promise. */
export class WorkerRouter {
  #worker;
  #calls = new Map();
  #next = 0;
  #closed = null;

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data: { id, value, error } }) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(new VibeRouterError(error.code, error.message));
      else call?.resolve(value);
    };
    // Its script is not there, a policy forbids it, or it has no memory: it will answer nothing.
    worker.onerror = (event) => this.#end("unavailable", event.message || "the worker cannot be started");
  }

  /** Load a router in a worker of its own; `source` is a URL. */
  static async load(source, options = {}) {
    checkNames(options, "option", ["cache"]);
    const { cache = false } = options;
    const router = new WorkerRouter(startWorker());
    try {
      return Object.assign(router, await router.#call("load", (await locate(source)).href, { cache }));
    } catch (error) {
      router.close();
      throw error;
    }
  }

  route(prompt, terms = {}) {
    return this.#call("route", prompt, terms);
  }

  async routeMany(prompts, terms = {}) {
    return this.#call("routeMany", listOf(prompts), terms);
  }

  tokenize(prompt) {
    return this.#call("tokenize", prompt);
  }

  selfTest() {
    return this.#call("selfTest");
  }

  /** End the worker; calls that have no answer yet fail. */
  close() {
    this.#end("failed", "the router has been closed");
  }

  #end(code, message) {
    this.#worker.terminate();
    this.#closed ??= new VibeRouterError(code, message);
    for (const call of this.#calls.values()) call.reject(this.#closed);
    this.#calls.clear();
  }

  #call(name, ...values) {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      try {
        this.#worker.postMessage({ id, name, values });
      } catch (error) {
        // A function, say, which cannot be sent to a worker.
        throw badArgument(error.message);
      }
      this.#calls.set(id, { resolve, reject });
    });
  }
}

function startWorker() {
  try {
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (error) {
    // There are none outside of browsers, and a page may start none from another origin.
    throw new VibeRouterError("unavailable", `the worker cannot be started: ${error.message}`);
  }
}
