// A router in a worker: messages are calls.
import { VibeRouterError } from "./errors.js";
import { Router } from "./router.js";

let router;

async function call(called, values) {
  if (called === "load") {
    router = await Router.load(...values);
    const { name, version, labels, temperature, maxTokens, profiles } = router;
    return { name, version, labels, temperature, maxTokens, profiles };
  }
  return router[called](...values);
}

self.onmessage = async ({ data: { id, name, values } }) => {
  try {
    self.postMessage({ id, value: await call(name, values) });
  } catch (error) {
    // Others have numbers as codes.
    const code = error instanceof VibeRouterError ? error.code : "failed";
    self.postMessage({ id, error: { code, message: error.message } });
  }
};
