// ioredis's Cluster, as python/cluster.py wants it:    ioredis-cluster.mjs PORT

import Redis from "ioredis";
import { countUp } from "./counter.mjs";

const cluster = new Redis.Cluster([{ host: "127.0.0.1", port: Number(process.argv[2]) }]);
cluster.on("error", () => {}); // Told where a command fails.
countUp({
  incr: (key) => cluster.incr(key),
  get: (key) => cluster.get(key),
});
