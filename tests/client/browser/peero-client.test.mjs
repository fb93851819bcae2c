// peero's client in pages of another origin: a server without peero, so nothing can come from there.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startHub } from "../support/hub.mjs";
import { guest, heard, idOf, peersOf, stage, startRtcBrowser } from "../support/peero-pages.mjs";

let browser, other;
before(async () => { [browser, other] = await Promise.all([startRtcBrowser(), startHub({ moreFlags: ["--peero=false"] })]); });
after(async () => {
	await browser.close();
	await other.kill();
});

test("pages of another origin: to one, to all, text and bytes, and leaving", async (t) => {
	const { hub, context } = await stage(t, browser);
	const ann = await guest(context, hub, other);
	await heard(ann, "open");
	assert.equal(await ann.evaluate(() => window.peero.url), `ws://127.0.0.1:${hub.port}/peero`);
	// By the hub's address alone, too.
	const bob = await guest(context, hub, other, { url: hub.url });
	const cid = await guest(context, hub, other);
	for (const page of [ann, bob, cid]) {
		await heard(page, "peer", 2);
	}
	const [annId, bobId, cidId] = await Promise.all([ann, bob, cid].map(idOf));
	assert.deepEqual((await peersOf(ann)).sort(), [bobId, cidId].sort());

	assert.equal(await ann.evaluate((to) => window.peero.send("for Bob", to), bobId), 1);
	assert.equal(await ann.evaluate(() => window.peero.send(new Uint8Array([1, 2, 3]))), 2);
	assert.equal(await ann.evaluate(() => window.peero.send("nobody", "x")), 0);
	assert.deepEqual((await heard(bob, "message", 2)).map(({ peer, data }) => [peer, data]), [[annId, "for Bob"], [annId, [1, 2, 3]]]);
	assert.deepEqual((await heard(cid, "message")).map(({ peer, data }) => [peer, data]), [[annId, [1, 2, 3]]]);

	await bob.evaluate(() => window.peero.close());
	assert.deepEqual((await heard(bob, "remove", 2)).map(({ peer }) => peer).sort(), [annId, cidId].sort());
	for (const page of [ann, cid]) {
		assert.equal((await heard(page, "remove"))[0].peer, bobId);
	}
	assert.deepEqual(await peersOf(bob), []);
	assert.deepEqual([...ann.faults, ...bob.faults, ...cid.faults], []);
	assert.deepEqual(await ann.evaluate(() => window.heard("error")), []);
});

test("who come at once connect once with everybody", async (t) => {
	const { hub, context } = await stage(t, browser);
	const pages = await Promise.all([1, 2, 3, 4, 5].map(() => guest(context, hub, other)));
	for (const page of pages) {
		await heard(page, "peer", 4);
	}
	const ids = await Promise.all(pages.map(idOf));
	for (const [index, page] of pages.entries()) {
		assert.deepEqual((await peersOf(page)).sort(), ids.filter((_, place) => place !== index).sort());
		const counts = await page.evaluate(() => ["peer", "remove", "error"].map((type) => window.heard(type).length));
		assert.deepEqual([...counts, await page.evaluate(() => window.links.length)], [4, 0, 0, 4]);
		assert.deepEqual(page.faults, []);
	}
});

test("a peer is told of when what is sent to it arrives", async (t) => {
	const { hub, context } = await stage(t, browser);
	const ann = await guest(context, hub, other);
	await heard(ann, "open");
	// A channel that answers may call itself open too early; its statistics say so.
	await ann.evaluate(() => {
		const getStats = RTCPeerConnection.prototype.getStats;
		window.asked = 0;
		RTCPeerConnection.prototype.getStats = function () {
			window.asked += 1;
			return window.isReady ? getStats.call(this) : Promise.resolve(new Map([["D1", { type: "data-channel", state: "connecting" }]]));
		};
	});
	const bob = await guest(context, hub, other);
	await heard(bob, "peer");
	await ann.waitForFunction(() => window.asked > 1, null, { polling: 20 });
	assert.deepEqual(await ann.evaluate(() => [window.heard("peer").length, window.peero.peers, window.peero.send("too early")]), [0, [], 0]);
	await ann.evaluate(() => { window.isReady = true; });
	await heard(ann, "peer");
	assert.equal(await ann.evaluate(() => window.peero.send("in time")), 1);
	assert.deepEqual((await heard(bob, "message")).map(({ data }) => data), ["in time"]);

	// Who is heard can be written to.
	await ann.evaluate(() => { window.isReady = false; });
	const cid = await guest(context, hub, other);
	await heard(cid, "peer", 2);
	const [annId, cidId] = await Promise.all([ann, cid].map(idOf));
	assert.equal(await cid.evaluate((to) => window.peero.send("first", to), annId), 1);
	await heard(ann, "message");
	const told = await ann.evaluate(() => window.events.filter(({ type }) => type === "peer" || type === "message"));
	assert.deepEqual(told.slice(1).map(({ type, peer, data }) => [type, peer, data ?? "none"]), [["peer", cidId, "none"], ["message", cidId, "first"]]);
	assert.deepEqual([...ann.faults, ...bob.faults, ...cid.faults], []);
});

test("a direct connection that is lost comes back", async (t) => {
	const { hub, context } = await stage(t, browser);
	const ann = await guest(context, hub, other, { reconnectTime: 20 });
	await heard(ann, "open");
	const bob = await guest(context, hub, other, { reconnectTime: 20 });
	// Bob came later and made the offer; each side loses the connection once.
	for (const [round, loser] of [ann, bob].entries()) {
		await Promise.all([heard(ann, "peer", round + 1), heard(bob, "peer", round + 1)]);
		await loser.evaluate((isOfferer) => {
			const link = window.links.at(-1);
			link.close();
			// A browser tells nobody on the side that closes; on the offering side a failure of the network is played.
			if (isOfferer) {
				Object.defineProperty(link, "connectionState", { value: "failed" });
				link.dispatchEvent(new Event("connectionstatechange"));
			}
		}, loser === bob);
		await Promise.all([heard(ann, "remove", round + 1), heard(bob, "remove", round + 1)]);
	}
	await Promise.all([heard(ann, "peer", 3), heard(bob, "peer", 3)]);
	assert.equal(await ann.evaluate(() => window.peero.send("again")), 1);
	assert.equal((await heard(bob, "message"))[0].data, "again");
	assert.deepEqual([await peersOf(ann), await peersOf(bob)], [[await idOf(bob)], [await idOf(ann)]]);
});

test("no more connections than a page wants; a place that becomes free is taken", async (t) => {
	const { hub, context } = await stage(t, browser);
	const ann = await guest(context, hub, other, { reconnectTime: 20 });
	await heard(ann, "open");
	const bob = await guest(context, hub, other, { reconnectTime: 20 });
	await Promise.all([heard(ann, "peer"), heard(bob, "peer")]);
	const cid = await guest(context, hub, other, { maxPeers: 1, reconnectTime: 20 });
	const [{ peer: first }] = await heard(cid, "peer");
	assert.equal(await cid.evaluate(() => window.links.length), 1);
	const [leaver, stayer] = first === await idOf(ann) ? [ann, bob] : [bob, ann];
	await leaver.evaluate(() => window.peero.close());
	assert.equal((await heard(cid, "peer", 2))[1].peer, await idOf(stayer));
	assert.deepEqual(await peersOf(cid), [await idOf(stayer)]);
});

test("what the hub refuses is told, and tried again", async (t) => {
	const { hub, context } = await stage(t, browser, ["--peero-max-peers=2"]);
	const pages = [await guest(context, hub, other), await guest(context, hub, other)];
	await Promise.all(pages.map((page) => heard(page, "peer")));
	const late = await guest(context, hub, other, { reconnectTime: 20 });
	assert.match((await heard(late, "error"))[0].error, /^E_FULL: /);
	await pages[0].evaluate(() => window.peero.close());
	assert.equal((await heard(late, "peer"))[0].peer, await idOf(pages[1]));
});
