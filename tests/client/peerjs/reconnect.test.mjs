// Clients that lose their server, of their own will or not, and come back to it, in two tabs and in every version.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isPeerhub } from "../support/hub.mjs";
import { connect, echoes, heard, startPages, versions } from "../support/peer-pages.mjs";
import { startPeerServer } from "../support/peer-server.mjs";

let pages, server;
before(async () => {
	server = await startPeerServer();
	pages = await startPages();
});
after(async () => {
	await pages?.close();
	await server?.kill();
});

/** A server that is stopped says so with 1001, which to PeerJS is a loss like any other. */
const ends = [
	["dies", (server) => server.kill()],
	["is stopped", async (server) => {
		server.signal("SIGTERM");
		assert.deepEqual(await server.exited, isPeerhub ? [0, null] : [null, "SIGTERM"]);
	}]
];

for (const version of versions) {
	const { name } = version;

	test(`${name}: disconnect, then reconnect`, async (t) => {
		const [from, to] = await pages.connected(t, version, server);
		await to.evaluate(() => window.endSocket("disconnect"));
		await heard(to, "disconnected");
		await echoes(from, "without the server");
		await to.evaluate(() => window.peer.reconnect());
		assert.equal(await heard(to, "open", 2), to.peerId);
		await connect(from, to);
		await echoes(from, "anew");
		assert.deepEqual([...from.faults, ...to.faults], []);
	});

	for (const [what, end] of ends) {
		test(`${name}: the server ${what} and comes back`, async (t) => {
			const key = version.hasKey ? { key: "own-key" } : {};
			let mortal = await startPeerServer(key);
			t.after(() => mortal.kill());
			const [from, to] = await pages.connected(t, version, mortal, key);
			await end(mortal);
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
	}
}
