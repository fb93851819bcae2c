// Pages that run the real `peerjs` packages, served from an origin of their own: to the hub they are strangers.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import { EVENT_MS, startBrowser } from "./browser.mjs";

// What a version has beyond what all have, or lacks, as found with the original PeerServer and Chromium 156. All five
// run there without any shim: the old ones' callbacks, `addStream`, `onaddstream` and `url` of an ICE server still work.
//  - 0.3.x has no heartbeats: its WebSocket and nothing else shows that it lives.
//  - 0.3.20 forgets the key that it is given and always comes with "peerjs".
//  - 0.3.x takes the end of its old WebSocket for that of its new one when it reconnects before the old one is closed.
//  - 0.3.x throws where nobody can catch it when it may not list the peers.
//  - 1.5.5 calls "binary-utf8" "binary" on the wire, and its error on a forbidden listing has no text.
export const versions = [
	{ name: "1.5.5", script: "peerjs/dist/peerjs.min.js", raw: "raw", module: "peerjs/dist/serializer.msgpack.mjs", binaryUtf8: "binary", listingFault: /^$/ },
	{ name: "1.3.2", script: "peerjs-1.3.2/dist/peerjs.min.js", raw: "none" },
	{ name: "0.3.20", script: "peerjs-0.3.20/dist/peer.min.js", raw: "none", hasHeartbeats: false, hasKey: false },
	{ name: "0.3.14", script: "peerjs-0.3.14/dist/peer.min.js", raw: "none", hasHeartbeats: false },
	{ name: "2.0.0-beta.3", script: "peerjs-2.0.0-beta.3/dist/peerjs.min.js", raw: "none" }
].map((version) => ({ hasHeartbeats: true, hasKey: true, binaryUtf8: "binary-utf8", ...version }));

/** A browser with a false camera and microphone, and the server of its pages: {browser, page(version), close()}. */
export async function startPages(moreFlags = []) {
	const served = createServer(serve).listen(0, "127.0.0.1");
	const [browser] = await Promise.all([
		startBrowser(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--allow-loopback-in-peer-connection", ...moreFlags]),
		once(served, "listening")
	]);
	const origin = `http://127.0.0.1:${served.address().port}`;
	const free = [];
	return {
		browser,
		/** A tab, in a context of its own, with this version of the client; it is left empty when the test ends. */
		async page(test, version) {
			const page = free.pop() ?? await newTab(browser);
			test.after(async () => {
				await page.goto("about:blank");
				free.push(page);
			});
			page.faults = [];
			await page.goto(`${origin}/page?${new URLSearchParams({ script: version.script, module: version.module ?? "" })}`);
			return page;
		},
		/** A tab whose peer has opened at this server, with the id given or one that the server chose, its `peerId`. */
		async joined(test, version, server, options = {}) {
			const page = await this.page(test, version);
			page.peerId = await page.evaluate((options) => {
				window.openPeer(options);
				return window.heard("open");
			}, { ...addressOf(server), ...options });
			return page;
		},
		/** Two tabs, the first connected to the second. */
		async connected(test, version, server, options = {}) {
			const [from, to] = await Promise.all([this.joined(test, version, server, options), this.joined(test, version, server, options)]);
			await connect(from, to);
			return [from, to];
		},
		async close() {
			await browser.close();
			served.closeAllConnections();
			served.close();
		}
	};
}

async function newTab(browser) {
	const context = await browser.newContext();
	context.setDefaultTimeout(EVENT_MS);
	const page = await context.newPage();
	page.on("pageerror", (error) => page.faults.push(error.message));
	await page.addInitScript(pageTools, EVENT_MS);
	return page;
}

/** Where a client finds this server. */
export const addressOf = (server) => ({ host: "127.0.0.1", port: server.port, path: "/" });

/** The detail of an event in a tab, the first of its type or the one of that number. */
export const heard = (page, type, count) => page.evaluate(([type, count]) => window.heard(type, count), [type, count]);

/** Connects a tab to another; resolves when the connection is open on both sides. */
export async function connect(from, to, options) {
	const before = await to.evaluate(() => window.countOf("connection open"));
	await from.evaluate(([id, options]) => {
		const before = window.countOf("connection open");
		window.connectTo(id, options);
		return window.heard("connection open", before + 1);
	}, [to.peerId, options]);
	await heard(to, "connection open", before + 1);
}

/** Sends a text and waits until it comes back from the other side. */
export async function echoes(page, text) {
	const back = await page.evaluate((text) => {
		const before = window.countOf("data");
		window.connection.send(text);
		return window.heard("data", before + 1);
	}, text);
	assert.equal(back, text);
}

const packages = new URL("../node_modules/", import.meta.url);
const builtFile = /^\/(peerjs(?:-[\w.-]+)?\/dist\/[\w.]+\.m?js)$/;

async function serve(request, response) {
	const { pathname, searchParams } = new URL(request.url, "http://pages");
	const file = builtFile.exec(pathname)?.[1];
	if (file) {
		response.writeHead(200, { "content-type": "text/javascript; charset=utf-8", "cache-control": "max-age=3600" }).end(await readFile(new URL(file, packages)));
	} else if (pathname === "/page") {
		const module = searchParams.get("module");
		const addition = module && `<script type="module">import * as serializers from "/${module}"; window.serializers = { ...serializers };</script>`;
		response.writeHead(200, { "content-type": "text/html; charset=utf-8" })
			.end(`<!doctype html><script src="/${searchParams.get("script")}"></script>${addition}`);
	} else {
		response.writeHead(404).end();
	}
}

/** What a page has beside the client: it opens a peer, and keeps each event of it and of its connections. */
function pageTools(patience) {
	const events = [];
	const waits = new Set();

	const note = (type, detail) => {
		events.push({ type, detail });
		for (const check of waits) {
			check();
		}
	};

	/** Resolves to the detail of the `count`th event of a type. */
	window.heard = (type, count = 1) => new Promise((resolve, reject) => {
		const check = () => {
			const found = events.filter((event) => event.type === type)[count - 1];
			if (found) {
				clearTimeout(timer);
				waits.delete(check);
				resolve(found.detail);
			}
			return found;
		};
		const timer = setTimeout(() => {
			waits.delete(check);
			const seen = events.map(({ type, detail }) => `${type} ${JSON.stringify(detail)?.slice(0, 200)}`);
			reject(new Error(`No ${type} (${count}) among: ${seen.join("; ")}`));
		}, patience);
		if (!check()) {
			waits.add(check);
		}
	});
	window.countOf = (type) => events.filter((event) => event.type === type).length;

	const watchConnection = (connection, { echoes }) => {
		window.connection = connection;
		connection.on("open", () => note("connection open", connection.label));
		connection.on("data", (data) => {
			note("data", data);
			echoes && connection.send(data);
		});
		connection.on("close", () => note("connection close"));
		connection.on("error", (error) => note("connection error", { type: error.type, message: error.message }));
	};

	const watchCall = (call) => {
		window.call = call;
		call.on("stream", (stream) => note("stream", stream));
		call.on("close", () => note("call close"));
		call.on("error", (error) => note("call error", error.message));
	};

	window.openPeer = ({ id, ...options }) => {
		// Without a list of its own a client asks a STUN server of the Internet.
		const complete = { config: { iceServers: [] }, serializers: window.serializers, ...options };
		const peer = id === undefined ? new window.Peer(complete) : new window.Peer(id, complete);
		window.peer = peer;
		peer.on("open", (id) => note("open", id));
		peer.on("disconnected", () => note("disconnected"));
		peer.on("close", () => note("close"));
		peer.on("error", (error) => note("error", { type: error.type, message: error.message }));
		peer.on("connection", (connection) => {
			note("connection", { peer: connection.peer, label: connection.label, metadata: connection.metadata, serialization: connection.serialization });
			watchConnection(connection, { echoes: true });
		});
		peer.on("call", async (call) => {
			note("call", { peer: call.peer, metadata: call.metadata });
			watchCall(call);
			call.answer(await window.ownStream());
		});
	};

	/** Lets the peer end its WebSocket by this method; resolves when the server has closed it too. */
	window.endSocket = (method) => {
		const socket = window.peer.socket._socket;
		const closed = new Promise((resolve) => socket.addEventListener("close", resolve));
		window.peer[method]();
		return closed.then(() => undefined);
	};

	window.connectTo = (id, options) => watchConnection(window.peer.connect(id, { reliable: true, ...options }), { echoes: false });
	window.ownStream = () => navigator.mediaDevices.getUserMedia({ audio: true, video: true });
	window.callTo = async (id, options) => watchCall(window.peer.call(id, await window.ownStream(), options));

	/** Something that may be compared outside of the page, equal for all the forms in which bytes come. */
	window.described = async (value) => {
		if (value instanceof Blob) {
			return window.described(await value.arrayBuffer());
		}
		if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
			const bytes = ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
			const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
			return `${bytes.length} bytes ${Array.from(digest.subarray(0, 8))}`;
		}
		return typeof value === "string" && value.length > 1000 ? `${value.length} characters ${await window.described(new TextEncoder().encode(value))}` : value;
	};

	/** What came of a stream: its tracks, and that a picture of it was shown. */
	window.shown = async (stream) => {
		const video = document.createElement("video");
		document.body.append(video);
		video.muted = true;
		video.srcObject = stream;
		const picture = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
		await video.play();
		await picture;
		return stream.getTracks().map((track) => `${track.kind} ${track.readyState}`).sort();
	};
}
