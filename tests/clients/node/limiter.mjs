// rate-limiter-flexible with both clients: points, blocks, bursts, and what it does while the server is away.

import { Redis } from "ioredis";
import { BurstyRateLimiter, RateLimiterMemory, RateLimiterQueue, RateLimiterRedis } from "rate-limiter-flexible";
import { createClient } from "redis";
import { assert, control, eventually, run, shown } from "./common.mjs";

async function limit(kind, storeClient, other) {
  const options = { storeClient, useRedisPackage: kind === "node-redis", keyPrefix: kind, points: 50, duration: 30 };
  const limiter = new RateLimiterRedis(options);
  const second = new RateLimiterRedis({ ...options, storeClient: other });
  const answers = await Promise.allSettled([...Array(200).keys()].map((n) => (n % 2 ? limiter : second).consume("ann")));
  assert.equal(answers.filter((one) => one.status === "fulfilled").length, 50);
  const refused = answers.find((one) => one.status === "rejected").reason;
  assert.equal(refused.remainingPoints, 0);
  assert.ok(refused.msBeforeNext > 0 && refused.msBeforeNext <= 30_000, JSON.stringify(refused));
  assert.equal((await limiter.get("ann")).consumedPoints, 200);
  assert.equal((await limiter.consume("bob", 10)).remainingPoints, 40);
  await limiter.reward("bob", 5);
  assert.equal((await limiter.get("bob")).remainingPoints, 45);
  assert.equal(await limiter.delete("ann"), true);
  assert.equal(await limiter.get("ann"), null);
  shown(`exactly the limit, ${kind}`);

  const short = new RateLimiterRedis({ ...options, keyPrefix: `${kind}:short`, points: 1, duration: 1 });
  await short.consume("ann");
  await assert.rejects(short.consume("ann"), (reason) => reason.msBeforeNext <= 1000);
  await eventually(() => short.consume("ann"));
  const strict = new RateLimiterRedis({ ...options, keyPrefix: `${kind}:strict`, points: 2, duration: 1, blockDuration: 60 });
  for (let n = 0; n < 2; n++) await strict.consume("ann");
  await assert.rejects(strict.consume("ann"), (reason) => reason.msBeforeNext > 50_000);
  const bursty = new BurstyRateLimiter(short, new RateLimiterRedis({ ...options, keyPrefix: `${kind}:burst`, points: 3, duration: 30 }));
  const burst = await Promise.allSettled([...Array(10)].map(() => bursty.consume("carl")));
  assert.equal(burst.filter((one) => one.status === "fulfilled").length, 4);
  const queue = new RateLimiterQueue(new RateLimiterRedis({ ...options, keyPrefix: `${kind}:queue`, points: 5, duration: 1 }));
  const started = Date.now();
  for (let n = 0; n < 8; n++) await queue.removeTokens(1);
  assert.ok(Date.now() - started >= 500, "the sixth waits for the next second");
  shown(`windows, blocks and bursts, ${kind}`);
}

async function away(storeClient) {
  const insurance = new RateLimiterMemory({ points: 3, duration: 60 });
  const limiter = new RateLimiterRedis({ storeClient, points: 50, duration: 60, insuranceLimiter: insurance, rejectIfRedisNotReady: true });
  await limiter.consume("ann", 10);
  await control("stop");
  await eventually(async () => storeClient.status !== "ready");
  const answers = await Promise.allSettled([1, 2, 3, 4].map(() => limiter.consume("ann")));
  assert.deepEqual(answers.map((one) => one.status), ["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  await control("start");
  await eventually(async () => storeClient.status === "ready");
  assert.equal((await limiter.consume("ann", 1)).consumedPoints, 11, "what was counted before is still counted");
  shown("insurance while the server is away");
}

async function main() {
  const io = new Redis();
  const ioOther = new Redis();
  for (const one of [io, ioOther]) one.on("error", () => {});
  await limit("ioredis", io, ioOther);
  const nodes = [createClient(), createClient()];
  for (const one of nodes) {
    one.on("error", () => {});
    await one.connect();
  }
  await limit("node-redis", ...nodes);
  for (const one of nodes) one.destroy();
  await away(io);
}

run(main);
