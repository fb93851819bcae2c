// Pages over https and wss, in a Chromium that believes every certificate: the start page, the client, and PeerJS.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clientPage, EVENT_MS } from "../support/browser.mjs";
import { startHub } from "../support/hub.mjs";
import { connect, echoes, startPages, versions } from "../support/peer-pages.mjs";

let pages, hub;
before(async () => {
	[pages, hub] = await Promise.all([startPages(["--ignore-certificate-errors"]), startHub({ moreFlags: ["--tls-self-signed", "--plaintext", "redirect"] })]);
	hub.url = `https://127.0.0.1:${hub.port}/`;
});
after(async () => {
	await pages?.close();
	await hub?.kill();
});

test("the start page works over https, and who comes by http is sent there", async () => {
	const page = await (await pages.browser.newContext()).newPage();
	page.setDefaultTimeout(EVENT_MS);
	await page.goto(`http://127.0.0.1:${hub.port}/`);
	await page.locator('#state[data-state="open"]').waitFor();
	assert.equal(page.url(), hub.url);
	assert.equal(await page.locator("#address").textContent(), `wss://127.0.0.1:${hub.port}/`);
	assert.ok((await page.locator("#in-page").textContent()).includes(`src="${hub.url}ok-peerconnection-min.js"`));
	await page.context().close();
});

test("a client that is told no address finds the hub by wss", async () => {
	const [one, other] = await Promise.all(["script", "module"].map((form) => clientPage(pages.browser, hub, form)));
	for (const page of [one, other]) {
		await page.evaluate(() => window.openConnection({ linkageKey: "tls" }));
	}
	await one.waitForFunction(() => window.heard("addpeer").length);
	await other.waitForFunction(() => window.heard("addpeer").length);
	assert.deepEqual([one.faults, other.faults], [[], []]);
	await one.context().close();
	await other.context().close();
});

for (const version of versions) {
	test(`PeerJS ${version.name} with secure: true`, async (t) => {
		const [from, to] = await Promise.all([1, 2].map(() => pages.joined(t, version, hub, { secure: true })));
		await connect(from, to);
		await echoes(from, "over TLS and then without the hub");
	});
}
