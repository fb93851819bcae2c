// Reopening, waiting messages and the hub's extensions, with a false socket and a false clock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OkPeerConnection } from "../support/connections.mjs";
import { fakeWebSocket } from "../support/fake-socket.mjs";

const NOW = 1_700_000_000_000;

/** A connection on false sockets, the clock stopped, with the codes of its error events in `codes`. */
function scripted(t, params = {}) {
	t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: NOW });
	const WebSocket = fakeWebSocket();
	const connection = new OkPeerConnection({ linkageKey: "k", url: "http://hub.example/", WebSocket, ...params });
	const codes = [];
	connection.on("error", (event) => codes.push(event.error.code ?? event.error.message));
	const tick = (ms) => {
		// Small steps, because a timer that runs within a step finds the clock at the step's end.
		for (let left = ms; left > 0; left -= 100) {
			t.mock.timers.tick(Math.min(left, 100));
		}
	};
	return { connection, WebSocket, codes, tick };
}

/** Loses the present socket and lets the longest possible wait go by. */
function reopen({ WebSocket, tick }, code = 1006) {
	const { length } = WebSocket.sockets;
	WebSocket.last.lose(code);
	tick(30000);
	assert.equal(WebSocket.sockets.length, length + 1);
	return WebSocket.last;
}

test("the address is translated to that of a WebSocket", (t) => {
	for (const [url, expected] of [["http://h/http:", "ws://h/http:"], ["https://h:1/a", "wss://h:1/a"], ["ws://h/", "ws://h/"], ["wss://h/", "wss://h/"]]) {
		const WebSocket = fakeWebSocket();
		const connection = new OkPeerConnection({ linkageKey: "k", url, WebSocket }).open();
		assert.equal(WebSocket.last.url, expected);
		connection.close();
	}
});

test("initiate carries what the original's does, and the question for a resume secret", (t) => {
	const { connection, WebSocket } = scripted(t, { userid: "ann", tags: ["a"], properties: { p: 1 }, deboutCluster: "c" });
	connection.open();
	WebSocket.last.join();
	const [initiate] = WebSocket.last.sent;
	assert.match(initiate.messageid, /^[a-z][a-z0-9]{6}-[a-z0-9]{8}$/);
	assert.deepEqual(initiate.content, {
		deboutCluster: "c", userid: "ann",
		options: { deboutReceiver: false, peerInitiationReceiver: true, peerInitiationSender: true },
		properties: { p: 1 }, linkageKey: "k", startTime: NOW, tags: ["a"], resume: true
	});
	assert.equal(connection.id, "fresh-id");
	connection.close();
});

test("an id of the application's own is given from the first initiate on", (t) => {
	const { connection, WebSocket } = scripted(t, { id: "mine" });
	connection.open();
	WebSocket.last.join();
	assert.equal(WebSocket.last.sent[0].content.id, "mine");
	assert.equal(connection.id, "mine");
	connection.close();
});

test("a reopened connection gives its id, its secret and its own user id", (t) => {
	const script = scripted(t, { userid: "ann" });
	const { connection, WebSocket } = script;
	connection.open();
	WebSocket.last.join({ resume: "secret-1", userid: "encrypted" });
	assert.equal(connection.userid, "encrypted");
	const socket = reopen(script);
	socket.join({ resume: "secret-2", userid: "encrypted anew" });
	const { content } = socket.sent[0];
	assert.deepEqual([content.id, content.resume, content.userid], ["fresh-id", "secret-1", "ann"]);
	assert.equal(connection.userid, "encrypted anew");
	assert.equal(connection.connectCount, 2);
	assert.equal(reopen(script).sent.length, 0);
	WebSocket.last.join({ resume: "secret-3" });
	assert.equal(WebSocket.last.sent[0].content.resume, "secret-2");
	connection.close();
});

test("a reopened connection tells the hub its state again, once, and then what waited, in order", (t) => {
	const script = scripted(t, { tags: ["a"], options: { deboutReceiver: true } });
	const { connection, WebSocket } = script;
	connection.subscribe({ channels: "one,two,three" });
	connection.open();
	WebSocket.last.join();
	connection.addTag("b").removeTag("a").setProperties({ p: 1 }).unsubscribe({ channels: "two" }).deboutSelection({ connected: true });
	WebSocket.last.lose(1006);
	connection.setProperties({ p: 2 }).addTag("c").subscribe({ channels: "four" }).unsubscribe({ channels: "one" });
	connection.notify({ peer: "x", content: 1 }).publish({ channel: "four", message: 2 }).request({ peer: "x", content: 3, timeout: 40000, onResponse() {} });
	script.tick(30000 - 1);
	const socket = WebSocket.last;
	socket.open();
	connection.notify({ peer: "x", content: 4 });
	assert.deepEqual(socket.sent, []);
	socket.receive({ type: "accept", messageid: "m", content: { id: "other", deboutChannel: "debout-channel" } });
	connection.setProperties({ p: 3 });
	assert.deepEqual(socket.sentTypes, ["initiate"]);
	assert.deepEqual(socket.sent[0].content.tags, ["b", "c"]);
	assert.deepEqual(socket.sent[0].content.properties, { p: 2 });
	socket.receive({ type: "confirm", messageid: "m", peer: "fresh-id", content: { userid: "" } });
	assert.deepEqual(socket.sentTypes, [
		"initiate", "subscribe", "deboutSelection", "retrievePeers", "notify", "publish", "request", "notify", "setProperties"
	]);
	assert.deepEqual(socket.sent[1].content.channels, ["three", "debout-channel", "four"]);
	assert.deepEqual(socket.sent[2].content, { connected: true });
	connection.close();
});

test("state that changed in a handshake that failed is told by the next one only", (t) => {
	const script = scripted(t);
	const { connection, WebSocket } = script;
	connection.open();
	WebSocket.last.open();
	WebSocket.last.receive({ type: "accept", messageid: "m", content: { id: "fresh-id", deboutChannel: "d" } });
	connection.setProperties({ p: 1 }).addTag("a");
	const socket = reopen(script);
	socket.join();
	assert.deepEqual(socket.sentTypes, ["initiate", "retrievePeers"]);
	assert.deepEqual([socket.sent[0].content.properties, socket.sent[0].content.tags], [{ p: 1 }, ["a"]]);
	connection.close();
});

test("the hub is told of changes only", (t) => {
	const { connection, WebSocket } = scripted(t, { tags: ["a"] });
	connection.open();
	const socket = WebSocket.last;
	socket.join();
	socket.sent.splice(0);
	connection.subscribe({ channels: "one, one" }).subscribe({ channels: ["one", "two"] }).unsubscribe({ channels: "three" })
		.addTag("a").removeTag("b").addFilterTag("f").addFilterTag(["f"]).removeFilterTag("g");
	assert.deepEqual(socket.sent.map((message) => [message.type, message.content.channels]), [
		["subscribe", ["one"]], ["subscribe", ["two"]], ["retrievePeers", undefined]
	]);
	connection.close();
});

test("peers that came, went or changed meanwhile are told after reopening", (t) => {
	const script = scripted(t);
	const { connection, WebSocket } = script;
	const told = [];
	for (const type of ["addpeer", "alterpeer", "removepeer"]) {
		connection.on(type, (event) => told.push(type + " " + event.peer.id));
	}
	const peer = (id, properties = {}) => ({ id, linkageKey: "k", tags: [], properties, userid: "" });
	connection.open();
	WebSocket.last.join();
	WebSocket.last.listPeers([peer("stays"), peer("changes"), peer("goes")]);
	const changes = connection.find((each) => each.id === "changes");
	assert.deepEqual(told.splice(0), ["addpeer stays", "addpeer changes", "addpeer goes"]);
	const socket = reopen(script);
	assert.equal(connection.filter(() => true).length, 3);
	socket.join();
	socket.listPeers([peer("stays"), peer("changes", { a: 1 }), peer("comes")]);
	assert.deepEqual(told.splice(0), ["removepeer goes", "alterpeer changes", "addpeer comes"]);
	assert.deepEqual(changes.properties, { a: 1 });
	connection.close();
});

/** A port with the digits of that status was once taken for it. */
test("an attempt that fails is reported as what it is", (t) => {
	const { connection, WebSocket, codes, tick } = scripted(t);
	connection.open();
	for (const error of [
		new Error("Unexpected server response: 404"),
		Object.assign(new Error("getaddrinfo ENOTFOUND hub.example"), { code: "ENOTFOUND" }),
		Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:40404"), { code: "ECONNREFUSED" }),
		Object.assign(new Error("connect ETIMEDOUT 127.0.0.1:404"), { code: "ETIMEDOUT" }),
		new Error("Unexpected server response: 503")
	]) {
		const { length } = WebSocket.sockets;
		WebSocket.last.onerror({ error });
		WebSocket.last.lose(1006);
		tick(30000);
		assert.equal(WebSocket.sockets.length, length + 1);
	}
	assert.deepEqual(codes, ["E_NOTFOUND", "E_NOTFOUND", "E_PEERCONNECTION", "E_PEERCONNECTION"]);
	connection.close();
});

test("waits between attempts grow from one to ten intervals, are spread, and shrink again after a success", (t) => {
	const script = scripted(t, { reopenInterval: 1000 });
	const { connection, WebSocket, tick } = script;
	connection.open();
	let chance = 0;
	t.mock.method(Math, "random", () => chance);
	const waitAfterLoss = () => {
		const { length } = WebSocket.sockets;
		WebSocket.last.lose(1006);
		for (let waited = 0; waited <= 11000; waited += 100) {
			if (WebSocket.sockets.length > length) {
				return waited;
			}
			tick(100);
		}
		return Infinity;
	};
	assert.deepEqual([waitAfterLoss(), waitAfterLoss(), waitAfterLoss()], [1000, 1000, 1000]);
	chance = 1;
	assert.deepEqual([waitAfterLoss(), waitAfterLoss(), waitAfterLoss()], [10000, 10000, 10000]);
	WebSocket.last.join();
	assert.deepEqual([waitAfterLoss(), waitAfterLoss(), waitAfterLoss(), waitAfterLoss()], [2000, 4000, 8000, 10000]);
	chance = 0.5;
	WebSocket.last.join();
	assert.equal(waitAfterLoss(), 1500);
	connection.close();
	const { length } = WebSocket.sockets;
	tick(100000);
	assert.equal(WebSocket.sockets.length, length);
});

test("after a planned close the first two waits are short and spread from nothing on, but only once it was open", (t) => {
	const { connection, WebSocket, tick } = scripted(t, { reopenInterval: 1000 });
	connection.open();
	let chance = 0;
	t.mock.method(Math, "random", () => chance);
	const waitAfterLoss = (code) => {
		const { length } = WebSocket.sockets;
		WebSocket.last.lose(code);
		let waited = 0;
		for (tick(0); WebSocket.sockets.length === length; waited += 100) {
			tick(100);
		}
		return waited;
	};
	for (const code of [1001, 1012]) {
		WebSocket.last.join();
		chance = 0;
		assert.deepEqual([waitAfterLoss(code), waitAfterLoss(1006), waitAfterLoss(1006), waitAfterLoss(1006)], [100, 100, 1000, 1000]);
		WebSocket.last.join();
		chance = 1;
		assert.deepEqual([waitAfterLoss(code), waitAfterLoss(1006), waitAfterLoss(1006), waitAfterLoss(1006)], [500, 1000, 2000, 4000]);
		// One that goes before it has confirmed has made nobody welcome.
		WebSocket.last.join();
		assert.equal(waitAfterLoss(1006), 2000);
		assert.equal(waitAfterLoss(code), 4000);
	}
	connection.close();
});

test("with peerhub a request whose connection is lost fails at once, and one that was not yet sent waits on", async (t) => {
	const { connection, WebSocket, codes, tick } = scripted(t);
	connection.open();
	WebSocket.last.join({ resume: "secret" });
	const failures = [];
	const sent = connection.request({ peer: "x", name: "q", content: 1, timeout: 60000 });
	connection.request({ peer: ["x", "y"], content: 2, onResponse: assert.fail, onError: (error) => failures.push(error.peer) });
	WebSocket.last.lose(1006);
	await assert.rejects(sent, { code: "E_CONNECTIONLOST", peer: "x", requestName: "q" });
	assert.deepEqual([failures, codes], [["x", "y"], ["E_CONNECTIONLOST", "E_CONNECTIONLOST"]]);
	const waiting = connection.request({ peer: "x", content: 3, timeout: 60000 });
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	const [request] = WebSocket.last.sentOfType("request");
	assert.equal(request.content, 3);
	WebSocket.last.receive({ type: "response", messageid: request.messageid, peer: "x", content: 4 });
	assert.equal((await waiting).content, 4);
	connection.close();
});

/** A connection that reports what may be lost, with the contents of what was. */
function reporting(t, resume = "secret", reportLost = true) {
	const script = scripted(t, { reportLost });
	const { connection, WebSocket } = script;
	const lost = [];
	connection.on("error", ({ error }) => error.code === "E_MAYBELOST" && lost.push(error.messages.map((message) => message.content)));
	connection.open();
	WebSocket.last.join({ resume });
	const prove = () => {
		const { messageid, peer } = WebSocket.last.sentOfType("request").at(-1);
		assert.equal(peer, messageid, "a request to nobody");
		WebSocket.last.receive({ type: "requestfailed", messageid, peer, content: { code: "E_PEERUNKNOWN" } });
	};
	const say = (content) => connection.notify({ peer: "x", content });
	return { ...script, lost, prove, say };
}

test("what the hub may not have heard when the connection is lost is reported, if that is wanted", (t) => {
	const { connection, WebSocket, codes, lost, prove, say, tick } = reporting(t);
	say(1);
	tick(500);
	say(2);
	prove();
	connection.respond({ peer: "x", messageid: "m", content: 3 });
	connection.setProperties({ p: 1 });
	connection.request({ peer: "x", content: 4, onResponse() {} });
	WebSocket.last.lose(1006);
	assert.deepEqual([lost, codes], [[[2, 3]], ["E_CONNECTIONLOST", "E_MAYBELOST"]]);
	// What waits is not lost, and is remembered once it has gone out.
	say(5);
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	tick(400);
	assert.deepEqual(WebSocket.last.sentOfType("request"), []);
	WebSocket.last.lose(1006);
	assert.deepEqual(lost, [[2, 3], [5]]);
	connection.close();
});

test("what is proven, what a stopped hub has heard, and what nobody wants to know of is not reported", (t) => {
	const { connection, WebSocket, lost, prove, say, tick } = reporting(t);
	say(1);
	tick(500);
	prove();
	tick(30000);
	assert.equal(WebSocket.last.sentOfType("request").length, 1, "nothing is asked while nothing is sent");
	WebSocket.last.lose(1006);
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	say(2);
	WebSocket.last.lose(1012);
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	say(3);
	connection.close();
	assert.deepEqual(lost, []);
});

test("with the option off, and with an original server, nothing is asked or reported", (t) => {
	const original = reporting(t, null);
	original.say(1);
	original.tick(5000);
	original.WebSocket.last.lose(1006);
	assert.deepEqual([original.lost, original.WebSocket.last.sentOfType("request")], [[], []]);
	original.connection.close();
	t.mock.timers.reset();
	const { connection, WebSocket, codes, tick } = scripted(t, { reportLost: false });
	connection.open();
	WebSocket.last.join({ resume: "secret" });
	connection.notify({ peer: "x", content: 1 });
	tick(5000);
	WebSocket.last.lose(1006);
	assert.deepEqual([codes, WebSocket.last.sentOfType("request")], [[], []]);
	connection.close();
});

/** It was once lost without a word, unless the application had asked for proof. */
test("without the option nothing is asked, and what was sent until shortly before the hub's last sign of life is not reported", (t) => {
	const script = reporting(t, "secret", null);
	const { connection, WebSocket, lost, say, tick } = script;
	const nudge = () => WebSocket.last.receive({ type: "nudge", content: { interval: 10000 } });
	say(1);
	tick(1000);
	say(2);
	tick(1000);
	connection.request({ peer: "x", content: 3, onResponse() {} }).setProperties({ p: 1 });
	nudge();
	tick(5000);
	say(4);
	WebSocket.last.lose(1006);
	assert.deepEqual(lost.splice(0), [[2, 4]]);
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	say(5);
	tick(1100);
	nudge();
	WebSocket.last.lose(1006);
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	say(6);
	WebSocket.last.lose(1001);
	tick(6000);
	// Into a silence that ends in another connection.
	WebSocket.last.join({ resume: "secret" });
	const { length } = WebSocket.sockets;
	for (const content of [7, 8, 9]) {
		tick(10000);
		say(content);
	}
	assert.deepEqual([lost, WebSocket.last.sentOfType("request")], [[], []]);
	tick(10000);
	assert.ok(WebSocket.sockets.length > length);
	assert.deepEqual(lost, [[7, 8, 9]]);
	connection.close();
});

test("an answer proves what was sent before the request, and one's own message that comes back proves itself", (t) => {
	for (const reportLost of [true, null]) {
		const { connection, WebSocket, lost, say, tick } = reporting(t, "secret", reportLost);
		const publish = (message) => connection.publish({ channel: "c", message });
		say(1);
		connection.request({ peer: "x", content: 2, onResponse() {} });
		say(3);
		const { messageid } = WebSocket.last.sentOfType("request")[0];
		WebSocket.last.receive({ type: "response", messageid, peer: "x", content: 2 });
		WebSocket.last.lose(1006);
		assert.deepEqual(lost.splice(0), [[3]]);
		tick(6000);
		WebSocket.last.join({ resume: "secret" });
		say(4);
		publish(5);
		publish(6);
		const [five] = WebSocket.last.sentOfType("publish");
		// Somebody else's message with such an id proves nothing.
		WebSocket.last.receive({ ...five, type: "message", peer: "x" });
		WebSocket.last.receive({ ...five, type: "message", peer: connection.id });
		WebSocket.last.lose(1006);
		assert.deepEqual(lost, [[{ channel: "c", message: 6, options: {} }]]);
		connection.close();
		t.mock.timers.reset();
	}
});

test("of very many messages the latest are remembered", (t) => {
	const { connection, WebSocket, lost, prove, say, tick } = reporting(t);
	say(-1);
	tick(500);
	for (let content = 0; content < 10_001; ++content) {
		say(content);
	}
	prove();
	WebSocket.last.lose(1006);
	assert.deepEqual([lost[0].length, lost[0][0], lost[0].at(-1)], [10_000, 1, 10_000]);
	connection.close();
});

test("whoever closes or opens while he hears of what was lost has his way", (t) => {
	for (const act of ["close", "open"]) {
		const { connection, WebSocket, say, tick } = reporting(t);
		connection.on("error", () => connection[act]());
		say(1);
		WebSocket.last.receive({ type: "nudge", content: { interval: 1000 } });
		const { length } = WebSocket.sockets;
		tick(8000);
		assert.equal(WebSocket.sockets.length, length + (act === "open" ? 1 : 0), act);
		connection.close();
		t.mock.timers.reset();
	}
});

test("with an original server the answer to a request may come over the next connection", async (t) => {
	const script = scripted(t);
	script.connection.open();
	script.WebSocket.last.join();
	const answer = script.connection.request({ peer: "x", content: 1, timeout: 60000 });
	const [{ messageid }] = script.WebSocket.last.sentOfType("request");
	reopen(script).join();
	script.WebSocket.last.receive({ type: "response", messageid, peer: "x", content: 2 });
	assert.equal((await answer).content, 2);
	script.connection.close();
});

test("every close code but 1000 leads to another attempt", (t) => {
	const script = scripted(t);
	const { connection, WebSocket, codes, tick } = script;
	let closes = 0;
	connection.on("close", () => ++closes);
	connection.open();
	for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 4000]) {
		WebSocket.last.join();
		reopen(script, code);
	}
	assert.deepEqual([closes, codes], [0, []]);
	WebSocket.last.join();
	WebSocket.last.lose(1000);
	assert.equal(closes, 1);
	assert.equal(connection.startTime, null);
	const { length } = WebSocket.sockets;
	tick(100000);
	assert.equal(WebSocket.sockets.length, length);
});

test("an id in use is an error event each time, and tried again", (t) => {
	const script = scripted(t, { id: "mine" });
	script.connection.open();
	script.WebSocket.last.open();
	reopen(script, 4409);
	reopen(script, 4409).join();
	assert.deepEqual(script.codes, ["E_IDINUSE", "E_IDINUSE"]);
	assert.equal(script.connection.id, "mine");
	script.connection.close();
});

test("a hub that never confirms is given up after the timeout", (t) => {
	const { connection, WebSocket, codes, tick } = scripted(t, { timeout: 5000, reopenInterval: 100 });
	connection.open();
	WebSocket.last.open();
	tick(4999);
	assert.deepEqual(codes, []);
	tick(1);
	assert.deepEqual(codes, ["E_CONNECTIONTIMEOUT"]);
	tick(200);
	assert.equal(WebSocket.sockets.length, 2);
	connection.close();
});

test("a message that waited too long is an error event, and a request then rejects", async (t) => {
	const { connection, WebSocket, codes, tick } = scripted(t, { timeout: 5000, reopenInterval: 60000 });
	connection.open();
	WebSocket.last.lose(1006);
	connection.notify({ peer: "x", content: 1 });
	const answer = connection.request({ peer: "x", content: 1, timeout: 20000 });
	tick(2500);
	connection.notify({ peer: "x", content: 2 });
	tick(2499);
	assert.deepEqual(codes, []);
	tick(1);
	assert.deepEqual(codes, ["E_CONNECTIONTIMEOUT"]);
	await assert.rejects(answer, { code: "E_CONNECTIONTIMEOUT", peer: "x" });
	tick(2500);
	assert.deepEqual(codes, ["E_CONNECTIONTIMEOUT", "E_CONNECTIONTIMEOUT"]);
	connection.close();
});

test("a request that timed out while it waited is not sent any more", async (t) => {
	const { connection, WebSocket, tick } = scripted(t);
	connection.open();
	const answer = connection.request({ peer: "x", content: 1, timeout: 100 });
	tick(100);
	await assert.rejects(answer, { code: "E_REQUESTTIMEOUT" });
	WebSocket.last.join();
	assert.deepEqual(WebSocket.last.sentOfType("request"), []);
	connection.close();
});

test("not more than 1000 messages wait", (t) => {
	const { connection, WebSocket, codes } = scripted(t);
	connection.open();
	for (let index = 0; index < 1001; ++index) {
		connection.notify({ peer: "x", content: index });
	}
	assert.deepEqual(codes, ["E_QUEUEFULL"]);
	WebSocket.last.join();
	assert.deepEqual(WebSocket.last.sentOfType("notify").map((message) => message.content), Array.from({ length: 1000 }, (_, index) => index));
	connection.close();
});

test("without a connection, sending is an error event, and what is state is kept", (t) => {
	const { connection, WebSocket, codes } = scripted(t);
	const send = () => {
		connection.notify({ peer: "x", content: 1 }).publish({ channel: "c", message: 1 }).request({ peer: "x", content: 1, onResponse() {} })
			.respond({ peer: "x", messageid: "m", content: 1 })._debout(1).subscribe({ channels: "one" }).addTag("t").setProperties({ p: 1 })
			.deboutSelection({ connected: true }).addFilterTag("t");
		assert.deepEqual(codes.splice(0), Array(10).fill("E_UNCONNECTED"));
	};
	send();
	connection.open();
	WebSocket.last.join();
	assert.deepEqual(WebSocket.last.sent[0].content.tags, ["t"]);
	assert.deepEqual(WebSocket.last.sentOfType("subscribe")[0].content.channels, ["one"]);
	connection.close().unsubscribe({ channels: "one" }).removeTag("t").removeFilterTag("t");
	codes.splice(0);
	send();
});

test("closing says leave, ends what waits, and is silent about the hub's list of peers", async (t) => {
	const { connection, WebSocket, codes, tick } = scripted(t);
	connection.open();
	const socket = WebSocket.last;
	socket.join();
	const answer = connection.request({ peer: "x", content: 1 });
	let closes = 0;
	connection.on("close", () => ++closes).close();
	assert.deepEqual(socket.sent.at(-1), { type: "leave" });
	assert.equal(socket.closedBy, 1000);
	await assert.rejects(answer, { code: "E_UNCONNECTED" });
	assert.equal(closes, 0);
	socket.lose(1000);
	assert.equal(closes, 1);
	connection.open();
	WebSocket.last.join();
	tick(5000);
	assert.deepEqual([closes, codes], [1, []]);
	connection.close();
});

test("closing while it waits to reopen, or while the socket opens, ends in a close event", (t) => {
	const { connection, WebSocket, tick } = scripted(t);
	let closes = 0;
	connection.on("close", () => ++closes).open();
	WebSocket.last.lose(1006);
	connection.close();
	assert.equal(closes, 0);
	tick(1);
	assert.equal(closes, 1);
	connection.open().close();
	WebSocket.last.lose(1006);
	assert.equal(closes, 2);
	tick(100000);
	assert.equal(WebSocket.sockets.length, 2);
});

test("a socket that never closes does not keep back the close event, which comes once", (t) => {
	const { connection, WebSocket, tick } = scripted(t);
	let closes = 0;
	connection.on("close", () => ++closes).open();
	WebSocket.last.join();
	connection.close();
	tick(1900);
	assert.equal(closes, 0);
	tick(100);
	assert.equal(closes, 1);
	WebSocket.last.lose(1006);
	tick(100000);
	assert.deepEqual([closes, WebSocket.sockets.length], [1, 1]);
});

test("requestfailed ends its request at once: rejection, or onError and the error event", async (t) => {
	const { connection, WebSocket, codes } = scripted(t);
	connection.open();
	WebSocket.last.join({ resume: "secret" });
	const fail = (messageid) => WebSocket.last.receive({
		type: "requestfailed", messageid, peer: "x", name: "q", content: { code: "E_PEERLEFT", message: "It left." }
	});
	const answer = connection.request({ peer: "x", name: "q", content: 1, timeout: 700 });
	const sent = () => WebSocket.last.sentOfType("request").at(-1);
	assert.equal(sent().timeout, 700);
	fail(sent().messageid);
	await assert.rejects(answer, { code: "E_PEERLEFT", message: "E_PEERLEFT: It left.", peer: "x", requestName: "q" });
	assert.deepEqual(codes, []);
	const told = [];
	connection.request({ peer: "x", content: 1, onResponse: assert.fail, onError: (error) => told.push(error.code) });
	const { messageid } = sent();
	fail(messageid);
	fail(messageid);
	assert.deepEqual([told, codes], [["E_PEERLEFT"], ["E_PEERLEFT"]]);
	connection.close();
});

test("an original server is not sent a request's timeout", (t) => {
	const { connection, WebSocket } = scripted(t);
	connection.open();
	WebSocket.last.join();
	connection.request({ peer: "x", content: 1, timeout: 700, onResponse() {} });
	assert.ok(!("timeout" in WebSocket.last.sentOfType("request")[0]));
	connection.close();
});

test("an answer counts only from the peer that was asked", async (t) => {
	const { connection, WebSocket } = scripted(t);
	connection.open();
	const socket = WebSocket.last;
	socket.join();
	const strays = [];
	connection.on("response", (event) => strays.push(event.message.content));
	const answer = connection.request({ peer: "x", content: 1 });
	const { messageid } = socket.sentOfType("request")[0];
	socket.receive({ type: "response", messageid, peer: "stranger", content: "false" });
	socket.receive({ type: "response", messageid, peer: "x", content: "true" });
	socket.receive({ type: "response", messageid, peer: "x", content: "late" });
	assert.equal((await answer).content, "true");
	assert.deepEqual(strays, ["false", "late"]);
	connection.close();
});

test("several peers: one message each, the first failure rejects", async (t) => {
	const { connection, WebSocket } = scripted(t);
	connection.open();
	const socket = WebSocket.last;
	socket.join();
	const answers = connection.request({ peer: ["x", "y"], content: 1 });
	const [x, y] = socket.sentOfType("request");
	assert.deepEqual([x.peer, y.peer], ["x", "y"]);
	assert.notEqual(x.messageid, y.messageid);
	socket.receive({ type: "response", messageid: x.messageid, peer: "x", content: 1 });
	socket.receive({ type: "requestfailed", messageid: y.messageid, peer: "y", content: { code: "E_PEERLEFT" } });
	await assert.rejects(answers, { code: "E_PEERLEFT", peer: "y" });
	connection.close();
});

test("an error message of the hub is an error event, or ends the request it names", async (t) => {
	const { connection, WebSocket } = scripted(t);
	const events = [];
	connection.on("error", (event) => events.push(event));
	connection.open();
	WebSocket.last.join();
	WebSocket.last.receive({ type: "error", messageid: "m", content: { code: "E_BADTYPE", message: "What?", messageid: "n" } });
	assert.equal(events[0].error.code, "E_BADTYPE");
	assert.equal(events[0].error.messageid, "n");
	assert.equal(events[0].message.content.message, "What?");
	const answer = connection.request({ peer: "x", content: 1 });
	const { messageid } = WebSocket.last.sentOfType("request")[0];
	WebSocket.last.receive({ type: "error", messageid: "m", content: { code: "E_LIMIT", messageid } });
	await assert.rejects(answer, { code: "E_LIMIT" });
	assert.equal(events.length, 1);
	connection.close();
});

test("nothing that the hub sends throws, and unknown types are events", (t) => {
	const { connection, WebSocket, codes } = scripted(t);
	const heard = [];
	connection.on("novelty", (event) => heard.push(event.message.content));
	connection.on("open", () => heard.push("open"));
	connection.open();
	WebSocket.last.join();
	heard.splice(0);
	for (const text of ["null", "5", "[]", "{}", '{"type":5}', '{"type":""}', '{"type":"open"}', '{"type":"requestfailed"}', '{"type":"nudge"}', '{"type":"novelty","content":1}']) {
		WebSocket.last.receive(text);
	}
	assert.deepEqual([heard, codes], [[1], []]);
	for (const text of ["no JSON", '{"type":"presence"}', '{"type":"accept"}']) {
		WebSocket.last.receive(text);
	}
	assert.equal(codes.length, 3);
	connection.on("message", ({ message }) => assert.ok(Number.isNaN(message.timeAsMilliseconds)));
	WebSocket.last.receive({ type: "message", content: { channel: "c", message: 1 } });
	connection.close();
});

test("a listener that throws stops neither the others nor the connection", (t) => {
	const { connection, WebSocket, codes } = scripted(t);
	const reported = t.mock.method(console, "error", () => {});
	const heard = [];
	connection.on("confirm", () => { throw new Error("mine"); });
	connection.on("confirm", () => heard.push("second"));
	connection.open();
	WebSocket.last.join();
	assert.deepEqual([heard, codes], [["second"], ["mine"]]);
	assert.equal(WebSocket.last.sentOfType("retrievePeers").length, 1);
	connection.request({ peer: "x", content: 1, onResponse: () => { throw new Error("in onResponse"); } });
	WebSocket.last.receive({ type: "response", messageid: WebSocket.last.sentOfType("request")[0].messageid, peer: "x", content: 1 });
	assert.equal(codes.at(-1), "in onResponse");
	assert.equal(reported.mock.callCount(), 0);
	connection.on("error", () => { throw new Error("error listener"); });
	connection.dispatchErrorEvent("E_MINE");
	assert.equal(codes.at(-1), "E_MINE");
	assert.equal(reported.mock.callCount(), 1);
	connection.close();
});

test("an error event without a listener does not throw", () => {
	const connection = new OkPeerConnection({});
	connection.open().notify({ peer: "x", content: 1 });
	connection.request({ peer: "x", content: 1 });
	connection.dispatchErrorEvent("E_MINE", "Explained.");
});

test("what cannot be made JSON is an error event, and a request with it rejects", async (t) => {
	const { connection, WebSocket, codes } = scripted(t);
	connection.open();
	WebSocket.last.join();
	const circle = {};
	circle.circle = circle;
	connection.notify({ peer: "x", content: circle });
	assert.equal(codes.length, 1);
	await assert.rejects(connection.request({ peer: "x", content: circle }), TypeError);
	connection.close();
});

test("a socket that stays silent while nudges are due is asked, and replaced if it does not answer", (t) => {
	const { connection, WebSocket, tick } = scripted(t, { id: "mine" });
	connection.open();
	const socket = WebSocket.last;
	socket.join({ resume: "secret" });
	socket.listPeers([]);
	socket.receive({ type: "nudge", messageid: "m", content: { time: NOW, interval: 1000 } });
	const questions = () => socket.sentOfType("request");
	tick(5000);
	assert.equal(questions().length, 0);
	tick(400);
	assert.equal(questions().length, 1);
	const [{ messageid, peer }] = questions();
	assert.equal(peer, messageid, "a request to nobody");
	socket.receive({ type: "requestfailed", messageid, peer, content: { code: "E_PEERUNKNOWN" } });
	tick(5000);
	assert.equal(WebSocket.sockets.length, 1);
	tick(2400);
	assert.equal(questions().length, 2);
	assert.equal(WebSocket.sockets.length, 2);
	assert.equal(socket.readyState, 2);
	WebSocket.last.join();
	assert.equal(WebSocket.last.sent[0].content.resume, "secret");
	connection.close();
});

/** A connection that died within its first seconds was once never given up. */
test("a socket that falls silent before its first nudge is asked too, and replaced", (t) => {
	for (const resume of ["secret", undefined]) {
		const { connection, WebSocket, tick } = scripted(t);
		connection.open();
		WebSocket.last.join({ resume });
		WebSocket.last.listPeers([]);
		tick(32000);
		assert.deepEqual(WebSocket.last.sentTypes.slice(2), []);
		tick(4000);
		assert.deepEqual(WebSocket.last.sentTypes.slice(2), [resume ? "request" : "retrievePeers"]);
		tick(2000);
		assert.equal(WebSocket.sockets.length, 2);
		connection.close();
		t.mock.timers.reset();
	}
});

const peerData = (id, more = {}) => ({ id, linkageKey: "k", tags: [], properties: {}, userid: "", startTime: 1, ...more });

/** A connection that has peers, with what it is told of them. */
function acquainted(t, peers, params) {
	const script = scripted(t, params);
	const { connection, WebSocket } = script;
	const told = [];
	for (const type of ["addpeer", "alterpeer", "removepeer"]) {
		connection.on(type, (event) => told.push(type + " " + event.peer.id));
	}
	connection.open();
	WebSocket.last.join({ resume: "secret" });
	WebSocket.last.listPeers(peers.map((id) => peerData(id)));
	told.splice(0);
	const present = (id, more) => WebSocket.last.receive({ type: "presence", messageid: "m", peer: id, name: "", content: peerData(id, more) });
	return { ...script, told, present };
}

test("a peer that has come back before the list comes is not added twice", (t) => {
	const script = acquainted(t, ["x", "y"]);
	const { connection, WebSocket, told, present } = script;
	reopen(script).join({ resume: "secret" });
	present("x", { startTime: 2 });
	present("y", { startTime: 2, tags: ["t"] });
	present("z");
	assert.deepEqual(told.splice(0), ["alterpeer y", "addpeer z"]);
	WebSocket.last.listPeers([peerData("x", { startTime: 2 }), peerData("y", { startTime: 2, tags: ["t"] }), peerData("z")]);
	assert.deepEqual(told.splice(0), []);
	assert.equal(+connection.find(({ id }) => id === "x").startTime, 2);
	// One who comes anew without having left is told as ever.
	present("x", { startTime: 2 });
	present("x", { startTime: 3 });
	assert.deepEqual(told, ["addpeer x"]);
	connection.close();
});

test("what waits for a peer that has not come back waits on until it has, in order", (t) => {
	const script = acquainted(t, ["x", "y", "z"]);
	const { connection, WebSocket, codes, present } = script;
	const sent = () => WebSocket.last.sent.splice(0).filter(({ type }) => ["notify", "publish", "request"].includes(type)).map(({ peer, content }) => [peer, content]);
	WebSocket.last.lose(1006);
	connection.notify({ peer: "x", content: 1 }).notify({ peer: ["x", "y", "z"], content: 2 }).notify({ peer: "stranger", content: 3 });
	connection.request({ peer: "x", content: 4, timeout: 40000, onResponse() {} }).publish({ channel: "c", message: 5 });
	script.tick(6000);
	WebSocket.last.join({ resume: "secret" });
	connection.notify({ peer: "y", content: 6 });
	const { messageid } = WebSocket.last.sentOfType("retrievePeers")[0];
	assert.deepEqual(sent(), [["stranger", 3], [undefined, { channel: "c", message: 5, options: {} }]]);
	WebSocket.last.receive({ type: "response", messageid, content: { peers: [peerData("y")] } });
	assert.deepEqual(sent(), [["y", 2], ["y", 6]]);
	connection.notify({ peer: "y", content: 7 }).notify({ peer: "x", content: 8 });
	assert.deepEqual(sent(), [["y", 7]]);
	present("x", { startTime: 2 });
	connection.notify({ peer: "x", content: 9 });
	assert.deepEqual(sent(), [["x", 1], ["x", 2], ["x", 4], ["x", 8], ["x", 9]]);
	WebSocket.last.receive({ type: "notify", messageid: "m", peer: "z", content: "I am here" });
	assert.deepEqual(sent(), [["z", 2]]);
	assert.deepEqual(codes, []);
	connection.close();
});

test("what waits for a peer that does not come back is an error event with the message, and a request fails", (t) => {
	const script = acquainted(t, ["x", "y"], { reportLost: false });
	const { connection, WebSocket, codes, tick } = script;
	const lost = [];
	connection.on("error", ({ error }) => error.messages && lost.push([error.code, error.messages.map(({ content }) => content)]));
	WebSocket.last.lose(1006);
	connection.notify({ peer: "x", content: 1 }).request({ peer: "x", content: 2, timeout: 10000, onResponse() {} });
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	WebSocket.last.listPeers([]);
	// He who is known to be gone is not waited for.
	connection.notify({ peer: "y", content: 3 });
	assert.deepEqual(WebSocket.last.sentOfType("notify").map(({ content }) => content), [3]);
	tick(4000);
	assert.deepEqual(codes.splice(0), ["E_REQUESTTIMEOUT"]);
	// It waits over the next loss too, and nothing overtakes it.
	WebSocket.last.lose(1006);
	connection.notify({ peer: "x", content: 4 });
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	WebSocket.last.listPeers([]);
	tick(14000);
	assert.deepEqual([lost, WebSocket.last.sentOfType("notify")], [[["E_PEERUNKNOWN", [1]]], []]);
	tick(10000);
	assert.deepEqual(lost, [["E_PEERUNKNOWN", [1]], ["E_PEERUNKNOWN", [4]]]);
	// After a connection that has lasted, it is no more waited for.
	WebSocket.last.receive({ type: "nudge", messageid: "m", content: { interval: 10000 } });
	tick(10000);
	WebSocket.last.lose(1006);
	connection.notify({ peer: "x", content: 5 });
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	assert.deepEqual(WebSocket.last.sentOfType("notify").map(({ content }) => content), [5]);
	connection.close();
});

test("whoever was sent away shortly before is waited for too", (t) => {
	const script = acquainted(t, ["x"]);
	const { connection, WebSocket, present, tick } = script;
	WebSocket.last.receive({ type: "leave", messageid: "m", peer: "x", name: "", content: peerData("x") });
	tick(2000);
	WebSocket.last.lose(1012);
	connection.notify({ peer: "x", content: 1 });
	tick(6000);
	WebSocket.last.join({ resume: "secret" });
	WebSocket.last.listPeers([]);
	assert.deepEqual(WebSocket.last.sentOfType("notify"), []);
	present("x", { startTime: 2 });
	assert.deepEqual(WebSocket.last.sentOfType("notify").map(({ content }) => content), [1]);
	connection.close();
});

test("without a list, or without hearing of peers, nobody is waited for", (t) => {
	for (const options of [{}, { peerInitiationReceiver: false }]) {
		const script = acquainted(t, ["x"], { options });
		const { connection, WebSocket, codes } = script;
		WebSocket.last.lose(1006);
		connection.notify({ peer: "x", content: 1 });
		script.tick(6000);
		WebSocket.last.join({ resume: "secret" });
		const [{ messageid }] = WebSocket.last.sentOfType("retrievePeers");
		const isAsked = options.peerInitiationReceiver !== false;
		assert.equal(WebSocket.last.sentOfType("notify").length, isAsked ? 0 : 1);
		isAsked && WebSocket.last.receive({ type: "error", messageid: "m", content: { code: "E_TOOFAST", messageid } });
		assert.equal(WebSocket.last.sentOfType("notify").length, 1);
		assert.deepEqual(codes, isAsked ? ["E_TOOFAST"] : []);
		connection.close();
		t.mock.timers.reset();
	}
});

test("what waits for peers counts among the 1000 messages, and ends with the connection", (t) => {
	const script = acquainted(t, ["x", "y"]);
	const { connection, WebSocket, codes } = script;
	WebSocket.last.lose(1006);
	for (let index = 0; index < 999; ++index) {
		connection.notify({ peer: "x", content: index });
	}
	script.tick(6000);
	WebSocket.last.join({ resume: "secret" });
	connection.notify({ peer: ["x", "y"], content: 999 }).notify({ peer: "z", content: 1000 });
	assert.deepEqual([codes.splice(0), WebSocket.last.sentOfType("notify").length], [["E_QUEUEFULL"], 1]);
	connection.close();
	assert.deepEqual(codes, Array(1000).fill("E_UNCONNECTED"));
});
