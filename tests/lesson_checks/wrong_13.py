import math

import numpy as np
from wrong_answers import wrong

from tinygpt.kv_cache import KVCache
from tinygpt.lesson_checks.c13 import window


def attend(q, k, v, mask):
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]) + mask
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).astype(q.dtype) @ v


def hidden(S, T, first):
    return np.triu(np.full((S, T), -np.inf, np.float32), k=first)


@wrong("13.attention_with_past", says="of the past it sees every key")
def mask_from_the_upper_left(q, k, v):
    return attend(q, k, v, hidden(q.shape[-2], k.shape[-2], 1))


@wrong("13.attention_with_past", says="the future")
def no_mask_at_all(q, k, v):
    return attend(q, k, v, np.float32(0))


@wrong("13.attention_with_past", says="raises ValueError")
def mask_of_the_queries_alone(q, k, v):
    return attend(q, k, v, hidden(q.shape[-2], q.shape[-2], 1))


@wrong("13.attention_with_past", says="the future")
def one_off(q, k, v):
    return attend(q, k, v, hidden(q.shape[-2], k.shape[-2], k.shape[-2] - q.shape[-2] + 2))


@wrong("13.attention_with_past", says="float64 and should be float32")
def mask_in_float64(q, k, v):
    S, T = q.shape[-2], k.shape[-2]
    s = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    s = s + np.triu(np.full((S, T), -np.inf), k=T - S + 1)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


def ask(model, ids, kv=None):
    logits, _ = model.forward(np.array([ids]), kv=kv, last=1)
    return int(logits[0, -1].argmax())


@wrong("13.generate_cached", says="are enough")
def without_a_cache(model, ids, n):
    known = list(ids)
    for _ in range(n):
        known.append(ask(model, window(known, model.config.block_size)))
    return known[len(ids) :]


@wrong("13.generate_cached", says="are enough")
def a_cache_filled_anew_for_each_id(model, ids, n):
    known = list(ids)
    for _ in range(n):
        kv = KVCache(model.config, dtype=model.dtype)
        known.append(ask(model, window(known, model.config.block_size), kv))
    return known[len(ids) :]


@wrong("13.generate_cached", says="has not read the text once")
def the_whole_text_beside_the_cache(model, ids, n):
    known, kv = list(ids), KVCache(model.config, dtype=model.dtype)
    for _ in range(n):
        if kv.lengths[0] + len(known) > model.config.block_size:
            kv.lengths[:] = 0
        known.append(ask(model, window(known, model.config.block_size), kv))
    return known[len(ids) :]


@wrong("13.generate_cached", says="has not read the text once")
def positions_restart(model, ids, n):
    known, kv = list(ids), KVCache(model.config, dtype=model.dtype)
    known.append(ask(model, window(known, model.config.block_size), kv))
    for _ in range(n - 1):
        kv.lengths[:] = 0
        known.append(ask(model, known[-1:], kv))
    return known[len(ids) :]


@wrong("13.generate_cached", says="raises ShapeError: the text has 9 tokens and block_size is 8")
def never_moves_the_window(model, ids, n):
    known, kv = list(ids), KVCache(model.config, dtype=model.dtype)
    known.append(ask(model, window(known, model.config.block_size), kv))
    for _ in range(n - 1):
        known.append(ask(model, known[-1:], kv))
    return known[len(ids) :]


@wrong("13.generate_cached", says="the cache has to be filled anew")
def drops_the_oldest_keys(model, ids, n):
    size = model.config.block_size
    known, kv = list(ids), KVCache(model.config, dtype=model.dtype)
    known.append(ask(model, window(known, size), kv))
    for _ in range(n - 1):
        if kv.lengths[0] == size:
            for part in (kv.keys, kv.values):
                part[:, :, :, :-1] = part[:, :, :, 1:]
            kv.lengths -= 1
        known.append(ask(model, known[-1:], kv))
    return known[len(ids) :]


@wrong("13.generate_cached", says="the cache has to be filled anew")
def begins_again_with_the_last_id_alone(model, ids, n):
    size = model.config.block_size
    known, kv = list(ids), KVCache(model.config, dtype=model.dtype)
    known.append(ask(model, window(known, size), kv))
    for _ in range(n - 1):
        if kv.lengths[0] == size:
            kv.lengths[:] = 0
        known.append(ask(model, known[-1:], kv))
    return known[len(ids) :]


@wrong("13.generate_cached", says="argmax of the logits of the last position")
def takes_the_first_position(model, ids, n):
    known, kv = list(ids), KVCache(model.config, dtype=model.dtype)
    for _ in range(n):
        text = window(known, model.config.block_size)
        if kv.lengths[0] != len(text) - 1:
            kv.lengths[:] = 0
        logits, _ = model.forward(np.array([text[kv.lengths[0] :]]), kv=kv)
        known.append(int(logits[0, 0].argmax()))
    return known[len(ids) :]


@wrong("13.generate_cached", says="it returns the prompt too")
def with_the_prompt(model, ids, n):
    return list(ids) + without_a_cache(model, ids, n)


@wrong("13.generate_cached", says="changes the list ids")
def appends_to_the_caller(model, ids, n):
    for _ in range(n):
        ids.append(ask(model, window(ids, model.config.block_size)))
    return ids[-n:]
