import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from calling import Caller
from sample import SampleServices, write_sample

from noria.server.application import create_app
from noria.server.door import Door


@pytest.fixture(scope="session")
def sample_records():
    return write_sample().records


@pytest.fixture
def services(tmp_path, sample_records):
    return SampleServices(tmp_path, sample_records)


@pytest.fixture
def app(services):
    return create_app(services)


@pytest.fixture
def ask(app):
    return Caller(app)


@pytest.fixture
def closed(services):
    """The same home, where everybody is asked who they are."""
    return Caller(create_app(services, door=Door(services.access, token=services.token, hint=services.token_hint)))
