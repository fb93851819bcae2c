// A hub that lets nobody in without a token, and the tokens that it takes.

import { createHmac, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHub } from "./hub.mjs";

const secret = randomBytes(32).toString("hex");

/** A token of ann's that holds for so many milliseconds, with more claims. */
export function token(holdsMs, more = {}) {
	const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
	const message = part({ alg: "HS256", typ: "JWT" }) + "." + part({ sub: "ann", exp: (Date.now() + holdsMs) / 1000, ...more });
	return message + "." + createHmac("sha256", secret).update(message).digest("base64url");
}

/** A hub that asks for tokens and forgives no clock. It ends with the test. */
export async function guardedHub(t) {
	const folder = await mkdtemp(join(tmpdir(), "peerhub-tokens-"));
	const file = join(folder, "secret");
	await writeFile(file, secret);
	const hub = await startHub({ moreFlags: ["--token-secret-file", file, "--token-leeway", "0"] });
	t.after(async () => {
		await hub.kill();
		await rm(folder, { recursive: true });
	});
	return hub;
}
