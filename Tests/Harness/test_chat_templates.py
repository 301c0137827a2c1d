"""The vectors the Swift tests compare with are what Jinja2 makes of the original templates."""

import json

import chat_vectors
import pytest

STORED = json.loads(chat_vectors.VECTORS.read_text())
TEMPLATES = STORED["templates"]


@pytest.fixture(scope="module")
def originals():
    return chat_vectors.originals()


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_vectors_are_what_jinja_renders(name, originals):
    entry = TEMPLATES[name]
    source = originals.get(entry["sha256"])
    if source is None:
        if entry["source"] == "none":
            pytest.skip("its text is in no package")
        if entry["source"] != "model" and not chat_vectors.PACKAGE.is_dir():
            pytest.skip("its text is not here: run Tests/Harness/fetch-originals.sh --templates")
        pytest.fail(f"its text is not in {entry['source']}")
    assert entry["prompts"] == chat_vectors.prompts(source)


def test_every_template_renders_and_some_refuse():
    assert STORED["conversations"] == chat_vectors.CONVERSATIONS
    texts = [entry["prompts"] for entry in TEMPLATES.values()]
    assert len(texts) >= 30
    assert all(len(prompts) == 2 * len(chat_vectors.CONVERSATIONS) for prompts in texts)
    assert all(any(prompts) for prompts in texts)
    assert sum(None in prompts for prompts in texts) >= 8
