// A router in a worker: messages are calls.
import { Router } from "./index.js";

let router;

async function call(name, values) {
  if (name === "load") {
    router = await Router.load(...values);
    return { name: router.name, labels: router.labels, maxTokens: router.maxTokens, profiles: router.profiles };
  }
  return router[name](...values);
}

self.onmessage = async ({ data: { id, name, values } }) => {
  try {
    self.postMessage({ id, value: await call(name, values) });
  } catch (error) {
    self.postMessage({ id, error: { code: error.code ?? "failed", message: error.message } });
  }
};
