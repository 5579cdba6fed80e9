// Route prompts on this machine: the C library of this project, compiled to WebAssembly.
export { VibeRouterError } from "./errors.js";
export { Router } from "./router.js";
export { WorkerRouter } from "./worker_router.js";
