// PeerJS over plain HTTP, for pages of other origins above all.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connectSocket, joinedSocket } from "../support/peer-sockets.mjs";
import { hubOnly, startPeerServer } from "../support/peer-server.mjs";

const page = "https://page.example";
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let server, below;
before(async () => {
	server = await startPeerServer();
	below = await startPeerServer({ path: "/my/app", allow_discovery: true });
});
after(async () => {
	await server?.kill();
	await below?.kill();
});

const ask = (path, { headers, ...options } = {}, at = server) => fetch(at.url + path, { ...options, headers: { origin: page, ...headers } });

/** That a page of that origin may read the answer. */
function assertReadable(response, origin = page) {
	assert.equal(response.headers.get("access-control-allow-origin"), origin);
	assert.match(response.headers.get("vary"), /\borigin\b/i);
}

test("a fresh id", async () => {
	const ids = new Set();
	for (const key of ["peerjs", "peerjs", "any-key"]) {
		const response = await ask(`${key}/id?ts=17900000000000.5&version=1.5.5`);
		assert.equal(response.status, 200);
		assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
		assert.ok([page, "*"].includes(response.headers.get("access-control-allow-origin")));
		const id = await response.text();
		assert.match(id, uuid);
		ids.add(id);
	}
	assert.equal(ids.size, 3);
});

test("what the server says of itself", async () => {
	for (const [path, at] of [["", server], ["my/app", below], ["my/app/", below]]) {
		const response = await ask(path, {}, at);
		assert.equal(response.status, 200);
		assert.equal(response.headers.get("content-type"), "application/json; charset=utf-8");
		assertReadable(response);
		assert.deepEqual(Object.keys(await response.json()), ["name", "description", "website"]);
	}
});

test("no listing unless discovery is on", async (t) => {
	const refused = await ask("peerjs/peers");
	assert.equal(refused.status, 401);
	assertReadable(refused);

	await joinedSocket(t, below, "listed", { path: "/my/app/peerjs" });
	const listed = await ask("my/app/peerjs/peers", {}, below);
	assert.equal(listed.headers.get("content-type"), "application/json; charset=utf-8");
	assertReadable(listed);
	assert.deepEqual(await listed.json(), ["listed"]);
});

test("a preflight", async () => {
	for (const [path, method] of [["peerjs/id", "GET"], ["peerjs/a/t/offer", "POST"]]) {
		const response = await ask(path, {
			method: "OPTIONS", headers: { "access-control-request-method": method, "access-control-request-headers": "content-type,x-own" }
		});
		assert.equal(response.status, 204);
		assertReadable(response);
		assert.match(response.headers.get("access-control-allow-methods"), new RegExp(`\\b${method}\\b`));
		assert.equal(response.headers.get("access-control-allow-headers"), "content-type,x-own");
	}
});

test("a page may read errors too, and the path that would have worked", hubOnly("its 404 has no CORS headers and no advice"), async () => {
	const wrong = await ask("elsewhere/peerjs/id");
	assert.equal(wrong.status, 404);
	assert.ok((await wrong.text()).includes("\n  /peerjs/id\n"));
	assert.ok([page, "*"].includes(wrong.headers.get("access-control-allow-origin")));

	const forgotten = await ask("peerjs/id", {}, below);
	assert.equal(forgotten.status, 404);
	assert.ok((await forgotten.text()).includes("\n  /my/app/peerjs/id\n"));
	assert.ok([page, "*"].includes(forgotten.headers.get("access-control-allow-origin")));

	const method = await ask("peerjs/id", { method: "DELETE" });
	assert.equal(method.status, 405);
	assertReadable(method);

	const body = await ask("peerjs/a/t/offer", { method: "POST", body: "no message" });
	assert.equal(body.status, 400);
	assertReadable(body);
});

test("a WebSocket at the wrong path", async (t) => {
	const client = { path: "/elsewhere/peerjs", key: "peerjs", id: "lost", token: "t" };
	await assert.rejects(connectSocket(t, below, client), /Unexpected server response: 40[04]/);
});

test("origins that are listed, for requests and WebSockets", hubOnly("asks no WebSocket for its origin"), async (t) => {
	const guarded = await startPeerServer({ moreFlags: ["--allow-origin", page, "--allow-origin", "https://*.more.example"] });
	t.after(() => guarded.kill());
	const client = { key: "peerjs", id: "guarded", token: "t" };
	for (const origin of [page, "https://any.more.example"]) {
		assertReadable(await ask("peerjs/id", { headers: { origin } }, guarded), origin);
		await joinedSocket(t, guarded, `of ${origin}`, { headers: { origin } });
	}
	for (const origin of ["http://page.example", "https://more.example", "https://page.example.evil.example", "null"]) {
		const refused = await ask("peerjs/id", { headers: { origin } }, guarded);
		assert.equal(refused.headers.get("access-control-allow-origin"), null);
		await assert.rejects(connectSocket(t, guarded, { ...client, headers: { origin } }), /Unexpected server response: 403/);
	}
	// A program that is no page names none.
	await joinedSocket(t, guarded, "program");
});
