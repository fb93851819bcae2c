// Connections of the tests, and waiting for their events.

import { createRequire } from "node:module";

export const OkPeerConnection = createRequire(import.meta.url)("../../../src/web/client/ok-peerconnection.js");

/** The next event of a type that passes the test. */
export function next(connection, type, passes = () => true) {
	return new Promise((resolve) => {
		const listener = (event) => {
			if (passes(event)) {
				connection.off(type, listener);
				resolve(event);
			}
		};
		connection.on(type, listener);
	});
}

/** Makes connections to one hub and linkage, and closes all of them when the test ends. */
export function connector(test, hub, linkageKey = test.name) {
	const made = [];
	test.after(() => made.forEach((connection) => connection.close()));
	const connect = (params = {}) => {
		const connection = new OkPeerConnection({ linkageKey, url: hub.url, reopenInterval: 20, ...params });
		made.push(connection);
		return connection;
	};
	/** Opens a connection and waits until it has the hub's list of peers, which may be empty. */
	connect.joined = async (params) => {
		const connection = connect(params);
		const confirmed = next(connection, "confirm");
		connection.open();
		await confirmed;
		await settled(connection);
		return connection;
	};
	return connect;
}

/**
 * Resolves when the hub has worked off all that the connection sent and the connection all that the hub sent
 * before: the hub's messages to one socket keep their order, so an answer that comes back proves it.
 */
export function settled(connection) {
	const channel = "settled-" + connection.newId();
	const echoed = next(connection, "message", (event) => event.message.content.channel === channel);
	connection.subscribe({ channels: [channel] });
	connection.publish({ channel, message: "echo" });
	connection.unsubscribe({ channels: [channel] });
	return echoed;
}
