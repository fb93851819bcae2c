// Data connections and calls between two tabs, in every version of the client: the hub brings the two together, and
// they do the rest alone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, heard, startPages, versions } from "../support/peer-pages.mjs";
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

/** Sends values one after the other, each when the one before has come back; how they look here, there, and back here. */
async function echoed(from, to, values) {
	const [sent, back] = await from.evaluate(async (makeValues) => {
		const values = new Function(`return ${makeValues}`)()();
		const back = [];
		for (const value of values) {
			const before = window.countOf("data");
			window.connection.send(value);
			back.push(await window.described(await window.heard("data", before + 1)));
		}
		return [await Promise.all(values.map(window.described)), back];
	}, String(values));
	const there = await to.evaluate(async (count) => {
		const first = window.countOf("data") - count + 1;
		const heard = Array.from({ length: count }, (_, index) => window.heard("data", first + index));
		return Promise.all((await Promise.all(heard)).map(window.described));
	}, sent.length);
	return { sent, there, back };
}

// Run in the page.

function packedValues() {
	const bytes = (length) => Uint8Array.from({ length }, (_, index) => index * 31 % 251);
	return [
		"text", "päyload ✓", "", 0, 1.5, -7, 4294967296, true, false, [1, "two", [3, null]],
		{ a: { b: ["c", -129, 70000] }, "key with spaces": true },
		bytes(3).buffer, bytes(300), new Blob([bytes(20)]), { inside: "an object", list: Array.from({ length: 500 }, (_, index) => index) },
		bytes(1000000).buffer, "long ".repeat(50000)
	];
}

function jsonValues() {
	return ["text", "päyload ✓ 🎈", "", 0, 1.5, -7, true, [1, "two", [3, null]], { a: { b: ["c"] }, n: null }, "long ".repeat(3000)];
}

function rawValues() {
	const bytes = Uint8Array.from({ length: 60000 }, (_, index) => index % 256);
	return ["text", "päyload ✓ 🎈", bytes.buffer, "long ".repeat(10000)];
}

const serializations = ({ raw, module }) => [
	["binary", packedValues], ["binary-utf8", packedValues], ["json", jsonValues], [raw, rawValues],
	...(module ? [["MsgPack", jsonValues]] : [])
];

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

for (const version of versions) {
	test(`${version.name}: ids chosen and given, and data both ways in every serialisation`, async (t) => {
		const givenId = `Given id_${version.name.replaceAll(".", "-")}`;
		const [from, to] = await Promise.all([pages.joined(t, version, server), pages.joined(t, version, server, { id: givenId })]);
		assert.match(from.peerId, uuid);
		assert.equal(to.peerId, givenId);
		for (const [index, [serialization, values]] of serializations(version).entries()) {
			await t.test(serialization, async () => {
				const nameOnWire = serialization === "binary-utf8" ? version.binaryUtf8 : serialization;
				const metadata = { "any thing": ["ü", 1, null] };
				await connect(from, to, { serialization, metadata, label: `label ${index}` });
				assert.deepEqual(await heard(to, "connection", index + 1), { peer: from.peerId, label: `label ${index}`, metadata, serialization: nameOnWire });
				const { sent, there, back } = await echoed(from, to, values);
				assert.deepEqual(there, sent);
				assert.deepEqual(back, sent);
			});
		}
		assert.deepEqual([...from.faults, ...to.faults], []);
	});

	test(`${version.name}: a call with sound and picture in both directions`, async (t) => {
		const [from, to] = await Promise.all([pages.joined(t, version, server), pages.joined(t, version, server)]);
		await from.evaluate((id) => window.callTo(id, { metadata: { topic: "call" } }), to.peerId);
		assert.deepEqual(await heard(to, "call"), { peer: from.peerId, metadata: { topic: "call" } });
		const shown = await Promise.all([from, to].map((page) => page.evaluate(async () => window.shown(await window.heard("stream")))));
		assert.deepEqual(shown, [["audio live", "video live"], ["audio live", "video live"]]);
		assert.deepEqual([...from.faults, ...to.faults], []);
	});
}
