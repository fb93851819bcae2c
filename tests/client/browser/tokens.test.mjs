// Tokens in Chromium: shown as a sub-protocol, renewed on the living connection, and asked for anew after the end of one. And
// the start page, which takes one from its own address.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clientPage, heard, startBrowser } from "../support/browser.mjs";
import { isPeerhub } from "../support/hub.mjs";
import { guardedHub, token } from "../support/tokens.mjs";

const options = { skip: !isPeerhub && "only peerhub has tokens" };

let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser.close());

/** Opens a connection whose tokens are asked for here. */
async function open(t, hub, getToken) {
	const page = await clientPage(browser, hub, "script");
	t.after(() => page.context().close());
	await page.exposeFunction("askForToken", getToken);
	await page.evaluate((linkageKey) => window.openConnection({
		linkageKey, reopenInterval: 50, getToken: () => window.askForToken()
	}), t.name);
	return page;
}

test("a page comes in with its token and renews it before it expires", options, async (t) => {
	const hub = await guardedHub(t);
	let asked = 0;
	const page = await open(t, hub, () => token(++asked === 1 ? 2500 : 60000));
	assert.equal((await heard(page, "confirm")).content.userid, "ann");
	const renewed = page.evaluate(() => new Promise((resolve) => window.connection.on("authenticated", resolve)).then(() => true));
	assert.equal(await renewed, true);
	assert.deepEqual([asked, await page.evaluate(() => window.connection.connectCount)], [2, 1]);
	assert.deepEqual(page.faults, []);
});

test("a page whose token has expired comes back with another one, under its id", options, async (t) => {
	const hub = await guardedHub(t);
	let asked = 0;
	const page = await open(t, hub, () => ++asked === 2 ? new Promise(() => {}) : token(asked === 1 ? 2000 : 60000));
	await heard(page, "confirm");
	const id = await page.evaluate(() => window.connection.id);
	await heard(page, "confirm", 2);
	assert.equal(await page.evaluate(() => window.connection.id), id);
	assert.equal(await page.evaluate(() => window.connection.connectCount), 2);
});

test("the start page takes a token from its address, and so does its second tab", options, async (t) => {
	const hub = await guardedHub(t);
	const context = await browser.newContext();
	t.after(() => context.close());
	const first = await context.newPage();
	await first.goto(hub.url + "?token=" + token(60000));
	const [second] = await Promise.all([context.waitForEvent("page"), first.locator("#second").click()]);
	await first.locator("#peers li").waitFor();
	await second.locator("#peers li").waitFor();
	assert.equal((await first.locator("body").innerText()).includes("eyJ"), false);
});
