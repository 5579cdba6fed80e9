// Keeps the demo's files, so that it opens without a network after the first visit.
const CACHE = "vibe-router-demo";
const MODULES = ["index.js", "router.js", "load.js", "errors.js", "worker_router.js", "vibe_router.wasm", "vibe_router_relaxed.wasm"];
const FILES = ["./", "demo.css", "demo.js", ...MODULES.map((name) => `../dist/${name}`)];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// The network first, so that a visitor has the newest files. Other files, such as the model, are the page's own to keep.
self.addEventListener("fetch", (event) => {
  const kept = () => caches.match(event.request, { cacheName: CACHE });
  event.respondWith(fetch(event.request).catch(async (error) => (await kept()) ?? Promise.reject(error)));
});
