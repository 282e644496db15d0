// Drives GraphiQL and Swagger UI in a real browser against a running server: node check.mjs http://localhost:9000
// CHROMIUM names the browser. Ends with 1 at the first thing that is not as it should be, and says which.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const WAIT_MS = 20_000;
// GraphiQL takes over what is written in an editor after half a second.
const SETTLE_MS = 600;
const LAUNCH = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const base = process.argv[2] ?? "http://localhost:9000";
const profile = await mkdtemp(join(tmpdir(), "everruns-pages-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: LAUNCH,
  viewport: { width: 1400, height: 1000 },
});
browser.setDefaultTimeout(WAIT_MS);

// What may not happen on any page.
const problems = [];
const noticed = (page) => {
  const foreign = (address) => {
    const url = new URL(address);
    if (!["data:", "blob:", "about:"].includes(url.protocol) && url.host !== new URL(base).host) {
      problems.push(`a request leaves the machine: ${address}`);
    }
  };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("request", (request) => foreign(request.url()));
  page.on("websocket", (socket) => foreign(socket.url()));
  return page;
};

function must(holds, what) {
  if (!holds) throw new Error(what);
  console.log(`ok: ${what}`);
}

async function graphql(query, variables, headers = {}) {
  const answer = await fetch(`${base}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return (await answer.json()).data;
}

// GraphiQL's editors are CodeMirror's.
const editor = (page, name) => page.locator(`.graphiql-${name} .CodeMirror`).first();
async function write(page, place, value) {
  await place.evaluate((node, text) => node.CodeMirror.setValue(text), JSON.stringify(value));
  await page.waitForTimeout(SETTLE_MS);
}
const variables = (page) => editor(page, "editor-tool");
const headers = (page) => page.locator(".graphiql-editor-tool .CodeMirror").last();
const result = (page) => page.locator(".result-window .CodeMirror").evaluate((node) => node.CodeMirror.getValue());

async function openTab(page, index, operation) {
  await page.locator(".graphiql-tab-button").nth(index).click();
  await page.waitForFunction((name) =>
    document.querySelector(".graphiql-query-editor .CodeMirror").CodeMirror.getValue().includes(name), operation);
}

// Runs an operation of the tab that is open; where it has several, the button asks which. It changes a moment after the tab.
async function run(page, operation, several) {
  await page.click(`.graphiql-execute-button${several ? "[aria-haspopup]" : ":not([aria-haspopup])"}`);
  if (several) await page.locator(`[role="menuitem"]:has-text("${operation}")`).click();
}

async function until(page, what, holds) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const text = await result(page);
    if (holds(text)) {
      must(true, what);
      return text;
    }
    if (Date.now() > end) throw new Error(`${what}: ${text}`);
    await page.waitForTimeout(50);
  }
}

async function answer(page, operation, field, several = true) {
  await run(page, operation, several);
  const text = await until(page, `${operation} answers`, (text) => text.includes(`"${field}"`));
  const { data, errors } = JSON.parse(text);
  must(errors === undefined, `${operation} has no errors`);
  return data[field];
}

async function checkGraphiql() {
  const page = noticed(await browser.newPage());
  const inits = [];
  const authorized = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => {
    const message = JSON.parse(payload);
    if (message.type === "connection_init") inits.push(message.payload ?? {});
  }));
  page.on("request", (request) => {
    if (new URL(request.url()).pathname === "/graphql") authorized.push(request.headers().authorization);
  });
  await page.goto(`${base}/graphiql`);
  await page.waitForSelector(".graphiql-container");
  must((await page.locator(".graphiql-tab").count()) === 4, "four tabs are open");

  await page.click('button[aria-label="Show Documentation Explorer"]');
  await page.click('.graphiql-doc-explorer-content a:has-text("Subscription")');
  await page.waitForFunction(() =>
    document.querySelector(".graphiql-doc-explorer-content").innerText.includes("sessionEvents"));
  must(true, "the manual shows sessionEvents");
  for (const [index, name] of ["CreateAgent", "CreateSession", "SessionEvents", "AgentsPage"].entries()) {
    await openTab(page, index, name);
    const wrong = await editor(page, "query-editor").evaluate((node) =>
      node.CodeMirror.getAllMarks().filter((mark) => /error/.test(mark.className ?? "")).length);
    must(wrong === 0, `the tab ${name} fits the schema`);
  }
  must(authorized.every((value) => value === undefined), "an empty Authorization is not sent");

  await openTab(page, 0, "CreateAgent");
  const agentId = (await answer(page, "CreateAgent", "createAgent")).agent.id;
  await openTab(page, 1, "CreateSession");
  await write(page, variables(page), { agentId });
  const sessionId = (await answer(page, "CreateSession", "createSession")).session.id;
  await checkLive(page, agentId, sessionId);
  await checkPageOfAgents(page);

  // What stands in the headers' editor goes with requests and with the socket of a subscription.
  must(inits.every((payload) => payload.Authorization === undefined), "nothing is sent while there is nothing to send");
  await openTab(page, 2, "SessionEvents");
  await page.click('button:has-text("Headers")');
  await write(page, headers(page), { Authorization: "evr_example" });
  await run(page, "SessionEvents", false);
  await page.waitForFunction(() => document.querySelector(".graphiql-execute-button").ariaLabel.includes("Stop"));
  await until(page, "the replay is shown again", (text) => /CaughtUp|Session/.test(text));
  must(inits.at(-1).Authorization === "evr_example", "connection_init carries the header");
  await page.click(".graphiql-execute-button");
  await page.click('button[aria-label="Re-fetch GraphQL schema"]');
  const end = Date.now() + WAIT_MS;
  while (authorized.at(-1) !== "evr_example" && Date.now() < end) await page.waitForTimeout(50);
  must(authorized.at(-1) === "evr_example", "introspection carries the header");
  await page.close();
}

async function checkLive(page, agentId, sessionId) {
  await openTab(page, 2, "SessionEvents");
  await write(page, variables(page), { sessionId });
  await page.evaluate(() => {
    const node = document.querySelector(".result-window .CodeMirror").CodeMirror;
    window.seen = new Set();
    const note = () => (node.getValue().match(/"(Message|Session|CaughtUp|Step)\w*"/g) ?? []).forEach((type) => window.seen.add(type));
    node.on("change", note);
  });
  await run(page, "SessionEvents", false);
  await until(page, "the subscription is open", (text) => text.includes("CaughtUp"));
  // The message comes from another client, and the open tab shows what happens.
  const send = "mutation($id: ID!) { sendMessage(input: { sessionId: $id, content: [{ text: \"Hello\" }] }) { turn { id } } }";
  must((await graphql(send, { id: sessionId }))?.sendMessage, "a message is sent from elsewhere");
  const live = ['"MessageReceived"', '"MessageDelta"', '"MessageCreated"', '"SessionCompleted"'];
  await page.waitForFunction((types) => types.every((type) => window.seen.has(type)), live);
  must(true, "the tab shows message, deltas and the end, live");
  await page.click(".graphiql-execute-button");

  await openTab(page, 1, "SendMessage");
  await write(page, variables(page), { agentId, sessionId });
  must((await answer(page, "SendMessage", "sendMessage")).turn.id, "a message is sent from the tab");
  await answer(page, "Messages", "session");
}

async function checkPageOfAgents(page) {
  for (const name of ["Second", "Third"]) {
    await graphql("mutation($name: String!) { createAgent(input: { name: $name, systemPrompt: \"\" }) { agent { id } } }", { name });
  }
  await openTab(page, 3, "AgentsPage");
  const first = await answer(page, "AgentsPage", "agents", false);
  must(first.edges.length === 2 && first.pageInfo.hasNextPage, "a page has two agents, and more follow");
  await write(page, variables(page), { after: first.pageInfo.endCursor });
  await run(page, "AgentsPage", false);
  const text = await until(page, "the next page comes", (text) =>
    text.includes('"agents"') && !text.includes(first.edges[0].node.id));
  must(JSON.parse(text).data.agents.edges.length >= 1, "it has the agents that follow");
}

async function checkSwaggerUi() {
  const page = noticed(await browser.newPage());
  await page.goto(`${base}/swagger-ui`);
  must(new URL(page.url()).pathname === "/swagger-ui/", "the path without a slash leads to the page");
  const route = page.locator("#operations-agents-create_agent");
  await route.waitFor();
  const { paths } = await (await fetch(`${base}/api-doc/openapi.json`)).json();
  const routes = Object.values(paths).map((item) => Object.keys(item).length).reduce((sum, count) => sum + count, 0);
  must((await page.locator(".opblock").count()) === routes, `all ${routes} routes are listed`);

  await page.click("button.authorize");
  const schemes = await page.locator(".auth-container h4").allInnerTexts();
  must(["api_key", "bearer", "cookie"].every((name) => schemes.some((text) => text.includes(name))), "Authorize knows the three schemes");
  const key = page.locator('.auth-container:has(h4:has-text("api_key"))');
  await key.locator("input").fill("evr_example");
  await key.locator('button[type="submit"]').click();
  await page.click(".btn-done");

  await route.locator(".opblock-summary").click();
  await route.locator(".try-out__btn").click();
  must((await route.locator("textarea").inputValue()).includes("system_prompt"), "the body is the example");
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.url().endsWith("/v1/agents"));
  await route.locator(".execute").click();
  must((await sent).headers().authorization === "evr_example", "the key is sent");
  const status = route.locator(".live-responses-table .response .response-col_status").first();
  await status.waitFor();
  must((await status.innerText()).startsWith("201"), "Execute shows 201");

  await page.reload();
  await route.waitFor();
  must((await page.locator("button.authorize.locked").count()) === 1, "the key outlives a reload");
  await page.close();
}

try {
  await checkGraphiql();
  await checkSwaggerUi();
  must(problems.length === 0, `no request leaves the machine, and the console is silent${problems.map((text) => `\n${text}`).join("")}`);
} catch (error) {
  console.error(`FAILED: ${error.message}\n${problems.join("\n")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}
