"""The contract of the same name, held to a real API server."""

from tests.sandbox.kubernetes.test_contract_builtin import *  # noqa: F403
