"""mem0's memories of a conversation in its Redis store, with a model of words that is made here: it speaks OpenAI's protocol,
and its vectors are those of what a text is, so that alike texts have the same ones.
"""

import hashlib
import json
import os
import pathlib
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from common import shown

URL = os.environ.get("SEARCH_URL", "redis://127.0.0.1:6379")
DIMENSION = 4


def vector(text):
    digest = hashlib.sha256(text.strip().lower().encode()).digest()
    return [byte / 255 - 0.5 for byte in digest[:DIMENSION]]


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        data = [{"object": "embedding", "index": at, "embedding": vector(text)} for at, text in enumerate(texts)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        body = json.dumps({"object": "list", "data": data, "model": asked["model"], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def remember(folder, port):
    os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": folder, "NLTK_DATA": folder}
    # What redisvl would fetch from the network.
    words = pathlib.Path(folder, "corpora", "stopwords")
    words.mkdir(parents=True)
    (words / "english").write_text("the\na\nabout\n")
    from mem0 import Memory

    model = {"openai_base_url": f"http://127.0.0.1:{port}/v1", "api_key": "none"}
    store = {"collection_name": "memories", "embedding_model_dims": DIMENSION, "redis_url": URL}
    memory = Memory.from_config(
        {
            "vector_store": {"provider": "redis", "config": store},
            "embedder": {"provider": "openai", "config": {"model": "letters", "embedding_dims": DIMENSION, **model}},
            "llm": {"provider": "openai", "config": {"model": "none", **model}},
            "history_db_path": f"{folder}/history.db",
        }
    )

    def held(user):
        return sorted(one["memory"] for one in memory.get_all(filters={"user_id": user})["results"])

    first = memory.add("Ann likes quick foxes", user_id="ann", infer=False)["results"][0]["id"]
    memory.add("Ann walks lazy dogs", user_id="ann", infer=False, metadata={"kind": "dogs"})
    memory.add("Bob reads about foxes", user_id="bob", infer=False)
    found = memory.search("Ann walks lazy dogs", filters={"user_id": "ann"}, top_k=1)["results"]
    assert [one["memory"] for one in found] == ["Ann walks lazy dogs"] and found[0]["metadata"] == {"kind": "dogs"}, found
    assert held("ann") == ["Ann likes quick foxes", "Ann walks lazy dogs"], held("ann")
    memory.update(first, "Ann likes slow foxes")
    assert memory.get(first)["memory"] == "Ann likes slow foxes"
    memory.delete(first)
    memory.delete_all(user_id="bob")
    assert held("ann") == ["Ann walks lazy dogs"] and held("bob") == []
    memory.reset()
    assert held("ann") == []
    shown("mem0")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        remember(folder, server.server_port)


if __name__ == "__main__":
    main()
