#!/usr/bin/env python3
"""Runs a study on a Ray cluster: one task a shard, then a merge.

    python ray_study.py STUDY.yaml --out /shared/out --shards 16
    python ray_study.py STUDY.yaml --out out --exchequer .build/release/exchequer

Every machine needs the program and the scenario under the same paths, and --out on a folder that all
of them share. Ray only starts commands: what a run is, going on after a failure and the digest are
the program's (docs/operating/simulation-clusters.md). Prints the digest as the last line.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import ray


@ray.remote(max_retries=3, retry_exceptions=True)
def run_shard(program: str, study: str, out: str, shard: int, shards: int, threads: int) -> int:
    """Runs one shard; a task that Ray starts again goes on where the lost one was."""
    part = f"{shard}/{shards}"
    command = [program, "simulate", "run", study, "--out", out, "--shard", part]
    subprocess.run([*command, "--threads", str(threads)], check=True, capture_output=True)
    return shard


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, help="as many as the cluster has processors")
    parser.add_argument("--threads", type=int, default=1, help="processors of a task")
    parser.add_argument("--exchequer", default="exchequer", help="the program")
    parser.add_argument("--address", help="the cluster; this machine if left out")
    options = parser.parse_args()

    ray.init(address=options.address, log_to_driver=False, include_dashboard=False)
    shards = options.shards or max(1, int(ray.cluster_resources().get("CPU", 1)) // options.threads)
    study, out = str(options.study.resolve()), str(options.out.resolve())
    task = run_shard.options(num_cpus=options.threads)
    left = [
        task.remote(options.exchequer, study, out, shard, shards, options.threads)
        for shard in range(shards)
    ]
    while left:
        done, left = ray.wait(left)
        print(f"shard {ray.get(done[0])} done, {len(left)} left", file=sys.stderr)
    ray.shutdown()

    merge = [options.exchequer, "simulate", "merge", out, "--json"]
    result = subprocess.run(merge, check=True, capture_output=True, text=True)
    print(json.loads(result.stdout)["digest"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
