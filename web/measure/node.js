// Times a prompt in Node, and prints JSON. `python -m benchmarks web` calls it: VIBE_ROUTER_BUNDLE; [CALLS].
import { readFile } from "node:fs/promises";

import { Router } from "../dist/index.js";
import { timeCalls } from "./times.js";

const prompt = process.env.VIBE_ROUTER_PROMPT;
const router = await Router.load(await readFile(`${process.env.VIBE_ROUTER_BUNDLE}/native/model_int8.safetensors`));
const times = timeCalls(() => router.route(prompt), Number(process.argv[2] ?? 400));
console.log(JSON.stringify({ version: process.version.slice(1), tokens: router.tokenize(prompt).ids.length, times }));
