"""What a model costs on this machine: training, reading and writing, each repeated for a while."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from tinygpt.backend import Array
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.flops import flops_per_token, forward_flops
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.optim import AdamW
from tinygpt.panels import MOST_ROWS, in_panels
from tinygpt.parallel import TrainingStep
from tinygpt.params import decayed_count
from tinygpt.sampling import draw, next_probs

Work = Callable[[], object]
TIMES = 3  # at least: of fewer, percentiles would say nothing


@dataclass
class Part:
    """One kind of work, and what it has taken so far.

    name     train, prefill or decode
    texts    side by side
    tokens   new ones of each text, each time
    context  tokens that the last of them sees, itself included
    flops    operations each time (see tinygpt.flops)
    begin    makes what the work needs; the work is what its `with` gives
    weights  bytes of the model's parameters
    needs    about how many bytes of arrays come on top, a little less rather than more
    memory   bytes of arrays at the peak, the parameters' included
    seconds  what it took, each time
    """

    name: str
    texts: int
    tokens: int
    context: int
    flops: int
    begin: Callable[[], AbstractContextManager[Work]]
    weights: int
    needs: int = 0
    memory: int = 0
    seconds: list[float] = field(default_factory=list)

    def measure(self, limit: float) -> None:
        """Do the work over and over for about `limit` seconds, and at least four times.

        The first time counts memory and no seconds: all arrays are new. An exception (Ctrl-C)
        leaves the seconds measured so far.
        """
        end = time.perf_counter() + limit
        tracemalloc.start()  # NumPy reports its arrays to it
        try:
            with self.begin() as work:
                work()
                self.memory = self.weights + tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()  # it takes time
                while len(self.seconds) < TIMES or time.perf_counter() < end:
                    began = time.perf_counter()
                    work()
                    self.seconds.append(time.perf_counter() - began)
        finally:
            tracemalloc.stop()

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent of the times were within."""
        return float(np.percentile(self.seconds, percent))

    @property
    def tokens_per_second(self) -> float:
        """Of all texts together, in the median time."""
        return self.texts * self.tokens / self.percentile(50)

    @property
    def gflops(self) -> float:
        """Billions of operations a second, in the median time."""
        return self.flops / self.percentile(50) / 1e9


def training(model: GPT, rows: int, workers: int) -> Part:
    """Steps on `rows` whole windows of random ids: forward, backward, clipping, AdamW."""
    config, T = model.config, model.config.block_size

    @contextmanager
    def begin() -> Iterator[Work]:
        ids = _random_ids(model, rows, T + 1)
        optimizer = AdamW(len(model.flat), decayed_count(config), dtype=model.dtype)
        step = TrainingStep(model, optimizer, rows=rows, workers=workers)
        try:
            # a learning rate of 0: the same arithmetic, and the weights stay as they are
            yield lambda: step(ids[:, :-1], ids[:, 1:], lr=0.0, step=0)
        finally:
            step.close()

    flops = rows * T * flops_per_token(config)
    kept = rows * T * (16 * config.n_embd * config.n_layer + config.vocab_size)  # and the logits
    kept += rows * config.n_layer * _scores(config, T, T)
    needs = 3 * model.flat.nbytes + kept * _size(model)  # a gradient, two averages
    return Part("train", rows, T, T, flops, begin, model.flat.nbytes, needs)


def prefill(model: GPT, context: int) -> Part:
    """Reading one prompt of `context` random ids into an empty KV cache."""

    @contextmanager
    def begin() -> Iterator[Work]:
        ids = _random_ids(model, 1, context)
        kv = KVCache(model.config, dtype=model.dtype)

        def read() -> None:
            kv.lengths[:] = 0
            model.forward(ids, kv=kv, last=1)

        yield read

    flops = forward_flops(model.config, context, context)
    needs = (_kept(model.config, 1) + _scores(model.config, context, context)) * _size(model)
    return Part("prefill", 1, context, context, flops, begin, model.flat.nbytes, needs)


def decoding(model: GPT, texts: int, context: int, workers: int) -> Part:
    """A token of each text, the `context`-th: forward, and a draw from the probabilities.

    For a few texts the weights are laid out in panels, as `generate` does, and the model given is
    of no use afterwards. A text does not grow, so that every token costs the same.
    """

    @contextmanager
    def begin() -> Iterator[Work]:
        few = 1 < texts <= MOST_ROWS
        with in_panels(model, workers=workers) if few else nullcontext(model) as laid_out:
            ids = _random_ids(model, texts, 1)
            kv = KVCache(model.config, texts, dtype=model.dtype)
            rng, sampling = np.random.default_rng(0), SamplingConfig()

            def say() -> None:
                kv.lengths[:] = context - 1
                logits, _ = laid_out.forward(ids, kv=kv, last=1)
                for i, row in enumerate(logits[:, 0]):
                    ids[i] = draw(next_probs(row, sampling), rng.random())

            yield say

    flops = texts * forward_flops(model.config, 1, context)
    needs = (_kept(model.config, texts) + texts * model.config.vocab_size) * _size(model)
    return Part("decode", texts, 1, context, flops, begin, model.flat.nbytes, needs)


def _scores(config: ModelConfig, queries: int, keys: int) -> int:
    """Exponentials of a block's attention for one text: those under the diagonal."""
    return config.n_head * queries * keys // 2


def _kept(config: ModelConfig, texts: int) -> int:
    """Numbers in a KV cache."""
    return 2 * config.n_layer * texts * config.block_size * config.n_embd


def _size(model: GPT) -> int:
    """Bytes of a number."""
    return int(model.dtype.itemsize)


def _random_ids(model: GPT, rows: int, tokens: int) -> Array:
    return np.random.default_rng(0).integers(0, model.config.vocab_size, (rows, tokens))
