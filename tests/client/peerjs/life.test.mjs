// What befalls a client between its opening and its end, in two tabs and in every version: ids in use, peers that are
// not there, what the server refuses.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { addressOf, connect, echoes, heard, startPages, versions } from "../support/peer-pages.mjs";
import { hubOnly, startPeerServer } from "../support/peer-server.mjs";

let pages, server, open;
before(async () => {
	server = await startPeerServer({ expire_timeout: 200 });
	open = await startPeerServer({ path: "/my/app", allow_discovery: true, alive_timeout: 1500 });
	pages = await startPages();
});
after(async () => {
	await pages?.close();
	await server?.kill();
	await open?.kill();
});

const below = { path: "/my/app" };

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

	test(`${name}: ids that cannot be anybody's`, async (t) => {
		const [page, other] = await Promise.all([pages.joined(t, version, server), pages.joined(t, version, server)]);
		// An id that was typed into an empty field, or never looked up.
		await page.evaluate(() => ["", undefined, null].forEach((id) => window.connectTo(id)));
		await page.evaluate(() => window.connectTo(42));
		assert.deepEqual(await heard(page, "error"), { type: "peer-unavailable", message: "Could not connect to peer 42" });
		await connect(page, other);
		assert.equal(await page.evaluate(() => window.peer.open), true);
	});

	test(`${name}: a key that the server does not know`, { skip: !version.hasKey && "this version always comes with the same key" }, async (t) => {
		const page = await opening(t, version, { ...addressOf(server), key: "otherkey", id: "any" });
		assert.deepEqual(await heard(page, "error"), { type: "server-error", message: "Invalid key provided" });
	});

	test(`${name}: a listing where discovery is off`, async (t) => {
		const page = await pages.joined(t, version, server);
		const thrown = name.startsWith("0.3") && page.waitForEvent("pageerror");
		await page.evaluate(() => window.peer.listAllPeers());
		if (name.startsWith("0.3")) {
			assert.match((await thrown).message, /permission to list peers IDs/);
			return;
		}
		const { type, message } = await heard(page, "error");
		assert.equal(type, "server-error");
		assert.match(message, version.listingFault ?? /permission to list peers IDs/);
	});

	test(`${name}: own path, and a listing where discovery is on`, async (t) => {
		const tabs = await Promise.all([pages.joined(t, version, open, below), pages.joined(t, version, open, below)]);
		await connect(...tabs);
		await echoes(tabs[0], "own path");
		const listed = await tabs[0].evaluate(() => new Promise((resolve) => window.peer.listAllPeers(resolve)));
		for (const tab of tabs) {
			assert.ok(listed.includes(tab.peerId), `${tab.peerId} in ${listed}`);
		}
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
		await to.evaluate(() => window.endSocket("destroy"));
		await heard(to, "close");
		await heard(from, "connection close");
		// Its id is nobody's now.
		await from.evaluate((id) => window.connectTo(id), to.peerId);
		assert.deepEqual(await heard(from, "error"), { type: "peer-unavailable", message: `Could not connect to peer ${to.peerId}` });
	});

	test(`${name}: heartbeats keep a client`, { skip: !version.hasHeartbeats && "this version has none" }, async (t) => {
		const page = await pages.joined(t, version, open, { ...below, pingInterval: 100 });
		// Whoever comes later and says nothing has used up its time when it is closed, so the tab has lived beyond its own.
		const silent = new WebSocket(`ws://127.0.0.1:${open.port}/my/app/peerjs?key=peerjs&id=silent-${name}&token=t`);
		await once(silent, "open");
		await once(silent, "close");
		const listed = await (await fetch(`${open.url}my/app/peerjs/peers`)).json();
		assert.ok(listed.includes(page.peerId));
		assert.ok(!listed.includes(`silent-${name}`));
		assert.equal(await page.evaluate(() => window.countOf("disconnected")), 0);
	});
}
