// Types of OkPeerConnection 2.0.0, for CommonJS and the script tag; ok-peerconnection.d.mts passes them on
// to the ES module. Rules that types cannot tell are in the README's chapter on the client.

export = OkPeerConnection;
export as namespace OkPeerConnection;

declare class OkPeerConnection {
	/** Throws nothing; `open()` reports a missing `linkageKey` by the error event. */
	constructor(params?: OkPeerConnection.Params);

	/** The class itself, so that `const { OkPeerConnection } = require(…)` works too. */
	static readonly OkPeerConnection: typeof OkPeerConnection;

	/** How often a socket was opened so far. */
	readonly connectCount: number;
	readonly deboutCluster: string | undefined;
	deboutReceiver: boolean;
	readonly filterTags: string[];
	/** The id in force; before the first greeting of the hub, the one given to the constructor. */
	readonly id: string | undefined;
	readonly linkageKey: string;
	readonly options: Required<OkPeerConnection.Options>;
	readonly params: OkPeerConnection.Params;
	readonly properties: OkPeerConnection.Properties;
	/** As a WebSocket's: 0 connecting, 1 open, 2 closing, 3 closed; undefined without a socket. */
	readonly readyState: number | undefined;
	/** Milliseconds. */
	readonly reopenInterval: number;
	/** Milliseconds; kept for old applications, since nothing is sent by polling. */
	readonly resendInterval: number;
	readonly startTime: Date | null;
	readonly tags: string[];
	/** Milliseconds. */
	readonly timeout: number;
	readonly url: string | undefined;
	/** As the hub shows it to the peers; encrypted if the hub has a key. */
	readonly userid: string;
	readonly version: string;

	addFilterTag(tag: string | string[]): this;
	addTag(tag: string | string[]): this;
	close(): this;
	deboutSelection(selection: OkPeerConnection.DeboutSelection): this;
	dispatchErrorEvent(code: string | Error, explanation?: string): void;
	filter(callback: (peer: OkPeerConnection.Peer) => unknown): OkPeerConnection.Peer[];
	find(callback: (peer: OkPeerConnection.Peer) => unknown): OkPeerConnection.Peer | undefined;
	forEachPeer(callback: (peer: OkPeerConnection.Peer) => void): this;
	newId(): string;
	newPeerEvent(event: string | { type: string; peer?: OkPeerConnection.Peer }, peer?: OkPeerConnection.Peer): OkPeerConnection.PeerEvent;
	notify(params: OkPeerConnection.NotifyParams & { peer: string | string[] }): this;
	open(): this;
	publish(params: { channel: string; message: unknown; options?: object }): this;
	removeFilterTag(tag: string | string[]): this;
	removeTag(tag: string | string[]): this;

	/** With `onResponse` it chains and calls back once per answer. */
	request(params: OkPeerConnection.RequestParams & { peer: string | string[]; onResponse: (message: OkPeerConnection.MessageIn) => void }): this;
	/** Without `onResponse` it promises the answer of one peer … */
	request(params: OkPeerConnection.RequestParams & { peer: string; onResponse?: undefined }): Promise<OkPeerConnection.MessageIn>;
	/** … or, as Promise.all does, the answers of several in the order of the peers. */
	request(params: OkPeerConnection.RequestParams & { peer: string[]; onResponse?: undefined }): Promise<OkPeerConnection.MessageIn[]>;

	respond(params: { peer: string; messageid: string; name?: string; content: unknown }): this;
	setProperties(properties?: OkPeerConnection.Properties): this;
	subscribe(params: { channels: string | string[] }): this;
	unsubscribe(params: { channels: string | string[] }): this;
	/** Sends a debug message to the debout receivers. */
	_debout(message: unknown): this;

	on<T extends string>(type: T, listener: (event: OkPeerConnection.EventOf<T>) => void): this;
	once<T extends string>(type: T, listener: (event: OkPeerConnection.EventOf<T>) => void): this;
	off<T extends string>(type: T, listener: (event: OkPeerConnection.EventOf<T>) => void): this;
	addEventListener<T extends string>(type: T, listener: (event: OkPeerConnection.EventOf<T>) => void, options?: { once?: boolean }): void;
	removeEventListener<T extends string>(type: T, listener: (event: OkPeerConnection.EventOf<T>) => void): void;
	dispatchEvent(event: { readonly type: string }): boolean;
}

declare namespace OkPeerConnection {
	type Properties = Record<string, unknown>;

	interface Options {
		/** Default false. */
		deboutReceiver?: boolean;
		/** Default true. */
		peerInitiationReceiver?: boolean;
		/** Default true. */
		peerInitiationSender?: boolean;
	}

	interface Params {
		deboutCluster?: string;
		/**
		 * Gives the token to open with: called before each opening, and again before the token in force expires. Nothing, or
		 * an empty text, opens without one.
		 */
		getToken?: () => string | undefined | null | Promise<string | undefined | null>;
		id?: string;
		/** Which peers see each other; required by `open()`. */
		linkageKey?: string;
		options?: Options;
		properties?: Properties;
		/** Milliseconds, default 3000. */
		reopenInterval?: number;
		/**
		 * Which messages the error `E_MAYBELOST` names when a connection is lost: by default those of the last second before the
		 * hub's last sign of life and later; with true all of which there is no proof that the hub has heard them; with false
		 * none.
		 */
		reportLost?: boolean;
		/** Milliseconds, default 100. */
		resendInterval?: number;
		tags?: string | string[];
		/** Milliseconds, default 30000. */
		timeout?: number;
		/** http, https, ws or wss; required in Node, in browsers by default where the script came from. */
		url?: string;
		userid?: string;
		/** The WebSocket class to use in place of the built-in one or that of the package `ws`. */
		WebSocket?: new (url: string, protocols?: string[]) => unknown;
	}

	interface DeboutSelection {
		client2hub?: boolean;
		hub2client?: boolean;
		terminate?: boolean;
		clientdebout?: boolean;
		connected?: boolean;
	}

	interface NotifyParams {
		name?: string;
		content: unknown;
	}

	interface RequestParams {
		name?: string;
		content: unknown;
		onError?: (error: ConnectionError) => void;
		/** Milliseconds, default 20000. */
		timeout?: number;
	}

	/** What the error event carries; the last three are those of a failed request. */
	interface ConnectionError extends Error {
		code?: string;
		/** With `E_MAYBELOST`: the messages, oldest first, as they go over the wire. */
		messages?: { type: string; [field: string]: unknown }[];
		messageid?: string;
		peer?: string;
		requestName?: string;
	}

	interface Peer {
		readonly connection: OkPeerConnection;
		readonly id: string;
		readonly linkageKey: string;
		readonly properties: Properties;
		readonly startTime: Date;
		readonly tags: string[];
		readonly userid: string;
		hasAllTags(tags?: string[]): boolean;
		hasAnyTag(tags?: string[]): boolean;
		hasAnyTags(tags?: string[]): boolean;
		hasTag(tag: string): boolean;
		notify(params: NotifyParams): this;
		request(params: RequestParams & { onResponse: (message: MessageIn) => void }): this;
		request(params: RequestParams & { onResponse?: undefined }): Promise<MessageIn>;
	}

	interface MessageIn<Content = any> {
		readonly content: Content;
		readonly data: { type: string; messageid: string; name?: string; peer?: string; content: Content };
		readonly id: string;
		readonly message: this["data"];
		readonly name: string | undefined;
		/** Undefined while the sender is not in the collection of peers. */
		readonly peer: Peer | undefined;
		readonly peerConnection: OkPeerConnection;
		readonly time: Date;
		readonly timeAsMilliseconds: number;
		readonly type: string;
		respond(content?: unknown): void;
	}

	interface ConnectionEvent {
		readonly type: string;
	}

	interface PeerEvent extends ConnectionEvent {
		peer: Peer;
	}

	interface MessageEvent<Content = any> extends ConnectionEvent {
		message: MessageIn<Content>;
	}

	interface ErrorEvent extends ConnectionEvent {
		error: ConnectionError;
		/** The hub's own message, if the error came as one. */
		message?: MessageIn;
	}

	interface DeboutEvent extends ConnectionEvent {
		data: { time: number; message: any };
	}

	interface EventMap {
		addpeer: PeerEvent;
		alterpeer: PeerEvent;
		removepeer: PeerEvent;
		awakening: ConnectionEvent;
		close: ConnectionEvent;
		open: ConnectionEvent;
		debout: DeboutEvent;
		error: ErrorEvent;
		message: MessageEvent<{ channel: string; message: any; options: any }>;
		notify: MessageEvent;
		request: MessageEvent;
	}

	/** Every other type is that of a message from the hub: accept, confirm, presence, nudge and so on. */
	type EventOf<T extends string> = T extends keyof EventMap ? EventMap[T] : MessageEvent;
}
