// Uses the CommonJS types as an application would; each @ts-expect-error fails if the types are too lax.

import OkPeerConnection = require("../../../src/web/client/ok-peerconnection.js");

const connection = new OkPeerConnection({
	linkageKey: "types",
	url: "ws://localhost:3007/",
	tags: ["a"],
	options: { deboutReceiver: true },
	properties: { name: "Ann" },
	getToken: async () => (await fetch("/token")).text()
});

export const settings: Required<OkPeerConnection.Options> = connection.options;
export const times: [Date | null, number, number, number] =
	[connection.startTime, connection.reopenInterval, connection.resendInterval, connection.timeout];

connection
	.on("addpeer", (event) => event.peer.notify({ name: "hello", content: null }).hasAnyTags(["a"]))
	.on("error", (event) => event.error.code?.startsWith("E_"))
	.on("message", (event) => event.message.content.channel.length)
	.on("debout", (event) => event.data.time + 1)
	.once("confirm", (event) => event.message.content.userid)
	.on("request", (event) => event.message.respond())
	.open()
	.addTag("b").removeTag(["b"]).addFilterTag("a").removeFilterTag("a")
	.subscribe({ channels: "one,two" }).unsubscribe({ channels: ["one"] })
	.publish({ channel: "two", message: 0 })
	.notify({ peer: ["x", "y"], content: false })
	.deboutSelection({ connected: true })
	.setProperties({ name: "Bob" })
	._debout("text")
	.close();

export async function ask(): Promise<string> {
	const one = await connection.request({ peer: "x", name: "q", content: 1 });
	const many = await connection.request({ peer: ["x", "y"], content: 1 });
	const peer = connection.find((each) => each.hasTag("a"));
	const fromPeer = await peer?.request({ content: {} });
	connection.request({ peer: "x", content: 1, onResponse: (message) => message.time.getTime() }).close();
	return [one.id, many[0]?.id, fromPeer?.name, connection.newPeerEvent("addpeer", peer).peer.id].join();
}

// @ts-expect-error: a number is no linkage key
new OkPeerConnection({ linkageKey: 5 });
// @ts-expect-error: a request needs a peer
connection.request({ content: 1 });
// @ts-expect-error: the id is not the application's to change
connection.id = "x";
// @ts-expect-error: only connections and peers have addpeer's peer
connection.on("open", (event) => event.peer);
