// Uses peero's types as an application would; each @ts-expect-error fails if the types are too lax.

import { Peero, PeeroEvent, type PeeroOptions } from "../../../src/web/client/peero.js";

const options: PeeroOptions = { url: "https://hub.example.org", rtc: { iceServers: [{ urls: "stun:stun.example.org" }] }, maxPeers: 10 };
const peero = new Peero(options);

peero.addEventListener("peer", ({ peer }) => peero.send("hello", peer));
peero.addEventListener("message", ({ peer, data }) => {
	const text: string = typeof data === "string" ? data : new TextDecoder().decode(data);
	peero.send(new Uint8Array(text.length), peer);
});
peero.addEventListener("error", ({ peer, error }) => [peer?.length, error.code, error.message], { once: true });
const listener = (event: PeeroEvent) => event.type;
peero.addEventListener("remove", listener);
peero.removeEventListener("remove", listener);

export const told: [string | undefined, string, boolean, string[]] = [peero.id, peero.url, peero.isConnected, peero.peers];
export const count: number = new Peero().send(new ArrayBuffer(3));
peero.close();

// @ts-expect-error: an object is not sent as such
peero.send({ text: "hello" });
// @ts-expect-error: the id is the hub's to give
peero.id = "x";
// @ts-expect-error: an opening is about nobody else
peero.addEventListener("open", ({ peer }) => peer.length);
// @ts-expect-error: there is no such option
new Peero({ peers: 3 });
