from tests.scenarios.conftest import build, house

__all__ = ["build", "house"]
