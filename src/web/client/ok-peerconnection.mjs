// Made from ok-peerconnection.js by `npm run build` in tests/client: change that file, not this one.

let OkPeerConnection;

/*!
 * OkPeerConnection 2.0.0, the client of peerhub. MIT OR Apache-2.0.
 *
 * One source for the script tag (window.OkPeerConnection) and CommonJS (module.exports). The ES module
 * ok-peerconnection.mjs and ok-peerconnection-min.js are made from it by `npm run build` in tests/client.
 *
 * It owns the client's half of the ok-peerhub protocol: the socket and its reopening, the state that the hub
 * must be told again after a reopening, the collection of peers, and the requests that wait for an answer.
 * It works against an original ok-peerhub server too: what only peerhub knows is asked for in fields which
 * the original passes over.
 */
((host) => {
"use strict";

const VERSION = "2.0.0";

const IN_NODE = typeof window === "undefined" && typeof process === "object" && !!process.versions?.node;

const REQUEST_TIMEOUT_MS = 20000;
const TIMEOUT_MS = 30000;
const REOPEN_INTERVAL_MS = 3000;
const RESEND_INTERVAL_MS = 100;

/** The longest wait between two attempts to reopen is this many reopen intervals. */
const REOPEN_INTERVALS_MAX = 10;

/** A program that goes on sending without a connection must learn it before its memory is gone. */
const WAITING_MESSAGES_MAX = 1000;

/** What was sent so long before a sign of life of the hub counts as heard, unless the application wants proof. */
const PRESUMED_MS = 1000;

/** How long messages may go out before the hub is asked whether it has heard them, if the application wants proof. */
const PROOF_MS = 500;

/** So many messages are remembered until then. */
const UNPROVEN_MAX = 10000;

/** What is taken for the time between two nudges until the hub's first one says it. */
const NUDGE_INTERVAL_MS = 10000;

/** How long an open socket that was silent too long may take to answer a question before it counts as dead. */
const PROBE_MS = 2000;

/** How long the other end may take to close too, before the close event comes without it. */
const CLOSING_MS = 2000;

/** A token is renewed when a fifth of its time is left, but no earlier than this before it expires. */
const RENEWAL_LEAD_MS = 30000;
const RENEWAL_LEAD_SHARE = 0.2;

/** The shortest wait between two renewals, whatever the clocks say, and the longest, which is all that timers can. */
const RENEWAL_WAIT_MS_MIN = 1000;
const RENEWAL_WAIT_MS_MAX = 2 ** 31 - 1;

const CLOSE_NORMAL = 1000;
const CLOSE_TOKEN_EXPIRED = 4401;
const CLOSE_ID_IN_USE = 4409;

/** A hub that is stopped in order says that it goes, or that it comes back. */
const CLOSES_PLANNED = [1001, 1012];

/** After such a close so many attempts come sooner than others do: the next hub is there already, or in a moment. */
const EARLY_ATTEMPTS = 2;

const SOCKET_OPEN = 1;
const SOCKET_CLOSED = 3;

/** Events that the connection makes itself: a hub message of such a type must not be able to imitate them. */
const OWN_EVENTS = new Set(["addpeer", "alterpeer", "awakening", "close", "debout", "error", "open", "removepeer"]);

/** What is sent to certain peers and may wait until they are back. An answer does not: the hub forgets the request. */
const ADDRESSED = new Set(["notify", "request"]);

/** Hub messages by which the peer that they name is there. */
const SIGNS_OF_PEERS = new Set(["alter", "message", "notify", "presence", "request"]);

// --- Surroundings: what differs between browsers and Node -----------------------------------------------

/** A module of Node itself, or undefined. */
function builtinModule(name) {
	return process.getBuiltinModule?.(name) ?? host.require?.(name);
}

/**
 * The WebSocket class to use: the caller's, the built-in one, or that of the package `ws`, which is looked
 * for beside this file first and then where the program runs, since this file may lie outside of it.
 */
function webSocketClass(params) {
	const found = params.WebSocket ?? globalThis.WebSocket;
	if (found || !IN_NODE) {
		return found;
	}
	packageWebSocket ??= packageWs();
	return packageWebSocket;
}

/** What the package `ws` gives. Looking for it in vain costs more than opening a socket does, so it is looked for once. */
let packageWebSocket;

function packageWs() {
	try {
		return host.require("ws");
	}
	catch {
		const require = builtinModule("module").createRequire(process.cwd() + "/");
		return require("ws");
	}
}

/** Where a browser connects to without a url: where the script came from, or else the page. */
function defaultUrl() {
	for (const place of [host.source, globalThis.location?.href]) {
		if (/^https?:/i.test(place ?? "")) {
			return new URL("/", place).href;
		}
	}
	return undefined;
}

/** The address for the WebSocket class: http becomes ws, and a page that came by https insists on wss. */
function socketUrl(url) {
	let address = String(url);
	if (!IN_NODE && address.startsWith("/") && defaultUrl()) {
		address = new URL(address, defaultUrl()).href;
	}
	address = address.replace(/^http(s?):/i, "ws$1:");
	if (!IN_NODE && globalThis.location?.protocol === "https:") {
		address = address.replace(/^ws:/i, "wss:");
	}
	return address;
}

/** Keeps a timer from holding up the end of a Node process. */
function unref(timer) {
	timer?.unref?.();
	return timer;
}

const EventEmitter = IN_NODE ? builtinModule("events") : undefined;

/**
 * Node's EventEmitter with two differences: an `error` that nobody listens to is no exception, and a listener
 * that throws keeps neither the other listeners nor the connection from their work.
 */
function gentleEmitter() {
	return class extends EventEmitter {
		emit(type, ...values) {
			const listeners = this.rawListeners(type);
			for (const listener of listeners) {
				try {
					listener.apply(this, values);
				}
				catch (error) {
					// An error listener that fails must not be told of its own failure.
					if (type === "error" || this.listenerCount("error") === 0) {
						console.error(error);
					}
					else {
						this.dispatchErrorEvent(error);
					}
				}
			}
			return listeners.length > 0;
		}

		addEventListener(type, listener, options) {
			return options?.once ? this.once(type, listener) : this.on(type, listener);
		}

		removeEventListener(type, listener) {
			return this.off(type, listener);
		}
	};
}

const EventSource = EventEmitter ? gentleEmitter() : EventTarget;

/** Node's listeners get a plain object where those of browsers get an Event. */
class PlainEvent {
	#type;

	constructor(type) {
		this.#type = type;
	}

	get type() {
		return this.#type;
	}
}

class ConnectionEvent extends (EventEmitter ? PlainEvent : Event) {
	constructor(type, fields) {
		super(type);
		Object.assign(this, fields);
	}
}

class PeerEvent extends ConnectionEvent {
	constructor(event, peer) {
		const isEvent = typeof event === "object" && event !== null;
		if (!isEvent && typeof event !== "string") {
			throw new Error("E_SYNTAX: A PeerEvent is made of an event or the name of one.");
		}
		super(isEvent ? event.type : event);
		this.peer = peer || (isEvent ? event.peer : undefined);
	}
}

// --- Small tools -----------------------------------------------------------------------------------------

function asArray(value) {
	return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}

/** Removes values in place: applications may hold on to the list. */
function removeFrom(list, values) {
	list.splice(0, list.length, ...list.filter((value) => !values.includes(value)));
}

/** The name of each channel asked for, or undefined if the question itself is wrong. */
function channelNames(channels) {
	const names = typeof channels === "string" ? channels.split(",") : channels;
	return Array.isArray(names) ? names.map((name) => String(name).trim()).filter((name) => name) : undefined;
}

/**
 * A new id of 16 characters: random ones that begin with a letter, a hyphen, and the time in base 36, which
 * begins at index 8, where receivers read it.
 */
function newId() {
	const time = Date.now().toString(36);
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
	let id = letters[Math.floor(Math.random() * 26)];
	while (id.length < 15 - time.length) {
		id += letters[Math.floor(Math.random() * 36)];
	}
	return id + "-" + time;
}

/** What `getToken` gave, if a socket can be asked for with it: the sub-protocol's alphabet is that of tokens. */
function checkedToken(token) {
	if (token === undefined || token === null || token === "") {
		return undefined;
	}
	if (typeof token !== "string" || !/^[\w.-]+$/.test(token)) {
		throw new Error("What getToken gave is no token.");
	}
	return token;
}

/** An Error whose text begins with its code, which is also its `code`. */
function codedError(code, explanation, fields) {
	return Object.assign(new Error(explanation ? code + ": " + explanation : code), { code }, fields);
}

// --- What the application meets --------------------------------------------------------------------------

/** Another peer of the same linkage key. Its data change in place when the peer changes. */
class Peer {
	#connection;
	#data;

	constructor(connection, data) {
		this.#connection = connection;
		this.#data = { ...data };
	}

	get connection() {
		return this.#connection;
	}

	get id() {
		return this.#data.id;
	}

	get linkageKey() {
		return this.#data.linkageKey;
	}

	get properties() {
		return this.#data.properties;
	}

	get startTime() {
		return new Date(this.#data.startTime);
	}

	get tags() {
		return asArray(this.#data.tags);
	}

	get userid() {
		return this.#data.userid;
	}

	hasAllTags(tags = []) {
		return asArray(tags).every((tag) => this.hasTag(tag));
	}

	hasAnyTag(tags = []) {
		return asArray(tags).some((tag) => this.hasTag(tag));
	}

	hasAnyTags(tags = []) {
		return this.hasAnyTag(tags);
	}

	hasTag(tag) {
		return this.tags.includes(tag);
	}

	notify(params) {
		this.#connection.notify({ ...params, peer: this.id });
		return this;
	}

	request(params) {
		const answer = this.#connection.request({ ...params, peer: this.id });
		return answer === this.#connection ? this : answer;
	}

	_modify(data = {}) {
		Object.assign(this.#data, data);
		return this;
	}

	/** Whether these data are of the same connection of the peer. */
	_isSame(data) {
		return this.#data.startTime === data.startTime;
	}
}

/** A message that came in. */
class MessageIn {
	#connection;
	#data;

	constructor(connection, data) {
		this.#connection = connection;
		this.#data = data;
	}

	get content() {
		return this.#data.content;
	}

	get data() {
		return this.#data;
	}

	get id() {
		return this.#data.messageid;
	}

	/** The same as `data`, under the name that old applications use. */
	get message() {
		return this.#data;
	}

	get name() {
		return this.#data.name;
	}

	get peer() {
		return typeof this.#data.peer === "string" ? this.#connection._getPeer(this.#data.peer) : this.#data.peer;
	}

	get peerConnection() {
		return this.#connection;
	}

	get time() {
		return new Date(this.timeAsMilliseconds);
	}

	get timeAsMilliseconds() {
		return parseInt(String(this.id ?? "").slice(8), 36);
	}

	get type() {
		return this.#data.type;
	}

	/** Answers a request; the answer reaches the requester even if it is not in the collection of peers. */
	respond(content = null) {
		if (this.type !== "request") {
			return;
		}
		if (this.#data.peer) {
			this.#connection.respond({ peer: this.#data.peer, messageid: this.id, name: this.name, content });
		}
		else {
			this.#connection.dispatchErrorEvent("E_NOPEER_ON_REQUEST");
		}
	}
}

// --- The connection --------------------------------------------------------------------------------------

class OkPeerConnection extends EventSource {
	#params;
	#id;
	#connectCount = 0;
	#startTime;

	/** closed, opening, opened (the hub has confirmed), waiting (to reopen), away (page put aside), closing */
	#state = "closed";
	#socket;
	#closingSocket;
	#closingTimer;
	#initiated = false;
	#attempts = 0;
	#reopenTimer;
	#handshakeTimer;

	/** Stands for the present attempt to open, so that a token that comes late opens nothing. */
	#attempt;
	#renewalTimer;

	/** Only peerhub gives a secret, so having one also tells that the hub knows the extensions. */
	#resumeSecret;
	#ownUserid;
	#confirmedUserid;

	#channels = new Set();
	#deboutChannel;
	#deboutSelection;
	#filterTags = [];
	#peers = new Map();
	/** Whether the hub has told on this connection who is there; until then the collection is that of the last one. */
	#isListed = false;
	/**
	 * Ids of those who have lately left or had not come back, and since when: a hub that is stopped sends one after the other
	 * away, and this connection may not last either.
	 */
	#missing = new Map();

	/** Messages, oldest first, that wait for the hub's confirmation. */
	#outbox = [];
	#outboxTimer;
	/** Messages, oldest first, to peers of the collection of the last connection that have not come back yet. */
	#held = [];
	#heldTimer;
	/** Messages with the times at which they went out, oldest first, that the hub may not have heard. */
	#unproven = [];
	/** How many messages have ever gone out that were remembered so: the number of the last one. */
	#lastNumber = 0;
	#proofTimer;
	/** messageid → request that waits for its answer */
	#requests = new Map();

	#nudgeInterval = 0;
	#sentinel;
	#probeTimer;
	#heardTime = 0;
	#checkedTime = 0;
	#awakened = false;
	#pageListeners = [];

	constructor(params) {
		super();
		this.#params = { ...params };
		this.#params.options = {
			...this.#params.options,
			deboutReceiver: this.#params.options?.deboutReceiver ?? false,
			peerInitiationReceiver: this.#params.options?.peerInitiationReceiver ?? true,
			peerInitiationSender: this.#params.options?.peerInitiationSender ?? true
		};
		this.#params.properties = { ...this.#params.properties };
		this.#params.tags = [...new Set(asArray(this.#params.tags))];
		this.#params.userid = this.#params.userid || "";
		this.#id = this.#params.id;
	}

	static get OkPeerConnection() {
		return OkPeerConnection;
	}

	get connectCount() {
		return this.#connectCount;
	}

	get deboutCluster() {
		return this.#params.deboutCluster;
	}

	get deboutReceiver() {
		return this.options.deboutReceiver || false;
	}

	set deboutReceiver(value) {
		if (this.deboutReceiver !== !!value) {
			this.options.deboutReceiver = !!value;
			// The channel's name comes with the hub's greeting, which then does this work.
			if (this.#deboutChannel) {
				const channels = [this.#deboutChannel];
				value ? this.subscribe({ channels }) : this.unsubscribe({ channels });
			}
		}
	}

	get filterTags() {
		return this.#filterTags;
	}

	get id() {
		return this.#id;
	}

	get linkageKey() {
		return this.#params.linkageKey;
	}

	get options() {
		return this.#params.options;
	}

	get params() {
		return this.#params;
	}

	get properties() {
		return this.#params.properties;
	}

	get readyState() {
		return this.#socket?.readyState;
	}

	get reopenInterval() {
		return this.#params.reopenInterval || REOPEN_INTERVAL_MS;
	}

	get resendInterval() {
		return this.#params.resendInterval || RESEND_INTERVAL_MS;
	}

	get startTime() {
		return this.#startTime ? new Date(this.#startTime) : null;
	}

	get tags() {
		return this.#params.tags;
	}

	get timeout() {
		return this.#params.timeout || TIMEOUT_MS;
	}

	get url() {
		return this.#params.url ?? (IN_NODE ? undefined : defaultUrl());
	}

	get userid() {
		return this.#params.userid;
	}

	get version() {
		return VERSION;
	}

	// Opening and closing

	open() {
		if (!this.linkageKey) {
			this.dispatchErrorEvent("E_LINKAGEKEYNOTSPECIFIED");
			return this;
		}
		if (this.#state === "closing") {
			this.#finishClosing();
		}
		if (this.#state === "closed" || this.#state === "waiting") {
			this.#watchPage();
			this.#connect();
		}
		return this;
	}

	close() {
		if (this.#state === "closed" || this.#state === "closing") {
			return this;
		}
		const socket = this.#socket;
		const isLive = socket !== undefined && socket.readyState !== SOCKET_CLOSED;
		this.#state = "closing";
		this.#stopTimers();
		this.#socket = undefined;
		this.#startTime = undefined;
		this.#closingSocket = socket;
		// Without a live socket nothing will report its end; listeners still learn it, after this call.
		this.#closingTimer = setTimeout(() => this.#finishClosing(), isLive ? CLOSING_MS : 0);
		if (isLive) {
			// The socket itself keeps a Node process from ending before it is closed.
			unref(this.#closingTimer);
			this.#sendLeave(socket);
			socket.close(CLOSE_NORMAL);
		}
		this.#failEverything("The connection was closed.");
		return this;
	}

	// Talking

	notify(params) {
		if (params?.peer && params.content !== undefined) {
			const { peer, name, content } = params;
			this.#send({ type: "notify", peer, name, content });
		}
		return this;
	}

	publish(params) {
		if (params?.channel && params.message !== undefined) {
			const options = typeof params.options === "object" && params.options ? params.options : {};
			this.#send({ type: "publish", content: { channel: params.channel, message: params.message, options } });
		}
		else {
			this.dispatchErrorEvent("E_PUBLISH_SYNTAXERROR");
		}
		return this;
	}

	/**
	 * Asks one peer or several. With `onResponse` it chains and calls back once per answer; without, it returns
	 * a promise of the answer, or of all answers in the order of the peers. Failures go to `onError` and the
	 * error event, or reject the promise and go nowhere else.
	 */
	request(params) {
		const promising = typeof params?.onResponse !== "function";
		if (!params?.peer || params.content === undefined) {
			const error = codedError("E_REQUEST_SYNTAXERROR");
			this.dispatchErrorEvent(error);
			return promising ? quietly(Promise.reject(error)) : this;
		}
		if (!promising) {
			for (const peer of asArray(params.peer)) {
				this.#request(params, peer, params.onResponse, (error) => {
					this.#guard(params.onError, error);
					this.dispatchErrorEvent(error);
				});
			}
			return this;
		}
		const ask = (peer) => new Promise((resolve, reject) => this.#request(params, peer, resolve, (error) => {
			this.#guard(params.onError, error);
			reject(error);
		}));
		return quietly(Array.isArray(params.peer) ? Promise.all(params.peer.map(ask)) : ask(params.peer));
	}

	respond(params) {
		if (params?.peer && params.content !== undefined && params.messageid) {
			const { peer, messageid, name, content } = params;
			this.#send({ type: "response", messageid, peer, name, content });
		}
		return this;
	}

	_debout(message) {
		this.#send({ type: "debout", content: message });
		return this;
	}

	_send(params) {
		this.#send(params.message);
	}

	// State that the hub keeps for this connection, and that it is told again after a reopening

	addTag(tags) {
		const added = asArray(tags).filter((tag) => !this.tags.includes(tag));
		if (added.length) {
			this.tags.push(...new Set(added));
			this.#sendOwnState("addTag", asArray(tags));
		}
		return this;
	}

	removeTag(tags) {
		const removed = asArray(tags).filter((tag) => this.tags.includes(tag));
		if (removed.length) {
			removeFrom(this.tags, removed);
			this.#sendOwnState("removeTag", asArray(tags));
		}
		return this;
	}

	setProperties(properties = {}) {
		Object.assign(this.properties, properties);
		this.#sendOwnState("setProperties", properties);
		return this;
	}

	subscribe(params) {
		const names = channelNames(params?.channels);
		if (!names) {
			const explanation = "Invalid OkPeerConnection.subscribe() parameters.";
			this.dispatchErrorEvent("E_SUBSCRIBE_SYNTAXERROR", explanation);
			return this;
		}
		const channels = [...new Set(names)].filter((name) => !this.#channels.has(name));
		channels.forEach((name) => this.#channels.add(name));
		if (channels.length) {
			this.#sendAfterConfirm("subscribe", { channels });
		}
		return this;
	}

	unsubscribe(params) {
		const names = channelNames(params?.channels);
		if (!names?.length) {
			this.dispatchErrorEvent("E_UNSUBSCRIBE_SYNTAXERROR");
			return this;
		}
		const channels = names.filter((name) => this.#channels.delete(name));
		if (channels.length) {
			this.#sendAfterConfirm("unsubscribe", { channels });
		}
		return this;
	}

	deboutSelection(selection) {
		this.#deboutSelection = { ...this.#deboutSelection, ...selection };
		this.#sendAfterConfirm("deboutSelection", selection);
		return this;
	}

	// Peers

	addFilterTag(tags) {
		const added = [...new Set(asArray(tags))].filter((tag) => !this.#filterTags.includes(tag));
		if (added.length) {
			this.#filterTags.push(...added);
			this.#filterChanged();
		}
		return this;
	}

	removeFilterTag(tags) {
		const removed = asArray(tags).filter((tag) => this.#filterTags.includes(tag));
		if (removed.length) {
			removeFrom(this.#filterTags, removed);
			this.#filterChanged();
		}
		return this;
	}

	filter(callback) {
		return [...this.#peers.values()].filter((peer) => callback(peer));
	}

	find(callback) {
		return [...this.#peers.values()].find((peer) => callback(peer));
	}

	forEachPeer(callback) {
		[...this.#peers.values()].forEach((peer) => callback(peer));
		return this;
	}

	_getPeer(id) {
		return this.#peers.get(id);
	}

	// Events

	on(type, listener) {
		EventEmitter ? super.on(type, listener) : this.addEventListener(type, listener);
		return this;
	}

	once(type, listener) {
		EventEmitter ? super.once(type, listener) : this.addEventListener(type, listener, { once: true });
		return this;
	}

	off(type, listener) {
		EventEmitter ? super.off(type, listener) : this.removeEventListener(type, listener);
		return this;
	}

	dispatchEvent(event) {
		return EventEmitter ? this.emit(event.type, event) : super.dispatchEvent(event);
	}

	/** Takes an Error, or a code with or without an explanation. */
	dispatchErrorEvent(code, explanation) {
		let error = code;
		if (typeof code !== "object") {
			error = explanation ? Object.assign(new Error(explanation), { code }) : codedError(code);
		}
		this.dispatchEvent(new ConnectionEvent("error", { error }));
	}

	newId() {
		return newId();
	}

	newPeerEvent(event, peer) {
		return new PeerEvent(event, peer);
	}

	// --- Inside: the socket and its reopening ------------------------------------------------------------

	#connect() {
		this.#releaseSocket();
		clearTimeout(this.#reopenTimer);
		const attempt = this.#attempt = {};
		if (typeof this.#params.getToken !== "function") {
			this.#openSocket();
			return;
		}
		this.#socket = undefined;
		this.#state = "opening";
		const isPresent = () => attempt === this.#attempt && this.#state === "opening" && !this.#socket;
		this.#handshakeTimer = setTimeout(() => {
			if (isPresent()) {
				this.#reopenLater();
				this.dispatchErrorEvent("E_TOKEN", "getToken gave no token in time.");
			}
		}, this.timeout);
		this.#getToken().then((token) => isPresent() && this.#openSocket(token), (error) => {
			if (isPresent()) {
				this.#reopenLater();
				this.dispatchErrorEvent(error);
			}
		});
	}

	/** Promises what the application's `getToken` gives, once it has been looked at. */
	async #getToken() {
		try {
			return checkedToken(await this.#params.getToken());
		}
		catch (cause) {
			throw codedError("E_TOKEN", cause?.message ?? String(cause), { cause });
		}
	}

	#openSocket(token) {
		clearTimeout(this.#handshakeTimer);
		let socket;
		try {
			socket = this.#newSocket(token);
		}
		catch (error) {
			this.#state = "closed";
			this.#stopTimers();
			this.dispatchErrorEvent(error);
			this.#failEverything("The connection could not be opened.");
			return;
		}
		this.#socket = socket;
		this.#state = "opening";
		socket.onopen = () => socket === this.#socket && this.#onSocketOpen();
		socket.onmessage = (event) => socket === this.#socket && this.#onSocketMessage(event.data);
		socket.onerror = (event) => socket === this.#socket && this.#onSocketError(socket, event);
		socket.onclose = (event) => this.#onSocketClose(socket, event.code);
		this.#handshakeTimer = setTimeout(() => {
			this.dispatchErrorEvent("E_CONNECTIONTIMEOUT", "The hub did not confirm the connection in time.");
			if (socket === this.#socket) {
				this.#reopenLater();
			}
		}, this.timeout);
	}

	#newSocket(token) {
		const url = this.url;
		if (!url) {
			throw codedError("E_URLNOTSPECIFIED");
		}
		let WebSocketClass;
		try {
			WebSocketClass = webSocketClass(this.#params);
		}
		catch (cause) {
			throw codedError("E_NOWEBSOCKET", "This Node has no WebSocket, and the package ws is not installed.", { cause });
		}
		try {
			// In the URL it would be seen by every proxy on the way; header fields of their own browsers do not let pages set.
			return token ? new WebSocketClass(socketUrl(url), ["bearer", token]) : new WebSocketClass(socketUrl(url));
		}
		catch (cause) {
			throw codedError("E_INVALIDURL", "'" + url + "' is no address of a hub.", { cause });
		}
	}

	#onSocketOpen() {
		this.#startTime = Date.now();
		++this.#connectCount;
		this.dispatchEvent(new ConnectionEvent("open"));
	}

	#onSocketError(socket, event) {
		const error = event.error ?? event;
		const text = String(error.message ?? "");
		if (/response: 404$|\(404\)/.test(text) || error.code === "ENOTFOUND") {
			this.dispatchErrorEvent(Object.assign(
				new Error("E_NOTFOUND (Invalid WebSocket url '" + this.url + "')"), { code: "E_NOTFOUND" }
			));
		}
		else if (/\b40[13]\b/.test(text)) {
			this.dispatchErrorEvent("E_UNAUTHORIZED", "The hub asks for a token, or refuses the one that it was given.");
		}
		else if (error.code !== "ECONNREFUSED") {
			// A refused connection is what a hub that restarts looks like; trying again is the whole answer.
			this.dispatchErrorEvent(Object.assign(
				new Error("E_PEERCONNECTION (Code: " + (error.code || 0) + ")"), { code: "E_PEERCONNECTION" }
			));
		}
		// Some releases of Node's own WebSocket report a failed connection by an error without a close, and leave
		// the socket in the state of connecting.
		setTimeout(() => {
			if (socket === this.#socket && socket.readyState !== SOCKET_OPEN && this.#state !== "waiting") {
				this.#reopenLater();
			}
		});
	}

	#onSocketClose(socket, code) {
		if (socket === this.#closingSocket && this.#state === "closing") {
			this.#finishClosing();
			return;
		}
		if (socket !== this.#socket || this.#state === "away" || this.#state === "waiting") {
			return;
		}
		if (code === CLOSE_NORMAL) {
			this.#state = "closed";
			this.#stopTimers();
			this.#startTime = undefined;
			this.#failEverything("The hub closed the connection.");
			this.dispatchEvent(new ConnectionEvent("close"));
			return;
		}
		if (code === CLOSE_TOKEN_EXPIRED) {
			this.#onTokenExpired();
			return;
		}
		if (this.#state === "opened" && CLOSES_PLANNED.includes(code)) {
			this.#attempts = -EARLY_ATTEMPTS;
			// Such a hub has heard everything that was sent before it knew of the end.
			this.#unproven = [];
		}
		this.#reopenLater();
		if (code === CLOSE_ID_IN_USE) {
			this.dispatchErrorEvent("E_IDINUSE", "Another connection holds the id '" + this.#id + "'.");
		}
	}

	/** With a fresh token it goes on at once, unless the last one did not even hold for a reopen interval. */
	#onTokenExpired() {
		const hasLasted = Date.now() - this.#startTime >= this.reopenInterval;
		if (typeof this.#params.getToken === "function") {
			hasLasted ? this.#reopenNow() : this.#reopenLater();
			return;
		}
		this.#reopenLater();
		this.dispatchErrorEvent("E_TOKENEXPIRED", "The token has expired, and there is no getToken to ask for another one.");
	}

	/** Asks for a fresh token before the present one expires; `expires` is in milliseconds since 1970. */
	#watchExpiry(expires) {
		clearTimeout(this.#renewalTimer);
		if (typeof expires !== "number" || typeof this.#params.getToken !== "function") {
			return;
		}
		const left = expires - Date.now();
		const lead = Math.min(RENEWAL_LEAD_MS, left * RENEWAL_LEAD_SHARE);
		const wait = Math.max(RENEWAL_WAIT_MS_MIN, left - lead);
		this.#renewalTimer = unref(setTimeout(() => {
			wait > RENEWAL_WAIT_MS_MAX ? this.#watchExpiry(expires) : this.#renewToken(expires);
		}, Math.min(wait, RENEWAL_WAIT_MS_MAX)));
	}

	async #renewToken(expires) {
		const socket = this.#socket;
		const isPresent = () => socket === this.#socket && this.#state === "opened" && socket.readyState === SOCKET_OPEN;
		try {
			const token = await this.#getToken();
			if (isPresent() && token) {
				this.#write({ type: "authenticate", content: { token } });
			}
		}
		catch (error) {
			isPresent() && this.dispatchErrorEvent(error);
		}
		// The hub's answer moves the time; without one it is tried again.
		if (isPresent()) {
			this.#watchExpiry(expires);
		}
	}

	/**
	 * The wait grows with each failure and is spread at random, so that the clients of a hub that was
	 * restarted do not all come back in the same moment. A hub that was stopped in order has spread them already, so that
	 * the first waits after that begin at nothing.
	 */
	#reopenLater() {
		clearTimeout(this.#handshakeTimer);
		clearTimeout(this.#probeTimer);
		clearTimeout(this.#reopenTimer);
		this.#probeTimer = undefined;
		this.#releaseSocket();
		this.#state = "waiting";
		this.#isListed && this.#forgetMissing();
		this.#initiated = this.#isListed = false;
		this.#outbox.unshift(...this.#held.splice(0));
		this.#watchHeld();
		this.#watchOutbox();
		// Tags and properties travel with the next initiate, and the peers are asked for after it.
		this.#outbox = this.#outbox.filter((entry) => !entry.isOwnState);
		this.#forgetHubRequests();
		const longest = Math.min(REOPEN_INTERVALS_MAX, 2 ** ++this.#attempts);
		const shortest = longest > 1 ? 1 : 0;
		const wait = this.reopenInterval * (shortest + Math.random() * (longest - shortest));
		this.#reopenTimer = setTimeout(() => this.#connect(), wait);
		this.#failSentRequests();
		this.#tellUnproven();
	}

	/**
	 * peerhub forgets what a connection has asked when that ends. An original server does not: there the answer may still
	 * come.
	 */
	#failSentRequests() {
		if (this.#resumeSecret !== undefined) {
			const waiting = new Set(this.#outbox.map((entry) => entry.request));
			const sent = [...this.#requests.values()].filter((request) => !waiting.has(request));
			const explanation = "The connection was lost before the answer came.";
			sent.forEach((request) => this.#failRequest(request, codedError("E_CONNECTIONLOST", explanation)));
		}
	}

	#reopenNow() {
		this.#attempts = 0;
		this.#reopenLater();
		// A listener that heard of what was lost may have closed the connection or opened it anew.
		if (this.#state === "waiting") {
			this.#connect();
		}
	}

	/** Stops listening to the present socket and lets go of it, whatever state it is in. */
	#releaseSocket() {
		const socket = this.#socket;
		clearTimeout(this.#handshakeTimer);
		clearTimeout(this.#renewalTimer);
		this.#initiated = false;
		if (socket) {
			const nothing = () => {};
			socket.onopen = socket.onmessage = socket.onerror = socket.onclose = nothing;
			if (socket.readyState !== SOCKET_CLOSED) {
				socket.close();
			}
		}
	}

	#finishClosing() {
		clearTimeout(this.#closingTimer);
		this.#closingSocket = undefined;
		this.#state = "closed";
		this.dispatchEvent(new ConnectionEvent("close"));
	}

	#stopTimers() {
		this.#forgetUnproven();
		for (const timer of [this.#reopenTimer, this.#handshakeTimer, this.#renewalTimer, this.#probeTimer, this.#outboxTimer]) {
			clearTimeout(timer);
		}
		clearTimeout(this.#heldTimer);
		clearInterval(this.#sentinel);
		this.#sentinel = this.#probeTimer = this.#outboxTimer = this.#heldTimer = undefined;
		this.#attempts = 0;
		this.#initiated = this.#isListed = false;
		for (const [target, type, listener] of this.#pageListeners.splice(0)) {
			target.removeEventListener(type, listener);
		}
	}

	#sendLeave(socket) {
		if (socket?.readyState === SOCKET_OPEN) {
			socket.send(JSON.stringify({ type: "leave" }));
		}
	}

	// --- Inside: messages from the hub -------------------------------------------------------------------

	#onSocketMessage(text) {
		const socket = this.#socket;
		this.#heardTime = Date.now();
		this.#awakened = false;
		clearTimeout(this.#probeTimer);
		this.#probeTimer = undefined;
		try {
			const data = JSON.parse(text);
			if (typeof data?.type !== "string" || !data.type) {
				return;
			}
			const message = new MessageIn(this, data);
			if (data.type === "message" && this.#deboutChannel && data.content?.channel === this.#deboutChannel) {
				const { time, message: debout } = data.content;
				this.dispatchEvent(new ConnectionEvent("debout", { data: { time, message: debout } }));
				return;
			}
			if (data.type === "error") {
				this.#onHubError(message);
				return;
			}
			if (data.type === "message" && data.peer === this.#id) {
				this.#proveOwn(data);
			}
			if (data.type === "response" && this.#endRequest(data, (request) => request.onResponse, message)) {
				return;
			}
			if (!OWN_EVENTS.has(data.type)) {
				this.dispatchEvent(new ConnectionEvent(data.type, { message }));
			}
			// A listener may just have closed the connection.
			if (socket === this.#socket && this.#state !== "closing") {
				this.#obey(data);
				SIGNS_OF_PEERS.has(data.type) && this.#release(data.peer);
			}
		}
		catch (error) {
			this.dispatchErrorEvent(error);
		}
	}

	/** What the connection itself has to do about a message, after the application's listeners saw it. */
	#obey(data) {
		const { type, content } = data;
		if (type === "accept") {
			this.#onAccept(content);
		}
		else if (type === "confirm") {
			this.#onConfirm(data);
		}
		else if (type === "authenticated") {
			this.#watchExpiry(content?.expires);
		}
		else if (type === "presence") {
			this.#onPresence(content);
		}
		else if (type === "alter") {
			this.#peerAltered(content);
		}
		else if (type === "leave") {
			this.#peerGone(content);
		}
		else if (type === "nudge") {
			this.#onNudge(content);
		}
		else if (type === "requestfailed") {
			const error = codedError(content?.code || "E_REQUESTFAILED", content?.message);
			this.#endRequest(data, (request) => request.onFailure, error);
		}
	}

	#onHubError(message) {
		const { code, message: explanation, messageid } = message.content ?? {};
		const error = codedError(code || "E_HUB", explanation, { messageid });
		if (!this.#endRequest({ messageid }, (request) => request.onFailure, error)) {
			this.dispatchEvent(new ConnectionEvent("error", { error, message }));
		}
	}

	#onAccept(content) {
		const isOwnId = this.#id !== undefined && this.#id !== null && this.#id !== "";
		if (!isOwnId) {
			this.#id = content.id;
		}
		if (this.#deboutChannel !== content.deboutChannel) {
			this.#channels.delete(this.#deboutChannel);
			this.#deboutChannel = content.deboutChannel;
		}
		if (this.deboutReceiver && this.#deboutChannel) {
			this.#channels.add(this.#deboutChannel);
		}
		if (this.userid !== this.#confirmedUserid) {
			this.#ownUserid = this.userid;
		}
		this.#initiated = true;
		this.#write({
			type: "initiate",
			content: {
				id: isOwnId ? this.#id : undefined,
				deboutCluster: this.deboutCluster,
				// The user's own name for himself, not what the hub made of it: a restarted hub may have another key.
				userid: this.#ownUserid,
				options: this.options,
				properties: this.properties,
				linkageKey: this.linkageKey,
				startTime: this.#startTime,
				tags: this.tags,
				resume: this.#resumeSecret ?? true
			}
		});
	}

	#onConfirm(data) {
		clearTimeout(this.#handshakeTimer);
		clearTimeout(this.#outboxTimer);
		this.#outboxTimer = undefined;
		this.#state = "opened";
		this.#attempts = 0;
		if (typeof data.peer === "string") {
			this.#id = data.peer;
		}
		this.#confirmedUserid = this.#params.userid = data.content?.userid ?? "";
		this.#resumeSecret = data.content?.resume ?? undefined;
		this.#watchExpiry(data.content?.expires);
		if (this.#channels.size) {
			this.#write({ type: "subscribe", content: { channels: [...this.#channels] } });
		}
		if (this.#deboutSelection) {
			this.#write({ type: "deboutSelection", content: this.#deboutSelection });
		}
		this.#watchSilence(this.#nudgeInterval || NUDGE_INTERVAL_MS);
		this.#retrievePeers();
		for (const entry of this.#outbox.splice(0)) {
			this.#writeOrHold(entry);
		}
	}

	// --- Inside: peers -----------------------------------------------------------------------------------

	#retrievePeers() {
		const params = { content: { linkageKey: this.linkageKey }, timeout: this.timeout };
		const take = (message) => this.#takePeers(asArray(message.content?.peers));
		const fail = (error) => {
			// Without a list nobody knows whom to wait for.
			this.#isListed = true;
			this.#held.splice(0).forEach((entry) => this.#writeEntry(entry));
			this.dispatchErrorEvent(error);
		};
		this.#request(params, undefined, take, fail, "retrievePeers");
	}

	#filterChanged() {
		if (this.#state === "opened") {
			this.#retrievePeers();
		}
		else if (this.#state === "closed" || this.#state === "closing") {
			this.dispatchErrorEvent("E_UNCONNECTED");
		}
	}

	/** Brings the collection in line with the hub's list, telling only what has changed. */
	#takePeers(list) {
		const accepted = list.filter((data) => this.#passesFilter(data));
		const present = new Set(accepted.map((data) => data.id));
		const isFirst = !this.#isListed;
		this.#isListed = true;
		new Set(this.#held.map((entry) => entry.message.peer)).forEach((id) => present.has(id) && this.#release(id));
		for (const [id, peer] of [...this.#peers]) {
			if (!present.has(id)) {
				this.#peers.delete(id);
				isFirst && this.#miss(id);
				this.#tell("removepeer", peer);
			}
		}
		for (const data of accepted) {
			const peer = this.#peers.get(data.id);
			if (!peer) {
				this.#peerPresent(data);
			}
			else {
				this.#peerSeen(peer, data);
			}
		}
	}

	/**
	 * A peer that is in the collection already has come anew, which is told; but not if the list has told of it, or will
	 * tell, since the collection is that of the last connection and the peer has come back as this one has.
	 */
	#onPresence(data) {
		const peer = this.#peers.get(data.id);
		if (peer && this.#passesFilter(data) && (!this.#isListed || peer._isSame(data))) {
			this.#peerSeen(peer, data);
		}
		else {
			this.#peerPresent(data);
		}
	}

	/** Tells what has changed of a peer that is there still. */
	#peerSeen(peer, data) {
		const hasChanged = JSON.stringify([peer.tags, peer.properties]) !== JSON.stringify([asArray(data.tags), data.properties]);
		peer._modify(data);
		hasChanged && this.#tell("alterpeer", peer);
	}

	#peerPresent(data) {
		if (this.#passesFilter(data)) {
			const peer = this.#peers.get(data.id)?._modify(data) ?? new Peer(this, data);
			this.#peers.set(data.id, peer);
			this.#tell("addpeer", peer);
		}
	}

	/** A change of tags can also bring a peer into the filtered collection, or out of it. */
	#peerAltered(data) {
		const peer = this.#peers.get(data.id)?._modify(data);
		if (!peer) {
			this.#peerPresent(data);
		}
		else if (this.#passesFilter(data)) {
			this.#tell("alterpeer", peer);
		}
		else {
			this.#peers.delete(data.id);
			this.#tell("removepeer", peer);
		}
	}

	#peerGone(data) {
		const peer = this.#peers.get(data.id)?._modify(data);
		if (peer) {
			this.#peers.delete(data.id);
			this.#miss(data.id);
			this.#tell("removepeer", peer);
		}
	}

	#miss(id) {
		this.#forgetMissing();
		this.#missing.delete(id);
		this.#missing.set(id, Date.now());
	}

	#forgetMissing() {
		const since = Date.now() - this.timeout;
		for (const [id, time] of this.#missing) {
			if (time > since) {
				return;
			}
			this.#missing.delete(id);
		}
	}

	#passesFilter(data) {
		const tags = asArray(data.tags);
		return this.#filterTags.every((tag) => tags.includes(tag));
	}

	#tell(type, peer) {
		this.dispatchEvent(this.newPeerEvent(type, peer));
	}

	// --- Inside: sending ---------------------------------------------------------------------------------

	/**
	 * Sends at once, or as soon as the hub has confirmed and the peer has come back as well; `request` is told if that
	 * fails.
	 */
	#send(message, request, isOwnState = false) {
		const fail = (error) => {
			request ? this.#failRequest(request, error) : this.dispatchErrorEvent(Object.assign(error, { messages: [message] }));
		};
		if (this.#state === "closed" || this.#state === "closing") {
			fail(codedError("E_UNCONNECTED"));
			return;
		}
		const messageid = message.messageid || newId();
		let text;
		try {
			text = JSON.stringify({ ...message, messageid });
		}
		catch (error) {
			fail(error);
			return;
		}
		const entry = { text, messageid, message, isOwnState, request, fail, deadline: Date.now() + this.timeout };
		if (this.#state === "opened" && this.readyState === SOCKET_OPEN) {
			this.#writeOrHold(entry);
		}
		else if (this.#hasRoom(entry)) {
			this.#outbox.push(entry);
			this.#watchOutbox();
		}
	}

	/** Whether one more message may wait; if not, that is told. */
	#hasRoom({ fail }) {
		const hasRoom = this.#outbox.length + this.#held.length < WAITING_MESSAGES_MAX;
		hasRoom || fail(codedError("E_QUEUEFULL", WAITING_MESSAGES_MAX + " messages wait for the connection already."));
		return hasRoom;
	}

	#writeOrHold(entry) {
		const { message } = entry;
		const awaited = ADDRESSED.has(message.type) ? asArray(message.peer).filter((id) => this.#isAwaited(id)) : [];
		if (!awaited.length) {
			this.#writeEntry(entry);
			return;
		}
		for (const peer of awaited) {
			if (this.#hasRoom(entry)) {
				const text = JSON.stringify({ ...JSON.parse(entry.text), peer });
				this.#held.push({ ...entry, text, message: { ...message, peer } });
			}
		}
		this.#watchHeld();
		const present = asArray(message.peer).filter((id) => !awaited.includes(id));
		if (present.length) {
			const text = JSON.stringify({ ...JSON.parse(entry.text), peer: present });
			this.#writeEntry({ ...entry, text, message: { ...message, peer: present } });
		}
	}

	#writeEntry(entry) {
		this.#writeText(entry.text);
		this.#remember(entry);
		if (entry.request) {
			entry.request.lastNumber = this.#lastNumber;
		}
	}

	/**
	 * Whether a peer was there before the connection was lost and may not have come back yet: until the hub's list says who
	 * has, and then as long as something waits for that peer, so that nothing overtakes it.
	 */
	#isAwaited(id) {
		if (!this.options.peerInitiationReceiver) {
			return false;
		}
		return this.#held.some((entry) => entry.message.peer === id)
			|| (!this.#isListed && (this.#peers.has(id) || this.#missing.has(id)));
	}

	/** The peer is there: what waits for it goes out. */
	#release(id) {
		const released = this.#held.filter((entry) => entry.message.peer === id);
		if (!released.length) {
			return;
		}
		this.#held = this.#held.filter((entry) => entry.message.peer !== id);
		released.forEach((entry) => this.#writeEntry(entry));
	}

	/** Tags and properties: part of the initiate, so that a message is needed only once that is sent. */
	#sendOwnState(type, content) {
		if (this.#initiated || this.#state === "closed" || this.#state === "closing") {
			this.#send({ type, content }, undefined, true);
		}
	}

	/** Subscriptions and the debout selection: told anew at each confirmation, so that they never wait. */
	#sendAfterConfirm(type, content) {
		if (this.#state === "opened" || this.#state === "closed" || this.#state === "closing") {
			this.#send({ type, content }, undefined, true);
		}
	}

	#watchOutbox() {
		if (this.#outbox.length && !this.#outboxTimer) {
			const wait = Math.max(0, this.#outbox[0].deadline - Date.now());
			this.#outboxTimer = setTimeout(() => {
				this.#outboxTimer = undefined;
				const late = this.#outbox.filter((entry) => entry.deadline <= Date.now());
				this.#outbox = this.#outbox.filter((entry) => !late.includes(entry));
				late.forEach((entry) => entry.fail(codedError("E_CONNECTIONTIMEOUT")));
				this.#watchOutbox();
			}, wait);
		}
	}

	#watchHeld() {
		clearTimeout(this.#heldTimer);
		if (this.#held.length) {
			const wait = Math.max(0, this.#held[0].deadline - Date.now());
			this.#heldTimer = setTimeout(() => {
				const late = this.#held.filter((entry) => entry.deadline <= Date.now());
				this.#held = this.#held.filter((entry) => !late.includes(entry));
				late.forEach((entry) => entry.fail(codedError("E_PEERUNKNOWN", "The peer has not come back.")));
				this.#watchHeld();
			}, wait);
		}
	}

	/** For messages that are due on this very socket, whether or not the hub has confirmed. */
	#write(message) {
		this.#writeText(JSON.stringify({ ...message, messageid: newId() }));
	}

	#writeText(text) {
		try {
			this.#socket.send(text);
		}
		catch (error) {
			this.dispatchErrorEvent(error);
		}
	}

	// --- Inside: whether the hub has heard what was sent ---------------------------------------------------

	/** Remembers what has gone out and would be lost without a word: requests end, and own state is told again. */
	#remember({ messageid, message, isOwnState, request }) {
		const { reportLost } = this.#params;
		if (reportLost === false || this.#resumeSecret === undefined || isOwnState || request) {
			return;
		}
		this.#unproven.push({ messageid, message, number: ++this.#lastNumber, time: Date.now() });
		reportLost || this.#forgetPresumed();
		if (this.#unproven.length > UNPROVEN_MAX) {
			this.#unproven.shift();
		}
		if (reportLost) {
			this.#proofTimer ??= unref(setTimeout(() => this.#askForProof(), PROOF_MS));
		}
	}

	/** Whoever does not ask for proof takes a later sign of life for one. */
	#forgetPresumed() {
		const since = this.#heardTime - PRESUMED_MS;
		const first = this.#unproven.findIndex(({ time }) => time >= since);
		this.#unproven.splice(0, first < 0 ? this.#unproven.length : first);
	}

	/**
	 * The hub works off one message after the other, so what it says to a late one proves the earlier ones: here to a
	 * question of the connection's own.
	 */
	#askForProof() {
		const number = this.#lastNumber;
		this.#ask(() => {
			this.#prove(number);
			this.#proofTimer = this.#unproven.length ? unref(setTimeout(() => this.#askForProof(), PROOF_MS)) : undefined;
		});
	}

	/** The hub has heard everything up to the message with this number. */
	#prove(number) {
		const first = this.#unproven.findIndex((each) => each.number > number);
		this.#unproven.splice(0, first < 0 ? this.#unproven.length : first);
	}

	/** One's own message has come back: whoever subscribes to what he publishes to needs no other proof. */
	#proveOwn({ messageid }) {
		const own = this.#unproven.find((each) => each.messageid === messageid);
		own && this.#prove(own.number);
	}

	/** Asks peerhub for a word. A request to nobody is one that it answers itself, at once. */
	#ask(onAnswer = () => {}) {
		const messageid = newId();
		this.#requests.set(messageid, { messageid, onResponse: onAnswer, onFailure: onAnswer });
		this.#writeText(JSON.stringify({ type: "request", messageid, peer: messageid, content: 0 }));
	}

	/** Tells the application which messages the lost connection may have swallowed. */
	#tellUnproven() {
		this.#params.reportLost || this.#forgetPresumed();
		const messages = this.#forgetUnproven().map(({ message }) => message);
		if (messages.length) {
			const explanation = messages.length + " messages may not have reached the hub.";
			this.dispatchErrorEvent(codedError("E_MAYBELOST", explanation, { messages }));
		}
	}

	#forgetUnproven() {
		clearTimeout(this.#proofTimer);
		this.#proofTimer = undefined;
		return this.#unproven.splice(0);
	}

	// --- Inside: requests --------------------------------------------------------------------------------

	#request(params, peer, onResponse, onFailure, type = "request") {
		const wait = params.timeout || REQUEST_TIMEOUT_MS;
		const messageid = newId();
		const request = { messageid, peer, name: params.name, onResponse, onFailure };
		this.#requests.set(messageid, request);
		request.timer = setTimeout(() => {
			const explanation = "Request name '" + (params.name || "UNKNOWN") + "', id: " + messageid + ", peer: " + peer;
			this.#failRequest(request, codedError("E_REQUESTTIMEOUT", explanation));
		}, wait);
		// The hub that knows the wait need not keep the request in mind any longer than this side does.
		const timeout = type === "request" && this.#resumeSecret !== undefined ? wait : undefined;
		this.#send({ type, messageid, peer, name: params.name, content: params.content, timeout }, request);
	}

	/** Ends the request that a message is about; false if there is none, or if another peer was asked. */
	#endRequest(data, outcome, value) {
		const request = this.#requests.get(data.messageid);
		const isFromAnother = request?.peer !== undefined && data.peer !== undefined && String(data.peer) !== String(request.peer);
		if (!request || isFromAnother) {
			return false;
		}
		this.#prove(request.lastNumber ?? 0);
		if (value instanceof Error) {
			this.#failRequest(request, value);
		}
		else {
			this.#forgetRequest(request);
			this.#guard(outcome(request), value);
		}
		return true;
	}

	#failRequest(request, error) {
		if (this.#requests.get(request.messageid) === request) {
			this.#forgetRequest(request);
			const { messageid, peer, name } = request;
			request.onFailure(Object.assign(error, { messageid, peer, requestName: name }));
		}
	}

	#forgetRequest(request) {
		clearTimeout(request.timer);
		this.#requests.delete(request.messageid);
		this.#outbox = this.#outbox.filter((entry) => entry.request !== request);
		this.#held = this.#held.filter((entry) => entry.request !== request);
	}

	/** Ends all that waits, because nothing will be sent or received any more. */
	#failEverything(explanation) {
		const waiting = [...this.#held.splice(0), ...this.#outbox.splice(0)].filter((entry) => !entry.request && !entry.isOwnState);
		const requests = [...this.#requests.values()];
		waiting.forEach((entry) => entry.fail(codedError("E_UNCONNECTED", explanation)));
		this.#forgetHubRequests();
		requests.forEach((request) => this.#failRequest(request, codedError("E_UNCONNECTED", explanation)));
	}

	/** The connection's own questions to the hub concern one socket only. */
	#forgetHubRequests() {
		const own = [...this.#requests.values()].filter((request) => request.peer === undefined);
		own.forEach((request) => this.#forgetRequest(request));
	}

	/** Calls the application's function, if it is one, so that its exception ends here. */
	#guard(callback, value) {
		try {
			if (typeof callback === "function") {
				callback(value);
			}
		}
		catch (error) {
			this.dispatchErrorEvent(error);
		}
	}

	// --- Inside: sleep and awakening ---------------------------------------------------------------------

	get #silenceMax() {
		return this.#nudgeInterval * 3 + 2000;
	}

	#onNudge(content) {
		const interval = Number(content?.interval);
		if (interval > 0) {
			this.#watchSilence(interval);
		}
	}

	/** From the confirmation on: a connection may die before its first nudge, and a hub may send none. */
	#watchSilence(interval) {
		if (interval !== this.#nudgeInterval || !this.#sentinel) {
			this.#nudgeInterval = interval;
			this.#checkedTime = Date.now();
			clearInterval(this.#sentinel);
			this.#sentinel = unref(setInterval(() => this.#checkSilence(), Math.ceil(interval / 2.5)));
		}
	}

	/**
	 * Nudges come as long as the connection lives and the machine is awake. After too long a silence a socket
	 * that claims to be open is asked for a sign of life first: on awakening, nudges may merely be on their way.
	 */
	#checkSilence() {
		const now = Date.now();
		if (now - this.#checkedTime > this.#silenceMax) {
			// This check itself is late by so much: the machine slept (again).
			this.#awakened = false;
		}
		this.#checkedTime = now;
		if (!this.#nudgeInterval || now - this.#heardTime <= this.#silenceMax || this.#awakened) {
			return;
		}
		if (this.#state === "waiting") {
			this.#awaken();
		}
		else if (this.#state === "opened" && !this.#probeTimer) {
			const socket = this.#socket;
			this.#probeTimer = unref(setTimeout(() => {
				this.#probeTimer = undefined;
				if (socket === this.#socket && this.#state === "opened") {
					this.#awaken();
				}
			}, PROBE_MS));
			if (this.readyState === SOCKET_OPEN) {
				this.#resumeSecret === undefined ? this.#retrievePeers() : this.#ask();
			}
		}
	}

	#awaken() {
		this.#awakened = true;
		if (!IN_NODE) {
			this.dispatchEvent(new ConnectionEvent("awakening"));
		}
		// A listener may have closed the connection or opened it anew.
		if (this.#state === "waiting" || this.#state === "opened") {
			this.#reopenNow();
		}
	}

	/** Browsers tell when the network comes back and when the page goes or returns. */
	#watchPage() {
		if (IN_NODE || this.#pageListeners.length || typeof globalThis.addEventListener !== "function") {
			return;
		}
		const watch = (target, type, listener) => {
			target?.addEventListener(type, listener);
			target && this.#pageListeners.push([target, type, listener]);
		};
		watch(globalThis, "online", () => this.#state === "waiting" && this.#reopenNow());
		watch(globalThis.document, "visibilitychange", () => this.#checkSilence());
		watch(globalThis, "pagehide", () => {
			this.#sendLeave(this.#socket);
			clearTimeout(this.#reopenTimer);
			this.#state = "away";
		});
		watch(globalThis, "pageshow", (event) => event.persisted && this.#state === "away" && this.#reopenNow());
	}
}

/** Lets a promise be dropped without Node ending the process over its rejection; awaiting it still rejects. */
function quietly(promise) {
	promise.catch(() => {});
	return promise;
}

host.publish(OkPeerConnection);

})({
	require: globalThis.process?.getBuiltinModule?.("module")?.createRequire(import.meta.url),
	source: import.meta.url,
	publish: (connection) => { OkPeerConnection = connection; }
});

export { OkPeerConnection, OkPeerConnection as default };
