// Stream an answer with fetch: node fetch.mjs "what is 2+2?"
// In a web page, add the page's origin to cors_origins in [server].
const base = process.env.GATEWAY ?? "http://127.0.0.1:8484";
const answer = await fetch(base + "/v1/chat/completions", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    model: "auto",
    stream: true,
    messages: [{ role: "user", content: process.argv[2] ?? "what is 2+2?" }],
  }),
});
let rest = "";
for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
  const events = (rest + part).split("\n\n");
  rest = events.pop();
  for (const event of events) {
    if (!event.startsWith("data: ") || event === "data: [DONE]") continue;
    const data = JSON.parse(event.slice(6));
    if (data.error) throw new Error(data.error.message);
    process.stdout.write(data.choices[0]?.delta?.content ?? "");
  }
}
console.log(`\n[${answer.headers.get("x-vibe-side")}, ${answer.headers.get("x-vibe-reason")}]`);
