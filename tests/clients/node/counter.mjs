// What a cluster's client in Node does for python/cluster.py: it counts up until its input ends, and then adds up.

const KEYS = 97;

export async function countUp({ incr, get }) {
  let confirmed = 0;
  let failed = 0;
  let over = false;
  process.stdin.on("end", () => (over = true)).resume();
  const tell = () => console.log(confirmed, failed);
  const telling = setInterval(tell, 20);
  while (!over) {
    try {
      await incr(`count:${(confirmed + failed) % KEYS}`);
      confirmed += 1;
    } catch (error) {
      console.error(String(error));
      failed += 1;
    }
  }
  clearInterval(telling);
  tell();
  let total = 0;
  for (let n = 0; n < KEYS; n += 1) total += Number((await get(`count:${n}`)) ?? 0);
  console.log("total", total);
  process.exit(0);
}
