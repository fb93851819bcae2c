// Connects every page that uses it with every other, directly (WebRTC data channels), through a hub's /peero. An ES
// module: import { Peero } from "https://hub.example.org/peero.js". Types are in peero.d.ts, the messages in PROTOCOLS.md
// section 5; of these it needs only the list, the announcements, offers to one peer, and answers.

/** Something that has happened: `peer` is the id of whom it is about, `data` a message, `error` an Error. */
export class PeeroEvent extends Event {
	constructor(type, { peer, data, error } = {}) {
		super(type);
		this.peer = peer;
		this.data = data;
		this.error = error;
	}
}

/**
 * One attempt to connect with one other page. Candidates do not travel one by one: a description goes out when it has
 * all of them, or after `gatherTime` those that there are, so an offer and an answer are all that it takes.
 */
class Link {
	#connection;
	#channel;
	#listener;
	#timer;
	#gatherTime;
	#isOpen = false;
	#isOver = false;

	/** `listener` is told `open`, `message` and, once, `end`. A link that is not open in time ends. */
	constructor({ rtc, linkTimeout, gatherTime }, listener) {
		this.#listener = listener;
		this.#gatherTime = gatherTime;
		this.#connection = new RTCPeerConnection(rtc);
		this.#connection.addEventListener("connectionstatechange", () => {
			if (this.#connection.connectionState === "failed") {
				this.close();
			}
		});
		this.#connection.addEventListener("datachannel", (event) => this.#channel ?? this.#adopt(event.channel));
		this.#timer = setTimeout(() => this.close(), linkTimeout);
	}

	get isOpen() {
		return this.#isOpen && !this.#isOver && this.#channel.readyState === "open";
	}

	get isOver() {
		return this.#isOver;
	}

	/** Whether it has made an offer that is not answered yet. */
	get isOffering() {
		return this.#connection.signalingState === "have-local-offer";
	}

	async offer() {
		this.#adopt(this.#connection.createDataChannel("peero"));
		return this.#describe(await this.#connection.createOffer());
	}

	async answer(sdp) {
		await this.#connection.setRemoteDescription({ type: "offer", sdp });
		return this.#describe(await this.#connection.createAnswer());
	}

	accept(sdp) {
		return this.#connection.setRemoteDescription({ type: "answer", sdp });
	}

	send(data) {
		this.#channel.send(data);
	}

	close() {
		if (!this.#isOver) {
			this.#isOver = true;
			clearTimeout(this.#timer);
			this.#connection.close();
			this.#listener.end();
		}
	}

	#adopt(channel) {
		this.#channel = channel;
		channel.binaryType = "arraybuffer";
		channel.addEventListener("open", () => this.#openWhenReady());
		channel.addEventListener("message", (event) => {
			this.#open();
			this.#isOver || this.#listener.message(event.data);
		});
		channel.addEventListener("close", () => this.close());
	}

	/**
	 * In Chromium a page that answers is told that its channel is open while what it sends would still be lost without a
	 * word. The statistics have the truth, where a browser keeps any of channels.
	 */
	async #openWhenReady() {
		try {
			while (!this.#isOpen && !this.#isOver && await isConnecting(this.#connection)) {
				await new Promise((resolve) => setTimeout(resolve, 20));
			}
		}
		catch {
			// Without statistics there is only the event to go by.
		}
		this.#open();
	}

	#open() {
		if (!this.#isOpen && !this.#isOver) {
			this.#isOpen = true;
			clearTimeout(this.#timer);
			this.#listener.open();
		}
	}

	async #describe(description) {
		const connection = this.#connection;
		await connection.setLocalDescription(description);
		if (connection.iceGatheringState !== "complete") {
			await new Promise((resolve) => {
				const timer = setTimeout(resolve, this.#gatherTime);
				connection.addEventListener("icegatheringstatechange", () => {
					if (connection.iceGatheringState === "complete") {
						clearTimeout(timer);
						resolve();
					}
				});
			});
		}
		return connection.localDescription.sdp;
	}
}

/** Connects with everybody at one hub, and again whenever hub or others have been away. */
export class Peero extends EventTarget {
	#settings;
	#socket;
	#id;
	/** Whether the hub has told the id that this page has on the present socket. */
	#isWelcome = false;
	#isClosed = false;
	#failures = 0;
	#timer;
	#linkCount = 0;
	/** Everybody whom the hub has named: id → {link, offers, attempt, attempts, timer, isOpen}. `offers`: whose part it is. */
	#others = new Map();

	constructor({
		url = import.meta.url, rtc = {}, maxPeers = 100, linkTimeout = 20000, gatherTime = 2000,
		reconnectTime = 500, maxReconnectTime = 30000
	} = {}) {
		super();
		this.#settings = {
			url: socketUrl(url), rtc, maxPeers, linkTimeout, gatherTime, reconnectTime, maxReconnectTime
		};
		globalThis.addEventListener?.("online", this.#online);
		this.#connect();
	}

	/** The id that the hub has given; another one after each time that the hub was away. */
	get id() {
		return this.#id;
	}

	/** The hub's URL. */
	get url() {
		return this.#settings.url;
	}

	/** Whether there is a connection to the hub. Messages between pages need none. */
	get isConnected() {
		return this.#isWelcome && this.#socket?.readyState === 1;
	}

	/** The ids of those who can be sent messages. */
	get peers() {
		return [...this.#others.keys()].filter((id) => this.#isReachable(id));
	}

	/** Sends text or bytes to one peer, or to all; returns to how many. */
	send(data, to) {
		const receivers = to === undefined ? this.peers : [to].filter((id) => this.#isReachable(id));
		let count = 0;
		for (const id of receivers) {
			try {
				this.#others.get(id).link.send(data);
				count += 1;
			}
			catch (error) {
				// One whose buffer is full must not keep the others from hearing it.
				this.#tell("error", { peer: id, error });
			}
		}
		return count;
	}

	/** Leaves for good. */
	close() {
		if (!this.#isClosed) {
			this.#isClosed = true;
			clearTimeout(this.#timer);
			globalThis.removeEventListener?.("online", this.#online);
			this.#forgetAll();
			this.#socket?.close(1000);
		}
	}

	#isReachable(id) {
		const other = this.#others.get(id);
		return !!other?.isOpen && other.link.isOpen;
	}

	#tell(type, fields) {
		this.dispatchEvent(new PeeroEvent(type, fields));
	}

	// --- The hub ---

	#online = () => {
		if (this.#socket === undefined && !this.#isClosed) {
			this.#connect();
		}
	};

	#connect() {
		clearTimeout(this.#timer);
		const socket = new WebSocket(this.#settings.url);
		this.#socket = socket;
		socket.addEventListener("message", (event) => {
			if (this.#socket === socket && !this.#isClosed) {
				this.#hear(JSON.parse(event.data));
			}
		});
		socket.addEventListener("close", () => this.#lost());
	}

	#lost() {
		this.#socket = undefined;
		if (this.#isWelcome) {
			this.#isWelcome = false;
			this.#tell("close", {});
		}
		if (!this.#isClosed) {
			const { reconnectTime, maxReconnectTime } = this.#settings;
			this.#timer = setTimeout(() => this.#connect(), wait(reconnectTime, maxReconnectTime, this.#failures));
			this.#failures += 1;
		}
	}

	#hear(message) {
		switch (message.type) {
			case "id":
				return this.#become(message.id);
			case "peers":
				// Who comes later offers. The hub lets in one after the other, so of two exactly one finds the other here.
				return message.peers.forEach((id) => this.#meet(id, true));
			case "announce":
				return this.#meet(message.id, false);
			case "remove":
				return this.#forget(message.id);
			case "offer":
				return this.#offered(message.peerId, message.signal);
			case "answer":
				return this.#answered(message.peerId, message.signal);
			case "error":
				return this.#tell("error", { error: Object.assign(new Error(message.message), { code: message.code }) });
		}
	}

	#become(id) {
		if (id !== this.#id) {
			// The others know the old id no more, or a hub knows nobody that has just begun.
			this.#forgetAll();
			this.#id = id;
			this.#isWelcome = true;
			this.#failures = 0;
			this.#tell("open", {});
		}
	}

	#signal(message) {
		if (this.isConnected) {
			this.#socket.send(JSON.stringify(message));
		}
	}

	// --- The others ---

	#meet(id, offers) {
		if (!this.#others.has(id)) {
			this.#others.set(id, { offers, attempts: 0, isOpen: false, timer: undefined, link: undefined });
			offers && this.#offer(id);
		}
	}

	#forget(id) {
		const other = this.#others.get(id);
		if (other) {
			clearTimeout(other.timer);
			this.#others.delete(id);
			other.link?.close();
		}
	}

	#forgetAll() {
		const others = [...this.#others.values()];
		this.#others.clear();
		for (const other of others) {
			clearTimeout(other.timer);
			other.link?.close();
		}
	}

	/** Whether there may be one more link. */
	get #hasRoom() {
		return this.#linkCount < this.#settings.maxPeers;
	}

	/** A place is free: the first who waits for an offer gets one. */
	#fillUp() {
		for (const [id, other] of this.#others) {
			if (other.offers && !other.link && other.timer === undefined) {
				this.#offer(id);
				return;
			}
		}
	}

	#link(id, other) {
		const link = new Link(this.#settings, {
			open: () => {
				other.isOpen = true;
				other.attempts = 0;
				this.#tell("peer", { peer: id });
			},
			message: (data) => this.#tell("message", { peer: id, data }),
			end: () => this.#ended(id, other, link)
		});
		other.link = link;
		this.#linkCount += 1;
		return link;
	}

	#ended(id, other, link) {
		this.#linkCount -= 1;
		if (other.link === link) {
			other.link = undefined;
		}
		if (other.isOpen) {
			other.isOpen = false;
			this.#tell("remove", { peer: id });
		}
		if (this.#others.get(id) === other && other.offers && !other.link && other.timer === undefined) {
			const { reconnectTime, maxReconnectTime } = this.#settings;
			other.timer = setTimeout(() => {
				other.timer = undefined;
				this.#offer(id);
			}, wait(reconnectTime, maxReconnectTime, other.attempts));
		}
		this.#fillUp();
	}

	async #offer(id) {
		const other = this.#others.get(id);
		if (!other || other.link || !this.isConnected || !this.#hasRoom) {
			return;
		}
		other.attempts += 1;
		other.attempt = `${other.attempts}-${Math.random()}`;
		let link;
		try {
			link = this.#link(id, other);
			const sdp = await link.offer();
			if (!link.isOver) {
				this.#signal({ type: "signal", data: { type: "offer", peerId: id, attempt: other.attempt, sdp } });
			}
		}
		catch (error) {
			this.#failed(id, link, error);
		}
	}

	async #offered(id, signal) {
		const other = this.#others.get(id);
		const isForMe = signal?.peerId === this.#id;
		if (!other || typeof sdpOf(signal) !== "string") {
			return;
		}
		// An offer to all is for those who are not connected. An offer to this page replaces what there was, for the other
		// side has lost it; only when both offer at once, one must give way.
		if (other.link && (!isForMe || other.link.isOffering && this.#id < id)) {
			return;
		}
		const replaced = other.link;
		if (!replaced && !this.#hasRoom) {
			return;
		}
		clearTimeout(other.timer);
		other.timer = undefined;
		let link;
		try {
			link = this.#link(id, other);
			replaced?.close();
			const sdp = await link.answer(sdpOf(signal));
			if (!link.isOver) {
				this.#signal({ type: "answer", peerId: id, signal: { type: "answer", attempt: signal.attempt, sdp } });
			}
		}
		catch (error) {
			this.#failed(id, link, error);
		}
	}

	async #answered(id, signal) {
		const other = this.#others.get(id);
		const link = other?.link;
		// An answer may be one to an offer that was given up; clients of other makes do not say to which.
		const isLate = signal?.attempt !== undefined && signal.attempt !== other?.attempt;
		if (!link?.isOffering || isLate || typeof sdpOf(signal) !== "string") {
			return;
		}
		try {
			await link.accept(sdpOf(signal));
		}
		catch (error) {
			this.#failed(id, link, error);
		}
	}

	#failed(id, link, error) {
		if (!link?.isOver) {
			this.#tell("error", { peer: id, error });
			link?.close();
		}
	}
}

async function isConnecting(connection) {
	const statistics = [...(await connection.getStats()).values()];
	return statistics.some(({ type, state }) => type === "data-channel" && state === "connecting");
}

const sdpOf = (signal) => (typeof signal === "string" ? signal : signal?.sdp);

/** Twice as long after each failure, and by chance a little shorter, so that not everybody comes at once. */
const wait = (least, most, failures) => Math.min(most, least * 2 ** Math.min(failures, 20)) * (1 - Math.random() / 2);

/** A hub's address, or that of one of its files, as that of its WebSocket. */
function socketUrl(given) {
	const url = new URL(given, globalThis.location?.href);
	if (url.pathname === "/" || url.pathname.endsWith("/peero.js")) {
		url.pathname = "/peero";
	}
	url.protocol = url.protocol.replace(/^http/, "ws");
	url.hash = "";
	return url.href;
}
