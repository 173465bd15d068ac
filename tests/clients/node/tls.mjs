// ioredis and node-redis over TLS.    tls.mjs tls PORT FOLDER

import { readFileSync } from "node:fs";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { assert, eventually, shown } from "./common.mjs";

const [, , , port, folder] = process.argv;
const read = (name) => readFileSync(`${folder}/${name}`);
const tls = { ca: read("ca.crt"), cert: read("client.crt"), key: read("client.key") };
const url = `rediss://localhost:${port}`;
const large = "x".repeat(1_000_000);

const one = new Redis(url, { tls });
await one.set("ioredis", large);
assert.equal((await one.get("ioredis")).length, large.length);
const heard = new Redis(url, { tls });
let message;
heard.on("message", (_, text) => (message = text));
await heard.subscribe("news");
await one.publish("news", "good");
await eventually(() => message === "good");
one.disconnect();
heard.disconnect();
shown("ioredis");

const two = await createClient({ url, RESP: 3, socket: { tls: true, ...tls } }).connect();
await two.set("node-redis", large);
assert.equal((await two.get("node-redis")).length, large.length);
assert.equal((await Promise.all(Array.from({ length: 500 }, (_, n) => two.set(`node:${n}`, n)))).length, 500);
two.destroy();
shown("node-redis");
