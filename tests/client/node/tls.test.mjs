// The client over wss: from Node with a certificate that the hub made, and back again after a restart.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket as Ws } from "ws";
import { connector, next } from "../support/connections.mjs";
import { isPeerhub, startHub } from "../support/hub.mjs";

/** Trusts whom it must: the certificate is made anew at each start. */
class WebSocket extends Ws {
	constructor(url, protocols) {
		super(url, protocols, { rejectUnauthorized: false });
	}
}

test("two connections meet over wss and come back after a restart", { skip: !isPeerhub }, async (t) => {
	let hub = await startHub({ moreFlags: ["--tls-self-signed", "--plaintext", "refuse"] });
	t.after(() => hub.kill());
	assert.ok(hub.lines.some((line) => /SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}$/.test(line)), hub.lines.join("\n"));
	const connect = connector(t, { url: `https://127.0.0.1:${hub.port}/` });
	const one = await connect.joined({ WebSocket });
	const other = await connect.joined({ WebSocket });
	other.on("request", ({ message }) => message.respond({ echo: message.content }));
	const ask = async () => (await one.request({ peer: other.id, name: "question", content: "x".repeat(100_000) })).content.echo.length;
	assert.equal(await ask(), 100_000);
	const back = Promise.all([next(one, "confirm"), next(other, "confirm")]);
	hub = await hub.restart();
	await back;
	assert.equal(await ask(), 100_000);
	// Without TLS there is a word why not.
	const answer = await fetch(`http://127.0.0.1:${hub.port}/healthz`);
	assert.equal(answer.status, 400);
	assert.match(await answer.text(), /https:\/\//);
});
