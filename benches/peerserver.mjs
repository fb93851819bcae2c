// What does a PeerJS client cost, here and with the original PeerServer? Both do the same in turn, each on a core of its
// own beside this program: memory of idle clients, then pairs that exchange OFFER and ANSWER, each waiting for the other.
//
//     npm install --prefix /tmp/original peer@1.0.2 && (cd tests/client && npm ci) && cargo build --release
//     PEERSERVER_DIR=/tmp/original/node_modules/peer taskset -c 1 node benches/peerserver.mjs
//
// The clients are Node's, so round trips say more about them than about the hub: CPU per message is the server's own. Linux only.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const { WebSocket } = createRequire(new URL("../tests/client/package.json", import.meta.url))("ws");

const { idle = "10000", pairs = "1000", seconds = "5", rounds = "2" } = Object.fromEntries(
	process.argv.slice(2).map((argument) => argument.replace(/^--/, "").split("=")));
const hub = process.env.PEERHUB_BIN ?? fileURLToPath(new URL("../target/release/peerhub", import.meta.url));
const servers = {
	PeerServer: (port) => [process.execPath, `${process.env.PEERSERVER_DIR}/dist/bin/peerjs.js`,
		"--port", port, "--host", "127.0.0.1", "--concurrent_limit", "100000"],
	peerhub: (port) => [hub, "--listen", `127.0.0.1:${port}`, "--peerjs-concurrent-limit", "100000"]
};
if (!process.env.PEERSERVER_DIR) throw new Error("Set PEERSERVER_DIR to the folder of the npm package `peer`.");

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"]));
/** User and system time of a process so far, s. */
function cpuSeconds(pid) {
	const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1].split(" ");
	return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
/** Memory of a process, bytes. */
const rssBytes = (pid) => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address();
	server.close();
	await once(server, "close");
	return `${port}`;
}

/** A client that is open. */
async function join(port, id) {
	const socket = new WebSocket(`ws://127.0.0.1:${port}/peerjs?key=peerjs&id=${id}&token=${id}&version=1.5.5`);
	const [data] = await once(socket, "message");
	if (`${data}` !== '{"type":"OPEN"}') throw new Error(`${id} is told ${data}`);
	return socket;
}

async function joinAll(port, prefix, count) {
	const sockets = [];
	for (let from = 0; from < count; from += 100) {
		const batch = Array.from({ length: Math.min(100, count - from) }, (_, index) => join(port, `${prefix}${from + index}`));
		sockets.push(...await Promise.all(batch));
	}
	return sockets;
}

/** Lets pairs of clients exchange offers and answers for some seconds: how many messages went through. */
async function exchange(port, count, ms) {
	const [askers, answerers] = [await joinAll(port, "a", count), await joinAll(port, "b", count)];
	const payload = JSON.stringify({ sdp: { type: "offer", sdp: "v=0 ".repeat(300) }, type: "data", connectionId: "dc_1" });
	let [messages, isOver] = [0, false];
	askers.forEach((asker, index) => {
		const offer = `{"type":"OFFER","payload":${payload},"dst":"b${index}"}`;
		asker.on("message", () => {
			messages += 2;
			isOver || asker.send(offer);
		});
		const answer = `{"type":"ANSWER","payload":${payload},"dst":"a${index}"}`;
		answerers[index].on("message", () => answerers[index].send(answer));
		asker.send(offer);
	});
	await pause(1000);
	return {
		measure: async (pid) => {
			const [before, messagesBefore] = [cpuSeconds(pid), messages];
			await pause(ms);
			const counted = messages - messagesBefore;
			isOver = true;
			return { perSecond: counted / 2 / (ms / 1000), cpuMicros: 1e6 * (cpuSeconds(pid) - before) / counted };
		}
	};
}

async function measure(name) {
	const port = await freePort();
	const child = spawn("taskset", ["-c", "0", ...servers[name](port)], { stdio: "ignore" });
	try {
		for (let tries = 0; ; tries++) {
			const isUp = await fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false);
			if (isUp) break;
			if (tries > 100 || child.exitCode !== null) throw new Error(`${name} does not start`);
			await pause(50);
		}
		// What the first client costs is start-up.
		await join(port, "first");
		await pause(500);
		const before = rssBytes(child.pid);
		await joinAll(port, "idle", Number(idle));
		await pause(1000);
		const bytes = (rssBytes(child.pid) - before) / Number(idle);
		const pairsAtWork = await exchange(port, Number(pairs), 1000 * Number(seconds));
		return { bytes, ...await pairsAtWork.measure(child.pid) };
	} finally {
		child.kill("SIGKILL");
		await once(child, "exit");
	}
}

console.log(`${idle} idle clients; ${pairs} pairs with one offer or answer of 1.3 KB on its way each, ${seconds} s\n`);
console.log("| server | bytes per idle client | server CPU per message, µs | round trips per second |\n|---|---|---|---|");
for (let round = 0; round < Number(rounds); round++) {
	for (const name of Object.keys(servers)) {
		const { bytes, cpuMicros, perSecond } = await measure(name);
		console.log(`| ${name} | ${bytes.toFixed(0)} | ${cpuMicros.toFixed(1)} | ${perSecond.toFixed(0)} |`);
	}
}
process.exit(0);
