"""The WebAssembly module in Node and in Chromium, next to the C library with one thread."""
