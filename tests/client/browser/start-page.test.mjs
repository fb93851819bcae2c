// The start page: what it says, and its chat in two tabs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EVENT_MS, startBrowser } from "../support/browser.mjs";
import { startHub } from "../support/hub.mjs";

let browser, hub;
before(async () => { [browser, hub] = await Promise.all([startBrowser(), startHub()]); });
after(async () => {
	await browser.close();
	await hub.kill();
});

async function startPage(context) {
	context.setDefaultTimeout(EVENT_MS);
	const page = await context.newPage();
	page.faults = [];
	page.requests = [];
	page.on("pageerror", (error) => page.faults.push(String(error)));
	page.on("request", (request) => page.requests.push(request.url()));
	await page.goto(hub.url);
	await connected(page);
	return page;
}

const connected = (page) => page.locator('#state[data-state="open"]').waitFor();
const line = (page, text) => page.locator("#log li").filter({ hasText: text }).waitFor();

test("the page says what it is and how to connect, and needs nothing from elsewhere", async () => {
	const context = await browser.newContext();
	const page = await startPage(context);
	assert.match(await page.locator("#version").textContent(), /^\d+\.\d+\.\d+/);
	assert.equal(await page.locator("#address").textContent(), `ws://127.0.0.1:${hub.port}/`);
	for (const id of ["#in-page", "#in-node"]) {
		const snippet = await page.locator(id).textContent();
		assert.ok(snippet.includes(`url: "ws://127.0.0.1:${hub.port}/"`));
		assert.ok(snippet.includes("linkageKey"));
	}
	const inPage = await page.locator("#in-page").textContent();
	assert.ok(inPage.startsWith(`<script src="${hub.url}ok-peerconnection-min.js"></script>\n<script>\nconst connection`), inPage);
	assert.ok(inPage.endsWith("</script>"));
	await context.grantPermissions(["clipboard-read", "clipboard-write"]);
	await page.locator('[data-copy="in-node"]').click();
	await page.getByText("Copied").waitFor();
	assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await page.locator("#in-node").textContent());
	assert.ok(page.requests.every((url) => url.startsWith(hub.url) || url.startsWith("data:")), page.requests.join());
	assert.deepEqual(page.faults, []);
	await context.close();
});

test("two tabs chat, see each other's names, and ping", async () => {
	const context = await browser.newContext();
	const first = await startPage(context);
	await first.locator("#alone").waitFor();
	const [second] = await Promise.all([context.waitForEvent("page"), first.locator("#second").click()]);
	await connected(second);
	await first.locator("#peers li").waitFor();
	await second.locator("#peers li").waitFor();
	assert.equal(await first.locator("#alone").isVisible(), false);

	await second.locator("#name").fill("<i>Bob</i>");
	await second.locator("#name").press("Enter");
	await first.locator("#peers li").filter({ hasText: "<i>Bob</i>" }).waitFor();
	await second.locator("#text").fill("<img src=x onerror=alert(1)> hello");
	await second.locator("#text").press("Enter");
	await line(first, "<i>Bob</i>: <img src=x onerror=alert(1)> hello");
	await line(second, "You: <img src=x onerror=alert(1)> hello");
	assert.equal(await first.locator("#log img, #log i, #peers i").count(), 0);

	await first.getByRole("button", { name: "Ping <i>Bob</i>" }).click();
	await first.locator("#peers [role=status]").filter({ hasText: / ms$/ }).waitFor();

	await second.close();
	await first.locator("#alone").waitFor();
	await line(first, "<i>Bob</i> left.");
	assert.deepEqual(first.faults, []);
	await context.close();
});

test("the page shows that the hub is gone, and comes back with it", async () => {
	const context = await browser.newContext();
	const page = await startPage(context);
	const other = await startPage(context);
	await page.locator("#peers li").waitFor();
	hub = await hub.restart();
	await Promise.all([page, other].map((each) => each.locator('#state[data-state="lost"]').waitFor()));
	await Promise.all([connected(page), connected(other)]);
	await page.locator("#text").fill("still here");
	await page.locator("#text").press("Enter");
	await line(other, "still here");
	await context.close();
});
