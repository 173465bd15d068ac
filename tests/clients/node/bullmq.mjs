// BullMQ: queues, delays, schedulers, priorities, flows, rate limits, and workers that are killed in between.

import { spawn } from "node:child_process";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { Redis } from "ioredis";
import { assert, control, eventually, run, shown, sleep } from "./common.mjs";

const connection = {};
const r = new Redis();
r.on("error", () => {});

function queue(name) {
  const made = new Queue(name, { connection });
  made.on("error", () => {});
  return made;
}

function worker(name, work, options = {}) {
  const made = new Worker(name, work, { connection, ...options });
  made.on("error", () => {});
  return made;
}

async function main() {
  assert.equal(await r.config("GET", "maxmemory-policy").then((got) => got[1] ?? got["maxmemory-policy"]), "noeviction");
  await adds();
  await delays();
  await schedules();
  await priorities();
  await flows();
  await limits();
  await retries();
  await stalls();
  await kills();
  await restarts();
}

async function adds() {
  const q = queue("adds");
  const events = new QueueEvents("adds", { connection });
  events.on("error", () => {});
  await events.waitUntilReady();
  const w = worker("adds", async (job) => job.data.n * 2, { concurrency: 10 });
  const jobs = await q.addBulk([...Array(200).keys()].map((n) => ({ name: "double", data: { n } })));
  const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 20_000)));
  assert.deepEqual(results, jobs.map((job) => job.data.n * 2));
  const counts = await q.getJobCounts("completed", "waiting", "active", "failed");
  assert.deepEqual(counts, { completed: 200, waiting: 0, active: 0, failed: 0 });
  // A job of the same name is one job, however often it is added.
  await Promise.all([...Array(5)].map(() => q.add("once", { n: 1 }, { jobId: "same" })));
  await eventually(async () => (await q.getJobCounts("completed")).completed === 201);
  await Promise.all([w.close(), events.close(), q.close()]);
  shown("add");
}

async function delays() {
  const q = queue("delays");
  const ran = [];
  const w = worker("delays", async (job) => ran.push([job.data.ms, Date.now() - job.timestamp]));
  for (const ms of [1500, 500, 1000]) await q.add("later", { ms }, { delay: ms });
  assert.equal((await q.getJobCounts("delayed")).delayed, 3);
  await eventually(() => ran.length === 3);
  assert.deepEqual(ran.map(([ms]) => ms), [500, 1000, 1500]);
  for (const [ms, after] of ran) assert.ok(after >= ms && after < ms + 2000, `${after} for ${ms}`);
  const late = await q.add("much later", { ms: 0 }, { delay: 3_600_000 });
  await late.promote();
  await eventually(() => ran.length === 4);
  await Promise.all([w.close(), q.close()]);
  shown("delayed");
}

async function schedules() {
  const q = queue("schedules");
  const ran = { every: [], cron: [] };
  const w = worker("schedules", async (job) => ran[job.name].push(Date.now()));
  await q.upsertJobScheduler("every", { every: 200 }, { name: "every" });
  await q.upsertJobScheduler("cron", { pattern: "* * * * * *" }, { name: "cron" });
  await eventually(() => ran.every.length >= 5 && ran.cron.length >= 2);
  // Each at its time, not all at once.
  assert.ok(ran.every[4] - ran.every[1] >= 400 && ran.cron[1] - ran.cron[0] >= 500, JSON.stringify(ran));
  assert.equal((await q.getJobSchedulers()).length, 2);
  assert.ok(await q.removeJobScheduler("every"));
  assert.ok(await q.removeJobScheduler("cron"));
  await sleep(300);
  const before = ran.every.length;
  await sleep(500);
  assert.equal(ran.every.length, before, "a removed scheduler is silent");
  await Promise.all([w.close(), q.close()]);
  shown("repeatable");
}

async function priorities() {
  const q = queue("priorities");
  for (const priority of [3, 1, 2, 1, 3, 2]) await q.add("work", { priority }, { priority });
  await q.add("work", { priority: 0 });
  const ran = [];
  const w = worker("priorities", async (job) => ran.push(job.data.priority));
  await eventually(() => ran.length === 7);
  assert.deepEqual(ran, [0, 1, 1, 2, 2, 3, 3]);
  await Promise.all([w.close(), q.close()]);
  shown("priority");
}

async function flows() {
  const order = [];
  const w = worker("flows", async (job) => {
    order.push(job.name);
    if (job.name === "page") return job.data.number * 10;
    return Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, 0);
  });
  const producer = new FlowProducer({ connection });
  const pages = [1, 2, 3].map((number) => ({ name: "page", queueName: "flows", data: { number } }));
  const flow = await producer.add({
    name: "book",
    queueName: "flows",
    children: [{ name: "chapter", queueName: "flows", children: pages }, { name: "page", queueName: "flows", data: { number: 4 } }],
  });
  await eventually(async () => (await flow.job.getState()) === "completed");
  const q = queue("flows");
  assert.equal((await q.getJob(flow.job.id)).returnvalue, 100);
  assert.equal(order.at(-1), "book");
  assert.ok(order.indexOf("chapter") > 2);
  await Promise.all([w.close(), q.close(), producer.close()]);
  shown("flow");
}

async function limits() {
  const q = queue("limits");
  await q.addBulk([...Array(15).keys()].map((n) => ({ name: "work", data: { n } })));
  const ran = [];
  const limiter = { max: 5, duration: 600 };
  const work = async () => ran.push(Date.now());
  const workers = [0, 1].map(() => worker("limits", work, { limiter, concurrency: 5 }));
  await eventually(() => ran.length === 15);
  // Fixed windows: of any six jobs in a row, two lie in different ones.
  assert.ok(ran[14] - ran[0] >= 1000, `15 jobs took ${ran[14] - ran[0]} ms`);
  await Promise.all([...workers.map((w) => w.close()), q.close()]);
  shown("rate limit");
}

async function retries() {
  const q = queue("retries");
  const w = worker("retries", async (job) => {
    if (job.attemptsMade < 2) throw new Error("not yet");
    return "at last";
  });
  const job = await q.add("work", {}, { attempts: 3, backoff: { type: "exponential", delay: 50 } });
  await eventually(async () => (await job.getState()) === "completed");
  const hopeless = await q.add("work", {}, { attempts: 1 });
  await eventually(async () => (await hopeless.getState()) === "failed");
  const failed = await q.getJob(hopeless.id);
  assert.equal(failed.failedReason, "not yet");
  await Promise.all([w.close(), q.close()]);
  shown("retries");
}

function child(name, ms) {
  return spawn(process.execPath, ["bullmq-worker.mjs", name, String(ms)], { cwd: import.meta.dirname, stdio: "inherit" });
}

async function stalls() {
  const q = queue("stalls");
  const job = await q.add("work", {});
  const lost = child("stalls", 60_000);
  await eventually(async () => (await r.hget("stalls:begun", job.id)) === "1");
  lost.kill("SIGKILL");
  let stalled = 0;
  const w = worker("stalls", async () => "recovered", { stalledInterval: 300, lockDuration: 1000 });
  w.on("stalled", (id) => (stalled += id === job.id));
  await eventually(async () => (await job.getState()) === "completed");
  const after = await q.getJob(job.id);
  assert.equal(after.returnvalue, "recovered");
  assert.equal(stalled, 1);
  await Promise.all([w.close(), q.close()]);
  shown("stalled jobs");
}

async function kills() {
  const q = queue("kills");
  await q.addBulk([...Array(200).keys()].map((n) => ({ name: "work", data: { n } })));
  const children = [0, 1].map(() => child("kills", 40));
  for (let round = 0; round < 4; round++) {
    await eventually(async () => (await r.hlen("kills:done")) >= 25 * (round + 1));
    children[round % 2].kill("SIGKILL");
    children[round % 2] = child("kills", 40);
  }
  await eventually(async () => (await q.getJobCounts("completed")).completed === 200, 40);
  assert.equal(await r.hlen("kills:done"), 200, "no job is lost with its worker");
  const begun = Object.values(await r.hgetall("kills:begun")).map(Number);
  assert.ok(begun.some((times) => times > 1), "some were begun by a worker that was killed");
  const rest = await q.getJobCounts("active", "waiting", "delayed", "failed");
  assert.deepEqual(rest, { active: 0, waiting: 0, delayed: 0, failed: 0 });
  for (const one of children) one.kill("SIGKILL");
  await q.close();
  shown("workers killed in between");
}

async function restarts() {
  const q = queue("restarts");
  await q.addBulk([...Array(100).keys()].map((n) => ({ name: "work", data: { n } })));
  const one = child("restarts", 40);
  for (const how of ["restart", "kill"]) {
    const before = await r.hlen("restarts:done");
    await eventually(async () => (await r.hlen("restarts:done")) >= before + 20);
    await control(how);
  }
  await eventually(async () => (await q.getJobCounts("completed")).completed === 100, 40);
  assert.equal(await r.hlen("restarts:done"), 100);
  one.kill("SIGKILL");
  await q.close();
  shown("a restart of the server");
}

run(main);
