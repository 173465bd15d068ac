// A worker process for bullmq.mjs, made to be killed.    node bullmq-worker.mjs QUEUE MS

import { Redis } from "ioredis";
import { Worker } from "bullmq";
import { sleep } from "./common.mjs";

const [queue, ms] = process.argv.slice(2);
const r = new Redis();
r.on("error", () => {});

const worker = new Worker(
  queue,
  async (job) => {
    await r.hincrby(`${queue}:begun`, job.id, 1);
    await sleep(Number(ms));
    await r.hincrby(`${queue}:done`, job.id, 1);
    return job.id;
  },
  { connection: {}, concurrency: 4, lockDuration: 1000, stalledInterval: 300, maxStalledCount: 100 },
);
worker.on("error", () => {});
