// The soak: node soak.mjs HUB SECONDS. Rounds of the same length, in each of which a crowd comes, misbehaves and goes, while peers
// that stay are served. Prints a line for each round, and what was promised and kept; exits with 1 if anything is missing.

import { spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { open } from "./wire.mjs";

const [program, seconds] = [process.argv[2], Number(process.argv[3])];
const ROUNDS = seconds < 120 ? 4 : Math.round(seconds / 30);
const ROUND_MS = (seconds * 1000) / ROUNDS;
// As many as one Node process can be all the clients of.
const OK_CROWD = seconds < 120 ? 600 : 2000;
const PEERJS_CROWD = OK_CROWD / 2;
const SLOW_READERS = 20;
const RUBBISH = 50;
// What the hub's allocator may keep of one round for the next.
const SLACK_KIB = 16 * 1024;
// Longer than whatever a hub that works needs on a machine that is busy.
const PATIENCE_MS = 60_000;

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const chance = (below) => Math.floor(Math.random() * below);
// Each address has ports of its own.
const someAddress = () => `127.0.1.${1 + chance(100)}`;

async function until(what, holds) {
	for (const begun = Date.now(); !holds(); await wait(20)) {
		if (Date.now() - begun > PATIENCE_MS) {
			throw new Error(`not in ${PATIENCE_MS} ms: ${what}`);
		}
	}
}

// The allocator gives large pieces back at once, so that what is left is what the hub holds.
const child = spawn(program, ["--listen", "127.0.0.1:0", "--max-queue-bytes", "256KiB", "--ping-interval", "5s"], {
	stdio: ["ignore", "ignore", "pipe"],
	env: { ...process.env, RUST_LOG: "peerhub=info", MALLOC_MMAP_THRESHOLD_: "131072" }
});
let port;
let isStopping = false;
createInterface({ input: child.stderr }).on("line", (line) => {
	port ??= /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
});
child.on("exit", (code, signal) => {
	if (!isStopping) {
		console.error(`the hub has ended: ${code ?? signal}`);
		process.exit(1);
	}
});
process.on("exit", () => child.kill("SIGKILL"));
await until("the hub listens", () => port);

const descriptors = () => readdirSync(`/proc/${child.pid}/fd`).length;
const memoryKib = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]);

/** Resolves when the peer has joined. */
function joinOk(linkageKey, { channels = [], onMessage = () => {}, onEnd, localAddress } = {}) {
	return new Promise((resolve) => {
		const peer = open({
			port, path: "/", localAddress,
			onEnd: () => {
				onEnd?.();
				resolve(peer);
			},
			onText(text) {
				const message = JSON.parse(text);
				if (message.type === "accept") {
					peer.id = message.peer;
					peer.say({ type: "initiate", messageid: "i", content: { linkageKey, options: { peerInitiationReceiver: true, peerInitiationSender: true } } });
					peer.say({ type: "subscribe", messageid: "s", content: { channels } });
				} else if (message.type === "confirm") {
					resolve(peer);
				} else {
					onMessage(message);
				}
			}
		});
	});
}

function joinPeerJs(id, { onMessage = () => {}, onEnd, localAddress } = {}) {
	return new Promise((resolve) => {
		const peer = open({
			port, path: `/peerjs?key=peerjs&id=${id}&token=t`, localAddress,
			onEnd: () => {
				onEnd?.();
				resolve(peer);
			},
			onText(text) {
				const message = JSON.parse(text);
				message.type === "OPEN" ? resolve(peer) : onMessage(message);
			}
		});
	});
}

// What was promised: a stream of numbers from one peer to another, each once and in order.
const streams = [];
function newStream(name) {
	const stream = { name, sent: 0, heard: 0, wrong: 0 };
	streams.push(stream);
	return stream;
}
function hear(stream, number) {
	stream.wrong += number === stream.heard ? 0 : 1;
	stream.heard = number + 1;
}
let lost = 0;
const onLoss = () => { lost += isStopping ? 0 : 1; };

const speakers = [];
const answerTimes = [];
for (let room = 0; room < 8; room++) {
	const inRoom = Array.from({ length: 5 }, (_, reader) => newStream(`room ${room}, reader ${reader}`));
	await Promise.all(inRoom.map((stream) => joinOk(`room ${room}`, {
		channels: [`room ${room}`], onEnd: onLoss,
		onMessage: (message) => message.type === "message" && hear(stream, message.content.message.n)
	})));
	const publisher = await joinOk(`room ${room}`, { onEnd: onLoss });
	speakers.push(() => {
		const n = inRoom[0].sent;
		inRoom.forEach((stream) => { stream.sent += 1; });
		publisher.say({ type: "publish", messageid: "p", content: { channel: `room ${room}`, message: { n, filling: "x".repeat(chance(300)) } } });
	});
}
for (let pair = 0; pair < 10; pair++) {
	const asked = newStream(`pair ${pair}, asked`);
	const answered = newStream(`pair ${pair}, answered`);
	const sentAt = new Map();
	const answerer = await joinOk(`pair ${pair}`, {
		onEnd: onLoss,
		onMessage(message) {
			if (message.type === "request") {
				hear(asked, message.content);
				answered.sent += 1;
				answerer.say({ type: "response", messageid: message.messageid, peer: message.peer, name: "n", content: message.content });
			}
		}
	});
	const asker = await joinOk(`pair ${pair}`, {
		onEnd: onLoss,
		onMessage(message) {
			if (message.type === "response") {
				hear(answered, message.content);
				answerTimes.push(performance.now() - sentAt.get(message.content));
				sentAt.delete(message.content);
			}
		}
	});
	speakers.push(() => {
		sentAt.set(asked.sent, performance.now());
		asker.say({ type: "request", messageid: `q${asked.sent}`, peer: answerer.id, name: "n", content: asked.sent++ });
	});
}
for (let pair = 0; pair < 10; pair++) {
	const stream = newStream(`PeerJS pair ${pair}`);
	await joinPeerJs(`listener${pair}`, { onEnd: onLoss, onMessage: (message) => message.type === "OFFER" && hear(stream, message.payload) });
	const caller = await joinPeerJs(`caller${pair}`, { onEnd: onLoss });
	speakers.push(() => caller.say({ type: "OFFER", dst: `listener${pair}`, payload: stream.sent++ }));
	setInterval(() => caller.say({ type: "HEARTBEAT" }), 5000);
}

const atRest = descriptors();
let speaking = setInterval(() => speakers.forEach((speak) => speak()), 40);
let cutOff = 0;
let connected = 0;

/** Peers of ok-peerhub and PeerJS come all at once, say something, break off all at once, and come again, until the time is over. */
async function crowd(end) {
	for (let wave = 0; Date.now() < end; wave++) {
		const here = await Promise.all([
			...Array.from({ length: OK_CROWD }, (_, n) => joinOk(`crowd ${n % 40}`, { channels: ["crowd"], localAddress: someAddress() })),
			...Array.from({ length: PEERJS_CROWD }, (_, n) => joinPeerJs(`crowd${n}`, { localAddress: someAddress() }))
		]);
		connected += here.length;
		here.forEach((peer, n) => {
			if (n >= OK_CROWD) {
				peer.say({ type: "CANDIDATE", dst: `crowd${chance(2 * PEERJS_CROWD)}`, payload: "x".repeat(200) });
			} else if (n % 50 === 0) {
				peer.say({ type: "publish", messageid: "c", content: { channel: "crowd", message: "x".repeat(100) } });
			}
		});
		await wait(Math.min(1000, ROUND_MS / 8));
		here.forEach((peer, n) => peer.leave(wave % 2 ? 2 : n % 4));
	}
}

/** Readers that never read, and one who speaks to them until they have all been cut off. */
async function flood(end) {
	while (Date.now() < end) {
		let left = SLOW_READERS;
		const onEnd = () => {
			left -= 1;
			cutOff += 1;
		};
		const readers = await Promise.all(Array.from({ length: SLOW_READERS }, () => joinOk("flood", { channels: ["flood"], onEnd, localAddress: someAddress() })));
		readers.forEach((reader) => reader.socket.pause());
		const speaker = await joinOk("flooder", { localAddress: someAddress() });
		const flooded = Date.now() + ROUND_MS / 4;
		while (Date.now() < flooded) {
			for (let n = 0; n < 50; n++) {
				speaker.say({ type: "publish", messageid: "f", content: { channel: "flood", message: "x".repeat(8000) } });
			}
			await wait(5);
		}
		// Only who reads sees that it was cut off.
		readers.forEach((reader) => reader.socket.resume());
		await until("the slow readers end", () => left === 0 || (readers.forEach((reader) => reader.socket.destroy()), left === 0));
		speaker.leave(0);
	}
}

/** Connections that speak no protocol at all, or begin and never end. */
async function rubbish(end) {
	while (Date.now() < end) {
		const sockets = Array.from({ length: RUBBISH }, (_, n) => {
			const peer = open({ port, path: n % 2 ? "/peero" : "/peer-relay", localAddress: someAddress(), onText() {} });
			peer.socket.write(Buffer.from(Array.from({ length: 1 + chance(200) }, () => chance(256))));
			return peer;
		});
		await wait(200);
		sockets.forEach((peer, n) => peer.leave(n % 4));
	}
}

const rounds = [];
for (let round = 0; round < ROUNDS; round++) {
	const end = Date.now() + ROUND_MS;
	await Promise.all([crowd(end), flood(end), rubbish(end)]);
	await until("only those are there who stay", () => descriptors() === atRest);
	answerTimes.sort((a, b) => a - b);
	const p99 = answerTimes[Math.floor(answerTimes.length * 0.99)];
	const worst = answerTimes.at(-1);
	rounds.push(memoryKib());
	console.log(`round ${round + 1}: ${rounds.at(-1)} KiB, ${descriptors()} descriptors; ${connected} came so far, ${cutOff} readers gone; answers of the ${answerTimes.length} asked: p99 ${p99.toFixed(1)} ms, worst ${worst.toFixed(1)} ms`);
	answerTimes.length = 0;
}
clearInterval(speaking);
await wait(200);
await until("all that was sent arrives", () => streams.every((stream) => stream.heard === stream.sent));

const wrong = streams.filter((stream) => stream.wrong > 0 || stream.heard !== stream.sent);
const promised = streams.reduce((sum, stream) => sum + stream.sent, 0);
console.log(`${promised} messages were promised; ${wrong.length} of ${streams.length} streams are not whole; ${lost} of those who stay were lost`);
wrong.forEach((stream) => console.log(stream));
// The first round finds the sizes that tables and buffers come to.
const most = Math.max(...rounds.slice(1));
const isFlat = most <= rounds[0] + SLACK_KIB;
console.log(`memory: ${rounds[0]} KiB after the first round, ${most} KiB at most after the others; ${isFlat ? "flat" : "NOT FLAT"} within ${SLACK_KIB} KiB`);
isStopping = true;
child.kill("SIGTERM");
const code = await new Promise((resolve) => child.on("exit", resolve));
process.exit(wrong.length === 0 && lost === 0 && isFlat && code === 0 ? 0 : 1);
