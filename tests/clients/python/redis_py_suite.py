"""redis-py's own tests, from its source package: every file of them but those that are named here with a reason.

    redis_py_suite.py FOLDER

Tests of clusters, TLS and experiments are marked as such and left out; what is newer than the version that the server tells skips itself.
"""

import os
import pathlib
import subprocess
import sys

from common import shown

URL = "redis://127.0.0.1:6379"
SENTINELS = "asks Sentinels that stand at ports of their own; server/sentinel.rs has three of them"
MEANWHILE = "needs packages that are no part of the client"
NOT_THERE = "those types are not there"
# Files and folders.
FILES_LEFT_OUT = {
    "test_bloom.py": NOT_THERE,
    "test_timeseries.py": NOT_THERE,
    "test_ssl.py": "wants a server with certificates; the cell tls has one",
    "test_sentinel.py": SENTINELS,
    "test_scenario": "asks a service that breaks networks",
    "test_multidb": MEANWHILE,
    "test_observability": MEANWHILE,
    "test_auth": MEANWHILE,
    "test_http": MEANWHILE,
    "maint_notifications": "plays the server itself, by a proxy",
}
# Parts of names of single tests.
SINGLE = {
    "SentinelCache": SENTINELS,
    "SSLCache": "wants a server with certificates",
    "busy_loading": "lets the server fail by DEBUG ERROR, which default settings forbid",
    "read_only_error": "does so, too",
    "oom_error": "does so, too",
    "test_connect_no_auth": "does so, too",
    "test_connect_invalid": "does so, too",
    "test_external_auth_provider_error": "plays a socket that takes fewer arguments than the client gives it",
    "test_cache_clears_on_disconnect": "wants a fixture that is not there",
    "test_cache_lru_eviction": "wants it, too",
    "disconect_race": "fails on redis-server, too",
}
# They are marked as a module's.
JSON = ["test_json.py"]
SEARCHES = ["test_search.py"]
# Tests of searches that are left out, each with the reason.
SHAPES = "there are no GEOSHAPE fields"
NEWER = "RediSearch 2.10, which MODULE LIST names, scores by TFIDF unless told otherwise, and has no coordinator to be profiled"
SEARCHES_LEFT_OUT = {
    "TestBaseSearchFunctionality::test_geoshape": SHAPES,
    "TestDifferentFieldTypesSearch::test_geoshapes_query_intersects_and_disjoint": SHAPES,
    "TestDifferentFieldTypesSearch::test_geoshapes_query_contains_and_within": SHAPES,
    "TestSearchLanguages::test_search_chinese_tokenization": "Chinese is not segmented",
    "TestBaseSearchFunctionality::test_scores_with_new_default_scorer": NEWER,
    "TestScorers::test_scorer_with_new_default_scorer": NEWER,
    "TestProfile::test_profile_with_coordinator": NEWER,
    "TestSearchWithVamana": "there are no graphs of type SVS-VAMANA, which Redis has from 8.2 on",
}


def files(folder, is_wanted):
    found = [path.relative_to(folder) for path in sorted((folder / "tests").rglob("test_*.py"))]
    found = [path for path in found if is_wanted(path)]
    assert found, "there are no tests"
    return found


def run(folder, paths, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *map(str, paths)]
    environment = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parent)}
    subprocess.run(command, cwd=folder, check=True, env=environment)


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, why in [*FILES_LEFT_OUT.items(), *SINGLE.items(), *SEARCHES_LEFT_OUT.items()]:
        print(f"left out: {name}: {why}")
    apart = {*FILES_LEFT_OUT, *JSON, *SEARCHES}
    marks = "not onlycluster and not redismod and not ssl and not experimental"
    names = " or ".join(SINGLE)
    run(folder, files(folder, lambda path: not apart & {*path.parts}), "--redis-url", f"{URL}/9", "-m", marks, "-k", f"not ({names})")
    of_modules = ["--redis-url", f"{URL}/9", "--redis-mod-url", URL, "-m", "not onlycluster"]
    run(folder, files(folder, lambda path: path.name in JSON), *of_modules)
    searches = files(folder, lambda path: path.name in SEARCHES)
    left_out = [f"--deselect={file}::{name}" for file in searches for name in SEARCHES_LEFT_OUT]
    # FT.HYBRID is there, and the version told is older than it.
    run(folder, searches, "-p", "unskipped", *left_out, *of_modules)
    shown("its own tests")


main()
