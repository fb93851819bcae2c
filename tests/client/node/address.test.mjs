// Where a browser connects to, with the client run in a false browser of a given page and script.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import vm from "node:vm";
import { fakeWebSocket } from "../support/fake-socket.mjs";

const source = await readFile(new URL("../../../src/web/client/ok-peerconnection.js", import.meta.url), "utf8");

/** The address that a connection opens on a page, and what its `url` then says. */
function addresses({ page, script, url }) {
	const WebSocket = fakeWebSocket();
	const location = new URL(page);
	const document = new EventTarget();
	document.currentScript = script === undefined ? null : { src: script };
	const window = { location, document, WebSocket, URL, EventTarget, Event, setTimeout, clearTimeout, setInterval, clearInterval };
	window.window = window;
	vm.runInNewContext(source, window);
	const errors = [];
	const connection = new window.OkPeerConnection({ linkageKey: "k", url });
	connection.on("error", (event) => errors.push(event.error.code));
	connection.open().close();
	return [WebSocket.last?.url, connection.url, ...errors];
}

const cases = [
	["the script's origin", { page: "http://page.example/a", script: "http://hub.example:3007/ok-peerconnection.js" }, ["ws://hub.example:3007/", "http://hub.example:3007/"]],
	["an https script", { page: "http://page.example/a", script: "https://hub.example/x.js" }, ["wss://hub.example/", "https://hub.example/"]],
	["an inline script", { page: "http://page.example/a/b", script: "" }, ["ws://page.example/", "http://page.example/"]],
	["code without a script element", { page: "https://page.example/a/b" }, ["wss://page.example/", "https://page.example/"]],
	["a page from a file", { page: "file:///tmp/a.html", script: "file:///tmp/x.js" }, [undefined, undefined, "E_URLNOTSPECIFIED"]],
	["an address given", { page: "http://page.example/", url: "ws://other.example/hub" }, ["ws://other.example/hub", "ws://other.example/hub"]],
	["a path given", { page: "http://page.example/a", url: "/hub" }, ["ws://page.example/hub", "/hub"]],
	["ws on an https page", { page: "https://page.example/", url: "ws://other.example/" }, ["wss://other.example/", "ws://other.example/"]],
	["http on an https page", { page: "https://page.example/", url: "http://other.example/" }, ["wss://other.example/", "http://other.example/"]]
];

for (const [name, given, expected] of cases) {
	test(`in browsers: ${name}`, () => assert.deepEqual(addresses(given), expected));
}
