// Routes while one types. Serve the folder web/ and put a bundle's native file at web/demo/model.safetensors.
import { Router } from "../dist/index.js";

const element = (id) => document.getElementById(id);
let router;

function show() {
  const threshold = Number(element("threshold").value);
  element("limit").value = threshold.toFixed(3);
  if (!router) return;
  const begin = performance.now();
  const decision = router.route(element("prompt").value, { threshold });
  const time = performance.now() - begin;
  element("decision").textContent = `${decision.target}: ${router.labels[decision.target]}`;
  element("score").value = decision.pCloud;
  element("details").textContent =
    `p_cloud ${decision.pCloud.toFixed(4)}, ${decision.tokens} tokens${decision.truncated ? ", truncated" : ""}, ` +
    `${time.toFixed(1)} ms`;
}

element("prompt").addEventListener("input", show);
element("threshold").addEventListener("input", show);

// A first decision before anybody types: an empty prompt.
try {
  router = await Router.load("model.safetensors", {
    cache: true,
    progress: (loaded, total) => {
      element("decision").textContent = `Loading … ${total ? Math.round((100 * loaded) / total) : ""} %`;
    },
  });
  element("threshold").value = router.profiles.find((profile) => profile.isDefault).threshold;
  show();
  // Milliseconds since the visitor opened the page.
  document.body.dataset.ready = performance.now().toFixed(1);
  await navigator.serviceWorker?.register("service-worker.js");
} catch (error) {
  element("decision").textContent = error.message;
}
