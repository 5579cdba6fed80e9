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
