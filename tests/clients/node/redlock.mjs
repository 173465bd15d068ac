// redlock: locks on a resource, held by one at a time, extended, run out, and lost with no harm.

import { Redis } from "ioredis";
import Redlock from "redlock";
import { assert, control, eventually, run, shown, sleep } from "./common.mjs";

async function main() {
  const clients = [new Redis(), new Redis({ db: 1 }), new Redis({ db: 2 })];
  for (const one of clients) one.on("error", () => {});
  // Three databases stand for three servers: two of them must agree.
  const locks = new Redlock(clients, { retryCount: 200, retryDelay: 10, retryJitter: 10 });
  locks.on("clientError", () => {});

  let inside = 0;
  let most = 0;
  let total = 0;
  await Promise.all(
    [...Array(16)].map(async () => {
      const lock = await locks.lock("locks:account", 5000);
      inside += 1;
      most = Math.max(most, inside);
      const seen = total;
      await sleep(5);
      total = seen + 1;
      inside -= 1;
      await lock.unlock();
    }),
  );
  assert.deepEqual([most, total], [1, 16]);
  shown("one holder at a time");

  const hasty = new Redlock(clients, { retryCount: 0 });
  hasty.on("clientError", () => {});
  const held = await locks.lock(["locks:a", "locks:b"], 400);
  await assert.rejects(hasty.lock("locks:b", 400));
  const longer = await held.extend(1000);
  await sleep(500);
  await assert.rejects(hasty.lock("locks:a", 400), "it was extended");
  await longer.unlock();
  const next = await hasty.lock("locks:a", 200);
  await sleep(300);
  const after = await hasty.lock("locks:a", 5000);
  await assert.rejects(next.unlock(), "who held it before can't give it back");
  assert.ok(await clients[0].get("locks:a"));
  await after.unlock();
  shown("extend, run out, release");

  const kept = await locks.lock("locks:kept", 30_000);
  await control("restart");
  await eventually(async () => (await clients[0].ping()) === "PONG");
  await assert.rejects(hasty.lock("locks:kept", 100), "a lock outlives a restart");
  await kept.unlock();
  await (await locks.lock("locks:kept", 100)).unlock();
  shown("a restart of the server");
}

run(main);
