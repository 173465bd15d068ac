"""redisvl's and redis-om's own tests, from their source packages, as far as they ask a server.

    search_suites.py FOLDER-OF-REDISVL FOLDER-OF-REDIS-OM

Each file and each test that is left out is named here with a reason.
"""

import os
import pathlib
import subprocess
import sys

from common import shown

MODELS = "asks models, or the services that have them"
MEANINGS = "wants texts to be near that mean the same, for which no model is there"
COMMAND = "runs a program that redisvl or redis-om installs, by a path of their own repositories"
REDISVL_LEFT_OUT = {
    "test_vectorizers.py": MODELS,
    "test_rerankers.py": MODELS,
    "test_cross_encoder_reranker.py": MODELS,
    "test_semantic_router.py": MEANINGS,
    "test_llmcache.py": MEANINGS,
    "test_message_history.py": MEANINGS,
    "test_role_filter_get_recent.py": MEANINGS,
    "test_langcache_semantic_cache_integration.py": "asks a service",
    "test_mcp": "serves another protocol, with packages that are no part of it",
}
# Parts of names of single tests.
REDISVL_SINGLE = {
    "word_weights": "wants words weighed by BM25, which RediSearch 2.10 does not do; it fails with Redis Stack, too",
    "hybrid_search_not_available": "FT.HYBRID is there, and the version that is told is older than it",
    "drop_recreate_plan_apply_validate_flow": "wants an index to take a millisecond at least",
}
OM_LEFT_OUT = {"test_cli_migrate.py": COMMAND}


def run(folder, tests, left_out, single, **environment):
    here = str(pathlib.Path(__file__).parent)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "stand_ins", "--timeout", "120", tests]
    for name, why in [*left_out.items(), *single.items()]:
        print(f"left out: {name}: {why}")
    command += [f"--ignore-glob=*/{name}" for name in left_out]
    command += ["-k", " and ".join(f"not {name}" for name in single)] if single else []
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": here} | environment)


def main():
    redisvl, om = map(pathlib.Path, sys.argv[1:])
    run(redisvl, "tests/integration", REDISVL_LEFT_OUT, REDISVL_SINGLE)
    shown("redisvl's own tests")
    # Some of its files look for others by the name that the folder has before it is packed.
    (om / "tests").unlink(missing_ok=True)
    (om / "tests").symlink_to("tests_sync")
    run(om, "tests_sync", OM_LEFT_OUT, {}, REDIS_OM_URL="redis://127.0.0.1:6379?decode_responses=True")
    shown("redis-om's own tests")


main()
