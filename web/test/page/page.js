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

window.test = {
  evaluates,
  progress,
  violations: () => violations,
  route: (prompts) => prompts.map((prompt) => ({ ...router.route(prompt), ...router.tokenize(prompt) })),
  routeInWorker: (prompts) => Promise.all(prompts.map((prompt) => worker.route(prompt))),
  selfTest: async () => (router.selfTest(), worker.selfTest()),
  failInWorker: () => worker.route("hi", { profile: "none" }).catch((error) => error.code),
};
document.documentElement.dataset.ready = "yes";
