// connect-redis: an express application's sessions.

import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";
import { assert, control, eventually, run, shown } from "./common.mjs";

async function main() {
  const client = createClient();
  client.on("error", () => {});
  await client.connect();
  const store = new RedisStore({ client, prefix: "app:" });
  const app = express();
  app.use(session({ store, secret: "cup", resave: false, saveUninitialized: false, cookie: { maxAge: 60_000 } }));
  app.get("/", (request, answer) => {
    request.session.views = (request.session.views ?? 0) + 1;
    answer.json({ views: request.session.views });
  });
  app.get("/seen", (request, answer) => answer.json({ views: request.session.views ?? null }));
  app.get("/out", (request, answer) => request.session.destroy(() => answer.json({})));
  const http = app.listen(8000, "127.0.0.1");
  await new Promise((done) => http.on("listening", done));

  const ask = async (path, cookie) => {
    const answer = await fetch(`http://127.0.0.1:8000${path}`, { headers: cookie ? { cookie } : {} });
    const set = answer.headers.get("set-cookie");
    return { ...(await answer.json()), cookie: set ? set.split(";")[0] : cookie };
  };

  const { cookie } = await ask("/");
  assert.equal((await ask("/", cookie)).views, 2);
  assert.equal((await ask("/")).views, 1, "who has no cookie has a session of his own");
  const all = await Promise.all([...Array(20)].map(() => ask("/")));
  assert.equal(new Set(all.map((one) => one.cookie)).size, 20);
  assert.equal((await store.ids()).length, 22);
  shown("sessions");

  const [key] = await client.keys(`app:${cookie.split("=")[1].slice(4).split(".")[0]}`);
  await client.expire(key, 10);
  await ask("/seen", cookie);
  assert.ok((await client.ttl(key)) > 10, "each request keeps the session");
  shown("sliding expiry");

  for (const how of ["restart", "kill"]) {
    await control(how);
    await eventually(async () => (await ask("/seen", cookie)).views === 2);
  }
  shown("a restart of the server");

  await ask("/out", cookie);
  assert.equal((await ask("/seen", cookie)).views, null);
  await client.pExpire((await client.keys("app:*"))[0], 1);
  await eventually(async () => (await store.length()) === 20);
  await store.clear();
  // A key that has just run out may still be counted.
  await eventually(async () => (await client.dbSize()) === 0);
  shown("log-out and end");
}

run(main);
