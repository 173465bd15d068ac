// socket.io with its Redis adapter: two servers, clients on each, rooms that span both.

import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { Server } from "socket.io";
import { io as connect } from "socket.io-client";
import { assert, control, eventually, run, shown, sleep } from "./common.mjs";

async function server(adapter) {
  const http = createServer();
  const io = new Server(http, { adapter });
  io.on("connection", (socket) => {
    socket.on("join", (room, done) => Promise.resolve(socket.join(room)).then(() => done()));
    socket.on("ask", (question, done) => done(`${question}!`));
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  return { io, port: http.address().port };
}

async function client(port) {
  const socket = connect(`http://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true });
  socket.heard = [];
  socket.onAny((event, ...words) => socket.heard.push([event, ...words].filter((word) => typeof word !== "function")));
  socket.on("question", (question, done) => done(`${question} answered`));
  await new Promise((done) => socket.on("connect", done));
  return socket;
}

async function speak(kind, make) {
  const [one, two] = [await server(await make()), await server(await make())];
  const [ann, bob, carl] = [await client(one.port), await client(two.port), await client(two.port)];
  await ann.emitWithAck("join", "tea");
  await bob.emitWithAck("join", "tea");
  // Servers find each other before they are sure to hear of all rooms.
  await eventually(async () => (await one.io.in("tea").fetchSockets()).length === 2);
  one.io.emit("all", { text: "for everyone ☕" });
  await eventually(() => [ann, bob, carl].every((socket) => socket.heard.length === 1));
  assert.deepEqual(carl.heard[0], ["all", { text: "for everyone ☕" }]);
  two.io.to("tea").emit("room", Buffer.from([0, 1, 255]));
  await eventually(() => ann.heard.length === 2 && bob.heard.length === 2);
  assert.deepEqual([...ann.heard[1][1]], [0, 1, 255]);
  assert.equal(carl.heard.length, 1, "who isn't in the room hears nothing");
  const answers = await one.io.timeout(5000).emitWithAck("question", "ready?");
  assert.deepEqual(answers, ["ready? answered", "ready? answered", "ready? answered"]);
  assert.equal((await two.io.fetchSockets()).length, 3);
  await one.io.in("tea").socketsLeave("tea");
  await eventually(async () => (await two.io.in("tea").fetchSockets()).length === 0);
  shown(`rooms across servers, ${kind}`);

  for (const how of ["restart", "kill"]) {
    await control(how);
    const before = carl.heard.length;
    // What is said while the server is away may be lost; soon it is heard again.
    await eventually(async () => {
      one.io.emit("back");
      await sleep(50);
      return carl.heard.length > before;
    });
  }
  // The next kind would hear them.
  for (const socket of [ann, bob, carl]) socket.disconnect();
  await Promise.all([one.io.close(), two.io.close()]);
  shown(`a restart of the server, ${kind}`);
}

const quiet = (made) => made.on("error", () => {});

async function main() {
  await speak("ioredis", async () => {
    const pub = quiet(new Redis());
    return createAdapter(pub, quiet(pub.duplicate()));
  });
  for (const make of [createAdapter, createShardedAdapter]) {
    await speak(`node-redis, ${make.name}`, async () => {
      const pub = quiet(createClient());
      const sub = quiet(pub.duplicate());
      await Promise.all([pub.connect(), sub.connect()]);
      return make(pub, sub);
    });
  }
}

run(main);
