"""Cria's tokens: byte-level BPE whose words do not swallow the space before them.

Because a space is a token of its own, a word has the same tokens in a sentence, in JSON and in a
tool's name, so that copying is plain copying; digits are single for the sake of arithmetic. Only
words of grammar, which nobody copies, take the space in. The split into pieces is the one that
llama.cpp calls `smollm`.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from draw import Draw
from mixture import example
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

SIZE = 2048
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>",
           "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")  # fmt: skip
MARKUP = ("<think>", "</think>", "<tool_call>", "</tool_call>",
          "<tool_response>", "</tool_response>", "<tools>", "</tools>")  # fmt: skip
SAMPLES = 12_000
GRAMMAR = """the and you are can for has not was what with your that this how does who which where
called tell please JSON Puna one day will more many much fields get very small know
than they called story about friends Use use sets lists shows model models remember favourite
its less help none answer tool tools fits""".split()


def _without_markup(text: str) -> str:
    for token in (*CONTROL, *MARKUP):
        text = text.replace(token, "")
    return text


def _with_grammar(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, with a last merge of the space and each word of grammar."""
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    merges = [tuple(pair) for pair in model["merges"]]
    for word in dict.fromkeys(GRAMMAR):
        if word not in vocabulary:
            raise ValueError(f"{word!r} is no token, so it cannot take the space in")
        vocabulary["Ġ" + word] = len(vocabulary)
        merges.append(("Ġ", word))
    return Tokenizer(models.BPE(vocab=vocabulary, merges=merges))


def train(seed: int) -> Tokenizer:
    """Learn the merges from a sample of the mixture."""
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    spaces_apart = pre_tokenizers.Split(Regex(r"\s"), "isolated")
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([spaces_apart, digits, byte_level])
    draw = Draw(f"vocabulary {seed}", held_out=False)
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - len(CONTROL) - len(MARKUP) - len(set(GRAMMAR)),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=8,
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (_without_markup(example(draw).text) for _ in range(SAMPLES)), trainer
    )
    tokenizer = _with_grammar(tokenizer)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(each, special=True, normalized=False) for each in CONTROL]
    )
    tokenizer.add_tokens([AddedToken(each, special=False, normalized=False) for each in MARKUP])
    return tokenizer


def load(path: Path) -> Tokenizer:
    """Read a tokenizer that `train` made."""
    return Tokenizer.from_file(str(path))


if __name__ == "__main__":
    trained = train(seed=1)
    trained.save(sys.argv[1])
    draw = Draw("count", held_out=False)
    lengths = Counter(len(trained.encode(example(draw).text).ids) // 50 * 50 for _ in range(2000))
    print(trained.get_vocab_size(), sorted(lengths.items()))
