// ioredis with its defaults.    node ioredis.mjs [load SECONDS]

import { Redis } from "ioredis";
import { PROXY, assert, control, eventually, run, shown, sleep } from "./common.mjs";

const BIG = "0123456789".repeat(20_000);
const quiet = (client) => client.on("error", () => {});

async function main() {
  if (process.argv[2] === "load") return load(Number(process.argv[3]));
  const r = quiet(new Redis());
  assert.equal(await r.ping(), "PONG");
  await r.flushall();
  assert.equal(await r.set("greeting", "hello", "EX", 100), "OK");
  assert.equal(await r.get("greeting"), "hello");
  assert.match(await r.info("server"), /redis_version:[78]\./);
  shown("connect");

  await pipelines(r);
  await transactions(r);
  await pubsub(r);
  await blocking(r);
  await scripts(r);
  await reconnects(r);
  await cuts(r);
}

async function pipelines(r) {
  const pipe = r.pipeline();
  for (let i = 0; i < 1000; i++) pipe.set(`k${i}`, i).get(`k${i}`);
  const got = await pipe.exec();
  assert.ok(got.every(([error]) => error === null));
  assert.deepEqual(got.filter((_, at) => at % 2).map(([, v]) => v), [...Array(1000).keys()].map(String));
  const mixed = await r.pipeline().set("text", "x").incr("text").get("text").exec();
  assert.match(mixed[1][0].message, /not an integer/);
  assert.equal(mixed[2][1], "x");
  // Commands of one tick share a pipeline where that is asked for.
  const auto = new Redis({ enableAutoPipelining: true });
  assert.deepEqual(await Promise.all([auto.get("k1"), auto.get("k2"), auto.get("k3")]), ["1", "2", "3"]);
  auto.disconnect();
  const seen = new Set();
  for await (const keys of r.scanStream({ match: "k*", count: 100 })) keys.forEach((key) => seen.add(key));
  assert.equal(seen.size, 1000);
  shown("pipeline");
}

async function transactions(r) {
  assert.deepEqual(await r.multi().incr("n").hset("h", { a: 1 }).hgetall("h").exec(), [[null, 1], [null, 1], [null, { a: "1" }]]);
  const other = quiet(new Redis());
  await r.watch("n");
  await other.incr("n");
  assert.equal(await r.multi().set("n", 100).exec(), null);
  await assert.rejects(r.multi().incr("n").call("nonsense").exec(), /EXECABORT/);
  assert.equal(await r.get("n"), "2");
  other.disconnect();
  shown("transaction");
}

async function pubsub(r) {
  const sub = quiet(new Redis());
  const heard = [];
  sub.on("message", (channel, message) => heard.push([channel, message]));
  sub.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
  sub.on("messageBuffer", (channel, message) => heard.push(message.length));
  assert.equal(await sub.subscribe("news", "sport"), 2);
  assert.equal(await sub.psubscribe("w*"), 3);
  assert.equal(await r.publish("news", "one ☕"), 1);
  assert.equal(await r.publish("weather", "two"), 1);
  await eventually(() => heard.length === 3);
  assert.deepEqual(heard, [["news", "one ☕"], 7, ["w*", "weather", "two"]]);
  assert.equal(await sub.unsubscribe("news", "sport"), 1);
  assert.equal(await sub.punsubscribe("w*"), 0);
  assert.equal(await sub.get("greeting"), "hello");
  sub.disconnect();
  shown("pubsub");
}

async function blocking(r) {
  const waits = quiet(new Redis());
  const popped = waits.blpop("jobs", 10);
  await sleep(50);
  await r.rpush("jobs", "job");
  assert.deepEqual(await popped, ["jobs", "job"]);
  const started = Date.now();
  assert.equal(await waits.brpop("jobs", 0.2), null);
  assert.ok(Date.now() - started >= 150);
  const read = waits.xread("BLOCK", 10_000, "STREAMS", "log", "$");
  await sleep(50);
  await r.xadd("log", "*", "a", "1");
  assert.deepEqual((await read)[0][1][0][1], ["a", "1"]);
  waits.disconnect();
  shown("blocking");
}

async function scripts(r) {
  r.defineCommand("add", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" });
  await r.script("FLUSH");
  assert.deepEqual([await r.add("sum", 5), await r.add("sum", 5)], [5, 10]);
  assert.deepEqual(await r.pipeline().add("sum", 1).get("sum").exec(), [[null, 11], [null, "11"]]);
  await assert.rejects(r.eval("return redis.error_reply('MINE no')", 0), /MINE no/);
  shown("script");
}

async function reconnects(r) {
  const sub = quiet(new Redis());
  const heard = [];
  sub.on("message", (_, message) => heard.push(message));
  await sub.subscribe("after");
  for (const how of ["restart", "kill"]) {
    const waiting = quiet(new Redis());
    const popped = waiting.blpop(`after:${how}`, 0);
    await eventually(async () => /cmd=blpop/.test(await r.client("LIST")));
    await control(how);
    // Asked while the connection was down, it is sent when it is up again.
    assert.equal(await r.get("n"), "2");
    assert.equal(await r.add("sum", 0), 11);
    await eventually(async () => (await r.pubsub("NUMSUB", "after"))[1] === 1);
    await r.publish("after", how);
    await eventually(() => heard.at(-1) === how);
    // ioredis asks again for what was unanswered, and so is asleep again.
    await r.rpush(`after:${how}`, "x");
    assert.deepEqual(await popped, [`after:${how}`, "x"]);
    waiting.disconnect();
  }
  sub.disconnect();
  shown("reconnect");
}

async function cuts(r) {
  await r.set("big", BIG);
  const patient = quiet(new Redis(PROXY));
  const hasty = quiet(new Redis({ port: PROXY, maxRetriesPerRequest: 0 }));
  for (const after of [0, 1, 5, 1000, 100_000]) {
    await patient.ping();
    await control(`cut ${after}`);
    assert.equal(await patient.get("big"), BIG);
    await eventually(async () => (await hasty.ping()) === "PONG");
    await control(`cut ${after}`);
    await assert.rejects(hasty.get("big"), /max retries/);
    await eventually(async () => (await hasty.get("n")) === "2");
  }
  patient.disconnect();
  hasty.disconnect();
  await eventually(async () => (await r.client("LIST")).trim().split("\n").length === 1);
  shown("cut");
}

async function load(seconds) {
  const r = quiet(new Redis({ maxRetriesPerRequest: 0 }));
  const [count, log] = ["load:ioredis", "load:ioredis:log"];
  await r.del(count, log);
  let confirmed = 0;
  let asked = 0;
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until) {
    asked += 1;
    try {
      const [[, counted]] = await r.multi().incr(count).xadd(log, "*", "at", asked).exec();
      confirmed = counted;
    } catch {
      await sleep(20);
    }
    await sleep(1);
  }
  const counted = Number(await eventually(() => r.get(count)));
  assert.ok(confirmed <= counted && counted > 0, `${confirmed} ${counted}`);
  assert.equal(await r.xlen(log), counted);
  shown(`load: ${counted} of ${asked}`);
}

run(main);
