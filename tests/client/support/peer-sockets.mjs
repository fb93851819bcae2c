// PeerJS clients without the client: what the server says, letter for letter.

import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { EVENT_MS } from "./browser.mjs";

const query = (fields) => Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");

/** Connects with these fields of the query; resolves when the WebSocket is open. */
export async function connectSocket(test, server, { path = "/peerjs", headers, ...fields }) {
	const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}?${query(fields)}`, { headers });
	test.after(() => socket.terminate());
	const heard = [];
	const waiting = [];
	const note = (event) => waiting.length > 0 ? waiting.shift()(event) : heard.push(event);
	socket.on("message", (data) => note(data.toString()));
	socket.on("close", (code) => note({ closed: code }));
	await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
	const next = () => heard.length > 0 ? heard.shift() : new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error("Nothing more was heard.")), EVENT_MS);
		waiting.push((event) => {
			clearTimeout(timer);
			resolve(event);
		});
	});
	return {
		/** The next text, or {closed: code}. */
		next,
		/** That this comes next, in this order. */
		async hears(...expected) {
			for (const event of expected) {
				assert.deepEqual(await next(), event);
			}
		},
		send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
		close: () => socket.close()
	};
}

export const OPEN = '{"type":"OPEN"}';
/** A close frame without a code. */
export const CLOSED = { closed: 1005 };

/** Connects and is let in. */
export async function joinedSocket(test, server, id, fields = {}) {
	const client = await connectSocket(test, server, { key: "peerjs", token: `token of ${id}`, id, ...fields });
	await client.hears(OPEN);
	return client;
}
