// Draws beside.svg from the tables of RECORD.md that show the hub side by side with others: CPU per delivery, memory per
// idle connection. It measures nothing and rounds nothing: each bar bears its figure as the record has it. The same record
// always gives the same file, so that a test can tell when the picture is not the record's any more.
//
//     node benches/chart.mjs
//     node benches/chart.mjs --check
//
// The second writes nothing and fails if the picture is stale. `--record=FILE` and `--svg=FILE` name other files.
//
// The scale is linear and begins at zero, although the figures span two orders of magnitude: only then is a bar as long as
// what it stands for is dear. On a logarithmic scale the length would hang on where the axis happens to begin, and a server
// that costs twenty times as much would look like one that costs twice as much. Short bars are told apart by their figures.

import { realpathSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const CPU_CASE = "fanout-1000";
const OURS = "peerhub";
/** The servers that are no hubs; of those with a figure the cheapest is the floor. */
const FLOORS = ["limit", "limit-batch"];
/** What a reader knows them by. Any other server has its name from the record. */
const LABELS = {
	"node-ws": "node ws",
	"bun": "Bun",
	"peerserver": "PeerServer"
};

// Reading the record

/** The lines from a heading to the next one of its rank or above. */
function below(lines, heading) {
	const start = lines.indexOf(heading);
	if (start < 0) {
		throw new Error(`the record lacks the heading "${heading}"`);
	}
	const rank = heading.indexOf(" ");
	const rest = lines.slice(start + 1);
	const end = rest.findIndex((line) => /^#+ /.test(line) && line.indexOf(" ") <= rank);
	return end < 0 ? rest : rest.slice(0, end);
}

/** The table below a heading: the texts of its head, and of each row. */
function readTable(section, heading) {
	const rows = below(section, heading)
		.filter((line) => line.startsWith("|"))
		.map((line) => line.replace(/^\||\|\s*$/g, "").split("|").map((cell) => cell.trim()));
	const [head, rule, ...body] = rows;
	if (head?.[0] !== "server" || !rule?.every((cell) => /^:?-+:?$/.test(cell)) || body.length === 0) {
		throw new Error(`"${heading}": no table whose first column is "server"`);
	}
	const names = new Set();
	for (const row of body) {
		if (row.length !== head.length) {
			throw new Error(`"${heading}": the row of ${row[0]} has ${row.length} cells, the head ${head.length}`);
		}
		if (names.has(row[0])) {
			throw new Error(`"${heading}": two rows of ${row[0]}`);
		}
		names.add(row[0]);
	}
	return { heading, head, body };
}

/** The figures of the only column whose heading fits, cheapest first; `cell` has the groups value and, if it likes, note. */
function readColumn({ heading, head, body }, what, fits, cell) {
	const columns = head.flatMap((text, index) => index > 0 && fits(text) ? [index] : []);
	if (columns.length !== 1) {
		throw new Error(`"${heading}": ${columns.length} columns ${what}, where one is wanted`);
	}
	const [column] = columns;
	const figures = [];
	for (const row of body) {
		const [name, text] = [row[0], row[column]];
		if (text === "–") {
			continue;
		}
		const { value: shown, note } = cell.exec(text)?.groups ?? {};
		const value = Number(shown?.replaceAll(",", ""));
		if (!Number.isFinite(value)) {
			throw new Error(`"${heading}": the cell of ${name} below "${head[column]}" is no figure: "${text}"`);
		}
		figures.push({ name, value, shown, note });
	}
	if (!figures.some(({ name }) => name === OURS)) {
		throw new Error(`"${heading}": no figure of ${OURS} below "${head[column]}"`);
	}
	// Equals stay in the order of the record.
	figures.sort((a, b) => a.value - b.value);
	if (figures.at(-1).value === 0) {
		throw new Error(`"${heading}": every figure below "${head[column]}" is 0`);
	}
	const floor = figures.find(({ name }) => FLOORS.includes(name));
	return { title: head[column], figures: figures.filter((figure) => figure === floor || !FLOORS.includes(figure.name)) };
}

/** The two panels that the record has figures for. */
function readPanels(record) {
	const section = below(record.split(/\r?\n/), "## Side by side");
	const cpu = readColumn(
		readTable(section, "### CPU of the server, µs per unit (times the floor)"),
		`named "${CPU_CASE}"`, (text) => text === CPU_CASE,
		/^(?<value>[\d,]*\.?\d+)( \([\d,]*\.?\d+\))?$/);
	const memory = readColumn(
		readTable(section, "### Latency and memory"),
		'named "idle…, bytes…"', (text) => /^idle.*, bytes/.test(text),
		/^(?<value>[\d,]*\.?\d+)( \((?<note>[^()]+)\))?$/);
	const receivers = Number(/\d+$/.exec(CPU_CASE)[0]);
	const connections = Number(/^idle-(\d+), /.exec(memory.title)?.[1]);
	if (!connections) {
		throw new Error(`"### Latency and memory": "${memory.title}" does not say how many connections, as "idle-10000, bytes each"`);
	}
	return [
		{ title: "CPU per delivery", unit: `µs of the server’s CPU time, publishing to ${number(receivers)} subscribers`, figures: cpu.figures },
		{ title: "Memory per connection", unit: `bytes of RSS, with ${number(connections)} joined and idle`, figures: memory.figures }
	];
}

// Drawing

const WIDTH = 820;
const MARGIN = 12;
/** Between the two panels. */
const GUTTER = 44;
/** Base lines of a panel's title and unit, and where its bars begin. */
const [TITLE_Y, UNIT_Y, BARS_Y] = [26, 45, 60];
/** From one bar to the next, how high a bar is, and from its top to the base line of its texts. */
const [ROW, BAR, BASE] = [26, 16, 12.5];
/** From a name to the bars, and from a bar to its figure. */
const GAP = 10;
/** From the last bar to the first line of text below it, from there to the next paragraph, and within one. */
const [BELOW, PARAGRAPH, LINE] = [22, 28, 18];
/** Of a character of a name or figure, in the widest of the fonts that a reader may have. */
const CHARACTER = 8;

const FOOT = [
	"Each server in turn, alone on one core, under the same load; the shorter, the better.",
	"The floor is no hub but what the kernel’s sockets allow: frames are found, unmasked and sent on, and nothing else is done."
];

// A bar has the contrast that graphics need, 3 : 1, with both of GitHub's backgrounds, #ffffff and #0d1117.
const STYLE = `
	text { font: 13px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328; }
	text.title { font-size: 15px; font-weight: 600; }
	text.ours { font-weight: 600; }
	text.note { font-size: 12px; }
	text.note, text.floor { fill: #59636e; }
	rect { fill: #8c959f; }
	rect.ours { fill: #0969da; }
	rect.floor { fill: none; stroke: #8c959f; }
	line { stroke: #59636e; shape-rendering: crispEdges; }
	@media (prefers-color-scheme: dark) {
		text { fill: #f0f6fc; }
		text.note, text.floor { fill: #9198a1; }
		rect { fill: #656c76; }
		rect.ours { fill: #4493f8; }
		rect.floor { fill: none; stroke: #9198a1; }
		line { stroke: #9198a1; }
	}
`;

const number = (value) => value.toLocaleString("en-US");
const escaped = (content) => content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
/** A coordinate to a hundredth of a pixel: no division's last digits. */
const px = (value) => `${Math.round(value * 100) / 100}`;
const text = (kind, x, y, content) => `<text class="${kind}" x="${px(x)}" y="${px(y)}">${escaped(content)}</text>`;
const widest = (texts) => CHARACTER * Math.max(...texts.map((content) => content.length));

const isFloor = ({ name }) => FLOORS.includes(name);
const kindOf = (figure) => figure.name === OURS ? "ours" : isFloor(figure) ? "floor" : "peer";
const labelOf = (figure) => isFloor(figure) ? "floor" : LABELS[figure.name] ?? figure.name;
const figureOf = ({ shown, note }) => note === undefined ? shown : `${shown} (${note})`;

/** The bars of a panel with their names and figures, from `left` to `right`; the bars begin at `zero`. */
function drawPanel({ title, unit, figures, absent }, { left, zero, right, bottom }) {
	// Each bar leaves room for its figure.
	const scale = Math.min(...figures.map((figure) => (right - zero - GAP - widest([figureOf(figure)])) / figure.value));
	const drawn = [text("title", left, TITLE_Y, title), text("note", left, UNIT_Y, unit)];
	figures.forEach((figure, index) => {
		const [kind, y] = [kindOf(figure), BARS_Y + index * ROW + (ROW - BAR) / 2];
		// Two pixels can be seen, however little they stand for.
		const length = Math.max(2, figure.value * scale);
		// The line around the floor lies within the bar's bounds.
		const inset = kind === "floor" ? 0.5 : 0;
		drawn.push(
			text(kind, left, y + BASE, labelOf(figure)),
			`<rect class="${kind}" x="${px(zero + inset)}" y="${px(y + inset)}" width="${px(length - 2 * inset)}" height="${px(BAR - 2 * inset)}"/>`,
			text(kind, zero + length + GAP, y + BASE, figureOf(figure)));
	});
	drawn.push(`<line x1="${zero - 0.5}" x2="${zero - 0.5}" y1="${BARS_Y}" y2="${BARS_Y + figures.length * ROW}"/>`);
	if (absent.length > 0) {
		drawn.push(text("note", left, bottom + BELOW, `No figure: ${absent.map(labelOf).join(", ")}`));
	}
	return drawn;
}

/** The chart of a record, as the text of an SVG file. Throws an error that names what the record lacks. */
export function chart(record) {
	const panels = readPanels(record);
	const hubs = panels.map(({ figures }) => figures.filter((figure) => !isFloor(figure)));
	for (const [index, panel] of panels.entries()) {
		panel.absent = hubs[1 - index].filter(({ name }) => !panel.figures.some((figure) => figure.name === name));
	}
	const names = widest(panels.flatMap(({ figures }) => figures.map(labelOf)));
	const bottom = BARS_Y + ROW * Math.max(...panels.map(({ figures }) => figures.length));
	const width = (WIDTH - 2 * MARGIN - GUTTER) / 2;
	const drawn = panels.flatMap((panel, index) => {
		const left = MARGIN + index * (width + GUTTER);
		return drawPanel(panel, { left, zero: Math.round(left + names + GAP), right: left + width, bottom });
	});
	const foot = bottom + BELOW + (panels.some(({ absent }) => absent.length > 0) ? PARAGRAPH : 0);
	drawn.push(...FOOT.map((content, index) => text("note", MARGIN, foot + index * LINE, content)));
	const height = foot + (FOOT.length - 1) * LINE + MARGIN;
	const description = panels.map(({ title, unit, figures }) =>
		`${title}, ${unit}: ${figures.map((figure) => `${labelOf(figure)} ${figureOf(figure)}`).join("; ")}.`).join(" ");
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description">`,
		"<!-- Made from RECORD.md by chart.mjs: change those, not this. -->",
		'<title id="title">What peerhub costs, and what other servers cost</title>',
		`<desc id="description">${escaped(description)}</desc>`,
		`<style>${STYLE}</style>`,
		...drawn,
		"</svg>",
		""
	].join("\n");
}

// The command

async function main() {
	const { values } = parseArgs({ options: {
		check: { type: "boolean", default: false },
		record: { type: "string", default: fileURLToPath(new URL("RECORD.md", import.meta.url)) },
		svg: { type: "string", default: fileURLToPath(new URL("beside.svg", import.meta.url)) }
	} });
	const made = chart(await readFile(values.record, "utf8"));
	if (!values.check) {
		await writeFile(values.svg, made);
	}
	else if (await readFile(values.svg, "utf8") !== made) {
		throw new Error(`${values.svg} is not what ${values.record} says: run "node benches/chart.mjs"`);
	}
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
	await main().catch((error) => {
		console.error(error.message);
		process.exitCode = 1;
	});
}
