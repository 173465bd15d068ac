"""What programs with language models ask of searches: redisvl, langchain-redis, langgraph's checkpoints, redis-om.

Each part does what the documentation of its package shows, with vectors made here.
"""

import hashlib
import os
import struct

import redis

from common import shown

URL = os.environ.get("SEARCH_URL", "redis://127.0.0.1:6379")
os.environ["REDIS_OM_URL"] = URL
r = redis.Redis.from_url(URL, decode_responses=True)
DIMENSION = 4


def vector(text):
    """Four numbers by what a text is: alike texts have the same ones."""
    digest = hashlib.sha256(text.strip().lower().encode()).digest()
    return [byte / 255 - 0.5 for byte in digest[:DIMENSION]]


def packed(numbers):
    return struct.pack(f"<{len(numbers)}f", *numbers)


def redisvl():
    from redisvl.index import SearchIndex
    from redisvl.query import CountQuery, FilterQuery, TextQuery, VectorQuery, VectorRangeQuery
    from redisvl.query.filter import Num, Tag, Text

    fields = [
        {"name": "user", "type": "tag", "attrs": {"sortable": True}},
        {"name": "age", "type": "numeric", "attrs": {"sortable": True}},
        {"name": "bio", "type": "text"},
        {
            "name": "embedding",
            "type": "vector",
            "attrs": {"dims": DIMENSION, "distance_metric": "cosine", "algorithm": "flat", "datatype": "float32"},
        },
    ]
    schema = {"index": {"name": "users", "prefix": "user"}, "fields": fields}
    index = SearchIndex.from_dict(schema, redis_url=URL)
    index.create(overwrite=True)
    people = [("ann", 31, "likes quick foxes"), ("bob", 25, "walks lazy dogs"), ("cid", 47, "reads about foxes")]
    index.load(
        [{"user": user, "age": age, "bio": bio, "embedding": packed(vector(bio))} for user, age, bio in people],
        id_field="user",
    )
    near = VectorQuery(vector("walks lazy dogs"), "embedding", return_fields=["user"], num_results=1)
    assert [one["user"] for one in index.query(near)] == ["bob"]
    old = (Num("age") > 30) & (Tag("user") != "cid")
    assert [one["user"] for one in index.query(FilterQuery(return_fields=["user"], filter_expression=old))] == ["ann"]
    assert index.query(CountQuery(Text("bio") % "fox*")) == 2
    within = VectorRangeQuery(vector("reads about foxes"), "embedding", return_fields=["user"], distance_threshold=0.01)
    assert [one["user"] for one in index.query(within)] == ["cid"]
    spoken = TextQuery("foxes", "bio", text_scorer="BM25STD", return_fields=["user"], stopwords=None)
    assert {one["user"] for one in index.query(spoken)} == {"ann", "cid"}
    assert index.info()["num_docs"] == 3 and index.exists()
    index.delete(drop=True)
    assert not r.keys("user:*")
    shown("redisvl")


def semantic_cache():
    from redisvl.extensions.cache.llm import SemanticCache
    from redisvl.utils.vectorize import CustomTextVectorizer

    vectorizer = CustomTextVectorizer(embed=vector)
    cache = SemanticCache(name="answers", redis_url=URL, vectorizer=vectorizer, distance_threshold=0.1, overwrite=True)
    assert cache.check("What is the capital of France?") == []
    cache.store("What is the capital of France?", "Paris")
    held = cache.check(" what is the capital of FRANCE?")
    assert [one["response"] for one in held] == ["Paris"], held
    cache.clear()
    assert cache.check("What is the capital of France?") == []
    cache.delete()
    shown("a semantic cache")


def langchain():
    from langchain_core.embeddings import Embeddings
    from langchain_redis import RedisConfig, RedisVectorStore

    class Letters(Embeddings):
        def embed_documents(self, texts):
            return [vector(text) for text in texts]

        def embed_query(self, text):
            return vector(text)

    config = RedisConfig(index_name="texts", redis_url=URL, metadata_schema=[{"name": "kind", "type": "tag"}])
    store = RedisVectorStore(Letters(), config=config)
    store.add_texts(["one fox", "two dogs", "three cats"], [{"kind": "wild"}, {"kind": "tame"}, {"kind": "tame"}])
    found = store.similarity_search("two dogs", k=1)
    assert [one.page_content for one in found] == ["two dogs"], found
    from redisvl.query.filter import Tag

    found = store.similarity_search("one fox", k=3, filter=Tag("kind") == "tame")
    assert {one.page_content for one in found} == {"two dogs", "three cats"}, found
    store.index.delete(drop=True)
    shown("langchain-redis")


def langgraph():
    from langgraph.checkpoint.base import empty_checkpoint
    from langgraph.checkpoint.redis import RedisSaver

    with RedisSaver.from_conn_string(URL) as saver:
        saver.setup()
        config = {"configurable": {"thread_id": "one", "checkpoint_ns": ""}}
        for step in range(3):
            checkpoint = empty_checkpoint()
            config = saver.put(config, checkpoint, {"source": "loop", "step": step}, {})
            saver.put_writes(config, [("channel", step)], "task")
        last = saver.get_tuple({"configurable": {"thread_id": "one", "checkpoint_ns": ""}})
        assert last.metadata["step"] == 2 and last.pending_writes[0][2] == 2, last
        listed = list(saver.list({"configurable": {"thread_id": "one"}}))
        assert [one.metadata["step"] for one in listed] == [2, 1, 0], listed
        saver.delete_thread("one")
        assert saver.get_tuple({"configurable": {"thread_id": "one", "checkpoint_ns": ""}}) is None
    shown("langgraph-checkpoint-redis")


def om():
    from redis_om import Field, HashModel, JsonModel, Migrator

    class Customer(HashModel, index=True):
        name: str = Field(index=True)
        age: int = Field(index=True, sortable=True)
        bio: str = Field(index=True, full_text_search=True)

    class Order(JsonModel, index=True):
        number: int = Field(index=True)
        tags: list[str] = Field(index=True)

    Migrator().run()
    Customer(name="ann", age=31, bio="likes quick foxes").save()
    Customer(name="bob", age=25, bio="walks lazy dogs").save()
    assert [one.name for one in Customer.find(Customer.age > 30).all()] == ["ann"]
    assert [one.name for one in Customer.find(Customer.bio % "dogs").all()] == ["bob"]
    assert [one.name for one in Customer.find().sort_by("-age").all()] == ["ann", "bob"]
    Order(number=7, tags=["new", "paid"]).save()
    assert [one.number for one in Order.find(Order.tags << "paid").all()] == [7]
    Customer.delete_many(Customer.find().all())
    assert Customer.find().count() == 0
    shown("redis-om")


if __name__ == "__main__":
    redisvl()
    semantic_cache()
    langchain()
    langgraph()
    om()
