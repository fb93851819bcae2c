// A hub on Node and the package ws: look-ups in maps, and what goes to many is written to JSON once.
//
//     node node-ws.mjs PORT

import { WebSocketServer } from "ws";
import { accept, confirm, forwarded, freshPeer, initiated, presence, published } from "./hub.mjs";

const sockets = new Map();
/** Sets of sockets, by channel and by linkage. */
const [channels, linkages] = [new Map(), new Map()];

function enter(groups, name, socket) {
	if (!groups.has(name)) groups.set(name, new Set());
	groups.get(name).add(socket);
}

function depart(groups, name, socket) {
	const group = groups.get(name);
	group?.delete(socket);
	if (group?.size === 0) groups.delete(name);
}

/** Sends text to each of a group. As a Buffer it is encoded once. */
function tell(group, text) {
	if (!group) return;
	const bytes = Buffer.from(text);
	for (const socket of group) socket.send(bytes, { binary: false });
}

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 1024 });
server.on("connection", (socket) => {
	const peer = freshPeer();
	const subscribed = new Set();
	sockets.set(peer.id, socket);
	socket.send(accept(peer));
	socket.on("message", (data) => {
		const message = JSON.parse(data);
		switch (message.type) {
			case "initiate": {
				const { announces, hears } = initiated(peer, message.content);
				socket.send(confirm(peer));
				const others = linkages.get(peer.linkageKey);
				if (announces && others) tell(others, presence(peer));
				if (hears) enter(linkages, peer.linkageKey, socket);
				break;
			}
			case "subscribe":
				for (const channel of message.content.channels) {
					subscribed.add(channel);
					enter(channels, channel, socket);
				}
				break;
			case "publish":
				tell(channels.get(message.content.channel), published(peer, message));
				break;
			case "request":
			case "response":
				sockets.get(message.peer)?.send(forwarded(peer, message));
				break;
		}
	});
	socket.on("error", () => {});
	socket.on("close", () => {
		sockets.delete(peer.id);
		for (const channel of subscribed) depart(channels, channel, socket);
		depart(linkages, peer.linkageKey, socket);
	});
});
