// What pages need to connect to each other by WebRTC in a browser of the tests, and pages of another origin that use
// peero's client.

import { EVENT_MS, startBrowser } from "./browser.mjs";
import { startHub } from "./hub.mjs";

/**
 * A browser that shows addresses of this machine as they are: otherwise Chromium hides them behind names that it makes
 * up and asks for by multicast, which not every machine that runs tests has.
 */
export const startRtcBrowser = () => startBrowser(["--disable-features=WebRtcHideLocalIpsWithMdns"]);

/** A hub of the test's own and a browser context; both end with the test. */
export async function stage(t, browser, moreFlags = []) {
	const made = { hub: await startHub({ moreFlags }), context: await browser.newContext() };
	made.context.setDefaultTimeout(EVENT_MS);
	t.after(async () => {
		await made.context.close();
		await made.hub.kill();
	});
	return made;
}

/** Opens a page and keeps what goes wrong in it. */
export async function open(context, url) {
	const page = await context.newPage();
	page.faults = [];
	page.on("pageerror", (error) => page.faults.push(String(error)));
	await page.goto(url);
	return page;
}

/** What such a page gets: `begin(url)`, and a record of each event, which `heard` reads. */
function pageTools() {
	const events = window.events = [];
	window.heard = (type) => events.filter((event) => event.type === type);
	window.begin = async (module, options) => {
		const { Peero } = await import(module);
		const peero = new Peero(options);
		window.peero = peero;
		for (const type of ["open", "close", "peer", "message", "remove", "error"]) {
			peero.addEventListener(type, ({ peer, data, error }) => {
				const bytes = data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data;
				events.push({ type, peer, data: bytes, error: error && `${error.code}: ${error.message}` });
			});
		}
	};
	const Connection = window.RTCPeerConnection;
	window.links = [];
	window.RTCPeerConnection = class extends Connection {
		constructor(...given) {
			super(...given);
			window.links.push(this);
		}
	};
}

/** Opens a page of another server, `other`, that loads the client from the hub. */
export async function guest(context, hub, other, options) {
	const page = await context.newPage();
	page.faults = [];
	page.on("pageerror", (error) => page.faults.push(String(error)));
	await page.addInitScript(pageTools);
	// One without a policy of its own, which would forbid other servers' scripts.
	await page.goto(other.url + "ok-peerconnection.js");
	await page.evaluate(([module, given]) => window.begin(module, given), [hub.url + "peero.js", options]);
	return page;
}

/** Waits until the page has heard so many events of a type; all of them. */
export async function heard(page, type, count = 1) {
	const handle = await page.waitForFunction(([name, least]) => {
		const events = window.heard(name);
		return events.length >= least && events;
	}, [type, count], { polling: 20 });
	return handle.jsonValue();
}

export const idOf = (page) => page.evaluate(() => window.peero.id);
export const peersOf = (page) => page.evaluate(() => window.peero.peers);
