// What befalls a client between its opening and its end, in two tabs and in every version: ids in use, peers that are
// not there, servers that go and come back.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { addressOf, connect, echoes, heard, startPages, versions } from "../support/peer-pages.mjs";
import { hubOnly, startPeerServer } from "../support/peer-server.mjs";

let pages, server, open;
before(async () => {
	server = await startPeerServer({ expire_timeout: 200 });
	open = await startPeerServer({ path: "/my/app", key: "own-key", allow_discovery: true, alive_timeout: 1500 });
	pages = await startPages();
});
after(async () => {
	await pages?.close();
	await server?.kill();
	await open?.kill();
});

const addressOfOpen = () => ({ ...addressOf(open), path: "/my/app", key: "own-key" });

/** A tab whose peer tries to open. */
async function opening(t, version, options) {
	const page = await pages.page(t, version);
	await page.evaluate((options) => window.openPeer(options), options);
	return page;
}

for (const version of versions) {
	const { name } = version;

	test(`${name}: an id in use`, async (t) => {
		const holder = await pages.joined(t, version, server);
		const page = await opening(t, version, { ...addressOf(server), id: holder.peerId });
		const { type, message } = await heard(page, "error");
		assert.equal(type, "unavailable-id");
		assert.match(message, new RegExp(`${holder.peerId}.* is taken`));
		assert.equal(await holder.evaluate(() => window.peer.open), true);
	});

	test(`${name}: a peer that is not there`, async (t) => {
		const page = await pages.joined(t, version, server);
		await page.evaluate(() => window.connectTo("nobody"));
		assert.deepEqual(await heard(page, "error"), { type: "peer-unavailable", message: "Could not connect to peer nobody" });
		assert.equal(await page.evaluate(() => window.peer.open), true);
	});

	test(`${name}: a key that the server does not know`, async (t) => {
		const page = await opening(t, version, { ...addressOf(server), key: "otherkey", id: "any" });
		assert.deepEqual(await heard(page, "error"), { type: "server-error", message: "Invalid key provided" });
	});

	test(`${name}: a listing where discovery is off`, async (t) => {
		const page = await pages.joined(t, version, server);
		const thrown = page.waitForEvent("pageerror");
		thrown.catch(() => {});
		await page.evaluate(() => window.peer.listAllPeers());
		// The old versions throw it where nobody can catch it.
		const { message } = name.startsWith("0.3") ? await thrown : await heard(page, "error");
		assert.match(message, /permission to list peers IDs/);
	});

	test(`${name}: own path and key, discovery`, async (t) => {
		const tabs = await Promise.all([pages.joined(t, version, open, addressOfOpen()), pages.joined(t, version, open, addressOfOpen())]);
		await connect(...tabs);
		await echoes(tabs[0], "own path");
		const listed = await tabs[0].evaluate(() => new Promise((resolve) => window.peer.listAllPeers(resolve)));
		for (const tab of tabs) {
			assert.ok(listed.includes(tab.peerId), `${tab.peerId} in ${listed}`);
		}
	});

	test(`${name}: disconnect, then reconnect`, async (t) => {
		const [from, to] = await pages.connected(t, version, server);
		await to.evaluate(() => {
			window.peer.disconnect();
			return window.heard("disconnected");
		});
		await echoes(from, "without the server");
		await to.evaluate(() => window.peer.reconnect());
		assert.equal(await heard(to, "open", 2), to.peerId);
		await connect(from, to);
		await echoes(from, "anew");
		assert.deepEqual([...from.faults, ...to.faults], []);
	});

	test(`${name}: the server dies and comes back`, async (t) => {
		let mortal = await startPeerServer();
		t.after(() => mortal.kill());
		const [from, to] = await pages.connected(t, version, mortal);
		await mortal.kill();
		for (const page of [from, to]) {
			await heard(page, "disconnected");
			assert.deepEqual(await heard(page, "error"), { type: "network", message: "Lost connection to server." });
		}
		await echoes(from, "without the server");
		mortal = await mortal.restart();
		for (const page of [from, to]) {
			await page.evaluate(() => window.peer.reconnect());
			assert.equal(await heard(page, "open", 2), page.peerId);
		}
		await echoes(from, "over the old connection");
		await connect(to, from);
		await echoes(to, "over a new one");
	});

	test(`${name}: the same id and token in another tab`, hubOnly("the newcomer never opens"), async (t) => {
		const options = { id: `twice-${name.replaceAll(".", "-")}`, token: "token" };
		const old = await pages.joined(t, version, server, options);
		const fresh = await pages.joined(t, version, server, options);
		await heard(old, "disconnected");
		const third = await pages.joined(t, version, server);
		await connect(third, fresh);
		assert.equal(await fresh.evaluate(() => window.peer.disconnected), false);
	});

	test(`${name}: a peer that is destroyed`, async (t) => {
		const [from, to] = await pages.connected(t, version, server);
		await to.evaluate(() => window.peer.destroy());
		await heard(to, "close");
		await heard(from, "connection close");
		// Its id is nobody's now.
		await from.evaluate((id) => window.connectTo(id), to.peerId);
		assert.deepEqual(await heard(from, "error"), { type: "peer-unavailable", message: `Could not connect to peer ${to.peerId}` });
	});

	test(`${name}: heartbeats keep a client`, { skip: !version.hasHeartbeats && "this version has none" }, async (t) => {
		const page = await pages.joined(t, version, open, { ...addressOfOpen(), pingInterval: 100 });
		// Whoever comes later and says nothing has used up its time when it is closed, so the tab has lived beyond its own.
		const silent = new WebSocket(`ws://127.0.0.1:${open.port}/my/app/peerjs?key=own-key&id=silent-${name}&token=t`);
		await once(silent, "open");
		await once(silent, "close");
		const listed = await (await fetch(`${open.url}my/app/own-key/peers`)).json();
		assert.ok(listed.includes(page.peerId));
		assert.ok(!listed.includes(`silent-${name}`));
		assert.equal(await page.evaluate(() => window.countOf("disconnected")), 0);
	});
}
