// peero in Chromium: its page in several tabs, its client in pages of another origin, and the start page's list.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EVENT_MS, startBrowser } from "../support/browser.mjs";
import { startHub } from "../support/hub.mjs";
import { WEB_RTC_FLAGS } from "../support/web-rtc.mjs";

let browser;
before(async () => { browser = await startBrowser(WEB_RTC_FLAGS); });
after(() => browser.close());

/** A hub of the test's own and a browser context; both end with the test. */
async function stage(t, moreFlags = []) {
	const made = { hub: await startHub({ moreFlags }), context: await browser.newContext() };
	made.context.setDefaultTimeout(EVENT_MS);
	t.after(async () => {
		await made.context.close();
		await made.hub.kill();
	});
	return made;
}

/** Opens a page and keeps what goes wrong in it. */
async function open(context, url) {
	const page = await context.newPage();
	page.faults = [];
	page.on("pageerror", (error) => page.faults.push(String(error)));
	await page.goto(url);
	return page;
}

// --- The page ---

const connected = (page) => page.locator('#state[data-state="open"]').waitFor();
const line = (page, text) => page.locator("#log li").filter({ hasText: text }).waitFor();
const listed = (page, name) => page.locator("#peers li").filter({ hasText: name }).waitFor();

/** Opens /peero.html under a name of its own. */
async function tab(context, hub, name) {
	const page = await open(context, hub.url + "peero.html");
	await connected(page);
	await page.locator("#name").fill(name);
	await page.locator("#name").press("Enter");
	return page;
}

async function say(page, text) {
	await page.locator("#text").fill(text);
	await page.locator("#text").press("Enter");
	await line(page, "You: " + text);
}

test("tabs connect directly and chat, a third joins, and one that is closed is gone", async (t) => {
	const { hub, context } = await stage(t);
	const ann = await tab(context, hub, "Ann");
	await ann.locator("#alone").waitFor();
	const [bob] = await Promise.all([context.waitForEvent("page"), ann.locator("#second").click()]);
	bob.faults = [];
	bob.on("pageerror", (error) => bob.faults.push(String(error)));
	await connected(bob);
	await bob.locator("#name").fill("<i>Bob</i>");
	await bob.locator("#name").press("Enter");
	await Promise.all([listed(ann, "<i>Bob</i>"), listed(bob, "Ann")]);
	await say(ann, "to Bob");
	await line(bob, "Ann: to Bob");
	await say(bob, "<img src=x onerror=alert(1)> to Ann");
	await line(ann, "<i>Bob</i>: <img src=x onerror=alert(1)> to Ann");

	const cid = await tab(context, hub, "Cid");
	await Promise.all([listed(ann, "Cid"), listed(bob, "Cid"), listed(cid, "Ann"), listed(cid, "<i>Bob</i>")]);
	await say(cid, "to all");
	await Promise.all([line(ann, "Cid: to all"), line(bob, "Cid: to all")]);

	await bob.close();
	await Promise.all([line(ann, "<i>Bob</i> left."), line(cid, "<i>Bob</i> left.")]);
	assert.equal(await ann.locator("#peers li").count(), 1);
	await cid.close();
	await ann.locator("#alone").waitFor();
	assert.equal(await ann.locator("#log img, #log i, #peers i").count(), 0);
	assert.deepEqual([...ann.faults, ...bob.faults, ...cid.faults], []);
});

test("after the hub was killed and started anew, the tabs find each other again", async (t) => {
	const made = await stage(t);
	const { context } = made;
	const ann = await tab(context, made.hub, "Ann");
	const bob = await tab(context, made.hub, "Bob");
	await Promise.all([listed(ann, "Bob"), listed(bob, "Ann")]);
	const oldId = await ann.locator("#peers li").getAttribute("data-peer");
	await made.hub.kill();
	await Promise.all([ann, bob].map((page) => page.locator('#state[data-state="lost"]').waitFor()));
	// They need no hub for what they say.
	await say(ann, "without a hub");
	await line(bob, "Ann: without a hub");
	made.hub = await startHub({ port: made.hub.port });
	await Promise.all([connected(ann), connected(bob)]);
	await ann.locator(`#peers li:not([data-peer="${oldId}"])`).filter({ hasText: "Bob" }).waitFor();
	await listed(bob, "Ann");
	await say(bob, "with a new one");
	await line(ann, "Bob: with a new one");
	assert.equal(await ann.locator("#peers li").count(), 1);
	assert.deepEqual([...ann.faults, ...bob.faults], []);
});

// --- The client, in pages of another origin ---

/** What such a page gets: `begin(url)`, and a record of each event, which `heard` reads. */
function pageTools() {
	const events = [];
	window.heard = (type) => events.filter((event) => event.type === type);
	window.begin = async (module, options) => {
		const { Peero } = await import(module);
		const peero = new Peero(options);
		window.peero = peero;
		for (const type of ["open", "close", "peer", "message", "remove", "error"]) {
			peero.addEventListener(type, ({ peer, data, error }) => {
				const bytes = data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data;
				events.push({ type, peer, data: bytes, error: error && `${error.code}: ${error.message}` });
			});
		}
	};
	const Connection = window.RTCPeerConnection;
	window.links = [];
	window.RTCPeerConnection = class extends Connection {
		constructor(...given) {
			super(...given);
			window.links.push(this);
		}
	};
}

/** Opens a page of another server that loads the client from the hub. */
async function guest(context, hub, other, options) {
	const page = await context.newPage();
	page.faults = [];
	page.on("pageerror", (error) => page.faults.push(String(error)));
	await page.addInitScript(pageTools);
	// One without a policy of its own, which would forbid other servers' scripts.
	await page.goto(other.url + "ok-peerconnection.js");
	await page.evaluate(([module, given]) => window.begin(module, given), [hub.url + "peero.js", options]);
	return page;
}

/** Waits until the page has heard so many events of a type; all of them. */
async function heard(page, type, count = 1) {
	const handle = await page.waitForFunction(([name, least]) => {
		const events = window.heard(name);
		return events.length >= least && events;
	}, [type, count], { polling: 20 });
	return handle.jsonValue();
}

const idOf = (page) => page.evaluate(() => window.peero.id);
const peersOf = (page) => page.evaluate(() => window.peero.peers);

/** A second server, whose pages are of another origin. It has no peero, so nothing can come from it. */
async function otherServer(t) {
	const other = await startHub({ moreFlags: ["--peero=false"] });
	t.after(() => other.kill());
	return other;
}

test("pages of another origin: to one, to all, text and bytes, and leaving", async (t) => {
	const { hub, context } = await stage(t);
	const other = await otherServer(t);
	const ann = await guest(context, hub, other);
	await heard(ann, "open");
	assert.equal(await ann.evaluate(() => window.peero.url), `ws://127.0.0.1:${hub.port}/peero`);
	// By the hub's address alone, too.
	const bob = await guest(context, hub, other, { url: hub.url });
	const cid = await guest(context, hub, other);
	for (const page of [ann, bob, cid]) {
		await heard(page, "peer", 2);
	}
	const [annId, bobId, cidId] = await Promise.all([ann, bob, cid].map(idOf));
	assert.deepEqual((await peersOf(ann)).sort(), [bobId, cidId].sort());

	assert.equal(await ann.evaluate((to) => window.peero.send("for Bob", to), bobId), 1);
	assert.equal(await ann.evaluate(() => window.peero.send(new Uint8Array([1, 2, 3]))), 2);
	assert.equal(await ann.evaluate(() => window.peero.send("nobody", "x")), 0);
	assert.deepEqual((await heard(bob, "message", 2)).map(({ peer, data }) => [peer, data]), [[annId, "for Bob"], [annId, [1, 2, 3]]]);
	assert.deepEqual((await heard(cid, "message")).map(({ peer, data }) => [peer, data]), [[annId, [1, 2, 3]]]);

	await bob.evaluate(() => window.peero.close());
	assert.deepEqual((await heard(bob, "remove", 2)).map(({ peer }) => peer).sort(), [annId, cidId].sort());
	for (const page of [ann, cid]) {
		assert.equal((await heard(page, "remove"))[0].peer, bobId);
	}
	assert.deepEqual(await peersOf(bob), []);
	assert.deepEqual([...ann.faults, ...bob.faults, ...cid.faults], []);
	assert.deepEqual(await ann.evaluate(() => window.heard("error")), []);
});

test("who come at once connect once with everybody", async (t) => {
	const { hub, context } = await stage(t);
	const other = await otherServer(t);
	const pages = await Promise.all([1, 2, 3, 4, 5].map(() => guest(context, hub, other)));
	for (const page of pages) {
		await heard(page, "peer", 4);
	}
	const ids = await Promise.all(pages.map(idOf));
	for (const [index, page] of pages.entries()) {
		assert.deepEqual((await peersOf(page)).sort(), ids.filter((_, place) => place !== index).sort());
		const counts = await page.evaluate(() => ["peer", "remove", "error"].map((type) => window.heard(type).length));
		assert.deepEqual([...counts, await page.evaluate(() => window.links.length)], [4, 0, 0, 4]);
		assert.deepEqual(page.faults, []);
	}
});

test("a direct connection that is lost comes back", async (t) => {
	const { hub, context } = await stage(t);
	const other = await otherServer(t);
	const ann = await guest(context, hub, other, { reconnectTime: 20 });
	await heard(ann, "open");
	const bob = await guest(context, hub, other, { reconnectTime: 20 });
	// Bob came later and made the offer; each side loses the connection once.
	for (const [round, loser] of [ann, bob].entries()) {
		await Promise.all([heard(ann, "peer", round + 1), heard(bob, "peer", round + 1)]);
		await loser.evaluate((isOfferer) => {
			const link = window.links.at(-1);
			link.close();
			// A browser tells nobody on the side that closes; on the offering side a failure of the network is played.
			if (isOfferer) {
				Object.defineProperty(link, "connectionState", { value: "failed" });
				link.dispatchEvent(new Event("connectionstatechange"));
			}
		}, loser === bob);
		await Promise.all([heard(ann, "remove", round + 1), heard(bob, "remove", round + 1)]);
	}
	await Promise.all([heard(ann, "peer", 3), heard(bob, "peer", 3)]);
	assert.equal(await ann.evaluate(() => window.peero.send("again")), 1);
	assert.equal((await heard(bob, "message"))[0].data, "again");
	assert.deepEqual([await peersOf(ann), await peersOf(bob)], [[await idOf(bob)], [await idOf(ann)]]);
});

test("no more connections than a page wants; a place that becomes free is taken", async (t) => {
	const { hub, context } = await stage(t);
	const other = await otherServer(t);
	const ann = await guest(context, hub, other, { reconnectTime: 20 });
	await heard(ann, "open");
	const bob = await guest(context, hub, other, { reconnectTime: 20 });
	await Promise.all([heard(ann, "peer"), heard(bob, "peer")]);
	const cid = await guest(context, hub, other, { maxPeers: 1, reconnectTime: 20 });
	const [{ peer: first }] = await heard(cid, "peer");
	assert.equal(await cid.evaluate(() => window.links.length), 1);
	const [leaver, stayer] = first === await idOf(ann) ? [ann, bob] : [bob, ann];
	await leaver.evaluate(() => window.peero.close());
	assert.equal((await heard(cid, "peer", 2))[1].peer, await idOf(stayer));
	assert.deepEqual(await peersOf(cid), [await idOf(stayer)]);
});

test("what the hub refuses is told, and tried again", async (t) => {
	const { hub, context } = await stage(t, ["--peero-max-peers=2"]);
	const other = await otherServer(t);
	const pages = [await guest(context, hub, other), await guest(context, hub, other)];
	await Promise.all(pages.map((page) => heard(page, "peer")));
	const late = await guest(context, hub, other, { reconnectTime: 20 });
	assert.match((await heard(late, "error"))[0].error, /^E_FULL: /);
	await pages[0].evaluate(() => window.peero.close());
	assert.equal((await heard(late, "peer"))[0].peer, await idOf(pages[1]));
});

// --- The client among clients of another make ---

/** A client that writes its descriptions as plain text and answers every offer; `offers` says to whom it makes one. */
function otherMake({ url, offers }) {
	const socket = new WebSocket(url);
	const links = [];
	const foreign = { id: undefined, texts: [], links };
	window.foreign = foreign;
	const listen = (channel) => {
		foreign.channel = channel;
		channel.onmessage = ({ data }) => foreign.texts.push(data);
	};
	const link = () => {
		const made = new RTCPeerConnection();
		links.push(made);
		made.ondatachannel = ({ channel }) => listen(channel);
		return made;
	};
	const described = async (made, description) => {
		await made.setLocalDescription(description);
		while (made.iceGatheringState !== "complete") {
			await new Promise((resolve) => made.addEventListener("icegatheringstatechange", resolve, { once: true }));
		}
		return made.localDescription.sdp;
	};
	const send = foreign.send = (message) => socket.send(JSON.stringify(message));
	let offering;
	const offer = async (write) => {
		offering = link();
		listen(offering.createDataChannel("x"));
		send(write(await described(offering, await offering.createOffer())));
	};
	socket.onmessage = async ({ data }) => {
		const { type, id, peerId, signal } = JSON.parse(data);
		if (type === "id") {
			foreign.id = id;
			if (offers === "all") {
				await offer((sdp) => ({ type: "offer", signal: sdp }));
			}
		}
		else if (type === "announce" && offers === "newcomers") {
			await offer((sdp) => ({ type: "signal", data: { type: "offer", peerId: id, sdp } }));
		}
		else if (type === "offer" && !(offering && foreign.id < peerId)) {
			const made = link();
			await made.setRemoteDescription({ type: "offer", sdp: signal.sdp });
			send({ type: "answer", peerId, signal: await described(made, await made.createAnswer()) });
		}
		else if (type === "answer") {
			await offering.setRemoteDescription({ type: "answer", sdp: signal.sdp });
		}
	};
}

async function foreigner(context, hub, other, offers) {
	const page = await open(context, other.url + "ok-peerconnection.js");
	await page.evaluate(otherMake, { url: `ws://127.0.0.1:${hub.port}/peero`, offers });
	await page.waitForFunction(() => window.foreign.id);
	return page;
}

async function talk(page, stranger) {
	const id = await stranger.evaluate(() => window.foreign.id);
	await page.waitForFunction((peer) => window.peero.peers.includes(peer), id);
	assert.equal(await page.evaluate((peer) => window.peero.send("hello", peer), id), 1);
	await stranger.waitForFunction(() => window.foreign.texts.includes("hello"));
	await stranger.evaluate(() => window.foreign.channel.send("hello too"));
	assert.deepEqual((await heard(page, "message")).map(({ peer, data }) => [peer, data]), [[id, "hello too"]]);
	assert.deepEqual([page.faults, await page.evaluate(() => window.heard("error"))], [[], []]);
}

test("with a client of another make: one that only answers, and one that offers to all", async (t) => {
	const { hub, context } = await stage(t);
	const other = await otherServer(t);
	const answering = await foreigner(context, hub, other, "nobody");
	const first = await guest(context, hub, other);
	await talk(first, answering);
	await answering.close();
	await heard(first, "remove");
	const offering = await foreigner(context, hub, other, "all");
	await offering.waitForFunction(() => window.foreign.channel?.readyState === "open");
	const id = await offering.evaluate(() => window.foreign.id);
	assert.equal((await heard(first, "peer", 2))[1].peer, id);
	assert.equal(await first.evaluate(() => window.peero.send("hello")), 1);
	await offering.waitForFunction(() => window.foreign.texts.includes("hello"));
	// Its next offer to all is for those who are not connected; the hub passes it on before the page that comes then.
	await offering.evaluate(() => window.foreign.send({ type: "offer", signal: "no description" }));
	const second = await guest(context, hub, other);
	await heard(second, "peer", 2);
	await heard(first, "peer", 3);
	assert.deepEqual(await first.evaluate(() => [window.heard("remove").length, window.heard("error")]), [1, []]);
	assert.equal(await first.evaluate((to) => window.peero.send("still here", to), id), 1);
	await offering.waitForFunction(() => window.foreign.texts.includes("still here"));
});

test("who offer to each other at once connect once", async (t) => {
	const { hub, context } = await stage(t);
	const other = await otherServer(t);
	const stranger = await foreigner(context, hub, other, "newcomers");
	// Chance says who has the smaller id and offers; in four rounds mostly both are seen.
	for (let round = 0; round < 4; round += 1) {
		const page = await guest(context, hub, other);
		await talk(page, stranger);
		assert.equal(await page.evaluate(() => window.heard("peer").length), 1);
		await page.close();
		await stranger.evaluate(() => { window.foreign.texts.length = 0; });
	}
});

// --- The start page ---

const forms = (page) => page.locator("#dialects code").allTextContents();

test("the start page lists what is on, as the page itself sees it", async (t) => {
	const { hub, context } = await stage(t, ["--peerjs-key=one", "--peerjs-key=two", "--peerjs-path=/my/app", "--echo"]);
	const page = await open(context, hub.url.replace("127.0.0.1", "localhost"));
	const host = `localhost:${hub.port}`;
	const peer = (key) => `new Peer({ host: "localhost", port: ${hub.port}, path: "/my/app", key: "${key}", secure: false })`;
	assert.deepEqual(await forms(page), [
		`ws://${host}/`, peer("one"), peer("two"), `ws://${host}/peer-relay`, host, `ws://${host}/peero`, `ws://${host}/echo`
	]);
	await page.locator('#dialects a[href="/peero.html"]').click();
	await connected(page);
	assert.deepEqual(page.faults, []);
});

test("the start page lists nothing that is off", async (t) => {
	const { hub, context } = await stage(t, ["--peero=false", "--peerjs=false", "--relay=false", "--netpeer=false"]);
	const page = await open(context, hub.url);
	assert.deepEqual(await forms(page), [`ws://127.0.0.1:${hub.port}/`]);
	assert.equal(await page.locator("#dialects a").count(), 0);
	for (const path of ["peero.html", "peero.js", "peero.d.ts"]) {
		assert.equal((await fetch(hub.url + path)).status, 404, path);
	}
	assert.deepEqual(page.faults, []);
});
