"""Valkey's GLIDE as a cluster's client, as cluster.py wants it: it counts up until its input ends, and then adds up.

    glide_cluster.py PORT
"""

import asyncio
import sys

from glide import BackoffStrategy, GlideClusterClient, GlideClusterClientConfiguration, Logger, LogLevel, NodeAddress, RequestError

KEYS = 97


async def main():
    # It would write to where the counts go.
    Logger.init(LogLevel.OFF)
    config = GlideClusterClientConfiguration(
        [NodeAddress("127.0.0.1", int(sys.argv[1]))],
        request_timeout=5000,
        reconnect_strategy=BackoffStrategy(num_of_retries=10, factor=50, exponent_base=2),
    )
    cluster = await GlideClusterClient.create(config)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    confirmed, failed = 0, 0
    while not ended.done():
        try:
            await cluster.incr(f"count:{(confirmed + failed) % KEYS}")
            confirmed += 1
        except RequestError as error:
            print(error, file=sys.stderr)
            failed += 1
        if (confirmed + failed) % 50 == 0:
            print(confirmed, failed, flush=True)
    print(confirmed, failed, flush=True)
    counts = [await cluster.get(f"count:{n}") for n in range(KEYS)]
    print("total", sum(int(count or 0) for count in counts), flush=True)
    await cluster.close()


asyncio.run(main())
