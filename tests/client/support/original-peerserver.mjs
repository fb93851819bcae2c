// Runs the original PeerServer (the folder of its npm package in PEERSERVER_DIR) with the same outside as the peerhub
// binary: the address on stderr. The settings come as one JSON text.

import path from "node:path";
import { pathToFileURL } from "node:url";

const entry = path.resolve(process.env.PEERSERVER_DIR, "dist/module.mjs");
const { PeerServer } = await import(pathToFileURL(entry));

// It looks for expired messages at its own intervals, of a second unless told otherwise.
const settings = { cleanup_out_msgs: 50, ...JSON.parse(process.argv[2]), host: "127.0.0.1" };

const app = PeerServer(settings, (server) => console.error(`listening on 127.0.0.1:${server.address().port}`));
// Without a listener, a client's bad message ends the process.
app.on("error", () => {});
