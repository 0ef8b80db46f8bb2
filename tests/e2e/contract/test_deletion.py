"""The contract of the same name, held to a real API server."""

from tests.sandbox.kubernetes.test_contract_deletion import *  # noqa: F403
