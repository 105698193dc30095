from collections import Counter
from itertools import pairwise

from wrong_answers import wrong

from tinygpt.tokenizers.bpe_train import merge_pair, split


def count_pairs(words):
    return Counter(pair for word in words for pair in pairwise(word))


def train(words, n_merges, at_least=2):
    merges = []
    while len(merges) < n_merges:
        counts = count_pairs(words)
        if not counts or max(counts.values()) < at_least:
            break
        pair = max(counts, key=counts.get)
        words = [merge_pair(word, pair, 256 + len(merges)) for word in words]
        merges.append(pair)
    return merges


def table(merges):
    tokens = [bytes([i]) for i in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return tokens


@wrong("01.bpe_train", says="where two pieces meet")
def without_the_pieces(text, n_merges):
    return train([list(text.encode())], n_merges)


@wrong("01.bpe_train", says="stop when no pair occurs twice")
def to_the_bitter_end(text, n_merges):
    return train([list(piece.encode()) for piece in split(text)], n_merges, at_least=1)


@wrong("01.bpe_train", says="occurs 2 times then")
def each_different_piece_once(text, n_merges):
    return train([list(piece.encode()) for piece in dict.fromkeys(split(text))], n_merges)


@wrong("01.bpe_train", says="a text begins as its bytes")
def characters_in_place_of_bytes(text, n_merges):
    return train([list(map(ord, piece)) for piece in split(text)], n_merges)


@wrong("01.bpe_train", says="no such pair")
def counted_but_not_replaced(text, n_merges):
    counts = count_pairs([list(piece.encode()) for piece in split(text)])
    return [pair for pair, count in counts.most_common(n_merges) if count > 1]


@wrong("01.bpe_train", says="should be a pair of two ids")
def the_tokens_themselves(text, n_merges):
    merges = train([list(piece.encode()) for piece in split(text)], n_merges)
    return table(merges)[256:]


@wrong("01.bpe_train", says="stops after 1 merges, though")
def one_merge_too_few(text, n_merges):
    words = [list(piece.encode()) for piece in split(text)]
    return train(words, n_merges if n_merges == 1 else n_merges - 1)


@wrong("01.encode", says="tiktoken, with the same merges, gives others")
def longest_token_first(text, merges):
    id_of = {token: id for id, token in enumerate(table(merges))}
    left, ids = text.encode(), []
    while left:
        end = max(n for n in range(1, len(left) + 1) if left[:n] in id_of)
        ids.append(id_of[left[:end]])
        left = left[end:]
    return ids


@wrong("01.encode", says="tiktoken, with the same merges, gives others")
def without_the_pieces_again(text, merges):
    word = list(text.encode())
    for i, pair in enumerate(merges):
        word = merge_pair(word, pair, 256 + i)
    return word


@wrong("01.encode", says="tiktoken, with the same merges, gives others")
def last_learnt_first(text, merges):
    ids = []
    for piece in split(text):
        word = list(piece.encode())
        for i, pair in reversed(list(enumerate(merges))):
            word = merge_pair(word, pair, 256 + i)
        ids += word
    return ids


@wrong("01.encode", says="with 0 merges the ids are 0 to 255")
def numbered_from_257(text, merges):
    return [id + 1 for id in text.encode("utf-16-le")] + [256]


@wrong("01.encode", says="are not the bytes of the text")
def latin_letters_only(text, merges):
    return list(text.encode("ascii", errors="replace"))


@wrong("01.encode", says="should return a list of ids")
def still_bytes(text, merges):
    return text.encode()


@wrong("01.encode", says="changes the list merges")
def merges_used_up(text, merges):
    word, new = list(text.encode()), 256
    while merges:
        word, new = merge_pair(word, merges.pop(0), new), new + 1
    return word


@wrong("01.decode", says="a character of several bytes is broken")
def one_id_at_a_time(ids, merges):
    tokens = table(merges)
    return "".join(tokens[id].decode("utf-8", errors="replace") for id in ids)


@wrong("01.decode", says="raises UnicodeDecodeError")
def strict(ids, merges):
    return b"".join(table(merges)[id] for id in ids).decode("utf-8")


@wrong("01.decode", says="should become U+FFFD")
def broken_bytes_left_out(ids, merges):
    return b"".join(table(merges)[id] for id in ids).decode("utf-8", errors="ignore")


@wrong("01.decode", says="not what the ids spell")
def bytes_as_characters(ids, merges):
    return "".join(map(chr, b"".join(table(merges)[id] for id in ids)))


@wrong("01.decode", says="should return a str")
def bytes_not_read(ids, merges):
    return b"".join(table(merges)[id] for id in ids)
