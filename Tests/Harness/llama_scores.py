"""What llama.cpp thinks of given tokens, for tests of architectures.

Reads one JSON object a line from standard input: `tokens`, the `first` position to score, how many
of the likeliest tokens to give (`top`), and a token that is a `plain` character. Writes one line for each: a list for every position from
`first` on, of [token, log probability of coming after the tokens up to that position].

    .venv-llama/bin/python Tests/Harness/llama_scores.py MODEL.gguf
"""

import argparse
import json
import os
import signal
import sys
import traceback

import xllamacpp

SECONDS = 240


def score(server, tokens, first, top, plain):
    rows = []
    for end in range(first + 1, len(tokens) + 1):
        answer = server.handle_completions(
            {
                "prompt": tokens[:end],
                "n_predict": 1,
                "n_probs": top,
                "temperature": 0.0,
                "cache_prompt": True,
                # An end token or half a character would have no row. Scores are those before it.
                "logit_bias": [[plain, 1000.0]],
            }
        )
        if "choices" not in answer:
            sys.exit(f"llama.cpp: {answer}")
        best = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        rows.append([[entry["id"], entry["logprob"]] for entry in best])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    arguments = parser.parse_args()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = 512
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 2
    server = xllamacpp.Server(parameters)
    for line in sys.stdin:
        request = json.loads(line)
        rows = score(server, request["tokens"], request["first"], request["top"], request["plain"])
        print(json.dumps(rows), flush=True)


def run():
    # The server's threads can outlive an error and a test: this process ends without asking them.
    signal.alarm(SECONDS)
    try:
        main()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    run()
