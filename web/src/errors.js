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

export function badArgument(message) {
  return new VibeRouterError("bad-argument", message);
}

/** Refuse what is no object, and names that are not known: what they mean would be forgotten in silence. */
export function checkNames(given, kind, names) {
  if (given === null || typeof given !== "object") throw badArgument(`the ${kind}s are not an object`);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) throw badArgument(`there is no ${kind} ${unknown}: the ${kind}s are ${names.join(", ")}`);
}
