// The client in Chromium: its three forms, reopening after a restart of the hub, sleep and awakening.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { clientPage, heard, startBrowser } from "../support/browser.mjs";
import { isPeerhub, startHub } from "../support/hub.mjs";

let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser.close());

/** Pages of one linkage on a hub of the test's own, each with an open connection; all end with the test. */
async function pages(t, forms, { hubSettings, falseClock, params = () => ({}) } = {}) {
	let hub = await startHub(hubSettings);
	const opened = [];
	t.after(async () => {
		await Promise.all(opened.map((page) => page.context().close()));
		await hub.kill();
	});
	for (const [index, form] of forms.entries()) {
		const page = await clientPage(browser, hub, form, { falseClock });
		await page.evaluate((given) => window.openConnection(given), { linkageKey: t.name, ...params(index) });
		await heard(page, "confirm");
		opened.push(page);
	}
	return { pages: opened, hub, restart: async () => { hub = await hub.restart(); return hub; } };
}

const idOf = (page) => page.evaluate(() => window.connection.id);
const peerIds = (page) => page.evaluate(() => window.connection.filter(() => true).map((peer) => peer.id));

for (const forms of [["script", "module"], ["minified", "script"]]) {
	test(`two pages (${forms.join(" and ")}) join, see each other, notify, request and publish`, async (t) => {
		const { pages: [ann, bob], hub } = await pages(t, forms, { params: (index) => ({ properties: { index } }) });
		const bobId = await idOf(bob);
		await Promise.all([heard(ann, "addpeer"), heard(bob, "addpeer")]);
		assert.deepEqual([await peerIds(ann), await peerIds(bob)], [[bobId], [await idOf(ann)]]);
		assert.equal(await ann.evaluate(() => window.connection.url), hub.url);
		assert.equal(await ann.evaluate(() => window.connection instanceof EventTarget), true);

		await ann.evaluate((peer) => window.connection.notify({ peer, name: "n", content: "hi" }), bobId);
		assert.equal((await heard(bob, "notify")).content, "hi");
		const answer = await ann.evaluate(async (peer) => (await window.connection.request({ peer, content: 5 })).content, bobId);
		assert.deepEqual(answer, { echo: 5 });

		await ann.evaluate(() => window.connection.subscribe({ channels: "news" }));
		// Ann's own message comes back only after her subscription is in force.
		await ann.evaluate(() => window.connection.publish({ channel: "news", message: "mine" }));
		await heard(ann, "message");
		await bob.evaluate(() => window.connection.publish({ channel: "news", message: "theirs" }));
		assert.equal((await heard(ann, "message", 2)).content.message, "theirs");

		await bob.evaluate(() => window.connection.setProperties({ index: 7 }));
		await heard(ann, "alterpeer");
		await bob.evaluate(() => window.connection.close());
		await heard(bob, "close");
		assert.equal((await heard(ann, "removepeer")).peer, bobId);
		assert.deepEqual([...ann.faults, ...bob.faults], []);
	});
}

test("a listener that throws stops neither the others nor the connection", async (t) => {
	const { pages: [page] } = await pages(t, ["script"]);
	const calls = await page.evaluate(() => {
		const made = [];
		const { connection } = window;
		connection.on("mine", () => { made.push("first"); throw new Error("the listener's own"); });
		connection.on("mine", () => made.push("second"));
		connection.dispatchEvent(connection.newPeerEvent("mine"));
		return made;
	});
	assert.deepEqual(calls, ["first", "second"]);
	assert.deepEqual(page.faults, ["Error: the listener's own"]);
	await page.evaluate(() => window.connection.subscribe({ channels: "c" }).publish({ channel: "c", message: 1 }));
	await heard(page, "message");
});

test("a page that is left tells the hub", async (t) => {
	const { pages: [ann, bob] } = await pages(t, ["script", "script"]);
	const bobId = await idOf(bob);
	await heard(ann, "addpeer");
	await bob.goto("about:blank");
	assert.equal((await heard(ann, "removepeer")).peer, bobId);
});

test("after the hub was killed and started anew, all is as before", async (t) => {
	const { pages: [ann, bob], restart } = await pages(t, ["script", "module"], {
		params: (index) => ({ reopenInterval: 50, tags: ["tag" + index], properties: { index } })
	});
	const [annId, bobId] = [await idOf(ann), await idOf(bob)];
	await Promise.all([heard(ann, "addpeer"), heard(bob, "addpeer")]);
	await ann.evaluate(() => window.connection.subscribe({ channels: ["news"] }).addTag("later").setProperties({ later: 1 }));
	await restart();
	await Promise.all([heard(ann, "confirm", 2), heard(bob, "confirm", 2)]);
	assert.deepEqual([await idOf(ann), await idOf(bob)], [annId, bobId]);
	await bob.waitForFunction((id) => window.connection.find((peer) => peer.id === id)?.properties.later === 1, annId);
	assert.deepEqual(await bob.evaluate((id) => window.connection.find((peer) => peer.id === id).tags, annId), ["tag0", "later"]);
	await bob.evaluate(() => window.connection.publish({ channel: "news", message: "again" }));
	assert.equal((await heard(ann, "message")).content.message, "again");
	await ann.waitForFunction((id) => window.connection.find((peer) => peer.id === id), bobId);
	assert.deepEqual(await ann.evaluate(async (peer) => (await window.connection.request({ peer, content: 1 })).content, bobId), { echo: 1 });
});

const nudgeInterval = 200;

test("sleep, then a socket that still lives: nothing happens", async (t) => {
	const { pages: [page] } = await pages(t, ["script"], { falseClock: true, hubSettings: { nudgeInterval } });
	await heard(page, "nudge");
	await page.clock.fastForward(3600 * 1000);
	const { length } = await page.evaluate(() => window.heard("nudge"));
	await heard(page, "nudge", length + 2);
	await page.clock.fastForward(2500);
	await heard(page, "nudge", length + 3);
	assert.deepEqual(await page.evaluate(() => window.heard("awakening")), []);
	assert.equal(await page.evaluate(() => window.connection.connectCount), 1);
});

test("sleep, then a socket that claims to be open but is dead: awakening, and a new connection", async (t) => {
	const { pages: [page], hub } = await pages(t, ["script"], { falseClock: true, hubSettings: { nudgeInterval } });
	const id = await idOf(page);
	await heard(page, "nudge");
	hub.signal("SIGSTOP");
	await page.clock.fastForward(3600 * 1000);
	assert.equal(await page.evaluate(() => window.connection.readyState), 1);
	await page.clock.fastForward(2100);
	await heard(page, "awakening");
	hub.signal("SIGCONT");
	await heard(page, "confirm", 2);
	assert.equal(await page.evaluate(() => window.connection.connectCount), 2);
	assert.equal(await idOf(page), id);
	const { length } = await page.evaluate(() => window.heard("nudge"));
	await heard(page, "nudge", length + 1);
	assert.equal((await page.evaluate(() => window.heard("awakening"))).length, 1);
});

test("sleep, then a socket that was lost meanwhile: awakening, and no more waiting", async (t) => {
	const { pages: [page], restart } = await pages(t, ["script"], {
		falseClock: true, hubSettings: { nudgeInterval }, params: () => ({ reopenInterval: 24 * 3600 * 1000 })
	});
	const id = await idOf(page);
	await heard(page, "nudge");
	await restart();
	await page.waitForFunction(() => window.connection.readyState === 3);
	await page.clock.fastForward(3600 * 1000);
	await heard(page, "awakening");
	await heard(page, "confirm", 2);
	assert.equal(await idOf(page), id);
});

test("when the network comes back, the page does not wait either", async (t) => {
	const { pages: [page], restart } = await pages(t, ["script"], { params: () => ({ reopenInterval: 24 * 3600 * 1000 }) });
	await restart();
	await page.waitForFunction(() => window.connection.readyState === 3);
	await page.evaluate(() => window.dispatchEvent(new Event("online")));
	await heard(page, "confirm", 2);
});

test("an id in use goes to one page only", { skip: !isPeerhub && "the original server lets ids be shadowed" }, async (t) => {
	const { pages: [ann], hub } = await pages(t, ["script"], { params: () => ({ id: "wanted" }) });
	const bob = await clientPage(browser, hub, "script");
	t.after(() => bob.context().close());
	await bob.evaluate((linkageKey) => window.openConnection({ linkageKey, id: "wanted", reopenInterval: 50 }), t.name);
	const error = await heard(bob, "error");
	assert.equal(error.code, "E_IDINUSE");
	await ann.evaluate(() => window.connection.close());
	await heard(bob, "confirm");
	assert.equal(await idOf(bob), "wanted");
});
