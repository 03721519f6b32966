from tests.meta.fixtures import meta  # noqa: F401  A fixture.
