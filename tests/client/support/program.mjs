// A program of its own that uses the client; its first argument is the hub's address. It prints a line per event
// and obeys one word per line from its input: "close".

import { createInterface } from "node:readline";
import { OkPeerConnection } from "./connections.mjs";

const connections = Array.from({ length: 12 }, () => new OkPeerConnection({
	linkageKey: "program", url: process.argv[2], reopenInterval: 20, options: { peerInitiationReceiver: false }
}));

const [connection] = connections;
for (const type of ["open", "close", "confirm", "error"]) {
	connection.on(type, (event) => console.log(type, event.error?.code ?? ""));
}
connection.open();
// A request that is never answered must not hold up the end either.
connection.request({ peer: "nobody", content: 1, timeout: 60000 });

const input = createInterface({ input: process.stdin });
input.on("line", () => {
	connection.close();
	input.close();
});
