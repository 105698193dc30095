"""What the server counts, for Prometheus at /metrics."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tinygpt.generation import Generation
from tinygpt.serve.engine import Engine

CONTENT_TYPE = CONTENT_TYPE_LATEST
_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TOKEN = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1)


class Metrics:
    """Counters of one server, in a registry of its own. All is told once a request, nothing once
    a token."""

    def __init__(self, engine: Engine) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "tinygpt_requests", "Requests answered", ["route", "code"], registry=registry
        )
        self.errors = Counter(
            "tinygpt_errors", "Requests that failed, by the error's code", ["code"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "tinygpt_request_seconds", "From a request to the end of its answer", ["route"],
            buckets=_REQUEST, registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "tinygpt_requests_in_flight", "Requests being answered", registry=registry
        )
        self.prompt_tokens = Counter(
            "tinygpt_prompt_tokens", "Tokens of prompts read", registry=registry
        )
        self.generated_tokens = Counter(
            "tinygpt_generated_tokens", "Tokens drawn", registry=registry
        )
        self.first_token = Histogram(
            "tinygpt_first_token_seconds", "From a request to its first token",
            buckets=_REQUEST, registry=registry,
        )  # fmt: skip
        self.token = Histogram(
            "tinygpt_token_seconds", "Mean time between two tokens of a text",
            buckets=_TOKEN, registry=registry,
        )  # fmt: skip
        running = Gauge("tinygpt_running", "Texts being continued", registry=registry)
        running.set_function(lambda: engine.running)
        waiting = Gauge("tinygpt_waiting", "Texts in the queue", registry=registry)
        waiting.set_function(lambda: engine.waiting)

    def ended(self, samples: Sequence[Generation], seconds: float) -> None:
        """These samples are no longer continued, so long after the first token came."""
        counts = [len(sample.ids) for sample in samples]
        self.generated_tokens.inc(sum(counts))
        if (longest := max(counts, default=0)) > 1:
            self.token.observe(seconds / (longest - 1))

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self._registry)
