// What the Node programs share: the control port, a line for each thing shown, and waiting for something.

import net from "node:net";
import assert from "node:assert/strict";

export { assert };
export const PROXY = 6380;
const CONTROL = 6381;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks the harness for a restart or a cut: see harness.py. */
export function control(line) {
  return new Promise((done, failed) => {
    const end = net.connect(CONTROL, "127.0.0.1", () => end.write(line + "\n"));
    end.once("data", (answer) => {
      end.destroy();
      String(answer).trim() === "ok" ? done() : failed(new Error(`${line}: ${answer}`));
    });
    end.once("error", failed);
  });
}

export function shown(what) {
  console.log(`shown ${what}`);
}

/** The first true answer of `check`; what it throws counts as no answer. */
export async function eventually(check, seconds = 20) {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    let error;
    try {
      const answer = await check();
      if (answer) return answer;
    } catch (thrown) {
      error = thrown;
    }
    if (Date.now() > until) throw error ?? new Error(`never became true: ${check}`);
    await sleep(20);
  }
}

/** Runs a program to its end; what it left open doesn't keep it, what it forgot to catch fails it. */
export function run(main, seconds = 90) {
  setTimeout(() => {
    console.error("still running");
    process.exit(1);
  }, seconds * 1000).unref();
  process.on("unhandledRejection", (error) => {
    console.error(error);
    process.exit(1);
  });
  main().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}
