"""What llama.cpp thinks of given tokens, for tests of architectures.

Reads one JSON object a line from standard input: `tokens`, the `first` position to score and how
many of the likeliest tokens to give. Writes one line for each: a list for every position from
`first` on, of [token, log probability of coming after the tokens up to that position].

    .venv-llama/bin/python Tests/Harness/llama_scores.py MODEL.gguf
"""

import argparse
import json
import os
import sys

import xllamacpp


def score(server, tokens, first, top):
    rows = []
    for end in range(first + 1, len(tokens) + 1):
        answer = server.handle_completions(
            {
                "prompt": tokens[:end],
                "n_predict": 1,
                "n_probs": top,
                "temperature": 0.0,
                "cache_prompt": True,
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
        rows = score(server, request["tokens"], request["first"], request["top"])
        print(json.dumps(rows), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
