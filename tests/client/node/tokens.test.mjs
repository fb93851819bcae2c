// Tokens: asked for before each opening and before they expire, against a hub that lets nobody in without one.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { fakeWebSocket } from "../support/fake-socket.mjs";
import { isPeerhub } from "../support/hub.mjs";
import { OkPeerConnection, connector, next, settled } from "../support/connections.mjs";
import { guardedHub, token } from "../support/tokens.mjs";

const options = { skip: !isPeerhub && "only peerhub has tokens" };
/** Listens to errors, of which each test says what they may be. */
function errorsOf(connection) {
	const codes = [];
	connection.on("error", (event) => codes.push(event.error.code));
	return codes;
}

test("a connection opens with the token that getToken gives or promises", options, async (t) => {
	const connect = connector(t, await guardedHub(t));
	const ann = await connect.joined({ getToken: () => token(60000), userid: "bob" });
	assert.equal(ann.userid, "ann");
	const fixed = await connect.joined({ getToken: async () => token(60000, { peer: "the-one" }) });
	assert.equal(fixed.id, "the-one");
});

test("without a token, or with a bad one, it is told, and goes on trying", options, async (t) => {
	const connect = connector(t, await guardedHub(t));
	let good = false;
	const connection = connect({ getToken: () => good ? token(60000) : undefined });
	const refused = next(connection, "error");
	connection.open();
	assert.equal((await refused).error.code, "E_UNAUTHORIZED");
	good = true;
	await next(connection, "confirm");
	const expired = connect({ getToken: () => token(-1000) });
	const told = next(expired, "error");
	expired.open();
	assert.equal((await told).error.code, "E_UNAUTHORIZED");
});

test("a token is renewed on the living connection before it expires", options, async (t) => {
	const connect = connector(t, await guardedHub(t));
	let asked = 0;
	const connection = connect({ getToken: () => token(++asked === 1 ? 1800 : 60000) });
	const errors = errorsOf(connection);
	const renewed = next(connection, "authenticated");
	connection.open();
	const { message } = await renewed;
	assert.ok(message.content.expires > Date.now() + 30000);
	await settled(connection);
	assert.deepEqual([asked, connection.connectCount, errors], [2, 1, []]);
});

test("a token that expires after all costs one reopening, and the id stays", options, async (t) => {
	const connect = connector(t, await guardedHub(t));
	let asked = 0;
	const getToken = () => ++asked === 2 ? new Promise(() => {}) : token(asked === 1 ? 1500 : 60000);
	const connection = await connect.joined({ getToken });
	const errors = errorsOf(connection);
	const { id } = connection;
	await next(connection, "confirm");
	await settled(connection);
	assert.deepEqual([connection.id, asked, connection.connectCount, errors], [id, 3, 2, []]);
});

test("a getToken that fails is told, and asked again", options, async (t) => {
	const connect = connector(t, await guardedHub(t));
	const failures = [() => { throw new Error("no network"); }, () => Promise.reject(new Error("no session")), () => 5, () => "no token"];
	const connection = connect({ getToken: () => (failures.shift() ?? (() => token(60000)))() });
	const errors = [];
	connection.on("error", (event) => errors.push(event.error.message));
	connection.open();
	await next(connection, "confirm");
	const wrong = "E_TOKEN: What getToken gave is no token.";
	assert.deepEqual(errors, ["E_TOKEN: no network", "E_TOKEN: no session", wrong, wrong]);
});

test("without getToken an expired token is told", options, async (t) => {
	const hub = await guardedHub(t);
	const connect = connector(t, hub);
	const url = hub.url + "?token=" + token(1200);
	const connection = await connect.joined({ url });
	const told = next(connection, "error");
	assert.equal((await told).error.code, "E_TOKENEXPIRED");
});

test("a token that comes too late opens nothing", async () => {
	const FakeSocket = fakeWebSocket();
	let give;
	const connection = new OkPeerConnection({
		linkageKey: "late", url: "ws://hub.test/", WebSocket: FakeSocket, getToken: () => new Promise((resolve) => { give = resolve; })
	});
	connection.open();
	const first = give;
	const closed = once(connection, "close");
	connection.close();
	await closed;
	first("a.b.c");
	await new Promise(setImmediate);
	assert.equal(FakeSocket.sockets.length, 0);
	connection.open();
	first("a.b.c");
	await new Promise(setImmediate);
	assert.equal(FakeSocket.sockets.length, 0);
	give("a.b.c");
	await new Promise(setImmediate);
	assert.equal(FakeSocket.sockets.length, 1);
	connection.close();
});
