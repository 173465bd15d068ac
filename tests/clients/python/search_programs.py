"""What programs with language models ask of searches: redisvl, langchain-redis, langgraph's checkpoints, redis-om.

Each part does what the documentation of its package shows, with vectors made here.
"""

import asyncio
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
    asyncio.run(awaited_checkpoints())
    graph()
    shown("langgraph-checkpoint-redis")


async def awaited_checkpoints():
    from langgraph.checkpoint.base import empty_checkpoint
    from langgraph.checkpoint.redis.aio import AsyncRedisSaver

    async with AsyncRedisSaver.from_conn_string(URL) as saver:
        await saver.asetup()
        thread = {"configurable": {"thread_id": "two", "checkpoint_ns": ""}}
        config = thread
        for step in range(3):
            config = await saver.aput(config, empty_checkpoint(), {"source": "loop", "step": step}, {})
            await saver.aput_writes(config, [("channel", step)], "task")
        last = await saver.aget_tuple(thread)
        assert last.metadata["step"] == 2 and last.pending_writes[0][2] == 2, last
        listed = [one async for one in saver.alist({"configurable": {"thread_id": "two"}})]
        assert [one.metadata["step"] for one in listed] == [2, 1, 0], listed
        await saver.adelete_thread("two")
        assert await saver.aget_tuple(thread) is None


def graph():
    """A graph that remembers each of its threads, as the documentation shows it."""
    import operator
    from typing import Annotated, TypedDict

    from langgraph.checkpoint.redis import RedisSaver
    from langgraph.graph import END, START, StateGraph

    class State(TypedDict):
        said: Annotated[list[str], operator.add]

    with RedisSaver.from_conn_string(URL) as saver:
        saver.setup()
        made = StateGraph(State)
        made.add_node("answer", lambda state: {"said": [f"answer to {state['said'][-1]}"]})
        made.add_edge(START, "answer")
        made.add_edge("answer", END)
        graph = made.compile(checkpointer=saver)
        thread, other = ({"configurable": {"thread_id": name}} for name in ("ann", "bob"))
        graph.invoke({"said": ["hello"]}, thread)
        graph.invoke({"said": ["again"]}, thread)
        graph.invoke({"said": ["hi"]}, other)
        assert graph.get_state(thread).values["said"] == ["hello", "answer to hello", "again", "answer to again"]
        assert graph.get_state(other).values["said"] == ["hi", "answer to hi"]
        history = list(graph.get_state_history(thread))
        assert len(history) == 6 and history[-1].values == {"said": []}, history


def store():
    from langgraph.store.redis import RedisStore

    index = {"dims": DIMENSION, "embed": lambda texts: [vector(text) for text in texts], "distance_type": "cosine", "fields": ["text"]}
    with RedisStore.from_conn_string(URL, index=index) as memories:
        memories.setup()
        ann, bob = ("users", "ann"), ("users", "bob")
        memories.put(ann, "one", {"text": "likes quick foxes", "kind": "taste"})
        memories.put(ann, "two", {"text": "walks lazy dogs", "kind": "habit"})
        memories.put(bob, "one", {"text": "reads about foxes", "kind": "habit"})
        assert memories.get(ann, "two").value["text"] == "walks lazy dogs"
        nearest = memories.search(ann, query="walks lazy dogs", limit=1)
        assert [one.key for one in nearest] == ["two"] and nearest[0].score > 0.999, nearest
        assert {one.key for one in memories.search(ann)} == {"one", "two"}
        assert [one.namespace for one in memories.search(("users",), filter={"kind": "taste"})] == [ann]
        assert set(memories.list_namespaces(prefix=("users",))) == {ann, bob}
        memories.delete(ann, "one")
        assert memories.get(ann, "one") is None and {one.key for one in memories.search(ann)} == {"two"}
    # AsyncRedisStore can't be made with the redisvl that comes with it: that refuses its client, whatever the server.
    shown("langgraph's store")


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
    store()
    om()
