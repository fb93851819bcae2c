// The chart in the README: that it is what the record says now, what it shows, and which records it refuses.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { chart } from "../../../benches/chart.mjs";

const record = `# Measured

## Side by side

### CPU of the server, µs per unit (times the floor)

| server | fanout-100 | fanout-1000 | connect |
|---|---:|---:|---:|
| limit | 5.98 (19.3) | 7.67 (12.8) | 47.0 (1.00) |
| limit-batch | 0.310 (1.00) | 0.600 (1.00) | – |
| node-ws | 10.6 (34.2) | 13.2 (22.0) | 694 (14.8) |
| peerhub | 0.233 (0.75) | 0.571 (0.95) | 70.1 (1.49) |
| ok-peerhub | 17.4 (56.1) | 1,020 (1,700) | 736 (15.7) |
| peerserver | – | – | 648 (13.8) |

### Latency and memory

| server | pairs-100, ms | idle-10000, bytes each |
|---|---:|---:|
| limit | 2.29 / 3.95 / 12.8 | 73 |
| limit-batch | – | – |
| node-ws | 7.82 / 12.0 / 13.7 | 7,913 |
| peerhub | 2.01 / 3.99 / 9.10 | 980 |
| ok-peerhub | 10.8 / 19.3 / 22.0 | 13,232 (2,000 connections) |
| peerserver | 6.32 / 12.3 / 14.9 | 7,482 |

## Another chapter

### Latency and memory
`;

/** The texts of a chart, from top to bottom and from left to right as they are drawn. */
const texts = (svg) => [...svg.matchAll(/<text [^>]*>([^<]*)</g)].map(([, text]) => text);
/** How long the bars are: of each kind, in the order in which they are drawn. */
const lengths = (svg, kind) =>
	[...svg.matchAll(new RegExp(`<rect class="${kind}" [^>]*width="([^"]+)"`, "g"))].map(([, width]) => Number(width));

/** Runs the command: its exit code and what it complains of. */
function run(...options) {
	const script = fileURLToPath(new URL("../../../benches/chart.mjs", import.meta.url));
	return new Promise((resolve) => {
		execFile(process.execPath, [script, ...options], (error, stdout, stderr) => resolve({ code: error?.code ?? 0, said: stdout + stderr }));
	});
}

test("the chart in the repository is the record's", async () => {
	assert.deepEqual(await run("--check"), { code: 0, said: "" });
});

test("a chart that is stale or missing is told of and left as it is", async (t) => {
	const folder = await mkdtemp(join(tmpdir(), "chart-"));
	t.after(() => rm(folder, { recursive: true }));
	const files = [`--record=${join(folder, "record.md")}`, `--svg=${join(folder, "chart.svg")}`];
	await writeFile(join(folder, "record.md"), record);
	const missing = await run("--check", ...files);
	assert.equal(missing.code, 1);
	assert.match(missing.said, /chart\.svg/);
	assert.deepEqual(await run(...files), { code: 0, said: "" });
	const made = await readFile(join(folder, "chart.svg"), "utf8");
	assert.equal(made, chart(record));
	assert.deepEqual(await run("--check", ...files), { code: 0, said: "" });
	await writeFile(join(folder, "record.md"), record.replace("0.571", "0.572"));
	const stale = await run("--check", ...files);
	assert.equal(stale.code, 1);
	assert.match(stale.said, /chart\.svg is not what .*record\.md says/);
	assert.equal(await readFile(join(folder, "chart.svg"), "utf8"), made);
});

test("servers stand in the order of their figures, those without one below", () => {
	const shown = texts(chart(record));
	const second = shown.indexOf("Memory per connection");
	assert.deepEqual(shown.slice(0, second), [
		"CPU per delivery", "µs of the server’s CPU time, publishing to 1,000 subscribers",
		"peerhub", "0.571", "floor", "0.600", "node ws", "13.2", "ok-peerhub", "1,020", "No figure: PeerServer"
	]);
	assert.deepEqual(shown.slice(second, second + 12), [
		"Memory per connection", "bytes of RSS, with 10,000 joined and idle",
		"floor", "73", "peerhub", "980", "PeerServer", "7,482", "node ws", "7,913", "ok-peerhub", "13,232 (2,000 connections)"
	]);
	assert(!shown[second + 12].startsWith("No figure"));
});

test("a bar is as long as its figure says", () => {
	const [nodeWs, okPeerhub, , , okPeerhubBytes] = lengths(chart(record), "peer");
	assert(Math.abs(nodeWs / okPeerhub - 13.2 / 1020) < 1e-3, `${nodeWs} ${okPeerhub}`);
	const [, bytes] = lengths(chart(record), "ours");
	assert(Math.abs(bytes / okPeerhubBytes - 980 / 13232) < 1e-3, `${bytes} ${okPeerhubBytes}`);
});

test("any number of servers fits, whatever their names", () => {
	const ours = record.split("\n").filter((line) => !/^\| (limit|node|ok-|peers)/.test(line)).join("\n");
	const alone = chart(ours);
	assert.equal(lengths(alone, "ours").length, 2);
	assert.deepEqual([...lengths(alone, "floor"), ...lengths(alone, "peer")], []);
	assert.throws(() => chart(ours.replace("980", "0")), { message: '"### Latency and memory": every figure below "idle-10000, bytes each" is 0' });
	const rows = ["<&>", "b", "c"].map((name) => `| ${name} | – | 1.5 (2.5) | – |\n`).join("");
	const more = chart(record.replace("| node-ws | 10.6", `${rows}| node-ws | 10.6`));
	assert(texts(more).includes("&lt;&amp;&gt;"));
	const heights = [alone, chart(record), more].map((svg) => Number(/ height="(\d+)"/.exec(svg)[1]));
	assert(heights[0] < heights[1] && heights[1] < heights[2], `${heights}`);
});

const refused = [
	["no chapter", "## Side by side", "## Elsewhere", 'the record lacks the heading "## Side by side"'],
	["no CPU table", "### CPU of", "### Time of", 'the record lacks the heading "### CPU of the server, µs per unit (times the floor)"'],
	["no memory table in the chapter", "### Latency and memory", "### Latency", 'the record lacks the heading "### Latency and memory"'],
	["a heading without its table", "| server | pairs", "| peer | pairs", '"### Latency and memory": no table whose first column is "server"'],
	["a table without its rule", "|---|---:|---:|\n", "", '"### Latency and memory": no table whose first column is "server"'],
	["no such case", "fanout-1000", "fanout-999", '"### CPU of the server, µs per unit (times the floor)": 0 columns named "fanout-1000", where one is wanted'],
	["two columns of bytes", "pairs-100, ms", "idle-1, bytes", '"### Latency and memory": 2 columns named "idle…, bytes…", where one is wanted'],
	["bytes of how many", "idle-10000, bytes", "idle, bytes", '"### Latency and memory": "idle, bytes each" does not say how many connections, as "idle-10000, bytes each"'],
	["a cell of words", "13.2 (22.0)", "fast", '"### CPU of the server, µs per unit (times the floor)": the cell of node-ws below "fanout-1000" is no figure: "fast"'],
	["an empty cell", "7,482", "", '"### Latency and memory": the cell of peerserver below "idle-10000, bytes each" is no figure: ""'],
	["a row with a cell too few", " | 7,482 |", " |", '"### Latency and memory": the row of peerserver has 2 cells, the head 3'],
	["two rows of one server", "| peerserver | –", "| node-ws | –", '"### CPU of the server, µs per unit (times the floor)": two rows of node-ws'],
	["nothing of our own", "980", "–", '"### Latency and memory": no figure of peerhub below "idle-10000, bytes each"']
];

for (const [name, from, to, message] of refused) {
	test(`refused: ${name}`, () => {
		assert(record.includes(from));
		assert.throws(() => chart(record.replace(from, to)), { message });
	});
}
