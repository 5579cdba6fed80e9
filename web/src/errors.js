// What a router throws.
const CODES = ["ok", "bad-argument", "not-found", "corrupt", "unavailable", "no-memory", "bad-prompt", "cancelled", "failed"];

/** Return a status of vibe_router.h in words. */
export function codeOf(status) {
  return CODES[status] ?? "failed";
}

/** What a router throws: `code` is a status of vibe_router.h in words. */
export class VibeRouterError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "VibeRouterError";
    this.code = code;
  }
}
