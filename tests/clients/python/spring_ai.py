"""What Spring AI's RedisVectorStore sends through Jedis, sent from here: there is no Java among what the cells are made of.

The commands are those of its source (vector-stores/spring-ai-redis-store, RedisVectorStore and RedisFilterExpressionConverter) and of Jedis' Query:
FT._LIST before FT.CREATE on JSON, pipelines of JSON.SET and JSON.DEL, searches for the nearest in dialect 2 that are sorted by their distance.
Spring AI reads the score of a result as half of what its distance falls short of two.
"""

import json
import os
import struct

import redis

from common import shown

URL = os.environ.get("SEARCH_URL", "redis://127.0.0.1:6379")
r = redis.Redis.from_url(URL, protocol=2)
INDEX, PREFIX = "spring-ai-index", "embedding:"

DOCUMENTS = [
    ("1", "Spring AI rocks!!", [1.0, 0.1, 0.0], {"meta1": "meta1", "country": "BG", "year": 2020}),
    ("2", "The World is Big and Salvation Lurks Around the Corner", [0.0, 1.0, 0.2], {"country": "NL", "year": 2021}),
    ("3", "You walk forward facing the past", [0.1, 0.0, 1.0], {"country": "BG", "year": 2023, "meta2": "meta2"}),
]


def create(algorithm):
    held = [name.decode() for name in r.execute_command("FT._LIST")]
    if INDEX in held:
        return False
    vector = ["VECTOR", algorithm, 6, "DIM", 3, "DISTANCE_METRIC", "COSINE", "TYPE", "FLOAT32"]
    fields = ["$.content", "AS", "content", "TEXT", "WEIGHT", 1.0, "$.embedding", "AS", "embedding", *vector]
    fields += ["$.meta1", "AS", "meta1", "TAG", "$.country", "AS", "country", "TAG", "$.year", "AS", "year", "NUMERIC"]
    assert r.execute_command("FT.CREATE", INDEX, "ON", "JSON", "PREFIX", 1, PREFIX, "SCHEMA", *fields) == b"OK"
    return True


def add():
    with r.pipeline(transaction=False) as pipe:
        for key, content, embedding, metadata in DOCUMENTS:
            fields = {"embedding": embedding, "content": content, **metadata}
            pipe.execute_command("JSON.SET", PREFIX + key, "$", json.dumps(fields))
        assert [answer in (True, b"OK") for answer in pipe.execute()] == [True] * len(DOCUMENTS)


def near(embedding, count, only="*", threshold=0.0):
    names = ["meta1", "country", "year", "embedding", "content", "vector_score"]
    query = f"{only}=>[KNN {count} @embedding $BLOB AS vector_score]"
    words = ["SORTBY", "vector_score", "ASC", "LIMIT", 0, count, "RETURN", len(names), *names]
    words += ["PARAMS", 2, "BLOB", struct.pack("<3f", *embedding), "DIALECT", 2]
    total, *found = r.execute_command("FT.SEARCH", INDEX, query, *words)
    assert total == len(found) // 2
    results = []
    for key, pairs in zip(found[::2], found[1::2]):
        held = {pairs[at].decode(): pairs[at + 1].decode() for at in range(0, len(pairs), 2)}
        score = (2 - float(held["vector_score"])) / 2
        if score >= threshold:
            results.append((key.decode().removeprefix(PREFIX), held, score))
    return results


def ids(results):
    return [key for key, _, _ in results]


def serve(algorithm):
    assert create(algorithm) and not create(algorithm), "one that is there is left alone"
    add()
    [(key, held, score)] = near([1.0, 0.1, 0.0], 1)
    assert (key, held["content"], held["meta1"], held["country"], held["year"]) == ("1", "Spring AI rocks!!", "meta1", "BG", "2020"), held
    assert score > 0.999 and json.loads(held["embedding"]) == [1, 0.1, 0], (score, held)
    everything = near([0.0, 1.0, 0.2], 5)
    assert len(everything) == 3 and everything[0][0] == "2" and "meta1" not in everything[0][1], everything
    assert [score for _, _, score in everything] == sorted((score for _, _, score in everything), reverse=True)
    # As its converter writes ==, &&, ||, >=, in and not.
    assert ids(near([0.0, 1.0, 0.2], 5, "(@country:{NL})")) == ["2"]
    assert sorted(ids(near([0.0, 1.0, 0.2], 5, "(@country:{BG})"))) == ["1", "3"]
    assert ids(near([0.0, 1.0, 0.2], 5, "(@country:{BG} @year:[2020 2020])")) == ["1"]
    assert ids(near([0.0, 1.0, 0.2], 5, "((@country:{BG} @year:[(2020 inf]))")) == ["3"]
    assert sorted(ids(near([0.0, 1.0, 0.2], 5, "(@year:[2021 inf] | @meta1:{meta1})"))) == ["1", "2", "3"]
    assert sorted(ids(near([0.0, 1.0, 0.2], 5, "(@country:{BG | NL})"))) == ["1", "2", "3"]
    assert ids(near([0.0, 1.0, 0.2], 5, "(-@country:{BG})")) == ["2"]
    assert ids(near([0.1, 0.0, 1.0], 5, threshold=0.9)) == ["3"]
    # A document of the same id takes the place of the one before.
    r.execute_command("JSON.SET", PREFIX + "1", "$", json.dumps({"embedding": [0.1, 0.0, 1.0], "content": "The one is replaced"}))
    assert sorted(ids(near([0.1, 0.0, 1.0], 2))) == ["1", "3"]
    with r.pipeline(transaction=False) as pipe:
        for key, *_ in DOCUMENTS:
            pipe.execute_command("JSON.DEL", PREFIX + key)
        assert pipe.execute() == [1, 1, 1]
    assert near([1.0, 0.0, 0.0], 5) == []
    assert r.execute_command("FT.DROPINDEX", INDEX) == b"OK"


if __name__ == "__main__":
    serve("HNSW")
    serve("FLAT")
    shown("Spring AI")
