// Every property, method and event of the documented API, against a running hub.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isPeerhub, startHub } from "../support/hub.mjs";
import { connector, next, OkPeerConnection, settled } from "../support/connections.mjs";

let hub;
before(async () => { hub = await startHub({ debout: true, nudgeInterval: 100 }); });
after(() => hub.kill());

test("defaults of the constructor's options, and nothing of the caller's is changed", () => {
	const params = { linkageKey: "k", tags: ["a"], properties: { p: 1 }, options: {}, userid: "ann" };
	const before = structuredClone(params);
	const connection = new OkPeerConnection(params);
	assert.deepEqual(connection.options, { deboutReceiver: false, peerInitiationReceiver: true, peerInitiationSender: true });
	assert.equal(connection.reopenInterval, 3000);
	assert.equal(connection.resendInterval, 100);
	assert.equal(connection.timeout, 30000);
	assert.equal(connection.startTime, null);
	assert.equal(connection.connectCount, 0);
	assert.equal(connection.readyState, undefined);
	assert.equal(connection.id, undefined);
	assert.equal(connection.url, undefined);
	assert.equal(connection.deboutCluster, undefined);
	assert.equal(connection.deboutReceiver, false);
	assert.equal(connection.linkageKey, "k");
	assert.equal(connection.userid, "ann");
	assert.deepEqual(connection.filterTags, []);
	assert.deepEqual(connection.tags, ["a"]);
	assert.deepEqual(connection.properties, { p: 1 });
	assert.equal(connection.params.linkageKey, "k");
	assert.match(connection.version, /^2\.\d+\.\d+$/);
	connection.addTag("b").setProperties({ p: 2 });
	assert.deepEqual(params, before);
	assert.deepEqual(new OkPeerConnection().properties, {});
	assert.deepEqual(new OkPeerConnection({ tags: "one" }).tags, ["one"]);
	const given = new OkPeerConnection({ id: "mine", deboutCluster: "c", url: "http://h/", reopenInterval: 1, resendInterval: 2, timeout: 3 });
	assert.deepEqual([given.id, given.deboutCluster, given.url, given.reopenInterval, given.resendInterval, given.timeout], ["mine", "c", "http://h/", 1, 2, 3]);
});

test("open without a linkage key is an error event", () => {
	const connection = new OkPeerConnection({ url: hub.url });
	const codes = [];
	connection.on("error", (event) => codes.push(event.error.code)).open();
	assert.deepEqual(codes, ["E_LINKAGEKEYNOTSPECIFIED"]);
});

test("open without an address, or with none of a hub, is an error event", () => {
	for (const [url, code] of [[undefined, "E_URLNOTSPECIFIED"], ["no address", "E_INVALIDURL"]]) {
		const connection = new OkPeerConnection({ linkageKey: "k", url });
		const codes = [];
		connection.on("error", (event) => codes.push(event.error.code)).open();
		assert.deepEqual(codes, [code]);
	}
});

test("newId gives ids of 16 characters with the time at index 8", () => {
	const ids = Array.from({ length: 100 }, () => new OkPeerConnection().newId());
	assert.equal(new Set(ids).size, 100);
	for (const id of ids) {
		assert.match(id, /^[a-z][a-z0-9]{6}-[a-z0-9]{8}$/);
		assert.ok(Math.abs(parseInt(id.slice(8), 36) - Date.now()) < 60000);
	}
});

test("life of a connection: open, id, start time, close, open again", async (t) => {
	const connect = connector(t, hub);
	const connection = connect();
	const opened = next(connection, "open");
	const confirmed = next(connection, "confirm");
	assert.equal(connection.open(), connection);
	assert.equal(connection.readyState, 0);
	await opened;
	assert.equal(connection.readyState, 1);
	assert.equal(connection.connectCount, 1);
	assert.ok(connection.startTime instanceof Date);
	await confirmed;
	const { id } = connection;
	assert.match(id, /^[a-z0-9]{7}-[a-z0-9]{8}$/);
	const closed = next(connection, "close");
	assert.equal(connection.close(), connection);
	assert.equal(connection.startTime, null);
	assert.equal(connection.readyState, undefined);
	await closed;
	connection.close();
	const again = next(connection, "confirm");
	connection.open();
	await again;
	assert.equal(connection.connectCount, 2);
	assert.equal(connection.id, id);
	const early = connect();
	const earlyClosed = next(early, "close");
	early.open().close();
	await earlyClosed;
	connect().close();
});

test("the close event comes once even if the connection is opened again at once", async (t) => {
	const connection = await connector(t, hub).joined();
	let closes = 0;
	connection.on("close", () => ++closes);
	const confirmed = next(connection, "confirm");
	connection.close().open();
	await confirmed;
	await settled(connection);
	assert.equal(closes, 1);
});

test("peers come, change and go", async (t) => {
	const connect = connector(t, hub);
	const ann = await connect.joined({ properties: { name: "Ann" } });
	const appeared = next(ann, "addpeer");
	const bob = await connect.joined({ tags: ["x", "y"], properties: { name: "Bob" }, userid: "bob" });
	const { peer, type } = await appeared;
	assert.equal(type, "addpeer");
	assert.equal(peer.id, bob.id);
	assert.equal(peer.linkageKey, t.name);
	assert.deepEqual(peer.tags, ["x", "y"]);
	assert.deepEqual(peer.properties, { name: "Bob" });
	assert.equal(peer.userid, bob.userid);
	assert.equal(peer.startTime.getTime(), bob.startTime.getTime());
	assert.equal(peer.connection, ann);
	assert.deepEqual([peer.hasTag("x"), peer.hasTag("z")], [true, false]);
	assert.deepEqual([peer.hasAllTags(["x", "y"]), peer.hasAllTags(["x", "z"]), peer.hasAllTags()], [true, false, true]);
	assert.deepEqual([peer.hasAnyTag(["z", "y"]), peer.hasAnyTags(["z"]), peer.hasAnyTag()], [true, false, false]);

	assert.equal(ann.find((each) => each.id === bob.id), peer);
	assert.equal(ann.find(() => false), undefined);
	assert.deepEqual(ann.filter((each) => each.hasTag("x")), [peer]);
	const seen = [];
	assert.equal(ann.forEachPeer((each) => seen.push(each.id)), ann);
	assert.deepEqual(seen, [bob.id]);
	assert.equal(bob.find((each) => each.id === ann.id).properties.name, "Ann");

	const changes = [
		[() => bob.setProperties({ name: "Robert", age: 5 }), () => assert.deepEqual(peer.properties, { name: "Robert", age: 5 })],
		[() => bob.addTag(["z", "x"]), () => assert.deepEqual(peer.tags, ["x", "y", "z"])],
		[() => bob.removeTag("y"), () => assert.deepEqual(peer.tags, ["x", "z"])]
	];
	for (const [change, check] of changes) {
		const altered = next(ann, "alterpeer");
		assert.equal(change(), bob);
		assert.equal((await altered).peer, peer);
		check();
	}
	assert.deepEqual(bob.properties, { name: "Robert", age: 5 });
	assert.deepEqual(bob.tags, ["x", "z"]);

	const removed = next(ann, "removepeer");
	bob.close();
	assert.equal((await removed).peer.id, bob.id);
	assert.deepEqual(ann.filter(() => true), []);
});

test("peers of another linkage key do not see each other", async (t) => {
	const ann = await connector(t, hub, "one").joined();
	const bob = await connector(t, hub, "two").joined();
	await settled(ann);
	assert.deepEqual([ann.filter(() => true), bob.filter(() => true)], [[], []]);
});

test("filter tags admit only peers that have all of them", async (t) => {
	const connect = connector(t, hub);
	const ann = connect();
	const withBoth = await connect.joined({ tags: ["a", "b"] });
	const withOne = await connect.joined({ tags: ["a"] });
	const ids = () => ann.filter(() => true).map((peer) => peer.id);
	ann.open().addFilterTag(["a", "b"]);
	await next(ann, "addpeer");
	await settled(ann);
	assert.deepEqual(ann.filterTags, ["a", "b"]);
	assert.deepEqual(ids(), [withBoth.id]);

	const admitted = next(ann, "addpeer");
	withOne.addTag("b");
	assert.equal((await admitted).peer.id, withOne.id);
	const dismissed = next(ann, "removepeer");
	withOne.removeTag("a");
	assert.equal((await dismissed).peer.id, withOne.id);

	const back = next(ann, "addpeer");
	assert.equal(ann.removeFilterTag("a"), ann);
	assert.equal((await back).peer.id, withOne.id);
	const gone = next(ann, "removepeer");
	ann.addFilterTag("a");
	assert.equal((await gone).peer.id, withOne.id);
	assert.deepEqual(ids(), [withBoth.id]);
});

test("notify reaches one peer or several, with any content", async (t) => {
	const connect = connector(t, hub);
	const [ann, bob, cid] = [await connect.joined(), await connect.joined(), await connect.joined()];
	for (const content of [{ deep: [1, { x: "ä€😀" }] }, "", 0, false, null, [1]]) {
		const both = [next(bob, "notify"), next(cid, "notify")];
		assert.equal(ann.notify({ peer: [bob.id, cid.id], name: "n", content }), ann);
		for (const { message } of await Promise.all(both)) {
			assert.equal(message.type, "notify");
			assert.equal(message.name, "n");
			assert.deepEqual(message.content, content);
			assert.equal(message.peer.id, ann.id);
		}
	}
	const heard = next(ann, "notify");
	const peer = bob.find((each) => each.id === ann.id);
	const params = { name: "direct", content: 1 };
	assert.equal(peer.notify(params), peer);
	assert.deepEqual(params, { name: "direct", content: 1 });
	const { message } = await heard;
	assert.equal(message.peerConnection, ann);
	assert.equal(message.data, message.message);
	assert.equal(message.data.messageid, message.id);
	assert.equal(message.time.getTime(), message.timeAsMilliseconds);
	assert.ok(Math.abs(message.timeAsMilliseconds - Date.now()) < 60000);
	assert.equal(ann.notify({}), ann);
	assert.equal(ann.notify(), ann);
});

test("publish reaches subscribers, and none after unsubscribing", async (t) => {
	const connect = connector(t, hub);
	const [ann, bob] = [await connect.joined(), await connect.joined()];
	const got = [];
	bob.on("message", ({ message }) => message.content.channel.startsWith("news") && got.push(message.content));
	assert.equal(bob.subscribe({ channels: "news, newsflash" }), bob);
	assert.equal(bob.subscribe({ channels: ["news"] }), bob);
	await settled(bob);
	assert.equal(ann.publish({ channel: "news", message: "hi" }), ann);
	ann.publish({ channel: "newsflash", message: { a: 1 }, options: { loud: true } });
	ann.publish({ channel: "newspaper", message: "unheard" });
	await settled(ann);
	await settled(bob);
	assert.deepEqual(got.splice(0), [
		{ channel: "news", message: "hi", options: {} },
		{ channel: "newsflash", message: { a: 1 }, options: { loud: true } }
	]);
	assert.equal(bob.unsubscribe({ channels: " news " }), bob);
	await settled(bob);
	ann.publish({ channel: "news", message: "unheard" }).publish({ channel: "newsflash", message: "heard" });
	await settled(ann);
	await settled(bob);
	assert.deepEqual(got.map((content) => content.message), ["heard"]);
});

test("0, an empty text, false and null can be published", { skip: !isPeerhub && "the original server drops them" }, async (t) => {
	const ann = await connector(t, hub).joined();
	const got = [];
	ann.on("message", ({ message }) => message.content.channel === "empty" && got.push(message.content.message));
	ann.subscribe({ channels: ["empty"] });
	[0, "", false, null].forEach((message) => ann.publish({ channel: "empty", message }));
	await settled(ann);
	assert.deepEqual(got, [0, "", false, null]);
});

test("wrong parameters of publish, subscribe, unsubscribe and request are error events", async (t) => {
	const ann = await connector(t, hub).joined();
	const codes = [];
	ann.on("error", (event) => codes.push(event.error.code));
	ann.publish({ channel: "x" }).publish().subscribe({}).subscribe().unsubscribe({ channels: [] }).unsubscribe();
	ann.request({ content: 1, onResponse() {} }).request({ peer: "x", onResponse() {} });
	await assert.rejects(ann.request({ peer: "x" }), { code: "E_REQUEST_SYNTAXERROR" });
	ann.subscribe({ channels: [] });
	assert.deepEqual(codes, [
		"E_PUBLISH_SYNTAXERROR", "E_PUBLISH_SYNTAXERROR", "E_SUBSCRIBE_SYNTAXERROR", "E_SUBSCRIBE_SYNTAXERROR",
		"E_UNSUBSCRIBE_SYNTAXERROR", "E_UNSUBSCRIBE_SYNTAXERROR", "E_REQUEST_SYNTAXERROR", "E_REQUEST_SYNTAXERROR", "E_REQUEST_SYNTAXERROR"
	]);
});

test("requests are answered to callbacks and promises", async (t) => {
	const connect = connector(t, hub);
	const [ann, bob, cid] = [await connect.joined(), await connect.joined(), await connect.joined()];
	for (const [peer, name] of [[bob, "Bob"], [cid, "Cid"]]) {
		peer.on("request", ({ message }) => message.respond(message.name === "echo" ? message.content : name));
	}
	const byCallback = await new Promise((resolve) => {
		assert.equal(ann.request({ peer: bob.id, name: "who", content: null, onResponse: resolve }), ann);
	});
	assert.equal(byCallback.type, "response");
	assert.equal(byCallback.name, "who");
	assert.equal(byCallback.content, "Bob");
	assert.equal(byCallback.peer.id, bob.id);

	for (const content of [0, "", false, null, { a: [] }]) {
		assert.deepEqual((await ann.request({ peer: bob.id, name: "echo", content })).content, content);
	}
	const all = await ann.request({ peer: [cid.id, bob.id], name: "who", content: {} });
	assert.deepEqual(all.map((message) => message.content), ["Cid", "Bob"]);
	const each = [];
	await new Promise((resolve) => ann.request({
		peer: [cid.id, bob.id], content: {}, onResponse: (message) => each.push(message.content) === 2 && resolve()
	}));
	assert.deepEqual(each.sort(), ["Bob", "Cid"]);

	const peer = ann.find((one) => one.id === bob.id);
	assert.equal((await peer.request({ name: "who", content: 1 })).content, "Bob");
	await new Promise((resolve) => assert.equal(peer.request({ content: 1, onResponse: resolve }), peer));
	assert.deepEqual(await ann.request({ peer: [], content: 1 }), []);
});

test("the method respond answers a request too, also one whose sender is not in the collection", async (t) => {
	const connect = connector(t, hub);
	const ann = await connect.joined();
	const bob = connect().addFilterTag("nobody-has-this");
	const confirmed = next(bob, "confirm");
	bob.open();
	await confirmed;
	bob.on("request", ({ message }) => {
		assert.equal(message.peer, undefined);
		if (message.name === "by method") {
			const { messageid, peer, name } = message.data;
			assert.equal(bob.respond({ messageid, peer, name, content: "method" }), bob);
		}
		else {
			message.respond();
		}
	});
	assert.equal((await ann.request({ peer: bob.id, name: "by method", content: 1 })).content, "method");
	assert.equal((await ann.request({ peer: bob.id, content: 1 })).content, null);
});

test("a request that nobody answers ends at its timeout", async (t) => {
	const connect = connector(t, hub);
	const [ann, bob] = [await connect.joined(), await connect.joined()];
	const codes = [];
	ann.on("error", (event) => codes.push(event.error.code));
	await assert.rejects(ann.request({ peer: bob.id, content: 1, timeout: 30 }), { code: "E_REQUESTTIMEOUT", peer: bob.id });
	assert.deepEqual(codes, []);
	const failed = next(ann, "error");
	const told = new Promise((resolve) => ann.request({
		peer: bob.id, name: "q", content: 1, timeout: 30, onResponse: assert.fail, onError: resolve
	}));
	const error = await told;
	assert.equal((await failed).error, error);
	assert.match(error.message, /^E_REQUESTTIMEOUT: /);
});

test("a request to a peer that is not there fails at once", { skip: !isPeerhub && "only peerhub tells" }, async (t) => {
	const connect = connector(t, hub);
	const ann = await connect.joined();
	await assert.rejects(ann.request({ peer: "nobody", name: "q", content: 1 }), { peer: "nobody", requestName: "q" });
	const failed = next(ann, "error");
	const onError = await new Promise((resolve) => ann.request({ peer: "nobody", content: 1, onResponse: assert.fail, onError: resolve }));
	assert.equal((await failed).error, onError);
	const bob = await connect.joined();
	const asked = next(bob, "request");
	const answer = ann.request({ peer: bob.id, content: 1 });
	await asked;
	bob.close();
	await assert.rejects(answer, { peer: bob.id });
});

test("debout messages reach receivers of the cluster, by their selection", async (t) => {
	const connect = connector(t, hub);
	const watcher = await connect.joined({ deboutCluster: "c", options: { deboutReceiver: true } });
	assert.equal(watcher.deboutReceiver, true);
	assert.equal(watcher.deboutSelection({ clientdebout: true }), watcher);
	await settled(watcher);
	const bob = await connect.joined({ deboutCluster: "c" });
	const heard = next(watcher, "debout");
	assert.equal(bob._debout({ step: 1 }), bob);
	const { data } = await heard;
	assert.ok(Math.abs(data.time - Date.now()) < 60000);
	assert.equal(data.message.type, "clientdebout");
	assert.deepEqual(data.message.message, { step: 1 });
	assert.equal(data.message.client.id, bob.id);

	let later = 0;
	watcher.on("debout", () => ++later);
	watcher.deboutReceiver = false;
	assert.equal(watcher.options.deboutReceiver, false);
	await settled(watcher);
	bob._debout("unheard");
	await settled(bob);
	await settled(watcher);
	assert.equal(later, 0);
	watcher.deboutReceiver = true;
	await settled(watcher);
	const again = next(watcher, "debout");
	bob._debout("heard");
	assert.equal((await again).data.message.message, "heard");
});

test("the hub's own messages are events of their type", async (t) => {
	const connect = connector(t, hub);
	const ann = connect();
	const types = ["accept", "confirm", "nudge"].map((type) => next(ann, type));
	ann.open();
	const [accept, confirm, nudge] = await Promise.all(types);
	assert.equal(accept.message.content.id, ann.id);
	assert.equal(confirm.message.type, "confirm");
	assert.equal(nudge.message.content.interval, 100);
	const others = ["presence", "alter", "leave"].map((type) => next(ann, type));
	const bob = await connect.joined();
	bob.addTag("x").close();
	for (const event of await Promise.all(others)) {
		assert.equal(event.message.content.id, bob.id);
	}
});

test("a silent initiator is not announced", async (t) => {
	const connect = connector(t, hub);
	const ann = await connect.joined();
	ann.on("addpeer", ({ peer }) => assert.notEqual(peer.id, hidden?.id));
	const hidden = await connect.joined({ options: { peerInitiationSender: false } });
	await settled(ann);
	assert.deepEqual(ann.filter(() => true), []);
	assert.equal(hidden.filter(() => true)[0].id, ann.id);
});

test("newPeerEvent makes an event of a name and a peer, or of another event", async (t) => {
	const connect = connector(t, hub);
	const ann = await connect.joined();
	const appeared = next(ann, "addpeer");
	await connect.joined();
	const event = await appeared;
	const copy = ann.newPeerEvent(event);
	assert.deepEqual([copy.type, copy.peer], ["addpeer", event.peer]);
	assert.notEqual(copy, event);
	const made = ann.newPeerEvent("mine", event.peer);
	assert.deepEqual([made.type, made.peer], ["mine", event.peer]);
	assert.throws(() => ann.newPeerEvent(5));
	const heard = next(ann, "mine");
	ann.dispatchEvent(made);
	assert.equal(await heard, made);
});

test("on, once, off and their older and browser names", () => {
	const connection = new OkPeerConnection({});
	const calls = [];
	const listener = (event) => calls.push(event.type);
	const fire = (type) => connection.dispatchEvent({ type });
	assert.equal(connection.on("a", listener), connection);
	assert.equal(connection.once("b", listener), connection);
	["a", "a", "b", "b"].forEach(fire);
	assert.deepEqual(calls.splice(0), ["a", "a", "b"]);
	assert.equal(connection.off("a", listener), connection);
	fire("a");
	connection.addListener("c", listener);
	connection.emit("c", { type: "c" });
	connection.removeListener("c", listener);
	connection.emit("c", { type: "c" });
	connection.addEventListener("d", listener, { once: true });
	connection.addEventListener("e", listener);
	["d", "d", "e"].forEach(fire);
	connection.removeEventListener("e", listener);
	fire("e");
	assert.deepEqual(calls, ["c", "d", "e"]);
});

test("the class is found under its name too, and as an ES module", async () => {
	assert.equal(OkPeerConnection.OkPeerConnection, OkPeerConnection);
	const module = await import("../../../src/web/client/ok-peerconnection.mjs");
	assert.equal(module.default, module.OkPeerConnection);
	const connection = new module.default({ linkageKey: "module", url: hub.url });
	const confirmed = next(connection, "confirm");
	connection.open();
	await confirmed;
	connection.close();
});
