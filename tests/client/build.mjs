// Makes the ES module and the minified script from src/web/client/ok-peerconnection.js.
// `--check` writes nothing and fails if what is there is not what would be made.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { transform } from "esbuild";

const folder = new URL("../../src/web/client/", import.meta.url);
const hostMark = "})( // The build replaces all from here on";

const moduleHead = `// Made from ok-peerconnection.js by \`npm run build\` in tests/client: change that file, not this one.

let OkPeerConnection;

`;

// Node gives this module no \`require\`, and a static import of Node's modules would fail in browsers.
const moduleTail = `})({
	require: globalThis.process?.getBuiltinModule?.("module")?.createRequire(import.meta.url),
	source: import.meta.url,
	publish: (connection) => { OkPeerConnection = connection; }
});

export { OkPeerConnection, OkPeerConnection as default };
`;

function esModule(source) {
	const start = source.indexOf(hostMark);
	if (start < 0) {
		throw new Error("ok-peerconnection.js has lost the line that begins with: " + hostMark);
	}
	return moduleHead + source.slice(0, start) + moduleTail;
}

async function minified(source) {
	const { code } = await transform(source, { minify: true, target: "es2022", legalComments: "inline", charset: "utf8" });
	return code;
}

const source = await readFile(new URL("ok-peerconnection.js", folder), "utf8");
const made = {
	"ok-peerconnection.mjs": esModule(source),
	"ok-peerconnection-min.js": await minified(source)
};

for (const [name, text] of Object.entries(made)) {
	const file = new URL(name, folder);
	if (process.argv.includes("--check")) {
		const present = await readFile(file, "utf8").catch(() => "");
		if (present !== text) {
			console.error(`${fileURLToPath(file)} is stale: run "npm run build" in tests/client`);
			process.exitCode = 1;
		}
	}
	else {
		await writeFile(file, text);
		console.log(`${name}: ${Buffer.byteLength(text)} bytes`);
	}
}
