// Load a bundle with transformers.js and score the prompts of a request, in Node or in a page.

export async function score(library, request) {
  const { AutoTokenizer, AutoModelForSequenceClassification, env } = library;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.useBrowserCache = false;
  env.localModelPath = request.models;
  const started = performance.now();
  const tokenizer = await AutoTokenizer.from_pretrained(request.name);
  const model = await AutoModelForSequenceClassification.from_pretrained(request.name, request.settings);
  const answer = { load_ms: performance.now() - started, ids: [], p: [], ms: [] };
  for (const prompt of request.prompts) {
    const inputs = tokenizer(prompt, { truncation: true, max_length: request.max_tokens });
    const ids = inputs.input_ids.data;
    // As docs/consumers.md says: the library cuts [SEP] off long prompts.
    if (ids.length === request.max_tokens) ids[ids.length - 1] = BigInt(tokenizer.sep_token_id);
    const before = performance.now();
    const { logits } = await model(inputs);
    answer.ms.push(performance.now() - before);
    answer.p.push(1 / (1 + Math.exp(-logits.data[0])));
    answer.ids.push(Array.from(ids, Number));
  }
  return answer;
}
