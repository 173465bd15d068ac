// node-redis's cluster, as python/cluster.py wants it:    node-redis-cluster.mjs PORT

import { createCluster } from "redis";
import { countUp } from "./counter.mjs";

const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${process.argv[2]}` }] });
cluster.on("error", () => {}); // Told where a command fails.
await cluster.connect();
countUp({
  incr: (key) => cluster.incr(key),
  get: (key) => cluster.get(key),
});
