// node-redis' JSON commands with their defaults, and in RESP2.    node documents.mjs

import { createClient } from "redis";
import { assert, run, shown } from "./common.mjs";

const BOOK = {
  title: "Über Bücher ☕", year: 1999, price: 12.5, out: false, none: null, tags: ["a", "b"],
  parts: [{ n: 1, name: "one" }, { n: 2, name: "two" }], deep: { er: { est: [[], {}] } },
};

async function main() {
  for (const options of [{}, { RESP: 2 }]) {
    const r = createClient(options);
    r.on("error", () => {});
    await r.connect();
    await r.flushAll();
    await setAndGot(r);
    await edited(r);
    await together(r);
    shown(options.RESP === 2 ? "RESP2" : "RESP3");
    r.destroy();
  }
}

async function setAndGot(r) {
  assert.equal(await r.json.set("book", "$", BOOK), "OK");
  assert.deepEqual(await r.json.get("book"), BOOK);
  assert.deepEqual(await r.json.get("book", { path: "$.parts[?(@.n>1)].name" }), ["two"]);
  assert.deepEqual(await r.json.get("book", { path: ["$.year", "$.tags[-1]"] }), { "$.year": [1999], "$.tags[-1]": ["b"] });
  assert.equal(await r.json.set("book", "$", {}, { condition: "NX" }), null);
  assert.equal(await r.json.set("none", "$", {}, { condition: "XX" }), null);
  assert.equal(await r.json.get("none"), null);
  assert.equal(await r.json.mSet([{ key: "one", path: "$", value: { a: 1 } }, { key: "two", path: "$", value: { a: 2 } }]), "OK");
  assert.deepEqual(await r.json.mGet(["one", "none", "two"], "$.a"), [[1], null, [2]]);
  assert.equal(await r.json.merge("one", "$", { b: { c: 3 }, a: null }), "OK");
  assert.deepEqual(await r.json.get("one"), { b: { c: 3 } });
  assert.equal(await r.type("book"), "ReJSON-RL");
  await assert.rejects(r.json.set("fresh", "$.a", 1), /new objects must be created at the root/);
}

async function edited(r) {
  const flat = (reply) => [reply].flat(2);
  assert.deepEqual(flat(await r.json.numIncrBy("book", "$.year", 1)), [2000]);
  assert.deepEqual(flat(await r.json.numMultBy("book", "$.price", 2)), [25]);
  assert.deepEqual(flat(await r.json.toggle("book", "$.out")).map(Boolean), [true]);
  assert.deepEqual(flat(await r.json.strAppend("book", "!", { path: "$.title" })), [Buffer.byteLength(BOOK.title) + 1]);
  assert.deepEqual(flat(await r.json.strLen("book", { path: "$.title" })), [Buffer.byteLength(BOOK.title) + 1]);
  assert.deepEqual(flat(await r.json.arrAppend("book", "$.tags", "c", { d: 1 })), [4]);
  assert.deepEqual(flat(await r.json.arrInsert("book", "$.tags", 0, "first")), [5]);
  assert.deepEqual(flat(await r.json.arrIndex("book", "$.tags", "b")), [2]);
  assert.deepEqual(flat(await r.json.arrLen("book", { path: "$.tags" })), [5]);
  assert.deepEqual(flat(await r.json.arrPop("book", { path: "$.tags" })), [{ d: 1 }]);
  assert.deepEqual(flat(await r.json.arrTrim("book", "$.tags", 0, 1)), [2]);
  assert.deepEqual(await r.json.get("book", { path: "$.tags" }), [["first", "a"]]);
  assert.deepEqual(flat(await r.json.objKeys("book", { path: "$.deep" })), ["er"]);
  assert.deepEqual(flat(await r.json.objLen("book", { path: "$.parts[*]" })), [2, 2]);
  assert.deepEqual(flat(await r.json.type("book", { path: "$.price" })), ["number"]);
  assert.equal(await r.json.clear("book", { path: "$.deep" }), 1);
  assert.equal(await r.json.del("book", { path: "$..n" }), 2);
  assert.equal(await r.json.forget("book", { path: "$.parts" }), 1);
  assert.ok(flat(await r.json.debugMemory("book"))[0] > 0);
  assert.deepEqual(await r.json.get("book"), {
    title: `${BOOK.title}!`, year: 2000, price: 25, out: true, none: null, tags: ["first", "a"], deep: {},
  });
}

// Within a transaction, and many in one pipeline.
async function together(r) {
  const got = await r.multi().json.set("many", "$", { n: 0, list: [] }).json.arrAppend("many", "$.list", 7).json.get("many").exec();
  assert.deepEqual([got[0], got[1], got[2]], ["OK", [1], { n: 0, list: [7] }]);
  await Promise.all(Array.from({ length: 500 }, () => r.json.numIncrBy("many", "$.n", 1)));
  assert.deepEqual(await r.json.get("many", { path: "$.n" }), [500]);
  const large = { list: Array.from({ length: 20_000 }, (_, n) => ({ n, text: `text ${n}` })) };
  await r.json.set("large", "$", large);
  assert.deepEqual(await r.json.get("large"), large);
}

run(main);
