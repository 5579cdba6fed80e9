// What the browser's test calls: the module, in the page and in a worker.
import { Router, WorkerRouter } from "../../dist/index.js";

const progress = [];
const violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));

// The one violation that there should be.
let evaluates = true;
try {
  new Function("return 1")();
} catch {
  evaluates = false;
}

const router = await Router.load("/model.safetensors", { cache: true, progress: (loaded, total) => progress.push([loaded, total]) });
const worker = await WorkerRouter.load("/model.safetensors", { cache: true });

/** Return the code that a call fails with. */
const code = (call) => call.then(() => "none", (error) => error.code);

window.test = {
  evaluates,
  progress,
  violations: () => violations,
  route: (prompts) => prompts.map((prompt) => ({ ...router.route(prompt), ...router.tokenize(prompt) })),
  routeInWorker: (prompts) => Promise.all(prompts.map((prompt) => worker.route(prompt))),
  manyInWorker: (prompts) => worker.routeMany(prompts),
  tokenizeInWorker: (prompt) => worker.tokenize(prompt),
  selfTest: async () => (router.selfTest(), worker.selfTest()),
  failInWorker: () => code(worker.route("hi", { profile: "none" })),
  workersThatDoNotAnswer: async () => {
    const absent = new WorkerRouter(new Worker("/no-such-worker.js", { type: "module" }));
    const closed = await WorkerRouter.load("/model.safetensors", { cache: true });
    const pending = closed.route("x".repeat(10_000));
    closed.close();
    return Promise.all([absent.route("hi"), pending, closed.route("hi"), WorkerRouter.load("/no-such-file")].map(code));
  },
  sendWhatAWorkerCannotRead: () =>
    Promise.all([worker.route(() => {}), worker.route("hi", { profile: () => {} }), worker.route("hi", { allowCloud: 0 }), worker.routeMany(null)].map(code)),
  loadWithoutACache: async () => {
    const refused = () => Promise.reject(new DOMException("not here", "SecurityError"));
    const usual = [CacheStorage.prototype.open, Cache.prototype.match];
    try {
      CacheStorage.prototype.open = refused;
      (await Router.load("/model.safetensors", { cache: true })).selfTest();
      CacheStorage.prototype.open = usual[0];
      Cache.prototype.match = refused;
      (await Router.load("/model.safetensors", { cache: true })).selfTest();
    } finally {
      [CacheStorage.prototype.open, Cache.prototype.match] = usual;
    }
  },
  loadWithoutMemory: async () => {
    const store = await caches.open("vibe-router");
    const module = await WebAssembly.compileStreaming(fetch("/dist/vibe_router.wasm"));
    const { instantiate } = WebAssembly;
    // What a full memory does to the module: it hands out none.
    WebAssembly.instantiate = async (...given) => ({ exports: { ...(await instantiate(...given)).exports, aligned_alloc: () => 0 } });
    try {
      const found = await code(Router.load("/model.safetensors", { cache: true, module }));
      return [found, (await store.match("/model.safetensors")) !== undefined];
    } finally {
      WebAssembly.instantiate = instantiate;
    }
  },
  loadWhereTheCacheIsDamaged: async () => {
    const store = await caches.open("vibe-router");
    await store.put("/other/model.safetensors", new Response("an error page"));
    (await Router.load("/other/model.safetensors", { cache: true })).selfTest();
    for (;;) {
      const kept = await store.match("/other/model.safetensors");
      if (kept) return (await kept.arrayBuffer()).byteLength;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  },
};
document.documentElement.dataset.ready = "yes";
