// A stand-in for a peer of net-peer, which is no npm package: it speaks as the original does and has its flaws. It does
// not join what TCP has split (a half line is a crash), fails to enter if one of the listed hosts refuses the connection,
// forgets hosts by address and port when any of their connections ends, and tells of each end twice.
//
// Events: enter(state), peer(name), receive(message), disconnect(host), refused(message), crash(error).

import { EventEmitter, once } from "node:events";
import net from "node:net";

export class NetPeer extends EventEmitter {
	name;
	port = 0;
	state;
	hosts = [];
	connections = new Set();
	crashes = [];
	#server;

	constructor(name, state = {}) {
		super();
		this.name = name;
		this.state = state;
	}

	/** Listens, at all addresses of the machine unless one is given. */
	async listen(address) {
		this.#server = net.createServer((socket) => this.#attend(socket));
		this.#server.listen(0, address);
		await once(this.#server, "listening");
		this.port = this.#server.address().port;
		return this;
	}

	/** Connects to a host of the network; resolves once connected, which is sooner than being in the network. */
	async connect(host, port) {
		const socket = net.connect({ host, port });
		await once(socket, "connect");
		this.#attend(socket);
		this.#write(socket, "@PRESENTATION", { port: this.port, needNetworkInformation: this.hosts.length === 0 });
		this.hosts.push({ ip: host, remotePort: socket.remotePort, mainPort: port });
		return socket;
	}

	/** Connects, and resolves with the state once the network is entered; rejects if that fails. */
	async enter(host, port) {
		const entered = once(this, "enter", { signal: AbortSignal.timeout(20000) });
		const failed = new Promise((resolve, reject) => {
			this.once("refused", (message) => reject(new Error(message)));
			this.once("crash", reject);
		});
		entered.catch(() => {});
		failed.catch(() => {});
		await this.connect(host, port);
		const [state] = await Promise.race([entered, failed]);
		return state;
	}

	broadcast(type, content) {
		this.connections.forEach((socket) => this.#write(socket, type, content));
	}

	/** The names of the other members that it knows, sorted; a host without a name counts as `?`. */
	get known() {
		return this.hosts.map((host) => host.name ?? "?").sort();
	}

	/** Ends as a process does. */
	leave() {
		this.#server?.close();
		this.connections.forEach((socket) => socket.destroy());
	}

	#attend(socket) {
		this.connections.add(socket);
		socket.on("data", (data) => this.#hear(socket, data));
		const { remoteAddress, remotePort } = socket;
		const forget = () => {
			const isOf = (host) => host.ip === remoteAddress && (host.remotePort === remotePort || host.mainPort === remotePort);
			const gone = this.hosts.find(isOf);
			this.hosts = this.hosts.filter((host) => !isOf(host));
			this.connections.delete(socket);
			this.emit("disconnect", gone);
		};
		socket.on("end", forget);
		socket.on("close", forget);
		socket.on("error", () => {});
	}

	#hear(socket, data) {
		for (const line of data.toString().split(/\r?\n/).filter((line) => line)) {
			try {
				this.#take(socket, JSON.parse(line));
			} catch (error) {
				this.#crash(error);
			}
		}
	}

	#take(socket, { senderName, type, content }) {
		switch (type) {
			case "@PRESENTATION": return this.#meet(socket, senderName, content);
			case "@NETWORK_INFORMATION": return void this.#join(content.network).catch((error) => this.#crash(error));
			case "@REQUEST_NETWORK_INFORMATION": return this.#inform(socket);
			case "@CONNECTION_CLOSED":
				socket.destroy();
				return this.emit("refused", content.message);
			default: return this.emit("receive", { senderName, type, content });
		}
	}

	#meet(socket, name, { port, needNetworkInformation }) {
		const dialled = this.hosts.find((host) => host.ip === socket.remoteAddress && host.mainPort === port && !host.name);
		if (dialled) {
			dialled.name = name;
			this.emit("peer", name);
			return;
		}
		if (name === this.name || this.hosts.some((host) => host.name === name)) {
			this.#write(socket, "@CONNECTION_CLOSED", { message: "Nickname is already being used." });
			socket.end();
			return;
		}
		this.#write(socket, "@PRESENTATION", { port: this.port, needNetworkInformation: false });
		needNetworkInformation && this.#inform(socket);
		this.hosts.push({ name, ip: socket.remoteAddress, remotePort: socket.remotePort, mainPort: port });
		this.emit("peer", name);
	}

	#inform(socket) {
		this.#write(socket, "@NETWORK_INFORMATION", { network: { hosts: this.hosts, state: this.state } });
	}

	async #join({ hosts, state }) {
		this.state = state;
		for (const { ip, mainPort } of hosts) {
			await this.connect(ip, mainPort);
		}
		this.emit("enter", state);
	}

	#write(socket, type, content) {
		socket.writable && socket.write(JSON.stringify({ senderName: this.name, type, content }) + "\n");
	}

	#crash(error) {
		this.crashes.push(error);
		this.emit("crash", error);
	}
}

/** Resolves once a peer knows exactly these other members. */
export async function knows(peer, names) {
	const wanted = [...names].sort().join();
	while (peer.known.join() !== wanted) {
		await Promise.race([once(peer, "peer"), once(peer, "disconnect")]);
	}
}

/** Makes peers that leave when the test ends, and must not have crashed by then. */
export function peers(test) {
	const made = [];
	test.after(() => {
		made.forEach((peer) => peer.leave());
		const crashes = made.flatMap((peer) => peer.crashes);
		if (crashes.length > 0) {
			throw crashes[0];
		}
	});
	return async (name, { state, address } = {}) => {
		const peer = await new NetPeer(name, state).listen(address);
		made.push(peer);
		return peer;
	};
}
