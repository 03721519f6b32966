"""The same `Idempotency-Key`, the same answer: claims on keys and the sealed answers given under them."""
