// peero's messages, as programs that write them by hand see them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { startHub } from "../support/hub.mjs";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Connects; `next()` is the next message, as text. All sockets end with the test. */
async function connect(t, hub) {
	const socket = new WebSocket(`ws://127.0.0.1:${hub.port}/peero`);
	t.after(() => socket.terminate());
	const heard = [];
	let wake = () => {};
	socket.on("message", (data) => {
		heard.push(String(data));
		wake();
	});
	const visitor = {
		socket,
		send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
		next: async () => {
			while (heard.length === 0) {
				await new Promise((resolve) => { wake = resolve; });
			}
			return heard.shift();
		},
		nextJson: async () => JSON.parse(await visitor.next())
	};
	await once(socket, "open");
	return visitor;
}

/** Connects and takes in what every newcomer is told. */
async function join(t, hub, present = []) {
	const visitor = await connect(t, hub);
	const { type, id } = await visitor.nextJson();
	assert.equal(type, "id");
	assert.match(id, UUID);
	assert.deepEqual(await visitor.nextJson(), { type: "peers", peers: present.map((other) => other.id) });
	for (const other of present) {
		assert.deepEqual(await other.nextJson(), { type: "announce", id });
	}
	return Object.assign(visitor, { id });
}

async function hubOf(t, moreFlags = []) {
	const hub = await startHub({ moreFlags });
	t.after(() => hub.kill());
	return hub;
}

test("joining, signalling and leaving", async (t) => {
	const hub = await hubOf(t);
	const ann = await join(t, hub);
	const bob = await join(t, hub, [ann]);
	const cid = await join(t, hub, [ann, bob]);
	assert.equal(new Set([ann.id, bob.id, cid.id]).size, 3);

	const signal = '{ "type":"offer", "sdp" : "v=0\\r\\n", "x":1.0 }';
	cid.send(`{"type":"offer","signal":${signal}}`);
	for (const other of [ann, bob]) {
		assert.equal(await other.next(), `{"type":"offer","peerId":"${cid.id}","signal":${signal}}`);
	}
	ann.send({ type: "answer", peerId: cid.id, signal: { sdp: "v=0" } });
	assert.deepEqual(await cid.nextJson(), { type: "answer", peerId: ann.id, signal: { sdp: "v=0" } });

	const data = { type: "candidate", peerId: bob.id, candidate: { sdpMid: "0" } };
	ann.send({ type: "signal", data });
	assert.deepEqual(await bob.nextJson(), { type: "signal", peerId: ann.id, signal: data });

	bob.send({ type: "register" });
	assert.deepEqual(await bob.nextJson(), { type: "id", id: bob.id });
	assert.deepEqual(await bob.nextJson(), { type: "peers", peers: [ann.id, cid.id] });

	bob.socket.close(1000);
	ann.socket.terminate();
	const removed = [await cid.nextJson(), await cid.nextJson()];
	assert.deepEqual(removed.map(({ type }) => type), ["remove", "remove"]);
	assert.deepEqual(removed.map(({ id }) => id).sort(), [ann.id, bob.id].sort());
	cid.send({ type: "answer", peerId: bob.id, signal: {} });
	const error = await cid.nextJson();
	assert.deepEqual([error.type, error.code, typeof error.message], ["error", "E_PEERUNKNOWN", "string"]);
});

test("bad messages are answered, counted, and nobody else's business", async (t) => {
	const hub = await hubOf(t);
	const ann = await join(t, hub);
	const bob = await join(t, hub, [ann]);
	for (const [message, code] of [
		["hello", "E_NOTJSON"],
		["[]", "E_NOTJSON"],
		['{"type":"chat","text":"hi"}', "E_UNKNOWNTYPE"],
		['{"type":"offer"}', "E_BADSIGNAL"],
		['{"type":"answer","signal":{}}', "E_BADPEER"],
		['{"type":"answer","peerId":{},"signal":{}}', "E_BADPEER"],
		[`{"type":"offer","signal":"${"x".repeat(1 << 16)}"}`, "E_TOOLONG"],
		[`{"type":"offer","signal":{"a":${"[".repeat(5000)}${"]".repeat(5000)}}}`, "E_TOODEEP"]
	]) {
		ann.send(message);
		const error = await ann.nextJson();
		assert.deepEqual([error.type, error.code], ["error", code], message.slice(0, 60));
	}
	ann.send({ type: "offer", signal: {} });
	assert.deepEqual(await bob.nextJson(), { type: "offer", peerId: ann.id, signal: {} });
});

test("who finds no place is told so and closed", async (t) => {
	const hub = await hubOf(t, ["--peero-max-peers=2"]);
	const ann = await join(t, hub);
	await join(t, hub, [ann]);
	const late = await connect(t, hub);
	const closed = once(late.socket, "close");
	assert.equal((await late.nextJson()).code, "E_FULL");
	assert.equal((await closed)[0], 1013);
});

test("the worlds never meet: a peer of the hub's own protocol is in no list", async (t) => {
	const hub = await hubOf(t);
	const stranger = new WebSocket(`ws://127.0.0.1:${hub.port}/`);
	t.after(() => stranger.terminate());
	const [accept] = await once(stranger, "message");
	const ann = await join(t, hub);
	ann.send({ type: "answer", peerId: JSON.parse(accept).content.id, signal: {} });
	assert.equal((await ann.nextJson()).code, "E_PEERUNKNOWN");
});
