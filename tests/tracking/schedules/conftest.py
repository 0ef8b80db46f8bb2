import pytest

from tests.tracking.schedules.schedule_world import Yard


@pytest.fixture
async def yard(tmp_path):
    made = await Yard(tmp_path).start()
    yield made
    await made.close()
