"""What every test stands on: a busy machine is no failure, so Hypothesis counts examples and not milliseconds."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
