// peero in Chromium: its page in several tabs, and the start page's list.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startHub } from "../support/hub.mjs";
import { open, stage, startRtcBrowser } from "../support/peero-pages.mjs";

let browser;
before(async () => { browser = await startRtcBrowser(); });
after(() => browser.close());

// --- The page ---

const connected = (page) => page.locator('#state[data-state="open"]').waitFor();
const line = (page, text) => page.locator("#log li").filter({ hasText: text }).waitFor();
const listed = (page, name) => page.locator("#peers li").filter({ hasText: name }).waitFor();

/** Opens /peero.html under a name of its own. */
async function tab(context, hub, name) {
	const page = await open(context, hub.url + "peero.html");
	await connected(page);
	await page.locator("#name").fill(name);
	await page.locator("#name").press("Enter");
	return page;
}

async function say(page, text) {
	await page.locator("#text").fill(text);
	await page.locator("#text").press("Enter");
	await line(page, "You: " + text);
}

test("tabs connect directly and chat, a third joins, and one that is closed is gone", async (t) => {
	const { hub, context } = await stage(t, browser);
	const ann = await tab(context, hub, "Ann");
	await ann.locator("#alone").waitFor();
	const [bob] = await Promise.all([context.waitForEvent("page"), ann.locator("#second").click()]);
	bob.faults = [];
	bob.on("pageerror", (error) => bob.faults.push(String(error)));
	await connected(bob);
	await bob.locator("#name").fill("<i>Bob</i>");
	await bob.locator("#name").press("Enter");
	await Promise.all([listed(ann, "<i>Bob</i>"), listed(bob, "Ann")]);
	await say(ann, "to Bob");
	await line(bob, "Ann: to Bob");
	await say(bob, "<img src=x onerror=alert(1)> to Ann");
	await line(ann, "<i>Bob</i>: <img src=x onerror=alert(1)> to Ann");

	const cid = await tab(context, hub, "Cid");
	await Promise.all([listed(ann, "Cid"), listed(bob, "Cid"), listed(cid, "Ann"), listed(cid, "<i>Bob</i>")]);
	await say(cid, "to all");
	await Promise.all([line(ann, "Cid: to all"), line(bob, "Cid: to all")]);

	await bob.close();
	await Promise.all([line(ann, "<i>Bob</i> left."), line(cid, "<i>Bob</i> left.")]);
	assert.equal(await ann.locator("#peers li").count(), 1);
	await cid.close();
	await ann.locator("#alone").waitFor();
	assert.equal(await ann.locator("#log img, #log i, #peers i").count(), 0);
	assert.deepEqual([...ann.faults, ...bob.faults, ...cid.faults], []);
});

test("after the hub was killed and started anew, the tabs find each other again", async (t) => {
	const made = await stage(t, browser);
	const { context } = made;
	const ann = await tab(context, made.hub, "Ann");
	const bob = await tab(context, made.hub, "Bob");
	await Promise.all([listed(ann, "Bob"), listed(bob, "Ann")]);
	const oldId = await ann.locator("#peers li").getAttribute("data-peer");
	await made.hub.kill();
	await Promise.all([ann, bob].map((page) => page.locator('#state[data-state="lost"]').waitFor()));
	// They need no hub for what they say.
	await say(ann, "without a hub");
	await line(bob, "Ann: without a hub");
	made.hub = await startHub({ port: made.hub.port });
	await Promise.all([connected(ann), connected(bob)]);
	await ann.locator(`#peers li:not([data-peer="${oldId}"])`).filter({ hasText: "Bob" }).waitFor();
	await listed(bob, "Ann");
	await say(bob, "with a new one");
	await line(ann, "Bob: with a new one");
	assert.equal(await ann.locator("#peers li").count(), 1);
	assert.deepEqual([...ann.faults, ...bob.faults], []);
});

// --- The start page ---

const forms = (page) => page.locator("#dialects code").allTextContents();

test("the start page lists what is on, as the page itself sees it", async (t) => {
	const { hub, context } = await stage(t, browser, ["--peerjs-key=one", "--peerjs-key=two", "--peerjs-path=/my/app", "--echo"]);
	const page = await open(context, hub.url.replace("127.0.0.1", "localhost"));
	const host = `localhost:${hub.port}`;
	const peer = (key) => `new Peer({ host: "localhost", port: ${hub.port}, path: "/my/app", key: "${key}", secure: false })`;
	assert.deepEqual(await forms(page), [
		`ws://${host}/`, peer("one"), peer("two"), `ws://${host}/peer-relay`, host, `ws://${host}/peero`, `ws://${host}/echo`
	]);
	await page.locator('#dialects a[href="/peero.html"]').click();
	await connected(page);
	assert.deepEqual(page.faults, []);
});

test("the start page lists nothing that is off", async (t) => {
	const { hub, context } = await stage(t, browser, ["--peero=false", "--peerjs=false", "--relay=false", "--netpeer=false"]);
	const page = await open(context, hub.url);
	assert.deepEqual(await forms(page), [`ws://127.0.0.1:${hub.port}/`]);
	assert.equal(await page.locator("#dialects a").count(), 0);
	for (const path of ["peero.html", "peero.js", "peero.d.ts"]) {
		assert.equal((await fetch(hub.url + path)).status, 404, path);
	}
	assert.deepEqual(page.faults, []);
});
