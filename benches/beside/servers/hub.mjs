// What the hubs on Node and on Bun have in common: ids, and the messages of ok-peerhub that the bench needs. They check
// nothing and bound nothing: each is about the least that a hub in JavaScript can do.

let count = 0;

/** An id in ok-peerhub's form: seven characters, and the time. */
export function freshId() {
	count += 1;
	return `h${count.toString(36).padStart(6, "0")}-${Date.now().toString(36)}`;
}

/** What is known of a peer, as others are told it. */
export const freshPeer = () => ({
	id: freshId(), userid: "", linkageKey: "", tags: [], properties: {}, remoteAddress: "127.0.0.1", startTime: 0
});

export const accept = (peer) =>
	JSON.stringify({ type: "accept", messageid: freshId(), peer: peer.id, content: { id: peer.id, deboutChannel: "" } });

export const confirm = (peer) =>
	JSON.stringify({ type: "confirm", messageid: freshId(), peer: peer.id, content: { userid: peer.userid } });

export const presence = (peer) =>
	JSON.stringify({ type: "presence", messageid: freshId(), name: "", peer: peer.id, content: peer });

export const published = (peer, { messageid, content }) =>
	JSON.stringify({ type: "message", messageid, peer: peer.id, content });

export const forwarded = (peer, { type, messageid, name, content }) =>
	JSON.stringify({ type, messageid, name, peer: peer.id, content });

/** Takes over what an `initiate` says; whether the peer is announced, and whether it wants to hear of others. */
export function initiated(peer, { linkageKey, tags, properties, startTime, options }) {
	Object.assign(peer, { linkageKey, tags, properties, startTime });
	return { announces: options.peerInitiationSender, hears: options.peerInitiationReceiver };
}
