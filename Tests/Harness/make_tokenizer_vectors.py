"""Writes Tests/Fixtures/tokenizer-vectors: what llama.cpp's tokenizer gives for random texts.

    pip install xllamacpp==2026.10.11549
    python3 Tests/Harness/make_tokenizer_vectors.py [FOLDER OF VOCABULARIES]

The wheel's library is called through its C interface; only vocabularies are loaded. The vocabulary
of the demonstration model and a small one, whose merges go across words wherever they can, are
taken under the name of every pre-tokenizer. The folder may hold
`ggml-vocab-*.gguf` (from the sdist llama-cpp-python==0.3.36) and other model files; their vectors
go into a file of their own, which tests read if EXCHEQUER_VOCABULARIES names the folder.

Texts are not stored, they are made from their number (`text`); of the tokens only hashes are.
"""

import ctypes
import glob
import json
import struct
import sys
import tempfile
from pathlib import Path

import xllamacpp

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "Tests/Fixtures/tokenizer-vectors"
MODEL = ROOT / ".models/SmolLM2-135M-Instruct.Q4_1.gguf"
PRE_TOKENIZERS = [
    "smollm", "gpt-2", "default", "llama-bpe", "dbrx", "qwen2", "qwen35", "tekken", "gpt-4o",
    "deepseek-coder", "deepseek-v3", "falcon",
]
BLOCKS, BLOCK = 16, 64
MASK = (1 << 64) - 1
PIECES = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", " \n", "\n ", "\u0085", "\u00a0", "\u3000",
    "\u2028", "\u200b", "\u0000", "\u001c", "the", " the", "The", "THE", "Hello", " world",
    "camelCase",
    "PascalCase", "ALLCAPS", " HTTPServer2", "naïve", "Straße", "ÉCOLE", "'s", "'S", "'re", "'LL",
    "'t", "n't", "'x", "’s", "0", "7", "42", "123", "1234", "3.14159", " 2026", "½", "²", "Ⅷ",
    "٣٤", "१२३", ".", ",", "...", "!!", "?", "/", "//", "\\", "_", "__init__", "()", "{}", "[x]",
    "+=", "$5", "^~|`", "<=>", " -", "—", "«»", "“q”", "。", "！", "、", "中文", "字符", "测试", "日本語",
    "ひらがな", "カタカナ", "한국어", "Привет", " мир", "Ελληνικά", "שלום", "مرحبا", "ไทย", "नमस्ते",
    "தமிழ்", "e\u0301", "\u0301", "a\u0308o", "\u0327 ", "🚀", "👨‍👩‍👧", "🇫🇷", "𝔘𝔫𝔦", "𝒎", "≠", "∑x", "©",
    "€", "\ufffd", "\ufeff", "ǅ", "ʰ", "ª", "ﬁ", "▁", "▁▁", "Ġ", "Ċ", "def f(x):", "    return",
    "ab", "abab", "aaa", " a", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<s>",
    "ÉCO", "ÜXY", "ªB", "漢A", "ñN", "ßK", "ÀÉB", "</s>", "<unk>", "<0x41>", "<bos>",
    "<end_of_turn>", "<|end|>", "<repo_name>", "<tool>",
]


class Random:
    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) & MASK

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return self.state >> 33


def text(number):
    """The text with this number: `TokenizerVectors.text` in Swift makes the same."""
    random = Random(number)
    parts = []
    for _ in range(1 + random.next() % 12):
        kind = random.next() % 8
        if kind == 0:
            point = random.next() % 0x110000
            parts.append(chr(point if not 0xD800 <= point < 0xE000 else 0xFFFD))
        elif kind == 1:
            piece = PIECES[random.next() % len(PIECES)]
            parts.append(piece * (random.next() % 20))
        else:
            parts.append(PIECES[random.next() % len(PIECES)])
    return "".join(parts)


def fnv(data, value=0xCBF29CE484222325):
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


class Parameters(ctypes.Structure):
    """`struct llama_model_params` of the pinned wheel."""

    _fields_ = (
        [("devices", ctypes.c_void_p), ("overrides", ctypes.c_void_p)]
        + [(name, ctypes.c_int32) for name in ("layers", "split", "load", "lazy", "main")]
        + [(name, ctypes.c_void_p) for name in ("shares", "progress", "data", "values")]
        + [(name, ctypes.c_bool) for name in ("vocab_only", "check", "extra", "host", "alloc", "mtp")]
    )


class Oracle:
    library = ctypes.CDLL(glob.glob(str(Path(xllamacpp.__file__).parent / "*.so"))[0])
    quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)

    def __init__(self, path):
        library, pointer = self.library, ctypes.c_void_p
        library.llama_log_set(self.quiet, None)
        library.llama_model_default_params.restype = Parameters
        library.llama_model_load_from_file.restype = pointer
        library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Parameters]
        library.llama_model_get_vocab.restype = pointer
        library.llama_model_get_vocab.argtypes = [pointer]
        for name in ("llama_vocab_n_tokens", "llama_vocab_is_eog"):
            getattr(library, name).argtypes = [pointer, ctypes.c_int32][: 1 + name.endswith("eog")]
        library.llama_vocab_is_eog.restype = ctypes.c_bool
        library.llama_vocab_get_text.argtypes = [pointer, ctypes.c_int32]
        library.llama_vocab_get_text.restype = ctypes.c_char_p
        parameters = library.llama_model_default_params()
        parameters.vocab_only = True
        model = library.llama_model_load_from_file(str(path).encode(), parameters)
        assert model, f"llama.cpp cannot read {path}"
        self.vocabulary = pointer(library.llama_model_get_vocab(model))
        self.count = library.llama_vocab_n_tokens(self.vocabulary)

    def encode(self, text, special):
        data = text.encode()
        room = 4 * len(data) + 16
        tokens = (ctypes.c_int32 * room)()
        count = self.library.llama_tokenize(
            self.vocabulary, data, len(data), tokens, room, special, special)
        assert count >= 0
        return tokens[:count]

    def piece(self, token):
        room = ctypes.create_string_buffer(8192)
        count = self.library.llama_token_to_piece(
            self.vocabulary, token, room, len(room), 0, ctypes.c_bool(True))
        assert count >= 0
        piece = room.raw[:count]
        if piece.startswith(b"[UNK_BYTE_0x"):
            # A token with characters outside the byte alphabet; here it is its own text.
            return self.library.llama_vocab_get_text(self.vocabulary, token)
        return piece

    def vectors(self):
        def block(number, special):
            value = fnv(b"")
            for index in range(number * BLOCK, (number + 1) * BLOCK):
                tokens = self.encode(text(index), special)
                value = fnv(struct.pack(f"<{len(tokens) + 1}i", *tokens, -1), value)
            return f"{value:016x}"

        value = fnv(b"")
        for token in range(self.count):
            value = fnv(self.piece(token) + b"\xff", value)
        ends = [
            token for token in range(self.count)
            if self.library.llama_vocab_is_eog(self.vocabulary, token)
        ]
        return {
            "plain": [block(number, False) for number in range(BLOCKS)],
            "special": [block(number, True) for number in range(BLOCKS)],
            "pieces": f"{value:016x}",
            "ends": ends,
        }


def counted(data):
    return struct.pack("<Q", len(data)) + data


def string(key, value):
    return counted(key.encode()) + struct.pack("<I", 8) + counted(value.encode())


def gguf(entries, count):
    return b"GGUF" + struct.pack("<IQQ", 3, 0, count) + entries + bytes(32)


def renamed(data, pre):
    """The metadata of a model file with another pre-tokenizer and without tensors."""
    key = counted(b"tokenizer.ggml.pre") + struct.pack("<I", 8)
    start = data.index(key)
    old = struct.unpack_from("<Q", data, start + len(key))[0]
    count = struct.unpack_from("<Q", data, 16)[0]
    first = counted(b"token_embd.weight")
    end = data.index(first) if first in data else len(data) - 32
    rest = data[start + len(key) + 8 + old : end]
    return gguf(data[24:start] + key + counted(pre.encode()) + rest, count)


def byte_pairs():
    """A small byte-pair vocabulary: nearly every two bytes that meet in the texts merge."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    alphabet = [chr(byte if byte in printable else next(others)) for byte in range(256)]
    tokens = [("<|endoftext|>", 3), ("<|im_start|>", 3), ("<|im_end|>", 3), ("<tool>", 4)]
    tokens += [(letter, 1) for letter in alphabet]
    known = {token for token, _ in tokens}
    merges = []
    for source in PIECES + [text(number) for number in range(400)]:
        data = [alphabet[byte] for byte in source.encode()]
        for left, right in zip(data, data[1:]):
            if left + right not in known and len(merges) < 1600:
                known.add(left + right)
                tokens.append((left + right, 1))
                merges.append(f"{left} {right}")
    merges.sort(key=lambda merge: fnv(merge.encode()))
    entries = architecture("Small", len(tokens))
    entries += [
        string("tokenizer.ggml.model", "gpt2"),
        string("tokenizer.ggml.pre", "gpt-2"),
        vocabulary("tokens", 8, [counted(token.encode()) for token, _ in tokens]),
        vocabulary("token_type", 5, [struct.pack("<i", kind) for _, kind in tokens]),
        vocabulary("merges", 8, [counted(merge.encode()) for merge in merges]),
        counted(b"tokenizer.ggml.bos_token_id") + struct.pack("<II", 4, 0),
        counted(b"tokenizer.ggml.eos_token_id") + struct.pack("<II", 4, 2),
    ]
    return gguf(b"".join(entries), len(entries))


def architecture(name, count):
    """What llama.cpp wants to know before it looks at a vocabulary."""
    entries = [string("general.architecture", "llama"), string("general.name", name)]
    for key, value in (
        ("block_count", 1), ("context_length", 64), ("embedding_length", 32),
        ("feed_forward_length", 32), ("attention.head_count", 1), ("vocab_size", count),
    ):
        entries.append(counted(f"llama.{key}".encode()) + struct.pack("<II", 4, value))
    epsilon = "llama.attention.layer_norm_rms_epsilon"
    entries.append(counted(epsilon.encode()) + struct.pack("<If", 6, 1e-5))
    return entries


def vocabulary(name, kind, items):
    """An array of the tokenizer."""
    key = counted(f"tokenizer.ggml.{name}".encode())
    return key + struct.pack("<IIQ", 9, kind, len(items)) + b"".join(items)


def sentence_pieces(prefix, name):
    """A small SentencePiece vocabulary with random scores, many of them equal."""
    random = Random(7)
    tokens = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
    tokens += [(f"<0x{byte:02X}>", 6) for byte in range(256)]
    known = {token for token, _ in tokens}
    phi = ["<|endoftext|>", "<|end|>"] if "Phi" in name else []
    for word in ["\n\n", "\n\n\n", "<tool>"] + phi:
        tokens.append((word, 3 if word in phi else 4))
        known.add(word)
    words = []
    for piece in PIECES:
        word = piece.replace(" ", "▁")
        for start in range(min(len(word), 8)):
            for end in range(start + 1, min(len(word), 8) + 1):
                words += [word[start:end], "▁" + word[start:end]]
    for word in words + ["aa", "aaaa", "▁▁▁▁", "ab", "ba", "bab"]:
        if "\0" not in word and word not in known and random.next() % 4:
            tokens.append((word, 1))
            known.add(word)
    scores = [0.0 if kind != 1 else -float(random.next() % 40) for _, kind in tokens]
    entries = architecture(name, len(tokens))
    entries += [
        string("tokenizer.ggml.model", "llama"),
        counted(b"tokenizer.ggml.add_space_prefix") + struct.pack("<I?", 7, prefix),
        vocabulary("tokens", 8, [counted(token.encode()) for token, _ in tokens]),
        vocabulary("scores", 6, [struct.pack("<f", score) for score in scores]),
        vocabulary("token_type", 5, [struct.pack("<i", kind) for _, kind in tokens]),
    ]
    return gguf(b"".join(entries), len(entries))


def save(name, value):
    (TARGET / name).write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")


def main():
    TARGET.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 1:
        found = sorted(Path(sys.argv[1]).glob("*.gguf"))
        save("vocabularies.json", {path.name: Oracle(path).vectors() for path in found})
        return
    small = TARGET / "byte-pairs.gguf"
    small.write_bytes(byte_pairs())
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.gguf"
        for pre in PRE_TOKENIZERS:
            path.write_bytes(renamed(MODEL.read_bytes()[: 8 << 20], pre))
            result[pre] = Oracle(path).vectors()
            path.write_bytes(renamed(small.read_bytes(), pre))
            result[f"byte-pairs {pre}"] = Oracle(path).vectors()
    for name, prefix, title in (
        ("prefixed", True, "Small"), ("plain", False, "Small"), ("stripping", True, "Small Phi-3")
    ):
        path = TARGET / f"sentence-pieces-{name}.gguf"
        path.write_bytes(sentence_pieces(prefix, title))
        result[path.name] = Oracle(path).vectors()
    save("tokenizers.json", {"pieces": PIECES, "block": BLOCK, "vectors": result})


if __name__ == "__main__":
    main()
