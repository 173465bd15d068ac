// node-redis with its defaults, and in RESP2.    node node-redis.mjs [load SECONDS]

import { WatchError, createClient } from "redis";
import { PROXY, assert, control, eventually, run, shown, sleep } from "./common.mjs";

const BIG = "0123456789".repeat(20_000);

async function connect(options = {}) {
  const client = createClient(options);
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function main() {
  if (process.argv[2] === "load") return load(Number(process.argv[3]));
  for (const options of [{}, { RESP: 2 }]) {
    const r = await connect(options);
    await r.flushAll();
    assert.equal(await r.ping(), "PONG");
    assert.equal(await r.set("greeting", "hello", { EX: 100 }), "OK");
    assert.equal(await r.get("greeting"), "hello");
    assert.match(await r.info("server"), /redis_version:[78]\./);
    if (/redis_version:8\./.test(await r.info("server"))) assert.match((await r.clientInfo()).libName, /^node-redis/);
    shown("connect");
    await pipelines(r);
    await transactions(r);
    await pubsub(r, options);
    await blocking(r, options);
    await scripts(options);
    await reconnects(r, options);
    await cuts(r, options);
    r.destroy();
  }
}

async function pipelines(r) {
  // What is asked in one tick goes out as one pipeline.
  const got = await Promise.all([...Array(1000).keys()].flatMap((i) => [r.set(`k${i}`, String(i)), r.get(`k${i}`)]));
  assert.deepEqual(got.filter((_, at) => at % 2), [...Array(1000).keys()].map(String));
  const mixed = await Promise.allSettled([r.set("text", "x"), r.incr("text"), r.get("text")]);
  assert.match(mixed[1].reason.message, /not an integer/);
  assert.equal(mixed[2].value, "x");
  assert.deepEqual(await r.multi().set("a", "1").get("a").execAsPipeline(), ["OK", "1"]);
  let seen = 0;
  for await (const keys of r.scanIterator({ MATCH: "k*", COUNT: 100 })) seen += keys.length;
  assert.ok(seen >= 1000);
  shown("pipeline");
}

async function transactions(r) {
  const got = await r.multi().incr("n").hSet("h", { a: "1" }).hGetAll("h").exec();
  assert.deepEqual([got[0], got[1], { ...got[2] }], [1, 1, { a: "1" }]);
  await r.watch("n");
  await (await connect()).incr("n");
  await assert.rejects(r.multi().set("n", "100").exec(), WatchError);
  assert.equal(await r.get("n"), "2");
  await r.zAdd("board", [{ value: "ann", score: 5 }, { value: "bob", score: 3 }]);
  assert.deepEqual(await r.zRangeWithScores("board", 0, -1, { REV: true }).then((all) => all.map((e) => [e.value, e.score])), [["ann", 5], ["bob", 3]]);
  shown("transaction");
}

async function pubsub(r, options) {
  const sub = await connect(options);
  const heard = [];
  await sub.subscribe("news", (message, channel) => heard.push([channel, message]));
  await sub.pSubscribe("w*", (message, channel) => heard.push([channel, message]));
  await sub.sSubscribe("shard", (message, channel) => heard.push([channel, message]));
  assert.equal(await r.publish("news", "one ☕"), 1);
  assert.equal(await r.publish("weather", "two"), 1);
  assert.equal(await r.sPublish("shard", "three"), 1);
  await eventually(() => heard.length === 3);
  assert.deepEqual(heard, [["news", "one ☕"], ["weather", "two"], ["shard", "three"]]);
  await sub.unsubscribe("news");
  await sub.pUnsubscribe();
  await sub.sUnsubscribe("shard");
  assert.equal(await r.publish("news", "unheard"), 0);
  // In RESP2 this client gives bytes after it was a subscriber.
  assert.equal(String(await sub.get("greeting")), "hello");
  sub.destroy();
  shown("pubsub");
}

async function blocking(r, options) {
  const waits = await connect(options);
  const popped = waits.blPop("jobs", 10);
  await sleep(50);
  await r.rPush("jobs", "job");
  assert.deepEqual({ ...(await popped) }, { key: "jobs", element: "job" });
  assert.equal(await waits.brPop("jobs", 0.2), null);
  const read = waits.xRead({ key: "log", id: "$" }, { BLOCK: 10_000 });
  await sleep(50);
  await r.xAdd("log", "*", { a: "1" });
  assert.match(JSON.stringify(await read), /"a":"1"/);
  waits.destroy();
  shown("blocking");
}

const ADD = {
  NUMBER_OF_KEYS: 1,
  SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
};

async function scripts(options) {
  const { defineScript } = await import("redis");
  const add = defineScript({
    ...ADD,
    parseCommand(parser, key, by) {
      parser.pushKey(key);
      parser.push(String(by));
    },
    transformReply: undefined,
  });
  const r = await connect({ ...options, scripts: { add } });
  await r.scriptFlush();
  assert.deepEqual([await r.add("sum", 5), await r.add("sum", 5)], [5, 10]);
  assert.deepEqual(await r.multi().add("sum", 1).get("sum").exec(), [11, "11"]);
  r.destroy();
  shown("script");
}

async function reconnects(r, options) {
  const sub = await connect(options);
  const heard = [];
  await sub.subscribe("after", (message) => heard.push(message));
  for (const how of ["restart", "kill"]) {
    await control(how);
    assert.equal(await eventually(() => r.get("n")), "2");
    await eventually(async () => (await r.pubSubNumSub(["after"])).after === 1);
    await r.publish("after", how);
    await eventually(() => heard.at(-1) === how);
  }
  sub.destroy();
  shown("reconnect");
}

async function cuts(r, options) {
  await r.set("big", BIG);
  const c = await connect({ ...options, url: `redis://127.0.0.1:${PROXY}` });
  for (const after of [0, 1, 5, 1000, 100_000]) {
    await eventually(async () => (await c.ping()) === "PONG");
    await control(`cut ${after}`);
    const [big, n] = await Promise.allSettled([c.get("big"), c.get("n")]);
    assert.equal(big.status, "rejected", "a part of a value is no value");
    // What was asked behind it is refused too, or asked again, and never takes the other's answer.
    assert.ok(n.status === "rejected" || n.value === "2");
    assert.equal(await eventually(() => c.get("n")), "2");
    assert.equal((await c.get("big")).length, BIG.length);
  }
  c.destroy();
  shown("cut");
}

async function load(seconds) {
  const r = await connect({ disableOfflineQueue: true });
  const [count, set] = ["load:node-redis", "load:node-redis:set"];
  await r.del([count, set]);
  let confirmed = 0;
  let asked = 0;
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until) {
    asked += 1;
    try {
      [confirmed] = await r.multi().incr(count).sAdd(set, String(asked)).hSet("load:node-redis:hash", String(asked), "1").exec();
    } catch {
      await sleep(20);
    }
    await sleep(1);
  }
  const counted = Number(await eventually(() => r.get(count)));
  assert.ok(confirmed <= counted && counted > 0, `${confirmed} ${counted}`);
  assert.equal(await r.sCard(set), counted);
  shown(`load: ${counted} of ${asked}`);
}

run(main);
