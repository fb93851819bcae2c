// peero's client among clients of another make, as far as the hub's messages leave them a choice.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startHub } from "../support/hub.mjs";
import { guest, heard, open, stage, startRtcBrowser } from "../support/peero-pages.mjs";

let browser, other;
before(async () => { [browser, other] = await Promise.all([startRtcBrowser(), startHub({ moreFlags: ["--peero=false"] })]); });
after(async () => {
	await browser.close();
	await other.kill();
});

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
	// The link whose offer nobody has answered yet.
	let offering;
	const offer = async (write) => {
		const made = link();
		offering = made;
		listen(made.createDataChannel("x"));
		const sdp = await described(made, await made.createOffer());
		offering === made && send(write(sdp));
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
			// Whoever gives way takes its own offer back.
			offering?.close();
			offering = undefined;
			const made = link();
			await made.setRemoteDescription({ type: "offer", sdp: signal.sdp });
			send({ type: "answer", peerId, signal: await described(made, await made.createAnswer()) });
		}
		else if (type === "answer" && offering) {
			const answered = offering;
			offering = undefined;
			await answered.setRemoteDescription({ type: "answer", sdp: signal.sdp });
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
	const { hub, context } = await stage(t, browser);
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
	const { hub, context } = await stage(t, browser);
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
