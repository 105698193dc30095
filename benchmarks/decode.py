"""One contender of a race: a pass of tinygpt at the shape of GPT-2 124M, from its KV cache.

    python benchmarks/decode.py CONTEXT BATCH TOKENS [CHECKPOINT DTYPE THREADS]

BATCH texts of CONTEXT tokens are read first; the pass that is timed computes TOKENS more of each.
1: a token is decoded; a few: guesses are verified; CONTEXT 0: a prompt is read, which needs the
logits of its last position alone. Weights are laid out as generation lays them out. Without a
CHECKPOINT they are GPT-2's at the start of its training; THREADS 0: one per core. Speaks as
step.py does.
"""

import sys
from contextlib import ExitStack

from inputs import some, text_ids
from protocol import WARM_UP, answer, timed
from shapes import GPT2

from tinygpt.checkpoint import load_model
from tinygpt.config import ModelConfig
from tinygpt.int8 import Int8GPT, with_workers
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.panels import MOST_ROWS, in_panels
from tinygpt.threads import blas_threads, default_workers, keep_freed_memory


def main() -> None:
    keep_freed_memory()
    if len(sys.argv) not in (4, 7):
        sys.exit("say what: " + __doc__.splitlines()[2].strip())
    context, batch, tokens = map(int, sys.argv[1:4])
    path, dtype, threads = sys.argv[4:] or ("", "float32", "0")
    model = load_model(path, dtype=dtype)[0] if path else GPT(ModelConfig(**GPT2.config()))
    if context + tokens > model.config.block_size:
        sys.exit(f"the model reads at most {model.config.block_size} tokens")
    workers = int(threads) or default_workers()
    kv = KVCache(model.config, batch)
    ids = text_ids(model.config, batch, context + tokens)
    if context:
        for i in range(batch):
            model.forward(ids[i : i + 1, :context], kv=kv.row(i), last=1)
    last = tokens if context else 1
    with ExitStack() as stack:
        stack.enter_context(blas_threads(workers))
        if isinstance(model, Int8GPT):
            model = stack.enter_context(with_workers(model, workers=workers))
        elif 1 < batch * tokens <= MOST_ROWS:
            model = stack.enter_context(in_panels(model, workers=workers))

        def step(_: int) -> object:
            kv.lengths[:] = context
            return model.forward(ids[:, context:], kv=kv, last=last)[0]

        logits = some([step(i) for i in range(WARM_UP)][-1])
        rounded = isinstance(model, Int8GPT)  # others compute other numbers
        answer(timed(step), **{"logits of int8" if rounded else "logits": logits})


if __name__ == "__main__":
    main()
