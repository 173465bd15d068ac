"""litellm's cache of answers by what a question means: completions of a model that is made here come from the cache when the question is asked in
other words, and so do those that are awaited.

The model speaks OpenAI's protocol. Its vectors count letters, so that texts that say the same in almost the same words are near each other.
"""

import asyncio
import json
import math
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import redis
from common import shown

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.caching.caching import Cache

URL = os.environ.get("SEARCH_URL", "redis://127.0.0.1:6379")
asked = []


def vector(text):
    numbers = [0.0] * 64
    padded = f" {text.lower()} "
    for at in range(len(padded) - 1):
        numbers[(31 * ord(padded[at]) + ord(padded[at + 1])) % 64] += 1
    length = math.sqrt(sum(number * number for number in numbers)) or 1
    return [number / length for number in numbers]


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if self.path.endswith("/embeddings"):
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            data = [{"object": "embedding", "index": at, "embedding": vector(text)} for at, text in enumerate(texts)]
            answer = {"object": "list", "data": data, "model": body["model"], "usage": usage}
        else:
            asked.append(body["messages"][-1]["content"])
            message = {"role": "assistant", "content": f"answer {len(asked)}"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {"id": f"c{len(asked)}", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": usage}
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/v1"
    os.environ |= {"OPENAI_API_KEY": "none", "OPENAI_API_BASE": base, "OPENAI_BASE_URL": base}
    litellm.api_base = base
    litellm.cache = Cache(
        type="redis-semantic",
        redis_url=URL,
        similarity_threshold=0.85,
        ttl=120,
        redis_semantic_cache_embedding_model="openai/letters",
        redis_semantic_cache_index_name="litellm",
    )

    def messages(text):
        return {"model": "openai/talker", "messages": [{"role": "user", "content": text}], "api_base": base, "api_key": "none", "caching": True}

    def ask(text):
        return litellm.completion(**messages(text)).choices[0].message.content

    assert ask("What is the capital of France?") == "answer 1"
    assert ask("what is the capital of france ?") == "answer 1", asked
    assert ask("How many legs has a spider?") == "answer 2", asked

    kept = redis.Redis.from_url(URL).dbsize

    async def awaited():
        first = await litellm.acompletion(**messages("Who wrote the book of sand?"))
        assert first.choices[0].message.content == "answer 3", asked
        # It is kept behind the caller's back.
        for _ in range(100):
            if kept() == 3:
                break
            await asyncio.sleep(0.1)
        again = await litellm.acompletion(**messages("who wrote the book of sand"))
        assert again.choices[0].message.content == "answer 3", asked

    asyncio.run(awaited())
    assert len(asked) == 3 and kept() == 3, asked
    shown("litellm")


if __name__ == "__main__":
    main()
