"""Which scenarios stay on the emulator, and why."""

import pytest

SCRIPTED = frozenset({"velero", "objects", "clock", "buckets"})
"""Fixtures that are the emulator itself."""

MINUTES = "waits for the server's minutes: test_horizon.py and test_rows.py tell it, all of theirs in the same minutes"
LONG = "waits for it is larger than two minutes"
RACE = "a race inside the server, which happens or not"

STAY = {
    "test_five_thousand_objects_are_over_before_a_bar_could_move": MINUTES,
    "test_requests_with_errors_stay_until_they_are_a_day_old": LONG,
    "test_an_object_deleted_by_hand_comes_back_within_a_minute": MINUTES,
    "test_each_validation_is_a_line_without_a_change_of_phase": MINUTES,
    "test_same_namespace_waits_for_the_tick": RACE,
    "test_a_newcomer_sets_it_going": RACE,
    "test_after_a_failed_validation_nothing_runs_until_the_restart": RACE,
    "test_untouched_they_go_at_the_first_minute_tick_after_their_expiration": LONG,
    "test_status_requests_are_removed_after_five_minutes": LONG,
    "test_the_tick_counts_from_the_new_start": MINUTES,
    "test_fifty_objects_a_second_one_line_each_second": MINUTES,
    "test_looks_once_a_minute_counted_from_the_start": MINUTES,
    "test_three_at_once": MINUTES,
    "test_horizon_skips_exactly_the_runs_up_to_it": MINUTES,
    "test_horizon_at_any_instant": MINUTES,
    "test_taking_a_skip_back_fires_at_the_next_tick": MINUTES,
    "test_every_drifts_with_the_ticks": LONG,
}


def reason_to_stay(item: pytest.Function) -> str:
    """Empty where the test runs on a real Velero too."""
    if SCRIPTED & set(item.fixturenames):
        return "tells the emulator what to do"
    return STAY.get(item.originalname, "")
