// What browsers do not show of PeerJS: the frames and answers as they are.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CLOSED, connectSocket, joinedSocket } from "../support/peer-sockets.mjs";
import { hubOnly, startPeerServer } from "../support/peer-server.mjs";

let server, small;
before(async () => {
	server = await startPeerServer({ expire_timeout: 300 });
	small = await startPeerServer({ concurrent_limit: 2, allow_discovery: true, path: "/small" });
});
after(async () => {
	await server?.kill();
	await small?.kill();
});

const error = (msg) => JSON.stringify({ type: "ERROR", payload: { msg } });

for (const missing of ["id", "token", "key"]) {
	test(`without ${missing}`, async (t) => {
		const fields = { key: "peerjs", id: "somebody", token: "t" };
		delete fields[missing];
		const client = await connectSocket(t, server, fields);
		await client.hears(error("No id, token, or key supplied to websocket server"), CLOSED);
	});
	test(`with an empty ${missing}`, async (t) => {
		const client = await connectSocket(t, server, { key: "peerjs", id: "somebody", token: "t", [missing]: "" });
		await client.hears(error("No id, token, or key supplied to websocket server"), CLOSED);
	});
}

test("with a wrong key", async (t) => {
	const client = await connectSocket(t, server, { key: "wrong", id: "somebody", token: "t" });
	await client.hears(error("Invalid key provided"), CLOSED);
});

test("over the limit; room again when one has left", async (t) => {
	const place = { path: "/small/peerjs" };
	const [first] = [await joinedSocket(t, small, "one", place), await joinedSocket(t, small, "two", place)];
	const third = await connectSocket(t, small, { ...place, key: "peerjs", id: "three", token: "t" });
	await third.hears(error("Server has reached its concurrent user limit"), CLOSED);
	const taken = await connectSocket(t, small, { ...place, key: "peerjs", id: "two", token: "another" });
	await taken.hears('{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}', CLOSED);
	// Whoever gives its id up with a LEAVE to nobody makes room at once.
	first.send({ type: "LEAVE" });
	first.send({ type: "OFFER", dst: "two", payload: 1 });
	await joinedSocket(t, small, "three", place);
	assert.deepEqual((await (await fetch(`${small.url}small/peerjs/peers`)).json()).sort(), ["three", "two"]);
});

test("an id with another token is taken", async (t) => {
	const holder = await joinedSocket(t, server, "holder");
	const other = await connectSocket(t, server, { key: "peerjs", id: "holder", token: "another" });
	await other.hears('{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}', CLOSED);
	holder.send({ type: "OFFER", dst: "holder", payload: "still here" });
	await holder.hears('{"type":"OFFER","src":"holder","dst":"holder","payload":"still here"}');
});

test("the same id and token again", hubOnly("the newcomer is not told OPEN, and the old socket stays"), async (t) => {
	const old = await joinedSocket(t, server, "twice", { token: "same" });
	const fresh = await joinedSocket(t, server, "twice", { token: "same" });
	assert.ok("closed" in await old.next());
	const other = await joinedSocket(t, server, "other of twice");
	other.send({ type: "OFFER", dst: "twice", payload: 1 });
	await fresh.hears('{"type":"OFFER","src":"other of twice","dst":"twice","payload":1}');
});

test("an id is free as soon as its socket has ended", hubOnly("the server may notice it a moment later"), async (t) => {
	for (let round = 0; round < 20; round += 1) {
		const client = await joinedSocket(t, server, "freed", { token: `token ${round}` });
		client.close();
		await client.hears(CLOSED);
	}
});

test("messages come with these four fields and the true sender", async (t) => {
	const from = await joinedSocket(t, server, "from ü&=+");
	const to = await joinedSocket(t, server, "to");
	for (const type of ["OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE"]) {
		from.send({ extra: 1, payload: { sdp: "v=0\r\n", n: null }, dst: "to", src: "somebody else", type, token: "t" });
		await to.hears(`{"type":"${type}","src":"from ü&=+","dst":"to","payload":{"sdp":"v=0\\r\\n","n":null}}`);
		from.send({ type, dst: "to" });
		await to.hears(`{"type":"${type}","src":"from ü&=+","dst":"to"}`);
	}
});

test("a payload is forwarded as it came", hubOnly("reads it and writes it anew"), async (t) => {
	const from = await joinedSocket(t, server, "plain");
	const to = await joinedSocket(t, server, "reader");
	const payloads = [
		'{ "a" :\t1.0e+2,"\\u0062":"\\/\\ud83c\\udf88\\ud800" , "a": 12345678901234567890.0 }', "-0", '"\\u00e9é"', "[ ]", "null", "false", '""',
		`[${"\"long\", ".repeat(5000)}1e400]`
	];
	for (const payload of payloads) {
		from.send(`{"payload" : ${payload} ,"type":"OF\\u0046ER","dst":"read\\u0065r"}`);
		await to.hears(`{"type":"OFFER","src":"plain","dst":"reader","payload":${payload}}`);
	}
});

test("what is no message, and what goes nowhere, harms nobody", async (t) => {
	const from = await joinedSocket(t, server, "careless");
	const to = await joinedSocket(t, server, "calm");
	const careless = [
		'{"type":"HEARTBEAT"}', '{"type":"LEAVE","dst":"not there"}', '{"type":"EXPIRE","dst":"not there"}',
		'{"type":"OFFER","payload":1}', '{"type":"ANSWER","dst":"","payload":1}', '{"type":"CANDIDATE","dst":null,"payload":1}', '{"type":"EXPIRE"}'
	];
	careless.forEach(from.send);
	from.send({ type: "OFFER", dst: "careless", payload: "first" });
	await from.hears('{"type":"OFFER","src":"careless","dst":"careless","payload":"first"}');
	["no JSON", "", "[]", "7", '{"type":"OPEN"}', '{"type":"__proto__","dst":"calm"}', '{"type":{},"dst":"calm"}'].forEach(from.send);
	from.send({ type: "OFFER", dst: "calm", payload: "after all" });
	await to.hears('{"type":"OFFER","src":"careless","dst":"calm","payload":"after all"}');
});

test("messages wait for who is not there, in order, all senders'", async (t) => {
	const [first, second] = [await joinedSocket(t, server, "sender 1"), await joinedSocket(t, server, "sender 2")];
	const expected = [];
	for (let round = 0; round < 10; round += 1) {
		for (const [client, src] of [[first, "sender 1"], [second, "sender 2"]]) {
			const type = ["OFFER", "CANDIDATE", "ANSWER"][round % 3];
			client.send({ type, dst: "late", payload: round });
			client.send({ type: "LEAVE", dst: "late" });
			expected.push(`{"type":"${type}","src":"${src}","dst":"late","payload":${round}}`);
			// Each has been heard before the other speaks.
			client.send({ type: "OFFER", dst: src, payload: "mark" });
			await client.hears(`{"type":"OFFER","src":"${src}","dst":"${src}","payload":"mark"}`);
		}
	}
	const late = await joinedSocket(t, server, "late");
	await late.hears(...expected);
	second.send({ type: "OFFER", dst: "late", payload: "now" });
	await late.hears('{"type":"OFFER","src":"sender 2","dst":"late","payload":"now"}');
});

test("what is not collected expires, once for each pair", async (t) => {
	const from = await joinedSocket(t, server, "impatient");
	for (const dst of ["absent 1", "absent 1", "absent 2", "absent 1"]) {
		from.send({ type: "OFFER", dst, payload: 1 });
	}
	const expired = [await from.next(), await from.next()].sort();
	assert.deepEqual(expired, ["absent 1", "absent 2"].map((src) => `{"type":"EXPIRE","src":"${src}","dst":"impatient"}`));
	const absent = await joinedSocket(t, server, "absent 1");
	from.send({ type: "OFFER", dst: "absent 1", payload: "anew" });
	await absent.hears('{"type":"OFFER","src":"impatient","dst":"absent 1","payload":"anew"}');
	from.send({ type: "OFFER", dst: "impatient", payload: "nothing between" });
	await from.hears('{"type":"OFFER","src":"impatient","dst":"impatient","payload":"nothing between"}');
});

test("two keys are two worlds of equal ids", hubOnly("has one key"), async (t) => {
	const both = await startPeerServer({ key: ["red", "blue"], allow_discovery: true });
	t.after(() => both.kill());
	const clients = {};
	for (const key of ["red", "blue"]) {
		clients[key] = [await joinedSocket(t, both, "same", { key }), await joinedSocket(t, both, `only ${key}`, { key })];
	}
	for (const key of ["red", "blue"]) {
		const [same, only] = clients[key];
		only.send({ type: "OFFER", dst: "same", payload: key });
		await same.hears(`{"type":"OFFER","src":"only ${key}","dst":"same","payload":"${key}"}`);
		assert.deepEqual((await (await fetch(`${both.url}${key}/peers`)).json()).sort(), [`only ${key}`, "same"]);
	}
	const wrong = await connectSocket(t, both, { key: "peerjs", id: "same", token: "t" });
	await wrong.hears(error("Invalid key provided"), CLOSED);
});

test("what clients of the 0.3 line post before their WebSocket opens", hubOnly("404"), async (t) => {
	const to = await joinedSocket(t, server, "posted to");
	const post = (what, body) => fetch(`${server.url}peerjs/early/secret/${what}`, { method: "POST", body, headers: { "content-type": "application/json" } });
	const stream = await post("id?i=0");
	assert.deepEqual([stream.status, await stream.text()], [200, ""]);
	assert.equal((await post("offer", '{"type":"OFFER","dst":"posted to","payload":1}')).status, 200);
	await connectSocket(t, server, { key: "peerjs", id: "early", token: "secret" });
	await to.hears('{"type":"OFFER","src":"early","dst":"posted to","payload":1}');
});
