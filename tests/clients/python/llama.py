"""LlamaIndex' RedisVectorStore, as its documentation shows it: nodes with metadata are added, found by vector and by filters, read and deleted.

The vectors are made here: alike texts have the same ones.
"""

import asyncio
import hashlib
import os

from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.vector_stores.redis import RedisVectorStore
from redisvl.schema import IndexSchema

from common import shown

URL = os.environ.get("SEARCH_URL", "redis://127.0.0.1:6379")
DIMENSION = 8

SCHEMA = {
    "index": {"name": "films", "prefix": "film", "key_separator": ":"},
    "fields": [
        {"name": "id", "type": "tag"},
        {"name": "doc_id", "type": "tag"},
        {"name": "text", "type": "text"},
        {"name": "theme", "type": "tag"},
        {"name": "year", "type": "numeric"},
        {"name": "vector", "type": "vector", "attrs": {"dims": DIMENSION, "algorithm": "hnsw", "distance_metric": "cosine"}},
    ],
}


def vector(text):
    digest = hashlib.sha256(text.strip().lower().encode()).digest()
    return [byte / 255 - 0.5 for byte in digest[:DIMENSION]]


def node(text, document, theme, year):
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)}
    return TextNode(text=text, id_=f"{document}-{year}", metadata={"theme": theme, "year": year}, relationships=source, embedding=vector(text))


NODES = [
    node("a hobbit leaves home", "shire", "fantasy", 1937),
    node("a sequel of the hobbit", "shire", "fantasy", 1954),
    node("two families at war", "sicily", "mafia", 1972),
]


def only(*filters, condition=FilterCondition.AND):
    made = [MetadataFilter(key=key, value=value, operator=operator) for key, operator, value in filters]
    return MetadataFilters(filters=made, condition=condition)


def ids(result):
    return sorted(node.node_id for node in result.nodes)


def plain(store):
    store.create_index(overwrite=True)
    assert sorted(store.add(NODES)) == ["shire-1937", "shire-1954", "sicily-1972"]
    nearest = store.query(VectorStoreQuery(query_embedding=vector("two families at war"), similarity_top_k=1))
    assert ids(nearest) == ["sicily-1972"] and nearest.nodes[0].text == "two families at war", nearest
    assert nearest.similarities[0] > 0.999, nearest
    fantasy = only(("theme", FilterOperator.EQ, "fantasy"))
    found = store.query(VectorStoreQuery(query_embedding=vector("two families at war"), similarity_top_k=3, filters=fantasy))
    assert ids(found) == ["shire-1937", "shire-1954"], found
    late = only(("theme", FilterOperator.EQ, "fantasy"), ("year", FilterOperator.GT, 1940))
    found = store.query(VectorStoreQuery(query_embedding=vector("x"), similarity_top_k=3, filters=late))
    assert ids(found) == ["shire-1954"], found
    either = only(("theme", FilterOperator.EQ, "mafia"), ("year", FilterOperator.LT, 1940), condition=FilterCondition.OR)
    found = store.query(VectorStoreQuery(query_embedding=vector("x"), similarity_top_k=3, filters=either))
    assert ids(found) == ["shire-1937", "sicily-1972"], found
    store.delete("shire")
    left = store.query(VectorStoreQuery(query_embedding=vector("x"), similarity_top_k=3))
    assert ids(left) == ["sicily-1972"], left
    store.delete_index()
    assert not store.index_exists()


async def awaited(store):
    await store.async_create_index(overwrite=True)
    await store.async_add(NODES)
    nearest = await store.aquery(VectorStoreQuery(query_embedding=vector("a hobbit leaves home"), similarity_top_k=1))
    assert ids(nearest) == ["shire-1937"], nearest
    await store.adelete("shire")
    left = await store.aquery(VectorStoreQuery(query_embedding=vector("x"), similarity_top_k=3))
    assert ids(left) == ["sicily-1972"], left
    await store.async_delete_index()


def main():
    schema = IndexSchema.from_dict(SCHEMA)
    plain(RedisVectorStore(schema=schema, redis_url=URL))
    import redis.asyncio

    async def run():
        client = redis.asyncio.Redis.from_url(URL)
        await awaited(RedisVectorStore(schema=schema, redis_client_async=client))
        await client.aclose()

    asyncio.run(run())
    shown("LlamaIndex")


if __name__ == "__main__":
    main()
