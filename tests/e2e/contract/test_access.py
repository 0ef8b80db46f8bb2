"""The contract of the same name, held to a real API server."""

from tests.sandbox.kubernetes.test_contract_access import *  # noqa: F403
