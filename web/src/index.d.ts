export type Target = "device" | "cloud";

export type ErrorCode =
  | "bad-argument"
  | "not-found"
  | "corrupt"
  | "unavailable"
  | "no-memory"
  | "bad-prompt"
  | "cancelled"
  | "failed";

/**
 * What a router throws; `not-found` also where a server or a disk has no such file, or cannot be reached, and
 * `unavailable` also where an engine or a policy refuses WebAssembly or a worker. A download that `signal` ends rejects
 * with the signal's reason.
 */
export class VibeRouterError extends Error {
  readonly code: ErrorCode;
}

/** A term of another name or type is a `bad-argument`. */
export interface Terms {
  /** A profile of the bundle; the default one where there is none. */
  profile?: string;
  /** A threshold on the scale of `pCloud`, in place of a profile's. */
  threshold?: number;
  /** false: the device, whatever the score. */
  allowCloud?: boolean;
  /** Where the prompt goes when there is no score. */
  fallback?: Target;
}

export interface Decision {
  readonly target: Target;
  /** The probability that the cloud's answer is worth it; null where there is no score. */
  readonly pCloud: number | null;
  readonly threshold: number;
  /** pCloud - threshold. */
  readonly margin: number | null;
  /** [CLS] and [SEP] included. */
  readonly tokens: number;
  /** Whether the prompt had more. */
  readonly truncated: boolean;
  readonly reason: "score" | "pinned" | "fallback";
  readonly engine: string;
}

export interface Profile {
  readonly name: string;
  readonly threshold: number;
  readonly isDefault: boolean;
}

/** An option of another name is a `bad-argument`. */
export interface LoadOptions {
  /**
   * vibe_router.wasm, where it does not lie next to this module: its URL, its bytes, or a WebAssembly.Module, which
   * TypeScript knows only with a page's types.
   */
  module?: URL | ArrayBuffer | ArrayBufferView | object;
  /** Called while the file is downloaded; `total` is 0 where the server does not say it, or compresses. */
  progress?: (loaded: number, total: number) => void;
  /** Keep the file in the browser's Cache API, and take it from there while its URL is the same. */
  cache?: boolean;
  signal?: AbortSignal;
}

export class Router {
  private constructor();
  /** Load a bundle's native file from a URL, in Node also from a path, or from its bytes. */
  static load(source: string | URL | Uint8Array | ArrayBuffer, options?: LoadOptions): Promise<Router>;
  readonly name: string;
  readonly version: string;
  readonly labels: { readonly device: string; readonly cloud: string };
  readonly temperature: number;
  readonly maxTokens: number;
  readonly profiles: Profile[];
  /** Decide one prompt. */
  route(prompt: string, terms?: Terms): Decision;
  /** Decide several prompts, one after the other. */
  routeMany(prompts: Iterable<string>, terms?: Terms): Decision[];
  /** Return the ids of a prompt, and whether it had more. */
  tokenize(prompt: string): { ids: number[]; truncated: boolean };
  /** Replay the file's golden sample. */
  selfTest(): void;
  /** Free the router; later calls throw `failed`. */
  close(): void;
}

/** The same in a worker of its own, in browsers. */
export class WorkerRouter {
  private constructor();
  static load(source: string | URL, options?: { cache?: boolean }): Promise<WorkerRouter>;
  readonly name: string;
  readonly version: string;
  readonly labels: { readonly device: string; readonly cloud: string };
  readonly temperature: number;
  readonly maxTokens: number;
  readonly profiles: Profile[];
  route(prompt: string, terms?: Terms): Promise<Decision>;
  routeMany(prompts: Iterable<string>, terms?: Terms): Promise<Decision[]>;
  tokenize(prompt: string): Promise<{ ids: number[]; truncated: boolean }>;
  selfTest(): Promise<void>;
  /** End the worker; calls without an answer are rejected with `failed`. */
  close(): void;
}
