// Serves web/ and one model on the loopback, with a strict Content-Security-Policy.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("..", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; style-src 'self'; " +
  "base-uri 'none'; form-action 'none'";

/** Return a server that listens, and its address. `model` is the path of a native file. */
export async function serve(model) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://here").pathname));
    const file = path.endsWith("model.safetensors") ? model : join(WEB, path.endsWith("/") ? `${path}index.html` : path);
    try {
      const content = await readFile(file);
      const type = TYPES[extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "content-length": content.length, "content-security-policy": POLICY });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, address: `http://127.0.0.1:${server.address().port}` };
}

/** Return Chromium, by the playwright-core and the executable that the environment names. */
export async function launch() {
  const { chromium } = await import(process.env.VIBE_ROUTER_PLAYWRIGHT);
  // Without a sandbox, which root cannot have; the only pages are this folder's.
  return chromium.launch({ executablePath: process.env.VIBE_ROUTER_CHROMIUM, args: ["--no-sandbox"] });
}
