// A network of net-peer in which the hub is one of the members: entering, meeting, leaving, and the state.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startServer } from "../support/hub.mjs";
import { knows, peers } from "../support/net-peer.mjs";

const HUB = "127.0.0.1";

async function startHub(t, ...flags) {
	const own = { hub: await startServer((port) => [process.env.PEERHUB_BIN, [...flags, "--listen", `${HUB}:${port}`]]) };
	own.restart = async () => { own.hub = await own.hub.restart(); };
	own.health = async () => (await (await fetch(`${own.hub.url}healthz`)).json()).netpeer;
	/** Resolves once the hub has so many members. */
	own.counts = async (members) => {
		while ((await own.health()).members !== members) { /* each question is a turn of the hub */ }
	};
	t.after(() => own.hub.kill());
	return own;
}

/** Every peer knows all the others and the hub. */
function allKnow(members, hub = ["hub"]) {
	return Promise.all(members.map((member) => {
		const others = members.filter((other) => other !== member).map((other) => other.name);
		return knows(member, [...others, ...hub]);
	}));
}

/** What a member has received after the others have all said something. */
async function broadcastRound(members) {
	const heard = members.map((member) => new Promise((resolve) => {
		const messages = [];
		member.on("receive", function listener({ senderName, type, content }) {
			messages.push(`${senderName}:${type}:${content.text}`);
			if (messages.length === members.length - 1) {
				member.off("receive", listener);
				resolve(messages.sort());
			}
		});
	}));
	members.forEach((member) => member.broadcast("chat", { text: `by ${member.name}` }));
	const all = await Promise.all(heard);
	members.forEach((member, place) => {
		const others = members.filter((other) => other !== member);
		assert.deepEqual(all[place], others.map(({ name }) => `${name}:chat:by ${name}`).sort());
	});
}

test("five peers that know only the hub become a full mesh", async (t) => {
	const own = await startHub(t);
	const make = peers(t);
	const members = [];
	for (const name of ["ann", "bob", "cid", "dan", "eve", "fay"]) {
		const member = await make(name);
		assert.deepEqual(await member.enter(HUB, own.hub.port), {});
		members.push(member);
		await allKnow(members);
	}
	await broadcastRound(members);
	await own.counts(6);
	while ((await own.health()).messages < 6) { /* the hub hears them too */ }
	assert.deepEqual(await own.health(), { members: 6, messages: 6 });
});

test("six peers enter at the same moment", async (t) => {
	const own = await startHub(t);
	const make = peers(t);
	const members = await Promise.all(["ann", "bob", "cid", "dan", "eve", "fay"].map((name) => make(name)));
	await Promise.all(members.map((member) => member.enter(HUB, own.hub.port)));
	await allKnow(members);
	await broadcastRound(members);
});

test("peers come and go", async (t) => {
	const own = await startHub(t);
	const make = peers(t);
	let members = [];
	const enter = async (name) => {
		const member = await make(name);
		await member.enter(HUB, own.hub.port);
		members.push(member);
		await allKnow(members);
	};
	for (const name of ["p0", "p1", "p2", "p3", "p4"]) {
		await enter(name);
	}
	for (let round = 5; round < 15; round++) {
		// From the oldest to the youngest, whoever it is, so that the order of the hub's list is met everywhere.
		const [leaver] = members.splice(round * 3 % members.length, 1);
		const told = members.map((member) => once(member, "disconnect"));
		leaver.leave();
		await Promise.all(told);
		await own.counts(members.length);
		await enter(`p${round}`);
	}
	await broadcastRound(members);
	// Even the same name can come back.
	const [first] = members;
	members = members.slice(1);
	first.leave();
	await allKnow(members);
	await own.counts(members.length);
	await enter(first.name);
	// All of them, one after the other, until the hub is the last; then somebody comes.
	for (const member of members.splice(0)) {
		member.leave();
	}
	await own.counts(0);
	await enter("late");
	await enter("later");
});

test("names that are taken, by the hub or by members", async (t) => {
	const own = await startHub(t, "--netpeer-name", "rendezvous");
	const make = peers(t);
	const ann = await make("ann");
	await ann.enter(HUB, own.hub.port);
	const message = "Nickname is already being used.";
	for (const name of ["ann", "rendezvous"]) {
		const twin = await make(name);
		await assert.rejects(twin.enter(HUB, own.hub.port), { message });
		const throughAnn = await make(name);
		await assert.rejects(throughAnn.enter(HUB, ann.port), { message });
	}
	await own.counts(1);
	await knows(ann, ["rendezvous"]);
	const bob = await make("bob");
	await bob.enter(HUB, own.hub.port);
	await allKnow([ann, bob], ["rendezvous"]);
	await broadcastRound([ann, bob]);
});

test("newcomers enter through any member and find the hub; the hub is the last one left", async (t) => {
	const own = await startHub(t);
	const make = peers(t);
	const ann = await make("ann");
	await ann.enter(HUB, own.hub.port);
	const members = [ann];
	for (const name of ["bob", "cid", "dan"]) {
		const newcomer = await make(name);
		await newcomer.enter(HUB, members.at(-1).port);
		members.push(newcomer);
		await knows(newcomer, ["hub", ...members.slice(0, -1).map((member) => member.name)]);
		await own.counts(members.length);
	}
	const eve = await make("eve");
	await eve.enter(HUB, own.hub.port);
	members.push(eve);
	await allKnow(members);
	await broadcastRound(members);
	members.forEach((member) => member.leave());
	await own.counts(0);
	const fay = await make("fay");
	await fay.enter(HUB, own.hub.port);
	assert.deepEqual(fay.known, ["hub"]);
	const gus = await make("gus");
	await gus.enter(HUB, fay.port);
	await allKnow([fay, gus]);
});

test("a peer that dials localhost meets the hub twice, and that harms nobody", async (t) => {
	const own = await startHub(t);
	const make = peers(t);
	const ann = await make("ann");
	assert.deepEqual(await ann.enter("localhost", own.hub.port), {});
	// What it dialled stays without a name, and what presented itself is taken for somebody else.
	await knows(ann, ["?", "hub"]);
	const bob = await make("bob");
	await bob.enter("localhost", own.hub.port);
	await knows(bob, ["?", "ann", "hub"]);
	const cid = await make("cid");
	await cid.enter(HUB, own.hub.port);
	await knows(cid, ["ann", "bob", "hub"]);
	await broadcastRound([ann, bob, cid]);
	assert.equal((await own.health()).members, 3);
	for (const leaver of [ann, cid]) {
		leaver.leave();
	}
	await own.counts(1);
	const dan = await make("dan");
	await dan.enter(HUB, own.hub.port);
	await knows(dan, ["bob", "hub"]);
});

test("through one that has dialled localhost newcomers still enter, and stay connected to the hub", async (t) => {
	const own = await startHub(t);
	const make = peers(t);
	const ann = await make("ann");
	await ann.enter("localhost", own.hub.port);
	await knows(ann, ["?", "hub"]);
	// Ann lists the hub twice, so Bob comes to it twice and is refused the second time.
	const bob = await make("bob");
	const refused = once(bob, "refused");
	await bob.connect(HUB, ann.port);
	await refused;
	await own.counts(2);
	const cid = await make("cid");
	await cid.enter(HUB, own.hub.port);
	await knows(cid, ["ann", "bob", "hub"]);
	await broadcastRound([ann, bob, cid]);
});

test("peers that listen at one address only, over IPv4 and IPv6", async (t) => {
	const own = await startHub(t, "--listen", "[::1]:0");
	const line = own.hub.lines.find((line) => /listening on \[::1\]:\d+/.test(line));
	const port = Number(/:(\d+)$/.exec(line)[1]);
	const make = peers(t);
	const ann = await make("ann", { address: "127.0.0.1" });
	await ann.enter(HUB, own.hub.port);
	const bob = await make("bob", { address: "::1" });
	await bob.enter("::1", port);
	// The one is listed to the other where it can be reached.
	const cid = await make("cid", { address: "::1" });
	await cid.enter("::1", port);
	await allKnow([ann, bob, cid]);
	await broadcastRound([ann, bob, cid]);
});

test("the state: configured, changed by an application, last seen", async (t) => {
	const own = await startHub(t, "--netpeer-state", '{"turn":0}');
	const make = peers(t);
	const ann = await make("ann", { state: "her own" });
	assert.deepEqual(await ann.enter(HUB, own.hub.port), { turn: 0 });
	// The application changes it, and nobody tells the hub.
	ann.state = { turn: 1 };
	const bob = await make("bob");
	assert.deepEqual(await bob.enter(HUB, own.hub.port), { turn: 1 });
	ann.state = bob.state = { turn: 2, text: "ä\u2028\"\n" };
	const newcomers = await Promise.all(["cid", "dan", "eve"].map((name) => make(name)));
	const states = await Promise.all(newcomers.map((newcomer) => newcomer.enter(HUB, own.hub.port)));
	assert.deepEqual(states, Array(3).fill(ann.state));
	await allKnow([ann, bob, ...newcomers]);
	// Through another member too: the hub has no part in that.
	const fay = await make("fay");
	newcomers[2].state = { turn: 3 };
	assert.deepEqual(await fay.enter(HUB, newcomers[2].port), { turn: 3 });
	// With all of them gone, what the hub saw last counts.
	[ann, bob, ...newcomers, fay].forEach((member) => member.leave());
	await own.counts(0);
	const gus = await make("gus");
	assert.deepEqual(await gus.enter(HUB, own.hub.port), { turn: 2, text: "ä\u2028\"\n" });
});

test("a member that tells no state holds nobody up for long", async (t) => {
	const own = await startHub(t, "--netpeer-state", '"configured"', "--netpeer-state-time", "50ms");
	const mute = net.connect(own.hub.port, HUB);
	t.after(() => mute.destroy());
	const listening = net.createServer().listen(0);
	t.after(() => listening.close());
	await once(listening, "listening");
	const { port } = listening.address();
	mute.write(JSON.stringify({ senderName: "mute", type: "@PRESENTATION", content: { port, needNetworkInformation: false } }) + "\r\n");
	await once(mute, "data");
	const make = peers(t);
	const ann = await make("ann");
	assert.equal(await ann.enter(HUB, own.hub.port), "configured");
	ann.state = "told";
	const bob = await make("bob");
	assert.equal(await bob.enter(HUB, own.hub.port), "told");
});

test("the hub is restarted, with peers that live on and then with none", async (t) => {
	const folder = mkdtempSync(path.join(tmpdir(), "net-peer-"));
	t.after(() => rmSync(folder, { recursive: true }));
	const file = path.join(folder, "state.json");
	const own = await startHub(t, "--netpeer-state", '"configured"', "--netpeer-state-file", file);
	const make = peers(t);
	const [ann, bob, cid] = await Promise.all(["ann", "bob", "cid"].map((name) => make(name)));
	assert.equal(await ann.enter(HUB, own.hub.port), "configured");
	ann.state = { turn: 1 };
	await bob.enter(HUB, own.hub.port);
	await allKnow([ann, bob]);
	while (readState(file) !== '{"turn":1}\n') {
		await new Promise(setImmediate);
	}
	const lost = [ann, bob].map((member) => once(member, "disconnect"));
	await own.restart();
	await Promise.all(lost);
	await Promise.all([knows(ann, ["bob"]), knows(bob, ["ann"])]);
	await broadcastRound([ann, bob]);
	// They come back to the hub, which has seen no state since and needs none from them.
	await ann.connect(HUB, own.hub.port);
	await bob.connect(HUB, own.hub.port);
	await allKnow([ann, bob]);
	bob.state = ann.state = { turn: 2 };
	assert.deepEqual(await cid.enter(HUB, own.hub.port), { turn: 2 });
	await allKnow([ann, bob, cid]);
	[ann, bob, cid].forEach((member) => member.leave());
	await own.counts(0);
	own.hub.signal("SIGTERM");
	assert.deepEqual(await own.hub.exited, [0, null]);
	assert.equal(readState(file), '{"turn":2}\n');
	await own.restart();
	const dan = await make("dan");
	assert.deepEqual(await dan.enter(HUB, own.hub.port), { turn: 2 });
});

function readState(file) {
	try {
		return readFileSync(file, "utf8");
	} catch {
		return undefined;
	}
}

test("the system watches for members that vanish without a word", async (t) => {
	try {
		execFileSync("ss", ["-V"]);
	} catch {
		return t.skip("ss is not there to show it");
	}
	const own = await startHub(t);
	const make = peers(t);
	const ann = await make("ann");
	await ann.enter(HUB, own.hub.port);
	const [socket] = ann.connections;
	const shown = () => execFileSync("ss", ["-tnoH", "sport", "=", `${own.hub.port}`, "dport", "=", `${socket.localPort}`], { encoding: "utf8" });
	// Until the hub's words are acknowledged another timer is shown.
	let line = shown();
	while (!/timer:\(keepalive,/.test(line)) {
		assert.match(line, /ESTAB/);
		line = shown();
	}
});
