// Nodes of the original package peer-relay, and hubs as nodes of their network.

import { once } from "node:events";
import { createRequire } from "node:module";
import { startHub } from "./hub.mjs";

export const PeerRelay = createRequire(import.meta.url)("peer-relay");

/** The id of a hub, from one letter of its hexadecimal digits. */
export const hubId = (digit) => digit.repeat(40);

/** A hub that is the node of this id: what `startHub` gives, and the node's `id` and `relayUrl`. Ended with the test. */
export async function relayHub(test, id, { port = 0, bootstrap = [], flags = [] } = {}) {
	const bootstraps = bootstrap.flatMap((url) => ["--relay-bootstrap", url]);
	const moreFlags = ["--relay-id", id, "--relay-redial-time", "20", ...bootstraps, ...flags];
	const hub = await startHub({ port, moreFlags });
	test.after(() => hub.kill());
	return { ...hub, id, relayUrl: `ws://127.0.0.1:${hub.port}/peer-relay`, again: () => relayHub(test, id, { port: hub.port, bootstrap, flags }) };
}

/** Makes nodes of the original package; all of them leave when the test ends. */
export function nodeMaker(test) {
	const made = [];
	test.after(() => made.forEach(leave));
	/** Resolves when the node has met as many others as it has bootstrap URLs. */
	return async function node({ bootstrap, ...params }) {
		const peer = new PeerRelay({ bootstrap, ...params });
		made.push(peer);
		peer.setMaxListeners(0);
	peer.heard = [];
		peer.on("message", (data, from) => peer.heard.push({ data, from: from.toString("hex") }));
		peer.met = new Set();
		peer.on("peer", (id) => peer.met.add(id.toString("hex")));
		peer.hex = peer.id.toString("hex");
		if (params.port != null) {
			await once(peer.wsConnector._wss, "listening");
		}
		await until(peer, "peer", () => peer.met.size >= (bootstrap ?? []).length);
		return peer;
	};
}

/** Resolves when a node has met another: what it is sent for that one before, an original relay drops. */
export function meets(peer, other) {
	return until(peer, "peer", () => peer.met.has(other.hex ?? other.id));
}

/** Ends a node; a second time does nothing. */
export function leave(peer) {
	// Without a server to close, the original calls what it is given without looking.
	peer.destroyed || peer.destroy(() => {});
}

/** Resolves when the condition holds, which is looked at now and after each event of the type. */
export function until(emitter, type, holds) {
	return new Promise((resolve) => {
		const look = () => {
			if (holds()) {
				emitter.removeListener(type, look);
				resolve();
			}
		};
		emitter.on(type, look);
		look();
	});
}

/** Resolves when the node has heard these data from that other one. */
export function hears(peer, from, data) {
	const text = JSON.stringify(data);
	return until(peer, "message", () => peer.heard.some((heard) => heard.from === from.hex && JSON.stringify(heard.data) === text));
}

/** Sends from one node to another and waits until it is heard there. */
export function tells(peer, other, data) {
	const heard = hears(other, peer, data);
	peer.send(other.id, data);
	return heard;
}

/** Asks the node of an id who is near to another, again and again, until its answer passes the test. */
export function finds(peer, asked, target, passes) {
	const ask = () => peer.router.send(Buffer.from(asked, "hex"), { type: "findPeers", data: target });
	return new Promise((resolve) => {
		const listener = (message, from) => {
			if (message.type !== "foundPeers" || from.toString("hex") !== asked) {
				return;
			}
			if (passes(message.data)) {
				peer.router.removeListener("message", listener);
				resolve();
			} else {
				ask();
			}
		};
		peer.router.on("message", listener);
		ask();
	});
}
