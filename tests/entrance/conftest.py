import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _nobody_tried_before() -> None:
    """Tries are counted in the cache, which outlives a test."""
    cache.clear()
