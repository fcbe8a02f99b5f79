"""Which tokenizer exactly? Named by what it does, so that how its files are laid out does not matter."""

import hashlib
import json
from typing import Any

PROBE = "Zwölf Boxkämpfer: 12 + 34 = 46?\n\tif x != 'y':  # naïve ☕ 你好, مرحبا\r\n"


def tokenizer_identity(tokenizer: Any) -> str:
    """A hash of a tokenizer's vocabulary, its special tokens and its tokens of a text with many scripts."""
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda pair: (pair[1], pair[0]))
    described = [vocabulary, sorted(tokenizer.all_special_tokens), list(tokenizer(PROBE)["input_ids"])]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]
