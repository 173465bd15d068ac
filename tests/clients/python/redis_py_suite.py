"""redis-py's own tests of what a standalone server does, from its source package.

    redis_py_suite.py FOLDER

Those of clusters, Sentinel, TLS and of what the client does by itself are left out, and what is newer than the version that the server tells
skips itself.
"""

import os
import pathlib
import subprocess
import sys

from common import shown

URL = "redis://127.0.0.1:6379"
FILES = ["commands", "hash", "vsets", "keyspace_notifications", "lock", "pipeline", "scripting", "pubsub", "monitor", "encoding"]
SYNC_ONLY = ["function", "legacy_responses_arg"]
# They are marked as a module's.
OF_MODULES = ["json"]
SEARCH_SYNC_ONLY = ["search_aggregation", "search_querystring", "search_result"]
# Tests of searches that are left out, each with the reason.
SHAPES = "there are no GEOSHAPE fields"
NEWER = "RediSearch 2.10, which MODULE LIST names, scores by TFIDF unless told otherwise, and has no coordinator to be profiled"
LEFT_OUT = {
    "TestBaseSearchFunctionality::test_geoshape": SHAPES,
    "TestDifferentFieldTypesSearch::test_geoshapes_query_intersects_and_disjoint": SHAPES,
    "TestDifferentFieldTypesSearch::test_geoshapes_query_contains_and_within": SHAPES,
    "TestSearchLanguages::test_search_chinese_tokenization": "Chinese is not segmented",
    "TestBaseSearchFunctionality::test_scores_with_new_default_scorer": NEWER,
    "TestScorers::test_scorer_with_new_default_scorer": NEWER,
    "TestProfile::test_profile_with_coordinator": NEWER,
    "TestSearchWithVamana": "there are no graphs of type SVS-VAMANA, which Redis has from 8.2 on",
}


def run(folder, names, *options):
    files = [folder / "tests" / name for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *map(str, files)]
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parent)}
    subprocess.run(command, cwd=folder, check=True, env=environment)


def both(names):
    return [f"{place}test_{name}.py" for name in names for place in ("", "test_asyncio/")]


def main():
    folder = pathlib.Path(sys.argv[1])
    alone = [f"test_{name}.py" for name in SYNC_ONLY]
    marks = "not onlycluster and not redismod and not ssl and not experimental"
    run(folder, both(FILES) + alone, "--redis-url", f"{URL}/9", "-m", marks)
    of_modules = ["--redis-url", f"{URL}/9", "--redis-mod-url", URL, "-m", "not onlycluster"]
    run(folder, both(OF_MODULES), *of_modules)
    searches = both(["search"])
    left_out = [f"--deselect=tests/{file}::{name}" for file in searches for name in LEFT_OUT]
    # FT.HYBRID is there, and the version told is older than it.
    unskipped = ["-p", "unskipped"]
    run(folder, searches + [f"test_{name}.py" for name in SEARCH_SYNC_ONLY], *unskipped, *left_out, *of_modules)
    shown("its own tests")


main()
