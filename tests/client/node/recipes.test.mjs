// The recipes of the README by which servers make tokens: taken out of it as they are, run, and what they print lets in.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { connector, next } from "../support/connections.mjs";
import { isPeerhub, startHub } from "../support/hub.mjs";

const run = promisify(execFile);
const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
const chapter = /\n### Tokens\n(.*?)\n##/s.exec(readme)[1];
/** The one block of the chapter in this language that has this text in it. */
function block(language, text) {
	const blocks = [...chapter.matchAll(/```(\w+)\n(.*?)```/gs)].filter(([, name, code]) => name === language && code.includes(text));
	assert.equal(blocks.length, 1, `${language} ${text}`);
	return blocks[0][2];
}
/** The commands that stand in the text, beginning with this. */
const commands = (start) => [...chapter.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code).filter((code) => code.startsWith(start));

test("the README's recipes make tokens that count", { skip: !isPeerhub && "only peerhub has tokens" }, async (t) => {
	const folder = await mkdtemp(join(tmpdir(), "peerhub-recipes-"));
	t.after(() => rm(folder, { recursive: true }));
	await symlink(resolve(process.env.PEERHUB_BIN), join(folder, "peerhub"));
	const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
	const shell = async (script) => (await run("sh", ["-euc", script], { cwd: folder, env })).stdout.trim();

	const [makeSecret, serve, makeToken] = block("sh", "--new-secret").trim().split("\n");
	assert.equal(serve, "peerhub --token-secret-file secret &");
	await shell(makeSecret);
	const openssl = commands("openssl ");
	assert.equal(openssl.length, 2);
	await shell(openssl.join("\n"));
	assert.deepEqual(commands("peerhub --token-public-key"), ["peerhub --token-public-key public.pem"]);
	const moreFlags = ["--token-secret-file", join(folder, "secret"), "--token-public-key", join(folder, "public.pem")];
	const hub = await startHub({ moreFlags });
	t.after(hub.kill);

	await writeFile(join(folder, "recipe.js"), block("js", "createHmac"));
	await writeFile(join(folder, "recipe.py"), block("python", "hmac"));
	const recipes = {
		"peerhub token": makeToken,
		Node: `${process.execPath} recipe.js`,
		Python: "python3 recipe.py",
		openssl: block("sh", "openssl pkeyutl")
	};
	for (const [name, script] of Object.entries(recipes)) {
		const token = await shell(script);
		const connect = connector(t, hub, "room-1");
		const ann = await connect.joined({ getToken: () => token });
		assert.equal(ann.userid, "ann", name);
		// The token is for rooms, and for nothing else.
		const elsewhere = connector(t, hub, "elsewhere")({ getToken: () => token });
		const refused = next(elsewhere, "error");
		elsewhere.open();
		assert.equal((await refused).error.code, "E_FORBIDDEN", name);
	}
});
