// The hub stops and dies under load, several times, and each time all clients are as before: under their ids, with their
// tags, properties and subscriptions; requests end once, and nothing comes twice or out of order.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { isPeerhub, startHub } from "../support/hub.mjs";
import { next, OkPeerConnection } from "../support/connections.mjs";

const CLIENTS = 50;
/** Time between two messages of a client, ms. */
const PACE_MS = 40;
/** What may happen to a request, and be told by an error event, because a hub was not there. */
const EXPECTED = new Set(["E_CONNECTIONLOST", "E_MAYBELOST", "E_NOREQUEST", "E_PEERCONNECTION", "E_PEERLEFT", "E_PEERUNKNOWN"]);

/** Speaks of whatever a client has sent, heard or been told. */
const changes = new EventEmitter().setMaxListeners(0);

/** One client that publishes and asks all the time, with a record of what it has sent and heard. */
class Talker {
	sent = [];
	heard = new Map();
	asked = 0;
	ended = new Map();
	answers = 0;
	requests = new Set();
	faults = [];
	reported = new Set();
	confirms = 0;
	peers = new Set();
	/** What was sent to peers without a connection and has not reached them, and what has reached this one. */
	waited = [];
	notified = [];

	constructor(number, url, params) {
		this.number = number;
		this.connection = new OkPeerConnection({
			linkageKey: "load", url, reopenInterval: 50, timeout: 600000, tags: [`tag-${number}`], properties: { number }, ...params
		});
		this.connection.subscribe({ channels: [`own-${number}`, `channel-${number % 10}`] });
		this.connection.on("confirm", () => ++this.confirms);
		for (const type of ["confirm", "message", "addpeer", "alterpeer", "removepeer"]) {
			this.connection.on(type, () => changes.emit("change"));
		}
		this.connection.on("message", ({ message }) => this.take(message.content));
		this.connection.on("addpeer", ({ peer }) => this.peers.has(peer) ? this.faults.push("added twice") : this.peers.add(peer));
		this.connection.on("removepeer", ({ peer }) => this.peers.delete(peer) || this.faults.push("removed twice"));
		this.connection.on("notify", ({ message: { content } }) => this.hear(content));
		this.connection.on("error", ({ error }) => {
			EXPECTED.has(error.code) || this.faults.push(error);
			error.messages?.forEach(({ type, content }) => type === "publish" && this.reported.add(content.message.sequence));
		});
		this.connection.on("request", ({ message }) => {
			if (this.requests.has(message.content)) {
				this.faults.push(`request ${message.content} came twice`);
			}
			this.requests.add(message.content);
			message.respond(message.content);
		});
	}

	/** Each channel's messages of each sender come in order, none twice. */
	take({ channel, message: { from, sequence } }) {
		const key = `${channel} ${from}`;
		const before = this.heard.get(key) ?? [];
		if (before.length && before.at(-1) >= sequence) {
			this.faults.push(`${key}: ${sequence} after ${before.at(-1)}`);
		}
		this.heard.set(key, [...before, sequence]);
	}

	/** Each sender's notifies come in order, none twice. */
	hear({ from, sequence }) {
		changes.emit("change");
		const before = this.notified.findLast((each) => each.from === from);
		if (before?.sequence >= sequence) {
			this.faults.push(`notify of ${from}: ${sequence} after ${before.sequence}`);
		}
		this.notified.push({ from, sequence });
	}

	/** Whether all that waited for peers has reached them. */
	get isHeard() {
		this.waited = this.waited.filter(({ other, sequence }) => !other.notified.some((each) => each.from === this.number && each.sequence === sequence));
		return this.waited.length === 0;
	}

	tell(other) {
		const sequence = this.sent.length;
		if (this.connection.readyState !== 1) {
			this.waited.push({ other, sequence });
		}
		this.connection.notify({ peer: other.connection.id, content: { from: this.number, sequence } });
	}

	publish(channel) {
		const sequence = this.sent.length;
		const waits = this.connection.readyState !== 1;
		this.sent.push({ channel, waits });
		this.connection.publish({ channel, message: { from: this.number, sequence } });
		changes.emit("change");
		return sequence;
	}

	ask(other) {
		const content = `${this.number}-${this.asked++}`;
		const end = () => {
			this.ended.set(content, (this.ended.get(content) ?? 0) + 1);
			changes.emit("change");
		};
		this.connection.request({
			// Longer than the test: a busy machine is no reason to give up, and what is forgotten must be noticed.
			peer: other.connection.id, name: "load", content, timeout: 600000,
			onResponse: (message) => {
				++this.answers;
				end();
				if (message.content !== content) {
					this.faults.push(`${content} was answered with ${message.content}`);
				}
			},
			onError: (error) => {
				end();
				EXPECTED.has(error.code) || this.faults.push(error);
			}
		});
	}
}

/** Waits until this holds; the test's timeout is the only limit. */
async function until(holds) {
	while (!holds()) {
		await once(changes, "change");
	}
}

/** Starts the clients and their load. */
async function crowd(t, hub, params) {
	const talkers = Array.from({ length: CLIENTS }, (_, number) => new Talker(number, hub.url, params));
	let isLoaded = true;
	t.after(() => {
		isLoaded = false;
		talkers.forEach(({ connection }) => connection.close());
	});
	const load = async (talker) => {
		for (let round = 0; isLoaded; ++round) {
			talker.publish(round % 2 ? `own-${talker.number}` : `channel-${round % 10}`);
			talker.ask(talkers[(talker.number + 1 + round) % CLIENTS]);
			talker.tell(talkers[(talker.number + 2 + round) % CLIENTS]);
			await pause(PACE_MS);
		}
	};
	for (const talker of talkers) {
		const confirmed = next(talker.connection, "confirm");
		talker.connection.open();
		await confirmed;
	}
	const ids = talkers.map(({ connection }) => connection.id);
	talkers.forEach(load);
	const rest = async () => {
		isLoaded = false;
		await until(() => talkers.every((talker) => talker.ended.size === talker.asked));
	};
	return { talkers, ids, rest };
}

/** Everybody is there, is seen with what he says of himself, and hears what he has subscribed to. */
async function allAreBack({ talkers, ids }) {
	assert.deepEqual(talkers.map(({ connection }) => connection.id), ids);
	for (const { connection } of talkers) {
		const knows = ({ number, connection: { properties } }) => {
			const peer = connection.find((peer) => peer.properties.number === number);
			return peer?.properties.round === properties.round;
		};
		await until(() => talkers.every((other) => other.connection === connection || knows(other)));
		assert.equal(connection.filter(() => true).length, CLIENTS - 1);
		for (const talker of talkers.filter((other) => other.connection !== connection)) {
			const peer = connection.find(({ id }) => id === talker.connection.id);
			assert.deepEqual([peer.properties, peer.tags], [talker.connection.properties, talker.connection.tags]);
		}
	}
	for (let channel = 0; channel < 10; ++channel) {
		const [speaker] = talkers;
		const sequence = speaker.publish(`channel-${channel}`);
		const hearers = talkers.filter(({ number }) => number % 10 === channel);
		await until(() => hearers.every(({ heard }) => heard.get(`channel-${channel} 0`)?.at(-1) === sequence));
	}
}

/** What is true of the whole of a talk, however often the hub went. */
function everythingAddsUp({ talkers }) {
	let [answers, failures] = [0, 0];
	for (const talker of talkers) {
		assert.deepEqual(talker.faults, []);
		assert.equal(talker.ended.size, talker.asked);
		assert.ok([...talker.ended.values()].every((times) => times === 1), "a request ends once");
		answers += talker.answers;
		failures += talker.asked - talker.answers;
	}
	return { answers, failures };
}

/**
 * What was sent to one's own channel without a connection has come back over the next one. Of the rest of it, what has not come
 * back is reported; not so if the hub was stopped in order, since it has heard that too and only could not send it back.
 */
function nothingIsMissed({ talkers }, isPlanned) {
	let [waited, missing, reported] = [0, 0, 0];
	for (const talker of talkers) {
		const own = `own-${talker.number}`;
		const arrived = new Set(talker.heard.get(`${own} ${talker.number}`));
		reported += talker.reported.size;
		talker.sent.forEach(({ channel, waits }, sequence) => {
			if (channel === own && !arrived.has(sequence)) {
				++missing;
				assert.ok(!waits && (isPlanned || talker.reported.has(sequence)), `${own}: ${sequence}`);
			}
			waited += channel === own && waits ? 1 : 0;
		});
	}
	assert.ok(waited > 0, "somebody has sent without a connection");
	assert.ok(!isPlanned || reported === 0, "a hub that is stopped has heard everything");
	return { waited, missing, reported };
}

async function survives(t, { flags = [], isPlanned, end, rounds = 3, params }) {
	let hub = await startHub({ moreFlags: flags });
	t.after(() => hub.kill());
	const all = await crowd(t, hub, params);
	for (let round = 1; round <= rounds; ++round) {
		const before = all.talkers.map(({ answers }) => answers);
		await until(() => all.talkers.every(({ answers, isHeard }, index) => isHeard && answers > before[index] + 2));
		const confirms = all.talkers.map((talker) => talker.confirms);
		// On their way when the end comes.
		all.talkers.forEach((talker) => talker.publish(`own-${talker.number}`));
		await end(hub);
		// Said while there is no hub, and known to everybody once there is one again.
		all.talkers.forEach(({ connection }) => connection.setProperties({ round }));
		const sent = all.talkers.map((talker) => talker.sent.length);
		await until(() => all.talkers.every((talker, index) => talker.sent.length >= sent[index] + 4));
		hub = await hub.restart();
		await until(() => all.talkers.every((talker, index) => talker.confirms > confirms[index]));
	}
	await all.rest();
	await until(() => all.talkers.every(({ isHeard }) => isHeard));
	await allAreBack(all);
	const { answers, failures } = everythingAddsUp(all);
	const { waited, missing, reported } = nothingIsMissed(all, isPlanned);
	t.diagnostic(`${CLIENTS} clients, ${rounds} rounds: ${answers} requests answered, ${failures} failed; of what was sent to oneself ${waited} waited and ${missing} did not come back; ${reported} reported`);
}

const options = { skip: !isPeerhub && "only peerhub has resume and takes leave" };

async function stop(hub) {
	hub.signal("SIGTERM");
	assert.deepEqual(await hub.exited, [0, null]);
	assert.match(hub.lines.at(-1), /did not take leave in time: 0;/);
}

test("stopped with 1001 under load", options, (t) => survives(t, { isPlanned: true, end: stop }));

test("stopped with 1012 under load, one after the other", options, (t) => survives(t, {
	flags: ["--stop-returns", "--drain-rate", "100"], isPlanned: true, end: stop
}));

for (const [name, params] of [["", {}], [", with proof wanted", { reportLost: true }]]) {
	test("killed under load" + name, options, (t) => survives(t, { isPlanned: false, end: (hub) => hub.kill(), params }));
}
