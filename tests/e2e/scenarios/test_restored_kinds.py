"""The scenarios of the same name, on a real Velero."""

from tests.sandbox.velero.test_scenario_restored_kinds import *  # noqa: F403
