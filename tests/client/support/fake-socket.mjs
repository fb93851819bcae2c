// A WebSocket without a network, for tests that need exact control over what happens when.

/** A class of sockets (for the option `WebSocket`) whose instances, oldest first, are in `sockets`. */
export function fakeWebSocket() {
	return class FakeSocket {
		static sockets = [];
		static get last() {
			return this.sockets.at(-1);
		}

		readyState = 0;
		sent = [];

		constructor(url) {
			this.url = url;
			FakeSocket.sockets.push(this);
		}

		send(text) {
			if (this.readyState !== 1) {
				throw new Error("The fake socket is not open.");
			}
			this.sent.push(JSON.parse(text));
		}

		close(code) {
			this.closedBy = code ?? "nobody";
			this.readyState = 2;
		}

		// What the hub and the network do:

		open() {
			this.readyState = 1;
			this.onopen({});
		}

		receive(message) {
			this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
		}

		lose(code) {
			this.readyState = 3;
			this.onclose({ code });
		}

		/** Opens and greets as a hub does, up to the confirmation; `resume` makes it peerhub. */
		join({ resume, userid = "" } = {}) {
			this.open();
			this.receive({ type: "accept", messageid: "hubmsg0-00000000", peer: "fresh-id", content: { id: "fresh-id", deboutChannel: "debout-channel" } });
			const peer = this.sentOfType("initiate")[0].content.id ?? "fresh-id";
			this.receive({ type: "confirm", messageid: "hubmsg1-00000000", peer, content: { userid, resume } });
		}

		listPeers(peers) {
			const { messageid } = this.sentOfType("retrievePeers").at(-1);
			this.receive({ type: "response", messageid, name: "retrievePeers", content: { peers } });
		}

		sentOfType(type) {
			return this.sent.filter((message) => message.type === type);
		}

		get sentTypes() {
			return this.sent.map((message) => message.type);
		}
	};
}
