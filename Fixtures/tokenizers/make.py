# SPDX-License-Identifier: Apache-2.0
"""Makes the tokenizer fixtures: four small vocabularies as GGUF files, and goldens.json with the ids that the reference
libraries give for some thousand strings.

    python3 -m venv .venv && .venv/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3 gguf==0.19.0
    .venv/bin/python Fixtures/tokenizers/make.py

Everything is drawn from one seed, and the trainers run on one thread, so that a second run makes the same bytes. The
byte-level tokenizers are put together as `transformers` does it for GPT-2, Llama 3 and Qwen 2 (its
`convert_slow_tokenizer.py` and `tokenization_qwen2.py`); the SentencePiece one follows Llama 2.
"""

import io
import json
import os
import pathlib
import random
import sys

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gguf
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from strings import strings, training_text

HERE = pathlib.Path(__file__).parent
SEED = 20261123

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST


def byte_level(text, size, pattern, normalizer, ignore_merges, special, user_defined):
    """Trains a byte-level BPE tokenizer on lines of text."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.normalizer = normalizer
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
    if pattern is not None:
        level = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), level])
    tokenizer.pre_tokenizer = level
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(text, trainer)
    if ignore_merges:
        tokenizer = with_unreachable_words(tokenizer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in user_defined])
    return tokenizer


def with_unreachable_words(tokenizer):
    """Drops the merges that end in some words, which then are reached as whole pre-tokens alone."""
    state = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    words = {word for word in vocabulary if len(word) > 4 and vocabulary[word] % 3 == 0}
    state["model"]["merges"] = [pair for pair in state["model"]["merges"] if "".join(pair) not in words]
    # What was built on a dropped word keeps its merge: both its parts are still in the vocabulary.
    return Tokenizer.from_str(json.dumps(state))


def write_byte_level(path, tokenizer, pre, beginning, end, special, user_defined):
    """Writes the vocabulary as GGUF metadata, as llama.cpp's converter does."""
    state = json.loads(tokenizer.to_str())
    tokens = [tokenizer.id_to_token(index) for index in range(tokenizer.get_vocab_size())]
    kinds = {token: gguf.TokenType.CONTROL for token in special}
    kinds |= {token: gguf.TokenType.USER_DEFINED for token in user_defined}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in state["model"]["merges"]])
    if beginning is not None:
        writer.add_bos_token_id(tokens.index(beginning))
    writer.add_eos_token_id(tokens.index(end))
    finish(writer)


def sentence_piece(text, size, user_defined):
    """Trains a SentencePiece BPE tokenizer with byte fallback and no normalisation."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=model, model_type="bpe", vocab_size=size, byte_fallback=True,
        character_coverage=0.995, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=True, split_digits=True, allow_whitespace_only_pieces=True, num_threads=1,
        max_sentence_length=1 << 16, user_defined_symbols=user_defined, minloglevel=2)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def write_sentence_piece(path, pieces):
    kinds = []
    for index in range(pieces.get_piece_size()):
        if pieces.is_unknown(index):
            kinds.append(gguf.TokenType.UNKNOWN)
        elif pieces.is_control(index):
            kinds.append(gguf.TokenType.CONTROL)
        elif pieces.is_byte(index):
            kinds.append(gguf.TokenType.BYTE)
        elif pieces.is_unused(index):
            kinds.append(gguf.TokenType.UNUSED)
        elif pieces.id_to_piece(index) in USER_DEFINED_PIECES:
            kinds.append(gguf.TokenType.USER_DEFINED)
        else:
            kinds.append(gguf.TokenType.NORMAL)
    size = range(pieces.get_piece_size())
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([pieces.id_to_piece(index) for index in size])
    writer.add_token_scores([pieces.get_score(index) for index in size])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(pieces.bos_id())
    writer.add_eos_token_id(pieces.eos_id())
    writer.add_unk_token_id(pieces.unk_id())
    writer.add_add_space_prefix(True)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def with_control_pieces(pieces):
    """The same vocabulary in the `tokenizers` library, which knows control tokens in text (SentencePiece doesn't).

    As in Llama 2's own tokenizer.json: each run of text between control tokens gets its own leading space.
    """
    vocabulary = {pieces.id_to_piece(index): index for index in range(pieces.get_piece_size())}
    plain = [
        piece for piece, index in vocabulary.items()
        if not (pieces.is_control(index) or pieces.is_byte(index) or pieces.is_unknown(index))]
    ranked = {piece: pieces.get_score(vocabulary[piece]) for piece in plain}
    merges = []
    for piece, score in ranked.items():
        for cut in range(1, len(piece)):
            if piece[:cut] in ranked and piece[cut:] in ranked and piece not in USER_DEFINED_PIECES:
                merges.append((-score, vocabulary[piece[:cut]], vocabulary[piece[cut:]], piece[:cut], piece[cut:]))
    model = models.BPE(
        vocabulary, [(left, right) for *_, left, right in sorted(merges)], unk_token="<unk>", fuse_unk=True,
        byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_PIECES])
    return tokenizer


def names(pieces, case):
    return any(piece.replace("▁", " ") in case for piece in pieces)


GPT2_SPECIAL = ["<|endoftext|>"]
LLAMA3_SPECIAL = [
    "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|reserved_special_token_1|>", "<|reserved_special_token_10|>"]
QWEN2_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN2_USER_DEFINED = ["<tool_call>", "</tool_call>", "<tool_call>call"]
CONTROL_PIECES = ["<s>", "</s>"]
# No string names both control and user-defined pieces: the one reference knows only these, the other only those.
USER_DEFINED_PIECES = ["[INST]", "[/INST]", "[INST][", "▁▁▁▁|"]


def main():
    generator = random.Random(SEED)
    text = training_text(generator)
    cases = [
        case for case in strings(generator)
        if not (names(CONTROL_PIECES, case) and names(USER_DEFINED_PIECES, case))]

    nfc = normalizers.NFC()
    gpt2 = byte_level(text, 2400, None, None, False, GPT2_SPECIAL, [])
    llama3 = byte_level(text, 3000, LLAMA3, None, True, LLAMA3_SPECIAL, [])
    qwen2 = byte_level(text, 2400, QWEN2, nfc, False, QWEN2_SPECIAL, QWEN2_USER_DEFINED)
    pieces = sentence_piece(text, 3000, USER_DEFINED_PIECES)
    controlled = with_control_pieces(pieces)

    write_byte_level(HERE / "gpt2.gguf", gpt2, "gpt-2", None, "<|endoftext|>", GPT2_SPECIAL, [])
    write_byte_level(
        HERE / "llama3.gguf", llama3, "llama-bpe", "<|begin_of_text|>", "<|end_of_text|>", LLAMA3_SPECIAL, [])
    write_byte_level(
        HERE / "qwen2.gguf", qwen2, "qwen2", None, "<|im_end|>", QWEN2_SPECIAL, QWEN2_USER_DEFINED)
    write_sentence_piece(HERE / "spm.gguf", pieces)

    goldens = {"strings": cases, "plain": {}, "special": {}, "decoded": {}}
    for name, tokenizer in {"gpt2": gpt2, "llama3": llama3, "qwen2": qwen2}.items():
        tokenizer.encode_special_tokens = True
        plain = [tokenizer.encode(case, add_special_tokens=False).ids for case in cases]
        tokenizer.encode_special_tokens = False
        special = [tokenizer.encode(case, add_special_tokens=False).ids for case in cases]
        add(goldens, name, plain, special)
        goldens["decoded"][name] = changed(cases, [tokenizer.decode(ids) for ids in plain])
    plain = [pieces.encode(case) for case in cases]
    special = [
        controlled.encode(case, add_special_tokens=False).ids if names(CONTROL_PIECES, case) else ids
        for case, ids in zip(cases, plain)]
    add(goldens, "spm", plain, special)
    goldens["decoded"]["spm"] = changed(cases, [pieces.decode(ids) for ids in plain])

    with open(HERE / "goldens.json", "w") as file:
        json.dump(goldens, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")
    report(cases, goldens)


def add(goldens, name, plain, special):
    goldens["plain"][name] = plain
    goldens["special"][name] = {
        str(index): ids for index, ids in enumerate(special) if ids != plain[index]}


def changed(cases, decoded):
    """Where decoding the ids of a string does not give the string back: what it gives instead."""
    return {str(index): text for index, text in enumerate(decoded) if text != cases[index]}


def report(cases, goldens):
    print(f"{len(cases)} strings")
    for name, ids in goldens["plain"].items():
        count = sum(map(len, ids))
        print(f"{name}: {count} ids, {len(goldens['special'][name])} strings with special tokens, "
              f"{len(goldens['decoded'][name])} that decoding changes")
    for path in sorted(HERE.glob("*.gguf")) + [HERE / "goldens.json"]:
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
