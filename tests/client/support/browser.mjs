// Debian's Chromium, and pages that load the client from the hub.

import { chromium } from "playwright-core";

const flags = [
	"--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
	"--disable-background-networking", "--disable-component-update", "--disable-sync"
];

export function startBrowser(moreFlags = []) {
	return chromium.launch({ executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium", args: [...flags, ...moreFlags] });
}

/** How long an event may take on a busy machine before its test has failed. */
export const EVENT_MS = 15000;

const scripts = {
	script: { url: "/ok-peerconnection.js" },
	minified: { url: "/ok-peerconnection-min.js" },
	module: {
		type: "module",
		content: 'import Default, { OkPeerConnection } from "/ok-peerconnection.mjs"; window.OkPeerConnection = Default === OkPeerConnection && Default;'
	}
};

/** What a page gets beside the client: `open(params)` and a record of each event, which `heard` reads. */
function pageTools() {
	const events = [];
	window.heard = (type) => events.filter((event) => event.type === type);
	window.openConnection = (params) => {
		const connection = new window.OkPeerConnection(params);
		window.connection = connection;
		for (const type of ["open", "close", "confirm", "nudge", "addpeer", "alterpeer", "removepeer", "awakening", "message", "notify", "request", "error"]) {
			connection.on(type, (event) => events.push({
				type, peer: event.peer?.id, name: event.message?.name, content: event.message?.content, code: event.error?.code
			}));
		}
		connection.on("request", ({ message }) => message.respond({ echo: message.content }));
		connection.open();
	};
}

/** Opens a page that has the client in one of its forms: script, minified or module. */
export async function clientPage(browser, hub, form, { falseClock = false } = {}) {
	const context = await browser.newContext();
	context.setDefaultTimeout(EVENT_MS);
	const page = await context.newPage();
	page.faults = [];
	page.on("pageerror", (error) => page.faults.push(String(error)));
	if (falseClock) {
		await page.clock.install();
	}
	await page.addInitScript(pageTools);
	// A page that the test made up would count as one of the public network, from which Chromium lets nobody
	// connect to this machine. So it is the hub's, one without a script of its own: the client's text.
	await page.goto(hub.url + "ok-peerconnection.js");
	await page.addScriptTag(scripts[form]);
	await page.waitForFunction(() => window.OkPeerConnection);
	return page;
}

/** Waits until the page has heard so many events of a type; the last of them. */
export async function heard(page, type, count = 1) {
	const handle = await page.waitForFunction(([name, least]) => {
		const events = window.heard(name);
		return events.length >= least && events.at(-1);
	}, [type, count], { polling: 20 });
	return handle.jsonValue();
}
