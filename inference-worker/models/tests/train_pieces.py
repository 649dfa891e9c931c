"""Writes tests/it/sentencepiece.json: a vocabulary trained by SentencePiece (PyPI, 0.2) and how it cuts some texts.

Run: pip install sentencepiece && python3 train_pieces.py FILE_OF_TEXT > it/sentencepiece.json
"""

import json
import random
import sys
import tempfile

import sentencepiece

TEXTS = [
    "", " ", "the model", " the model", "  two  spaces ", "a\nb\tc", "caf\u00e9 \u20ac50", "\u4f60\u597d, \U0001f600!",
    "Every worker computes the same bits.", "bananananas", "1234567890", "----- ===== |||", "\u2581the\u2581",
    "AVX-512 `vpdpwssd`, i32 to i64", "x" * 50, "the" * 20, "softmax(x_i - m) / sum", "\u00e9\u00e9\u00e9 e\u0301",
]


def main() -> None:
    folder = tempfile.mkdtemp()
    sentencepiece.SentencePieceTrainer.train(
        input=sys.argv[1], model_prefix=f"{folder}/m", vocab_size=700, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True,
        allow_whitespace_only_pieces=True, character_coverage=0.9995, user_defined_symbols=["<tool>"],
        num_threads=1, minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/m.model")
    pieces = []
    for i in range(model.get_piece_size()):
        piece = model.id_to_piece(i)
        kind = 2 if model.is_unknown(i) else 3 if model.is_control(i) else 6 if model.is_byte(i) else 1
        pieces.append([piece, model.get_score(i), 4 if piece == "<tool>" else kind])
    source = open(sys.argv[1], encoding="utf-8").read()
    draw = random.Random(7)
    texts = list(TEXTS)
    for _ in range(60):
        start = draw.randrange(len(source) - 80)
        texts.append(source[start : start + draw.randrange(1, 80)])
    json.dump({"pieces": pieces, "cases": [[t, model.encode(t)] for t in texts]}, sys.stdout, separators=(",", ":"))


main()
