// Starts the hub that the tests talk to, as a process of its own: peerhub (PEERHUB_BIN), or else the original
// server (OK_PEERHUB_DIR). Ports are the system's choice, except when a hub is started anew on its old one.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const isPeerhub = !!process.env.PEERHUB_BIN;

function hubCommand({ port, nudgeInterval, pingInterval, debout, moreFlags }) {
	if (process.env.PEERHUB_BIN) {
		const flags = ["--listen", `127.0.0.1:${port}`, "--nudge-interval", `${nudgeInterval}`, "--ping-interval", `${pingInterval}`, ...moreFlags];
		return [process.env.PEERHUB_BIN, debout ? [...flags, "--debout"] : flags];
	}
	if (process.env.OK_PEERHUB_DIR) {
		const harness = fileURLToPath(new URL("original-hub.cjs", import.meta.url));
		return [process.execPath, [harness, JSON.stringify({ port, nudgeInterval, pingInterval, debout })]];
	}
	throw new Error("Set PEERHUB_BIN to the peerhub binary, or OK_PEERHUB_DIR to the folder of the original server.");
}

/** Resolves when the hub listens: {port, url, lines (of its log), exited, signal(name), kill(), restart()}. */
export function startHub({ port = 0, nudgeInterval = 10000, pingInterval = 10000, debout = false, moreFlags = [] } = {}) {
	return startServer((port) => hubCommand({ port, nudgeInterval, pingInterval, debout, moreFlags }), port);
}

/** Starts what `commandAt(port)` names, a program that tells its address on stderr as the hub does; as `startHub`. */
export async function startServer(commandAt, port = 0) {
	const [command, flags] = commandAt(port);
	const environment = { ...process.env, RUST_LOG: "info" };
	const child = spawn(command, flags, { stdio: ["ignore", "ignore", "pipe"], env: environment });
	const exited = once(child, "exit");
	const lines = [];
	const listening = new Promise((resolve) => createInterface({ input: child.stderr }).on("line", (line) => {
		lines.push(line);
		const match = /listening on \S*?127\.0\.0\.1:(\d+)/.exec(line);
		match && resolve(Number(match[1]));
	}));
	const died = exited.then(([code]) => { throw new Error(`The hub ended with ${code}:\n${lines.join("\n")}`); });
	died.catch(() => {});
	const chosen = await Promise.race([listening, died]);
	const kill = async () => {
		child.kill("SIGKILL");
		await exited;
	};
	return {
		port: chosen,
		url: `http://127.0.0.1:${chosen}/`,
		lines,
		exited,
		signal: (name) => child.kill(name),
		kill,
		restart: async () => {
			await kill();
			return startServer(commandAt, chosen);
		}
	};
}
