// Starts the server of the PeerJS tests: the hub (PEERHUB_BIN), or else the original PeerServer (PEERSERVER_DIR, the
// folder of its npm package `peer`), against which the same tests run to show what that one does. What only the hub
// keeps is skipped there by name: `hubOnly`.

import { fileURLToPath } from "node:url";
import { isPeerhub, startServer } from "./hub.mjs";

/** For `test`'s options: marks what the original does not do, with the reason. */
export const hubOnly = (reason) => ({ skip: isPeerhub ? false : `PeerServer: ${reason}` });

/** As `startHub`; the options are PeerServer's own names. */
export function startPeerServer(options = {}) {
	return startServer((port) => isPeerhub ? peerhub(port, options) : original(port, options));
}

function peerhub(port, { key = [], path, expire_timeout, alive_timeout, concurrent_limit, allow_discovery, moreFlags = [] }) {
	const settings = { path, "expire-timeout": expire_timeout, "alive-timeout": alive_timeout, "concurrent-limit": concurrent_limit };
	const given = Object.entries(settings).filter(([, value]) => value !== undefined);
	return [process.env.PEERHUB_BIN, [
		"--listen", `127.0.0.1:${port}`,
		...[key].flat().flatMap((each) => ["--peerjs-key", each]),
		...given.flatMap(([name, value]) => [`--peerjs-${name}`, `${value}`]),
		...(allow_discovery ? ["--peerjs-allow-discovery"] : []),
		...moreFlags
	]];
}

function original(port, options) {
	if (!process.env.PEERSERVER_DIR) {
		throw new Error("Set PEERHUB_BIN to the peerhub binary, or PEERSERVER_DIR to the folder of the npm package `peer`.");
	}
	const harness = fileURLToPath(new URL("original-peerserver.mjs", import.meta.url));
	return [process.execPath, [harness, JSON.stringify({ ...options, port })]];
}
