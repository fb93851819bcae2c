// Uses the ES module's types: both exports are the class, and its types come along.

import OkPeerConnection, { OkPeerConnection as Named } from "../../../src/web/client/ok-peerconnection.mjs";

const connection: OkPeerConnection = new Named({ linkageKey: "types" });

connection.on("removepeer", (event) => {
	const peer: OkPeerConnection.Peer = event.peer;
	peer.tags.join();
});

connection.deboutReceiver = true;

// @ts-expect-error: the version is told, not set
connection.version = "3";
