// Opens the status page in Chromium, in four forms, and prints what a reader would see, as JSON.
// node status_page.mjs URL [TOKEN]; VIBE_ROUTER_PLAYWRIGHT is playwright-core's address, VIBE_ROUTER_CHROMIUM the browser.
const { chromium } = await import(process.env.VIBE_ROUTER_PLAYWRIGHT);
const [url, token] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.VIBE_ROUTER_CHROMIUM, args: ["--no-sandbox"] });
const seen = [];
for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 360]) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    const problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    await page.goto(url);
    let asked = false;
    if (token) {
      await page.waitForSelector("#ask:not([hidden])");
      asked = true;
      // The first answer, 401, is an error on the console by the browser's own rules.
      problems.length = 0;
      await page.fill("input[type=password]", token);
      await page.click("#ask button");
    }
    await page.waitForFunction(() => document.getElementById("share").textContent !== "–");
    const text = (id) => page.textContent(`#${id}`);
    const colours = () =>
      page.$$eval("#plot rect", (bars) => bars.slice(0, 50).map((bar) => bar.style.fill).join(" "));
    const before = { would: await text("would"), colours: await colours() };
    await page.fill("#threshold", "0.98");
    seen.push({
      colorScheme,
      width,
      asked,
      problems,
      about: await text("about"),
      share: await text("share"),
      counts: await text("counts"),
      would: [before.would, await text("would")],
      moved: before.colours !== (await colours()),
      rows: await page.$$eval("#last tr", (rows) => rows.map((row) => row.textContent)),
      markup: await page.$$eval("#last b", (found) => found.length),
      overflow: await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
      background: await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
    });
    await page.close();
  }
}
await browser.close();
console.log(JSON.stringify(seen));
