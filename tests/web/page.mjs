// What a browser shows of the status page. Started by test_status_page.py, which does to the cluster what each step waits
// for: node page.mjs URL CHROMIUM SCREENSHOTS
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [url, executablePath, shots] = process.argv.slice(2);
const host = new URL(url).host;
const axe = readFileSync(fileURLToPath(new URL("node_modules/axe-core/axe.min.js", import.meta.url)), "utf8");
mkdirSync(shots, { recursive: true });

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function step(name) {
  console.log(JSON.stringify({ step: name }));
  return JSON.parse((await answers.next()).value);
}

/** A page whose every request, error and message in the console is looked at. `faults`: what is no fault. */
async function open(browser, options, allowed = () => false) {
  // The browser's own checks of the page stay on.
  const context = await browser.newContext({ bypassCSP: false, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("request", (request) => { if (new URL(request.url()).host !== host) page.faults.push(`request to ${request.url()}`); });
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !allowed(message)) page.faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => page.faults.push(`error: ${error.message}`));
  page.setDefaultTimeout(20_000);
  return page;
}

async function shows(page, what, holds, given) {
  await page.waitForFunction(holds, given, { timeout: 30_000 }).catch(async (failure) => {
    await page.screenshot({ path: `${shots}/failed.png`, fullPage: true });
    throw new Error(`the page does not show ${what}; it says:\n${await page.innerText("body")}\n${failure.message}`);
  });
}

const healthy = () => document.querySelector("#verdict-title").textContent === "Healthy"
  && document.querySelectorAll("#standby-side [data-node] .node-role").length === 2;

async function threeNodes(page) {
  await shows(page, "a healthy cluster", healthy);
  assert.equal(await page.locator("#primary-side [data-node]").count(), 1);
  assert.equal(await page.locator("#primary-side .node-role").innerText(), "Primary");
  assert.equal(await page.locator("#primary-side .badge-state").innerText(), "primary");
  assert.deepEqual(await page.locator("#standby-side .node-role").allInnerTexts(), ["Standby, synchronous", "Standby, synchronous"]);
  assert.deepEqual(await page.locator("#standby-side .badge-state").allInnerTexts(), ["secondary", "secondary"]);
  assert.equal(await page.locator("#wire-paths .wire-sync").count(), 2);
  assert.match(await page.locator("#verdict-text").innerText(), /^node\d takes writes\. node\d or node\d can take over\.$/);
  assert.match(await page.locator("#facts").innerText(), /ANY 1 \(node\d, node\d\)/);
  assert.ok(await page.locator("#events .event").count() > 3);
}

/** Everything that can be used is reached by the Tab key, is seen to have the focus, and works by keyboard. */
async function keyboard(page) {
  await page.locator("#events .evidence").first().waitFor();
  const wanted = await page.locator("a[href], button, summary, [tabindex='0']").evaluateAll(
    (all) => all.filter((each) => each.checkVisibility()).length);
  let reached = 0;
  for (let pressed = 0; pressed < wanted; pressed += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return { tag: document.activeElement.tagName, outline: style.outlineStyle, width: parseFloat(style.outlineWidth),
        text: document.activeElement.textContent.trim(), box: document.activeElement.getBoundingClientRect().toJSON() };
    });
    assert.notEqual(focus.tag, "BODY", `Tab ${pressed + 1} of ${wanted} leads nowhere`);
    assert.ok(focus.outline !== "none" && focus.width >= 2, `no visible focus on ${focus.text}`);
    if (pressed === 0) assert.ok(focus.text.startsWith("Skip") && focus.box.top >= 0, "the first Tab shows the way past the head");
    reached += 1;
  }
  assert.equal(reached, wanted);
  const evidence = page.locator("#events .evidence").first();
  await evidence.locator("summary").focus();
  await page.keyboard.press("Enter");
  assert.ok(await evidence.locator("p").first().isVisible(), "Enter opens the evidence");
}

async function accessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map((each) => `${name}: ${each.id}: ${each.nodes.map((node) => node.html).join(" ")}`), []);
}

async function everyLook(browser) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      const name = `healthy-${colorScheme}-${width}`;
      const page = await open(browser, { colorScheme, viewport: { width, height: 844 } });
      await page.goto(url);
      await threeNodes(page);
      const light = await page.evaluate(() => {
        const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
        return (r + g + b) / 765;
      });
      assert.ok(colorScheme === "light" ? light > 0.8 : light < 0.2, `${name}: the ground's lightness is ${light}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${name}: ${wide} pixels wide`);
      await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
      await accessible(page, name);
      if (colorScheme === "light" && width === 1280) {
        await page.reload();
        await threeNodes(page);
        await keyboard(page);
      }
      assert.deepEqual(page.faults, []);
      await page.context().close();
    }
  }
}

/** What a cluster says is data, whatever it looks like; and who asked for no motion gets none. */
async function hostile(browser) {
  const evil = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
  const page = await open(browser, { reducedMotion: "reduce" });
  const state = await (await fetch(`${url}api/v1/clusters/default`)).json();
  state.waiting = state.why_not_ready = state.standby_names = evil;
  state.nodes.forEach((node, number) => { node.name = evil + number; node.problem = node.doing = node.host = node.state = evil; });
  const event = { seq: 1, unix_ms: 0, epoch: 1, node: evil, kind: evil, rule: evil, message: evil, evidence: evil };
  const block = (type, data) => `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
  await page.route("**/stream", (route) => route.fulfill({ contentType: "text/event-stream",
    body: block("alive", { decides: true, clusters: ["default", evil] }) + block("state", state) + block("event", event) }));
  await page.goto(url);
  await shows(page, "the event", () => document.querySelectorAll("#events .event").length === 1);
  assert.equal(await page.locator("main img, main script, nav img, nav script").count(), 0);
  assert.ok((await page.innerText("#events")).includes(evil));
  assert.doesNotMatch(await page.title(), /^taken/);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".event")).animationName), "none");
  await page.context().close();
}

const said = (page) => page.locator("#announcer").innerText();

async function failover(page, killed) {
  await shows(page, `that ${killed} is gone and another node takes writes`, (gone) => {
    const primary = document.querySelector("#primary-side [data-node]");
    return primary && primary.dataset.node !== gone && primary.querySelector(".node-role").textContent === "Primary"
      && document.querySelector("#events [data-kind='failover_finished']")
      && document.querySelector(`[data-node='${gone}'] .node-role`).textContent === "Standby, not replicating";
  }, killed);
  const primary = await page.locator("#primary-side [data-node]").getAttribute("data-node");
  await shows(page, "to screen readers who the primary is", (name) =>
    document.querySelector("#announcer").textContent.includes(`${name} primary`), primary);
  assert.notEqual(await page.locator("#verdict-title").innerText(), "Healthy");
  assert.ok(await page.locator(`[data-node='${killed}'] .node-problem`).isVisible(), "what is wrong with the node");
  assert.ok(await page.locator("#events [data-kind='failover_started'] .evidence").count() > 0, "why it was decided");
}

async function lost(page) {
  await shows(page, "that the connection is lost", () => document.body.dataset.connection === "lost");
  assert.equal(await page.locator("#connection").innerText(), "Connection lost");
  assert.equal(await page.locator("#verdict-title").innerText(), "State unknown");
  assert.equal(await page.locator("#verdict").getAttribute("data-tone"), "unknown");
  assert.match(await page.locator("#lost").innerText(), /No connection to the monitor/);
  // Nothing is green any more.
  const green = await page.locator(".badge, .verdict-icon, .connection, .fact .icon").evaluateAll((all) => all.filter((each) => {
    const [r, g, b] = getComputedStyle(each).color.match(/\d+/g).map(Number);
    const grey = each.closest(".topology, .facts");
    return !grey && g > r + 30 && g > b + 10;
  }).length);
  assert.equal(green, 0);
}

async function liveAgain(page) {
  await shows(page, "the cluster as it is again", () => document.body.dataset.connection === "live");
  await shows(page, "a healthy cluster", healthy);
  assert.ok(await page.locator("#lost").isHidden());
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  await everyLook(browser);
  await hostile(browser);

  // One page for all that follows, never loaded again. A connection that is refused is an error in any console.
  const page = await open(browser, { viewport: { width: 1280, height: 844 } },
    (message) => /net::ERR_|status of 503/.test(message.text()));
  await page.goto(url);
  await threeNodes(page);
  await page.evaluate(() => { window.loadedOnce = true; });

  const { node } = await step("shown");
  await failover(page, node);
  await page.screenshot({ path: `${shots}/failover-light-1280.png`, fullPage: true });
  await accessible(page, "failover");

  await step("failover shown");
  await threeNodes(page);
  assert.ok((await said(page)).includes("Healthy"));

  await step("healthy shown");
  await lost(page);
  await step("silence shown");
  await liveAgain(page);

  await step("live shown");
  await lost(page);
  await page.screenshot({ path: `${shots}/lost-light-1280.png`, fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${shots}/lost-dark-390.png`, fullPage: true });
  await accessible(page, "lost");
  await step("loss shown");
  await liveAgain(page);

  assert.ok(await page.evaluate(() => window.loadedOnce), "the page was never loaded again");
  assert.deepEqual(page.faults, []);
} finally {
  await browser.close();
}
process.exit(0);
