// Reopening over real sockets, with peerhub's extensions if the hub has them, and the end of a Node process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isPeerhub, startHub } from "../support/hub.mjs";
import { connector, next, settled } from "../support/connections.mjs";

/** A hub that may be restarted, and is ended with the test. */
async function ownHub(t) {
	const own = { hub: await startHub() };
	own.restart = async () => { own.hub = await own.hub.restart(); };
	t.after(() => own.hub.kill());
	return own;
}

test("after the hub was killed and started anew, ids, state and peers are as before", async (t) => {
	const own = await ownHub(t);
	const connect = connector(t, own.hub);
	const ann = await connect.joined({ tags: ["a"] });
	const bob = await connect.joined();
	ann.subscribe({ channels: "news" }).addTag("b").setProperties({ p: 1 });
	await settled(ann);
	const ids = [ann.id, bob.id];
	const confirmed = [next(ann, "confirm"), next(bob, "confirm")];
	const errors = [];
	[ann, bob].forEach((each) => each.on("error", (event) => errors.push(event.error.message)));
	await own.restart();
	bob.publish({ channel: "news", message: "waited" });
	await Promise.all(confirmed);
	assert.deepEqual([ann.id, bob.id], ids);
	await Promise.all([settled(ann), settled(bob)]);
	await Promise.all([settled(ann), settled(bob)]);
	const seen = bob.find((peer) => peer.id === ann.id);
	assert.deepEqual([seen.tags, seen.properties], [["a", "b"], { p: 1 }]);
	const heard = next(ann, "message", (event) => event.message.content.channel === "news");
	bob.publish({ channel: "news", message: "again" });
	assert.equal((await heard).message.content.message, "again");
	assert.deepEqual([ann.connectCount, bob.connectCount, errors], [2, 2, []]);
});

test("a peer that went while the hub was away is removed, one that came is added", async (t) => {
	const own = await ownHub(t);
	const connect = connector(t, own.hub);
	const ann = await connect.joined();
	const bob = await connect.joined();
	const bobId = bob.id;
	await settled(ann);
	const removed = next(ann, "removepeer");
	const added = next(ann, "addpeer");
	await own.hub.kill();
	bob.close();
	await own.restart();
	const cid = await connect.joined();
	assert.equal((await removed).peer.id, bobId);
	assert.equal((await added).peer.id, cid.id);
	assert.deepEqual(ann.filter(() => true).map((peer) => peer.id), [cid.id]);
});

test("a dead socket's id comes back at once by its secret, and no peer hears of a leave", { skip: !isPeerhub && "only peerhub has resume" }, async (t) => {
	const own = await ownHub(t);
	const { WebSocket } = await import("ws");
	const sockets = [];
	class Leaky extends WebSocket {
		constructor(url) {
			super(url);
			sockets.push(this);
		}
	}
	const connect = connector(t, own.hub);
	const bob = await connect.joined();
	const ann = await connect.joined({ WebSocket: Leaky });
	await settled(bob);
	const { id } = ann;
	bob.on("removepeer", () => assert.fail("a leave was told"));
	bob.on("leave", () => assert.fail("a leave was sent"));
	const present = next(bob, "presence");
	const confirmed = next(ann, "confirm");
	// The client believes its socket lost; the hub's end of it stays open and silent.
	sockets[0].close = () => {};
	sockets[0].onclose({ code: 1006 });
	await confirmed;
	assert.equal(ann.id, id);
	assert.equal((await present).message.peer.id, id);
	await settled(bob);
	sockets[0].terminate();
	await settled(bob);
});

/** Runs the program with Node's flags; `line(text)` waits for one of its lines, `exit` for its end. */
function program(t, url, flags = []) {
	const child = spawn(process.execPath, [...flags, fileURLToPath(new URL("../support/program.mjs", import.meta.url)), url]);
	t.after(() => child.kill("SIGKILL"));
	const lines = [];
	const faults = [];
	const input = createInterface({ input: child.stdout });
	input.on("line", (text) => lines.push(text.trim()));
	child.stderr.on("data", (text) => faults.push(String(text)));
	const line = async (text, count = 1) => {
		while (lines.filter((each) => each === text).length < count) {
			await once(input, "line");
		}
	};
	return { child, lines, faults, line, exit: once(child, "exit") };
}

// Node 20 has its own WebSocket behind a flag, later releases without one.
const flags = process.versions.node.startsWith("20.") ? ["--experimental-websocket"] : [];
for (const [name, nodeFlags] of [["the package ws", flags.length ? [] : ["--no-experimental-websocket"]], ["Node's own WebSocket", flags]]) {
	test(`with ${name}: a program reopens, and ends by itself after close`, async (t) => {
		const own = await ownHub(t);
		const { child, lines, faults, line, exit } = program(t, own.hub.url, nodeFlags);
		await line("confirm");
		await own.restart();
		await line("confirm", 2);
		child.stdin.end("close\n");
		assert.deepEqual(await exit, [0, null]);
		assert.equal(lines.at(-1), "close");
		assert.equal(lines.filter((each) => each === "close").length, 1);
		assert.ok(!faults.join().includes("MaxListeners"), faults.join());
	});
}

test("with Node's own WebSocket: closing while it opens ends in one close event", async (t) => {
	const own = await ownHub(t);
	const script = `
		const C = require(${JSON.stringify(fileURLToPath(new URL("../../../src/web/client/ok-peerconnection.js", import.meta.url)))});
		const stay = setInterval(() => {}, 1000);
		const connection = new C({ linkageKey: "k", url: ${JSON.stringify(own.hub.url)} });
		connection.on("close", () => { console.log("close"); clearInterval(stay); }).open().close();
	`;
	const child = spawn(process.execPath, [...flags, "-e", script], { cwd: "/" });
	t.after(() => child.kill("SIGKILL"));
	let text = "";
	child.stdout.on("data", (part) => { text += part; });
	assert.deepEqual(await once(child, "exit"), [0, null]);
	assert.equal(text, "close\n");
});

test("a program without any WebSocket hears of it by the error event", async (t) => {
	const script = `
		const C = require(${JSON.stringify(fileURLToPath(new URL("../../../src/web/client/ok-peerconnection.js", import.meta.url)))});
		new C({ linkageKey: "k", url: "http://127.0.0.1:1/" }).on("error", (event) => console.log(event.error.code)).open();
	`;
	const child = spawn(process.execPath, [...(flags.length ? [] : ["--no-experimental-websocket"]), "-e", script], { cwd: "/" });
	t.after(() => child.kill("SIGKILL"));
	const [text] = await once(child.stdout, "data");
	assert.equal(String(text), "E_NOWEBSOCKET\n");
	assert.deepEqual(await once(child, "exit"), [0, null]);
});
