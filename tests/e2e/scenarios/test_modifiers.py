"""The scenarios of the same name, on a real Velero."""

from tests.sandbox.velero.test_scenario_modifiers import *  # noqa: F403
