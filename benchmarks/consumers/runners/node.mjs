// Runner of transformers.js in Node.

import { installed, readRequest, writeAnswer } from "./files.mjs";
import { score } from "./score.mjs";

const request = readRequest();
writeAnswer(await score(installed(request, "@huggingface/transformers"), request));
