from tests.engines.cluster import cluster  # noqa: F401 - the fixture
