// Types of peero.js: pages that connect to each other directly, through a hub's /peero.

/** Something that has happened. */
export class PeeroEvent extends Event {
	/** The id of whom it is about. */
	readonly peer: string | undefined;
	/** What a peer has sent, with `message`: text, or bytes. */
	readonly data: string | ArrayBuffer | undefined;
	/** With `error`; of the hub's errors `code` is an `E_…`. */
	readonly error: (Error & { code?: string | number }) | undefined;
}

export interface PeeroOptions {
	/** The hub: `https://hub.example.org`, or the whole `wss://hub.example.org/peero`. By default the one that served the module. */
	url?: string | URL;
	/** For `new RTCPeerConnection`: the ICE servers, if pages in different networks are to connect. */
	rtc?: RTCConfiguration;
	/** Direct connections at a time; 100 by default. */
	maxPeers?: number;
	/** Milliseconds until a connection that does not come about is given up and tried anew; 20000 by default. */
	linkTimeout?: number;
	/** Milliseconds to wait for the candidates of a description; 2000 by default. */
	gatherTime?: number;
	/** Milliseconds before the first attempt to reconnect, doubled after each failure; 500 by default. */
	reconnectTime?: number;
	/** The longest wait between two attempts, milliseconds; 30000 by default. */
	maxReconnectTime?: number;
}

export interface PeeroEvents {
	/** The hub has given this page its `id`. */
	open: PeeroEvent;
	/** The connection to the hub is lost; it comes back by itself. Peers stay connected until then. */
	close: PeeroEvent;
	/** There is a direct connection with `peer` now. */
	peer: PeeroEvent & { readonly peer: string };
	/** `peer` has sent `data`. */
	message: PeeroEvent & { readonly peer: string; readonly data: string | ArrayBuffer };
	/** The direct connection with `peer` is gone. */
	remove: PeeroEvent & { readonly peer: string };
	/** Something has failed; `peer` if it concerns one. */
	error: PeeroEvent & { readonly error: Error & { code?: string | number } };
}

/** Connects with everybody at one hub, and again whenever hub or others have been away. Begins at once. */
export class Peero extends EventTarget {
	constructor(options?: PeeroOptions);

	/** The id that the hub has given; another one after each time that the hub was away. */
	readonly id: string | undefined;
	/** The hub's URL. */
	readonly url: string;
	/** Whether there is a connection to the hub. Messages between pages need none. */
	readonly isConnected: boolean;
	/** The ids of those who can be sent messages. */
	readonly peers: string[];

	/** Sends text or bytes to one peer, or to all; returns to how many. */
	send(data: string | Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer>, to?: string): number;
	/** Leaves for good. */
	close(): void;

	addEventListener<K extends keyof PeeroEvents>(type: K, listener: (event: PeeroEvents[K]) => void, options?: boolean | AddEventListenerOptions): void;
	addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
	removeEventListener<K extends keyof PeeroEvents>(type: K, listener: (event: PeeroEvents[K]) => void, options?: boolean | EventListenerOptions): void;
	removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}
