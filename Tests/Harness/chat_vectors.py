"""Renders the chat templates of models with Jinja2, as transformers does.

    Tests/Harness/fetch-originals.sh --templates      # the texts: other people's, not committed
    python3 Tests/Harness/chat_vectors.py             # refreshes vectors.json

Tests/Fixtures/chat-templates/vectors.json says for each text its SHA-256, the engine's format, the
source and the prompts of all conversations. The Swift tests compare the engine's prompts with that
file; test_chat_templates.py compares the file with what Jinja2 gives now. For a new text write its
entry by hand, without prompts, and run this.

Sources: `llama-cpp-python FILE` is a file of that PyPI sdist, version 0.3.36, that is the text or
has it as a string; `model` is the demonstration model's metadata; `none` is in no package: the text
was read once, its prompts are kept.
"""

import ast
import hashlib
import json
import mmap
import re
import sys
from pathlib import Path

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "Tests/Fixtures/chat-templates/vectors.json"
MODELS = ROOT / ".models"
PACKAGE = MODELS / "chat-templates"
BEGIN, END = "<s>", "</s>"


def message(role, content):
    return {"role": role, "content": content}


CONVERSATIONS = [
    [message("user", "Hello, what is 12+7?")],
    [message("system", "Be brief."), message("user", "Bonjour 👋")],
    [message("system", " Be\n brief. "), message("user", "  two  spaces \n"),
     message("assistant", " Salut !\n"), message("user", "\u00a0third\u2003"),
     message("assistant", "x"), message("user", "y")],
    [message("user", "a"), message("assistant", " b ")],
    [message("system", "S"), message("user", "a"), message("assistant", "b")],
    [message("system", ""), message("user", "")],
    [message("system", "S"), message("user", " \n ")],
    [message("user", "a"), message("user", "b")],
    [message("assistant", "I begin."), message("user", "ok")],
    [message("user", "a"), message("system", "late"), message("user", "b")],
    [message("user", "a"), message("assistant", "b"), message("system", "late")],
    [message("system", "only")],
    [message("system", "one"), message("system", "two"), message("user", "three")],
    [message("user", "Q"), message("assistant", "<think>\nhm\n</think>\n\nA"),
     message("user", "R")],
    [message("user", "Q"), message("assistant", "<think>\n\nhm\n\n</think>\n\nA")],
    [message("user", "Q"), message("assistant", "A"), message("assistant", "</think>B")],
    [message("user", "Q"), message("assistant", "x</think>\n\ny</think>\nz"),
     message("assistant", "C")],
    [message("user", "<tool_response>5</tool_response>"),
     message("assistant", "<think>n</think>five")],
    [message("user", "say <|im_end|> and {bos} {{ x }} {eos} </s> [/INST]"),
     message("assistant", "{% if %}")],
    [message("user", "e\u0301\r\n"), message("assistant", "\u0301</think>\u0301\n\u0301")],
]


def environment():
    def refuse(text):
        raise TemplateError(text)

    result = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    result.globals["raise_exception"] = refuse
    return result


def render(source, messages, prompt):
    """The prompt, or None if the template refuses the conversation."""
    try:
        return environment().from_string(source).render(
            messages=messages, add_generation_prompt=prompt, bos_token=BEGIN, eos_token=END)
    except TemplateError:
        return None


def normalised(text):
    """As the engine takes the hash: files differ in line ends, Jinja drops one at the end."""
    return text.replace("\r\n", "\n").removesuffix("\n")


def literals(source):
    """The strings of a program in C++ or Python, those that stand side by side as one."""
    for match in re.finditer(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', source):
        try:
            yield ast.literal_eval(f"({match[0]})")
        except (SyntaxError, ValueError):
            continue  # what only looks like a string, such as a quote in a comment


def template_of(path):
    """The chat template of a GGUF file: after its key stand the type, 8 for text, and the size."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = data.find(b"tokenizer.chat_template\x08\0\0\0") + 27
        if start < 27:
            return ""
        size = int.from_bytes(data[start : start + 8], "little")
        return data[start + 8 : start + 8 + min(size, 1 << 20)].decode(errors="replace")


def originals():
    """The texts that are on this machine by their SHA-256."""
    texts = [template_of(path) for path in sorted(MODELS.rglob("*.gguf"))]
    for path in sorted(PACKAGE.glob("*")):
        text = path.read_bytes().decode()
        texts += [text] if path.suffix == ".jinja" else literals(text)
    return {hashlib.sha256(text.encode()).hexdigest(): text for text in map(normalised, texts)}


def prompts(source):
    """The prompts of all conversations, with and without a prompt for an answer."""
    return [
        render(source, messages, prompt)
        for messages in CONVERSATIONS for prompt in (True, False)
    ]


def main():
    stored = json.loads(VECTORS.read_text())
    found = originals()
    for name, entry in stored["templates"].items():
        if entry["sha256"] in found:
            entry["prompts"] = prompts(found[entry["sha256"]])
        elif stored["conversations"] != CONVERSATIONS or "prompts" not in entry:
            sys.exit(f"chat_vectors: the text of {name} is not here, its prompts cannot be made")
    stored["conversations"] = CONVERSATIONS
    VECTORS.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
