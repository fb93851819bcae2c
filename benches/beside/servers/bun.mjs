// A hub on Bun: its own publish does what goes to many, in uWebSockets underneath.
//
//     bun bun.mjs PORT

import { accept, confirm, forwarded, freshPeer, initiated, presence, published } from "./hub.mjs";

const sockets = new Map();
const channelTopic = (channel) => `channel ${channel}`;
const linkageTopic = (key) => `linkage ${key}`;

const server = Bun.serve({
	hostname: "127.0.0.1",
	port: Number(process.argv[2]),
	fetch(request, server) {
		const upgraded = server.upgrade(request, { data: freshPeer() });
		return upgraded ? undefined : new Response("A WebSocket is wanted", { status: 426 });
	},
	websocket: {
		// Nobody is cut off for being slow or silent.
		backpressureLimit: 1 << 30,
		idleTimeout: 960,
		perMessageDeflate: false,
		open(socket) {
			sockets.set(socket.data.id, socket);
			socket.send(accept(socket.data));
		},
		message(socket, data) {
			const [peer, message] = [socket.data, JSON.parse(data)];
			switch (message.type) {
				case "initiate": {
					const { announces, hears } = initiated(peer, message.content);
					socket.send(confirm(peer));
					if (announces) server.publish(linkageTopic(peer.linkageKey), presence(peer));
					if (hears) socket.subscribe(linkageTopic(peer.linkageKey));
					break;
				}
				case "subscribe":
					for (const channel of message.content.channels) socket.subscribe(channelTopic(channel));
					break;
				case "publish":
					server.publish(channelTopic(message.content.channel), published(peer, message));
					break;
				case "request":
				case "response":
					sockets.get(message.peer)?.send(forwarded(peer, message));
					break;
			}
		},
		close(socket) {
			sockets.delete(socket.data.id);
		}
	}
});
