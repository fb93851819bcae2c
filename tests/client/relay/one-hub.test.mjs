// The original peer-relay package on one hub.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { PeerRelay, finds, hears, hubId, leave, meets, nodeMaker, relayHub, tells, until } from "../support/peer-relay.mjs";

test("peers that know only the hub find each other", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const nodes = [];
	for (let count = 0; count < 4; count++) {
		nodes.push(await node({ port: 0, bootstrap: [hub.relayUrl] }));
	}
	for (const one of nodes) {
		assert.ok(one.met.has(hub.id));
		const others = nodes.filter((other) => other !== one);
		// Each connects to each, since each can be connected to.
		await until(one, "peer", () => others.every((other) => one.met.has(other.hex)));
	}
	for (const one of nodes) {
		for (const other of nodes.filter((other) => other !== one)) {
			await tells(one, other, { hello: other.hex });
		}
	}
});

test("peers that cannot accept connections reach each other through the hub", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const [ann, bob] = [await node({ bootstrap: [hub.relayUrl] }), await node({ bootstrap: [hub.relayUrl] })];
	for (const data of ["text", 0, null, false, "", { a: [1, { b: "ü\u2028\"" }] }, [], "x".repeat(100_000)]) {
		await tells(ann, bob, data);
		await tells(bob, ann, data);
	}
	// Each arrives once, whatever ways there are.
	assert.equal(ann.heard.length, 8);
	assert.equal(bob.heard.length, 8);
	assert.deepEqual([...ann.met, ...bob.met], [hub.id, hub.id], "nobody else was connected to");
});

test("one who can accept connections is found by one who cannot", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const hidden = await node({ bootstrap: [hub.relayUrl] });
	const open = await node({ port: 0, bootstrap: [hub.relayUrl] });
	const late = await node({ bootstrap: [hub.relayUrl] });
	await meets(late, open);
	await tells(hidden, open, 1);
	await tells(open, late, 2);
	await tells(late, hidden, 3);
});

test("the dgram-like socket", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const sockets = [1, 2].map(() => new PeerRelay.Socket({ bootstrap: [hub.relayUrl] }));
	t.after(() => sockets.forEach((socket) => leave(socket.peer)));
	const [one, other] = sockets;
	await Promise.all(sockets.map((socket, place) => new Promise((resolve) => socket.bind(1000 + place, resolve))));
	const { address, port } = other.address();
	assert.equal(port, 1001);
	const arrived = once(other, "message");
	one.send(Buffer.from("--ping--"), 2, 6, port, address);
	const [ping, info] = await arrived;
	assert.equal(ping.toString(), "ping");
	assert.deepEqual(info, { address: one.address().address, port: 1000, family: "peer-relay" });
	const answered = once(one, "message");
	other.send(Buffer.from("pong"), 0, 4, info.port, info.address);
	const [pong] = await answered;
	assert.equal(pong.toString(), "pong");
});

test("thirty peers", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const nodes = await Promise.all(Array.from({ length: 30 }, () => node({ bootstrap: [hub.relayUrl] })));
	await Promise.all(nodes.flatMap((one) => nodes.filter((other) => other !== one).map((other) => tells(one, other, "hello"))));
	for (const one of nodes) {
		assert.equal(one.heard.length, 29, "each message arrives once");
		assert.equal(one.met.size, 1);
	}
	await finds(nodes[0], hub.id, nodes[5].hex, (found) => found.length === 20 && found[0] === nodes[5].hex);
});

test("who leaves is found no more, and the others go on", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const [ann, bob, cay] = await Promise.all([1, 2, 3].map(() => node({ bootstrap: [hub.relayUrl] })));
	await tells(ann, bob, 1);
	leave(bob);
	await finds(ann, hub.id, bob.hex, (found) => !found.includes(bob.hex));
	ann.send(bob.id, "lost");
	await tells(ann, cay, 2);
	await tells(cay, ann, 3);
	const back = await node({ bootstrap: [hub.relayUrl] });
	await tells(ann, back, 4);
});

test("a relay between a peer and the hub, and its end", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const relay = await node({ port: 0, bootstrap: [hub.relayUrl] });
	const behind = await node({ bootstrap: [relay.wsConnector.url] });
	await meets(relay, behind);
	const [ann, bob] = await Promise.all([1, 2].map(() => node({ bootstrap: [hub.relayUrl] })));
	await tells(behind, ann, 1);
	await tells(ann, behind, 2);
	await tells(bob, behind, 3);
	leave(relay);
	await finds(ann, hub.id, relay.hex, (found) => !found.includes(relay.hex));
	await tells(ann, bob, 4);
	await tells(bob, ann, 5);
});

test("a node that sends nonsense harms nobody", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const [ann, bob, bad] = await Promise.all([1, 2, 3].map(() => node({ bootstrap: [hub.relayUrl] })));
	const [channel] = bad.peers.toArray();
	for (const nonsense of [5, null, [], {}, "", { to: "x" }, { to: ann.hex, from: bad.hex, path: "x", nonce: "1", data: 1 }]) {
		channel.send(nonsense);
	}
	await tells(bad, ann, "still there");
	await tells(ann, bob, 1);
	assert.equal(ann.heard.length, 1);
});

test("a hub that ends is noticed", async (t) => {
	const hub = await relayHub(t, hubId("7"));
	const node = nodeMaker(t);
	const ann = await node({ bootstrap: [hub.relayUrl] });
	const gone = until(ann.peers, "removed", () => ann.peers.count() === 0);
	hub.signal("SIGTERM");
	await gone;
	const again = await hub.again();
	const [bob, cay] = await Promise.all([1, 2].map(() => node({ bootstrap: [again.relayUrl] })));
	await tells(bob, cay, 1);
});
