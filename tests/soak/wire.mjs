// The client's side of a WebSocket, as small as a load allows: text frames under a mask of zeros out, whole frames in.

import { connect } from "node:net";

/** Opens a WebSocket. `onText(text)` is called for each message, `onEnd()` once when the connection is over, whatever the reason. */
export function open({ port, path, localAddress, onText, onEnd }) {
	const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true });
	let held = Buffer.alloc(0);
	let isOpen = false;
	socket.write(`GET ${path} HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
	socket.on("error", () => {});
	socket.on("close", () => onEnd?.());
	socket.on("data", (bytes) => {
		held = held.length ? Buffer.concat([held, bytes]) : bytes;
		let at = 0;
		if (!isOpen) {
			const end = held.indexOf("\r\n\r\n");
			if (end < 0) {
				return;
			}
			isOpen = held.toString("latin1", 9, 12) === "101";
			if (!isOpen) {
				socket.destroy();
				return;
			}
			at = end + 4;
		}
		for (;;) {
			let length = held[at + 1];
			let start = at + 2;
			if (length === 126) {
				length = held.length >= at + 4 ? held.readUInt16BE(at + 2) : NaN;
				start = at + 4;
			} else if (length === 127) {
				length = held.length >= at + 10 ? Number(held.readBigUInt64BE(at + 2)) : NaN;
				start = at + 10;
			}
			if (!(held.length >= start + length)) {
				break;
			}
			const first = held[at];
			at = start + length;
			if (first === 0x81) {
				onText(held.toString("utf8", start, at));
			} else if (first === 0x89) {
				socket.write(frame(0x8a, Buffer.alloc(0)));
			} else if (first === 0x88) {
				socket.end(frame(0x88, held.subarray(start, start + Math.min(length, 2))));
			}
		}
		held = held.subarray(at);
	});
	return {
		socket,
		say: (message) => socket.write(frame(0x81, Buffer.from(JSON.stringify(message)))),
		/** Ends in one of four ways. */
		leave(how) {
			if (how === 0) {
				socket.end(frame(0x88, Buffer.from([0x03, 0xe8])));
			} else if (how === 1) {
				socket.end();
			} else if (how === 2) {
				socket.resetAndDestroy();
			} else {
				socket.destroy();
			}
		}
	};
}

function frame(first, payload) {
	const length = payload.length;
	const header = length < 126 ? [first, 0x80 | length] : [first, 0x80 | 126, length >> 8, length & 255];
	return Buffer.concat([Buffer.from([...header, 0, 0, 0, 0]), payload]);
}
