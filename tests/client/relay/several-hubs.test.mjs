// Hubs that dial other nodes, hubs among them, and the original peer-relay package in one network.

import { test } from "node:test";
import { finds, hubId, leave, meets, nodeMaker, relayHub, tells } from "../support/peer-relay.mjs";

/** Everybody tells everybody else. */
function mingle(nodes, data) {
	return Promise.all(nodes.flatMap((one) => nodes.filter((other) => other !== one).map((other) => tells(one, other, data))));
}

/** Waits until two hubs know each other, as nodes at their ends see it. */
async function linked(one, hub, other, otherHub) {
	await finds(one, hub.id, otherHub.id, (found) => found.includes(otherHub.id));
	await finds(other, otherHub.id, hub.id, (found) => found.includes(hub.id));
}

// A lower or a higher id decides which side gives way; both must do.
for (const [first, second] of [["3", "c"], ["c", "3"]]) {
	test(`one hub joins the other: ${second} dials ${first}`, async (t) => {
		const node = nodeMaker(t);
		const one = await relayHub(t, hubId(first));
		const early = await node({ bootstrap: [one.relayUrl] });
		const two = await relayHub(t, hubId(second), { bootstrap: [one.relayUrl] });
		const late = await node({ bootstrap: [two.relayUrl] });
		await linked(early, one, late, two);
		await tells(early, late, 1);
		await tells(late, early, 2);
		const more = await Promise.all([one, one, two, two].map((hub) => node({ bootstrap: [hub.relayUrl] })));
		await mingle([early, late, ...more], "all");
	});

	test(`the dialling hub is there first: ${second} dials ${first}`, async (t) => {
		const node = nodeMaker(t);
		const gone = await relayHub(t, hubId(first));
		await gone.kill();
		const two = await relayHub(t, hubId(second), { bootstrap: [gone.relayUrl] });
		const late = await node({ bootstrap: [two.relayUrl] });
		const one = await gone.again();
		const early = await node({ bootstrap: [one.relayUrl] });
		await linked(early, one, late, two);
		await mingle([early, late], 1);
	});

	test(`both hubs dial each other: ${second} and ${first}`, async (t) => {
		const node = nodeMaker(t);
		const gone = await relayHub(t, hubId(first));
		await gone.kill();
		const two = await relayHub(t, hubId(second), { bootstrap: [gone.relayUrl] });
		const one = await relayHub(t, hubId(first), { port: gone.port, bootstrap: [two.relayUrl] });
		const nodes = await Promise.all([one, two].map((hub) => node({ bootstrap: [hub.relayUrl] })));
		await linked(nodes[0], one, nodes[1], two);
		await mingle(nodes, 1);
	});

	test(`either hub is restarted: ${second} dials ${first}`, async (t) => {
		const node = nodeMaker(t);
		const one = await relayHub(t, hubId(first));
		const two = await relayHub(t, hubId(second), { bootstrap: [one.relayUrl] });
		const stays = await node({ bootstrap: [one.relayUrl] });
		await two.kill();
		const twoAgain = await two.again();
		const other = await node({ bootstrap: [twoAgain.relayUrl] });
		await linked(stays, one, other, twoAgain);
		await mingle([stays, other], "the dialling hub was restarted");
		await one.kill();
		const oneAgain = await one.again();
		const anew = await node({ bootstrap: [oneAgain.relayUrl] });
		await linked(anew, oneAgain, other, twoAgain);
		await mingle([anew, other], "the dialled hub was restarted");
	});
}

test("thirty peers on three hubs in a row", async (t) => {
	const node = nodeMaker(t);
	const one = await relayHub(t, hubId("1"));
	const two = await relayHub(t, hubId("8"), { bootstrap: [one.relayUrl] });
	const three = await relayHub(t, hubId("f"), { bootstrap: [two.relayUrl] });
	const hubs = [one, two, three];
	const scouts = await Promise.all(hubs.map((hub) => node({ bootstrap: [hub.relayUrl] })));
	await linked(scouts[0], one, scouts[1], two);
	await linked(scouts[1], two, scouts[2], three);
	const nodes = await Promise.all(Array.from({ length: 27 }, (_, place) => node({ bootstrap: [hubs[place % 3].relayUrl] })));
	await mingle([...scouts, ...nodes], "hello");
});

test("a hub that dials an original relay, by a name", async (t) => {
	const node = nodeMaker(t);
	const relay = await node({ port: 0 });
	// "localhost" may be an address of IPv6 first, at which the relay may or may not listen.
	const hub = await relayHub(t, hubId("7"), { bootstrap: [relay.wsConnector.url] });
	await meets(relay, hub);
	const far = await node({ bootstrap: [relay.wsConnector.url] });
	await meets(relay, far);
	const near = await node({ bootstrap: [hub.relayUrl] });
	await mingle([far, near, relay], 1);
	leave(relay);
	const nearer = await node({ bootstrap: [hub.relayUrl] });
	await mingle([near, nearer], 2);
	const back = await node({ port: relay.wsConnector.url.split(":").at(-1) });
	await meets(back, hub);
	await mingle([near, back], 3);
});

test("a hub that may dial learns of relays from others", async (t) => {
	const node = nodeMaker(t);
	const relays = [await node({ port: 0 })];
	for (let count = 1; count < 4; count++) {
		relays.push(await node({ port: 0, bootstrap: [relays[0].wsConnector.url] }));
	}
	const hub = await relayHub(t, hubId("7"), { bootstrap: [relays[0].wsConnector.url], flags: ["--relay-dials", "10"] });
	for (const relay of relays) {
		await meets(relay, hub);
	}
	leave(relays[0]);
	const peer = await node({ bootstrap: [hub.relayUrl] });
	await mingle([peer, ...relays.slice(1)], 1);
});

test("a hub with a URL is connected to by those who learn of it", async (t) => {
	const node = nodeMaker(t);
	const relay = await node({ port: 0 });
	const gone = await relayHub(t, hubId("7"));
	await gone.kill();
	const hub = await relayHub(t, hubId("7"), {
		port: gone.port, bootstrap: [relay.wsConnector.url], flags: ["--relay-url", gone.relayUrl]
	});
	await meets(relay, hub);
	const peer = await node({ bootstrap: [relay.wsConnector.url] });
	await meets(peer, hub);
});
