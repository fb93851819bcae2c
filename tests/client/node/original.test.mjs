// The client and the original's client side by side on one hub: neither notices the difference.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { startHub } from "../support/hub.mjs";
import { next, OkPeerConnection } from "../support/connections.mjs";

const folder = process.env.OK_PEERHUB_DIR;
const options = { skip: !folder && "OK_PEERHUB_DIR is not set" };
const original = () => createRequire(import.meta.url)(path.resolve(folder, "browserside/ok-peerconnection.js"));

/** What an application sees of a talk with a partner, in words that do not depend on ids and times. */
async function talk(url, Ann, Bob) {
	const seen = [];
	const ann = new Ann({ linkageKey: "talk", url, tags: ["a"], properties: { name: "Ann" } });
	const ready = next(ann, "confirm");
	ann.open();
	await ready;
	const bob = new Bob({ linkageKey: "talk", url, tags: ["b"], properties: { name: "Bob" } });
	for (const type of ["addpeer", "alterpeer", "removepeer"]) {
		ann.on(type, ({ peer }) => seen.push([type, peer.properties, peer.tags]));
	}
	for (const type of ["notify", "message", "request"]) {
		ann.on(type, ({ message }) => seen.push([type, message.name, message.content, message.peer?.properties]));
	}
	ann.on("request", ({ message }) => message.respond({ twice: message.content * 2 }));
	const joined = next(ann, "addpeer");
	const known = next(bob, "addpeer");
	bob.open();
	await Promise.all([joined, known]);
	const bobsAnn = bob.find((peer) => peer.properties.name === "Ann");

	await after(ann, "alterpeer", () => bob.setProperties({ age: 5 }));
	await after(ann, "alterpeer", () => bob.addTag("c"));
	await after(ann, "notify", () => bobsAnn.notify({ name: "n", content: { x: 1 } }));
	await new Promise((resolve) => bobsAnn.request({
		name: "q", content: 21, onResponse: (message) => seen.push(["response", message.name, message.content]) && resolve()
	}));
	ann.subscribe({ channels: "news" });
	await after(ann, "message", () => ann.publish({ channel: "news", message: "own" }));
	await after(ann, "message", () => bob.publish({ channel: "news", message: "theirs", options: { o: 1 } }));
	await after(ann, "removepeer", () => bob.close());
	const closed = next(ann, "close");
	ann.close();
	await closed;
	return seen;
}

async function after(connection, type, act) {
	const heard = next(connection, type);
	act();
	await heard;
}

test("every pairing of the two clients sees the same talk", options, async (t) => {
	const hub = await startHub();
	t.after(() => hub.kill());
	const Original = original();
	// Each of the original's connections stays to end this process by an exception: it says leave without a socket.
	const leftover = process.listeners("beforeExit");
	t.after(() => process.listeners("beforeExit").filter((each) => !leftover.includes(each)).forEach((each) => process.off("beforeExit", each)));
	const expected = await talk(hub.url, Original, Original);
	assert.equal(expected.length, 9);
	for (const [Ann, Bob] of [[OkPeerConnection, Original], [Original, OkPeerConnection], [OkPeerConnection, OkPeerConnection]]) {
		assert.deepEqual(await talk(hub.url, Ann, Bob), expected);
	}
});

test("every public member of the original's class is there", options, () => {
	const members = (object) => Object.getOwnPropertyNames(object.prototype);
	const missing = members(original()).filter((name) => !members(OkPeerConnection).includes(name));
	assert.deepEqual(missing, []);
});

test("an original client comes back under its id when the hub was stopped or killed", options, async (t) => {
	let hub = await startHub();
	t.after(() => hub.kill());
	const Original = original();
	const leftover = process.listeners("beforeExit");
	const ann = new Original({ linkageKey: "back", url: hub.url, tags: ["a"], properties: { name: "Ann" }, reopenInterval: 50 });
	t.after(() => {
		ann.close();
		process.listeners("beforeExit").filter((each) => !leftover.includes(each)).forEach((each) => process.off("beforeExit", each));
	});
	// In Node its error events are exceptions unless somebody listens.
	ann.on("error", () => {});
	const confirmed = next(ann, "confirm");
	ann.open();
	await confirmed;
	const { id } = ann;
	for (const end of ["SIGTERM", "SIGKILL"]) {
		const again = next(ann, "confirm");
		hub.signal(end);
		await hub.exited;
		hub = await hub.restart();
		assert.equal((await again).message.data.peer, id);
		const witness = new OkPeerConnection({ linkageKey: "back", url: hub.url });
		const seen = next(witness, "addpeer");
		witness.open();
		const { peer } = await seen;
		witness.close();
		assert.deepEqual([peer.id, peer.tags, peer.properties], [id, ["a"], { name: "Ann" }]);
	}
});
