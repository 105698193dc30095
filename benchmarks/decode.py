"""One contender of a race: a pass of tinygpt at the shape of GPT-2 124M, from its KV cache.

    python benchmarks/decode.py CONTEXT BATCH TOKENS

BATCH texts of CONTEXT tokens are read first; the pass that is timed computes TOKENS more of each.
1: a token is decoded; a few: guesses are verified; CONTEXT 0: a prompt is read, which needs the
logits of its last position alone. Weights are laid out as generation lays them out. Speaks as
step.py does.
"""

import contextlib
import sys

from inputs import some, text_ids
from protocol import WARM_UP, answer, timed
from shapes import GPT2

from tinygpt.config import ModelConfig
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.panels import MOST_ROWS, in_panels
from tinygpt.threads import keep_freed_memory


def main() -> None:
    keep_freed_memory()
    context, batch, tokens = map(int, sys.argv[1:])
    model = GPT(ModelConfig(**GPT2.config()))
    kv = KVCache(model.config, batch)
    ids = text_ids(GPT2, batch, context + tokens)
    if context:
        for i in range(batch):
            model.forward(ids[i : i + 1, :context], kv=kv.row(i), last=1)
    last = tokens if context else 1
    few = 1 < batch * tokens <= MOST_ROWS
    with in_panels(model) if few else contextlib.nullcontext(model) as laid_out:

        def step(_: int) -> object:
            kv.lengths[:] = context
            return laid_out.forward(ids[:, context:], kv=kv, last=last)[0]

        logits = [step(i) for i in range(WARM_UP)][-1]
        answer(timed(step), logits=some(logits))


if __name__ == "__main__":
    main()
