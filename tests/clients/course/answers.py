"""A cache of answers by what a question means, in front of a model that takes its time.

Each answer is a hash with the vector of its question, under an index. A question is answered by the nearest one that was asked
before in the same language, if that is near enough.
"""

import math
import re
import struct
import uuid
import zlib

from redis.commands.search.field import TagField, TextField, VectorField
from redis.commands.search.index_definition import IndexDefinition, IndexType
from redis.commands.search.query import Query
from redis.exceptions import ResponseError

DIMENSIONS = 256
STOPWORDS = {"a", "an", "the", "is", "are", "do", "does", "i", "you", "your", "my", "can", "how", "to", "for", "of", "please", "me", "tell"}


def embed(text):
    """A vector made of a text's words and their parts, in the place of a model's: the same every time, and alike for alike texts."""
    numbers = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        if word in STOPWORDS:
            continue
        padded = f"<{word}>"
        for part in [padded, *(padded[at : at + 3] for at in range(len(padded) - 2))]:
            hashed = zlib.crc32(part.encode())
            numbers[hashed % DIMENSIONS] += 1 if hashed & 1 << 20 else -1
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return struct.pack(f"<{DIMENSIONS}f", *(number / length for number in numbers))


class Answers:
    def __init__(self, redis, distance=0.2, seconds=3600):
        self.redis, self.distance, self.seconds = redis, distance, seconds
        self.index = redis.ft("answers")

    async def prepare(self):
        """Makes the index, unless it is there from before."""
        vector = {"TYPE": "FLOAT32", "DIM": DIMENSIONS, "DISTANCE_METRIC": "COSINE"}
        fields = [TextField("question"), TagField("language"), VectorField("vector", "HNSW", vector)]
        try:
            await self.index.create_index(fields, definition=IndexDefinition(prefix=["answer:"], index_type=IndexType.HASH))
        except ResponseError as error:
            if "already exists" not in str(error):
                raise

    async def find(self, question, language):
        nearest = f"(@language:{{{language}}})=>[KNN 1 @vector $asked AS distance]"
        query = Query(nearest).return_fields("question", "answer", "distance").sort_by("distance").dialect(2)
        found = (await self.index.search(query, {"asked": embed(question)})).docs
        return found[0] if found and float(found[0].distance) <= self.distance else None

    async def keep(self, question, language, answer):
        key = f"answer:{uuid.uuid4().hex}"
        async with self.redis.pipeline(transaction=True) as pipe:
            held = {"question": question, "answer": answer, "language": language, "vector": embed(question)}
            pipe.hset(key, mapping=held)
            pipe.expire(key, self.seconds)
            await pipe.execute()
