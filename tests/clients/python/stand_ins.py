"""What redisvl's own tests ask for beside a server, for pytest's `-p`: a container of it, which is the server that is there already; a model
of language, in whose place stand vectors made of words, so that texts with the same words are near each other; and a list of stop words.
"""

import random
import sys
import types

import numpy

NUMBERS = 768
STOP_WORDS = "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was will with"


class DockerCompose:
    def __init__(self, *_, **__):
        pass

    def start(self):
        pass

    def stop(self):
        pass

    def get_service_host_and_port(self, *_):
        return "127.0.0.1", 6379


class SentenceTransformer:
    def __init__(self, *_, **__):
        pass

    def encode(self, texts, **_):
        if isinstance(texts, str):
            return self.encode([texts])[0]
        return numpy.array([self.of(text) for text in texts], dtype=numpy.float32)

    def of(self, text):
        words = [random.Random(word).choices([-1.0, 1.0], k=NUMBERS) for word in text.lower().split() or [""]]
        whole = numpy.sum(words, axis=0)
        return whole / numpy.linalg.norm(whole)

    def get_sentence_embedding_dimension(self):
        return NUMBERS


class StopWords:
    def words(self, _):
        return STOP_WORDS.split()


def module(name, **held):
    made = types.ModuleType(name)
    made.__dict__.update(held)
    sys.modules[name] = made
    return made


module("testcontainers", compose=module("testcontainers.compose", DockerCompose=DockerCompose))
module("sentence_transformers", SentenceTransformer=SentenceTransformer)
module("nltk", corpus=module("nltk.corpus", stopwords=StopWords()), download=lambda *_, **__: True)
