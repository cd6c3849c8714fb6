"""What a server counts, for Prometheus."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from striate.serving.model_registry import House

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """A server's counts: nothing of what was in a request.

    Args:
        house: whose queue and batches are told.
    """

    def __init__(self, house: House) -> None:
        self._registry = CollectorRegistry()
        self._house = house
        self._requests = Counter("striate_requests", "Requests.", ("route", "status"), registry=self._registry)
        self._seconds = Histogram(
            "striate_request_seconds",
            "From a request to its reply.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._pictures = Counter("striate_pictures", "Pictures.", ("classifier", "outcome"), registry=self._registry)
        waiting = Gauge("striate_waiting_pictures", "Pictures in the house.", registry=self._registry)
        waiting.set_function(lambda: house.pace.waiting)
        restarts = Gauge("striate_decoder_restarts", "Decoders that a picture brought down.", registry=self._registry)
        restarts.set_function(lambda: house.decoders.restarts)
        self._of = cache(lambda route, status: (self._requests.labels(route, str(status)), self._seconds.labels(route)))
        self._outcome = cache(self._pictures.labels)
        self._batch = Gauge(
            "striate_batch_pictures", "Mean of recent batches.", ("classifier",), registry=self._registry
        )

    def replied(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        count, histogram = self._of(route, status)
        count.inc()
        histogram.observe(seconds)

    def answered(self, classifier: str, outcome: str) -> None:
        """Counts a picture: `answered`, `unsure` or `undecodable`."""
        self._outcome(classifier, outcome).inc()

    def text(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        for name, served in self._house.served.items():
            sizes = served.batcher.sizes
            self._batch.labels(name).set(sum(sizes) / len(sizes) if sizes else 0)
        return generate_latest(self._registry)
