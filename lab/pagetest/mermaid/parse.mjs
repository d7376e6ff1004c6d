// Reads a JSON array of Mermaid blocks; prints one of what is wrong with each: "" if nothing is.
// Mermaid looks for a page even where it only parses.
import { readFileSync } from "node:fs";
import { JSDOM } from "jsdom";

globalThis.window = new JSDOM("").window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");

const wrong = [];
for (const block of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    await mermaid.parse(block);
    wrong.push("");
  } catch (e) {
    wrong.push(String(e.message ?? e));
  }
}
process.stdout.write(JSON.stringify(wrong));
