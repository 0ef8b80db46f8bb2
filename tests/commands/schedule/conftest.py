import pytest

from tests.commands.schedule.yard import Yard


@pytest.fixture
async def yard(tmp_path):
    made = await Yard(tmp_path).start()
    yield made
    await made.close()
