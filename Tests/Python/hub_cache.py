"""Works on a cache that we share with huggingface_hub, and prints what it finds as JSON.

    hub_cache.py read ENDPOINT CACHE NAME REVISION    offline: everything that is in the cache
    hub_cache.py write ENDPOINT CACHE NAME REVISION PATTERN...    online: downloads what matches
"""

import json
import os
import sys

mode, endpoint, cache, name, revision = sys.argv[1:6]
os.environ.update(
    HF_ENDPOINT=endpoint, HF_HUB_CACHE=cache, HF_HUB_OFFLINE="1" if mode == "read" else "0", HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1", HF_TOKEN_PATH="/nonexistent", no_proxy="*")

import huggingface_hub as hub  # noqa: E402


def read():
    patterns = ["*.json", "*.jinja", "*.txt", "*.model", "model*.safetensors"]
    folder = hub.snapshot_download(name, revision=revision, allow_patterns=patterns)
    files = {}
    for path in sorted(os.listdir(folder)):
        found = hub.try_to_load_from_cache(name, path, revision=revision)
        assert hub.hf_hub_download(name, path, revision=revision) == found == os.path.join(folder, path)
        with open(found, "rb") as file:
            files[path] = file.read().hex()
    report = hub.scan_cache_dir(cache)
    repository, = [one for one in report.repos if one.repo_id == name]
    return {
        "folder": folder,
        "files": files,
        "warnings": [str(one) for one in report.warnings],
        "refs": {ref: one.commit_hash for ref, one in repository.refs.items()},
        "size": repository.size_on_disk,
        "tree": sorted(file.path for file in hub.get_cached_repo_tree(name, revision=revision)),
    }


def write():
    return {"folder": hub.snapshot_download(name, revision=revision, allow_patterns=sys.argv[6:])}


json.dump({"read": read, "write": write}[mode](), sys.stdout)
