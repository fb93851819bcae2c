// Runs the original ok-peerhub server (its folder in OK_PEERHUB_DIR) with the same outside as the peerhub
// binary: the address on stderr, the client and the start page over HTTP. The settings come as one JSON text.

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const settings = JSON.parse(process.argv[2]);
const OkPeerHub = require(path.resolve(process.env.OK_PEERHUB_DIR, "ok-peerhub.js"));
const web = path.join(__dirname, "../../../src/web");

const served = {
	"/": ["start.html", "text/html; charset=utf-8"],
	"/ok-peerconnection.js": ["client/ok-peerconnection.js", "text/javascript; charset=utf-8"],
	"/ok-peerconnection.mjs": ["client/ok-peerconnection.mjs", "text/javascript; charset=utf-8"],
	"/ok-peerconnection-min.js": ["client/ok-peerconnection-min.js", "text/javascript; charset=utf-8"]
};

const server = http.createServer((request, response) => {
	const [file, type] = served[request.url] ?? [];
	if (!file) {
		response.writeHead(404).end();
		return;
	}
	const text = fs.readFileSync(path.join(web, file), "utf8").replaceAll("{{version}}", "0.0.0-original");
	response.writeHead(200, { "content-type": type }).end(text);
});

new OkPeerHub({
	httpServer: server,
	deboutEnabled: settings.debout,
	nudgeInterval: settings.nudgeInterval,
	pingInterval: settings.pingInterval
});

server.listen(settings.port, "127.0.0.1", () => {
	console.error(`listening on 127.0.0.1:${server.address().port}`);
});
