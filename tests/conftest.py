"""What every test stands on: a busy machine is no failure, so Hypothesis counts examples and not milliseconds.

The examples are the same in every run; `EXPLORE=1` draws new ones.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("explore" if os.environ.get("EXPLORE") else "house")
