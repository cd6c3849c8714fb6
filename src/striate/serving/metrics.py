"""What a server counts, for Prometheus."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from striate.serving.model_registry import ModelRegistry

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """A server's counts: nothing of what was in a request.

    Args:
        model_registry: whose queue and batches are told.
    """

    def __init__(self, model_registry: ModelRegistry) -> None:
        self._collector_registry = CollectorRegistry()
        self._model_registry = model_registry
        self._requests = Counter(
            "striate_requests", "Requests.", ("route", "status"), registry=self._collector_registry
        )
        self._request_seconds = Histogram(
            "striate_request_seconds",
            "Time from request to response.",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=self._collector_registry,
        )
        self._images = Counter(
            "striate_images", "Images, by outcome.", ("classifier", "outcome"), registry=self._collector_registry
        )
        waiting = Gauge(
            "striate_pending_images", "Images waiting for or in a prediction.", registry=self._collector_registry
        )
        waiting.set_function(lambda: model_registry.throughput.pending_images)
        restarts = Gauge(
            "striate_decoder_restarts",
            "Restarts of decoder processes after a crash.",
            registry=self._collector_registry,
        )
        restarts.set_function(lambda: model_registry.decode_pool.restart_count)
        self._get_request_series = cache(
            lambda route, status: (self._requests.labels(route, str(status)), self._request_seconds.labels(route))
        )
        self._get_outcome_counter = cache(self._images.labels)
        self._batch_size = Gauge(
            "striate_batch_images", "Mean size of recent batches.", ("classifier",), registry=self._collector_registry
        )

    def record_request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        count, histogram = self._get_request_series(route, status)
        count.inc()
        histogram.observe(seconds)

    def count_prediction(self, classifier: str, outcome: str) -> None:
        """Counts an image: `predicted`, `abstained` or `undecodable`."""
        self._get_outcome_counter(classifier, outcome).inc()

    def render_text(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        for name, served in self._model_registry.served_models.items():
            sizes = served.batcher.batch_sizes
            self._batch_size.labels(name).set(sum(sizes) / len(sizes) if sizes else 0)
        return generate_latest(self._collector_registry)
