"""A real llama.cpp server on a free port of this machine, for tests.

Prints its address once it serves. Ends when its standard input does, so that it never outlives a
test that was killed.

    .venv-llama/bin/python Tests/Harness/llama_server.py MODEL.gguf [--context 2048] [--slots 2]
"""

import argparse
import os
import sys

import xllamacpp


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--context", type=int, default=2048, help="tokens, over all slots")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--key", help="the API key clients must give")
    arguments = parser.parse_args()

    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.n_ctx = arguments.context
    parameters.n_parallel = arguments.slots
    parameters.cpuparams.n_threads = arguments.threads
    if arguments.key:
        parameters.api_keys = [arguments.key]
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
