"""Which scenarios stay on the emulator, and why."""

import pytest

SCRIPTED = frozenset({"velero", "objects", "clock", "buckets"})
"""Fixtures that are the emulator itself."""

CLOCK = "speaks of moments of the emulator's clock; on the real server the horizon's tests do"
LONG = "lets minutes or hours pass"
STORE = "the real store takes no orders to fail"
SETTING = "is about a setting of the emulator"
BUILD = "the server is built without a version"
RACE = "what happens at the same instant is for the emulator to say"

KINDS = "the server looks for new kinds every five minutes"

STAY = {
    "test_a_crd_and_its_objects_come_back": KINDS,
    "test_zero_durations_count_as_unset": CLOCK,
    "test_negative_ttl_completes_with_an_expiry_in_the_past": CLOCK,
    "test_five_thousand_objects_are_over_before_a_bar_could_move": LONG,
    "test_requests_with_errors_stay_until_they_are_a_day_old": LONG,
    "test_dead_port_is_noticed_after_three_attempts": CLOCK,
    "test_each_validation_is_a_line_without_a_change_of_phase": LONG,
    "test_a_real_outage_of_the_store_is_noticed_at_the_next_validation": STORE,
    "test_an_object_deleted_by_hand_comes_back_with_the_sync": LONG,
    "test_an_object_whose_files_are_gone_goes_too": LONG,
    "test_a_period_of_zero_turns_the_sync_off": LONG,
    "test_same_namespace_waits_for_the_tick": SETTING,
    "test_a_newcomer_sets_it_going": SETTING,
    "test_different_namespaces_do_not_wait": SETTING,
    "test_of_three_requests_two_vanish_without_a_phase": RACE,
    "test_after_a_failed_validation_nothing_runs_until_the_restart": SETTING,
    "test_what_does_not_exist_never_gets_a_phase_and_goes_away": LONG,
    "test_expired_requests_go_at_the_first_minute_tick": LONG,
    "test_status_request": BUILD,
    "test_status_requests_are_removed_after_five_minutes": LONG,
    "test_the_tick_counts_from_the_new_start": LONG,
    "test_restarting_over_and_over_leaves_nothing_unfinished": RACE,
    "test_server_completes_the_spec": CLOCK,
    "test_fifty_objects_a_second_one_line_each_second": LONG,
    "test_expired_backups_go_with_the_next_collection": CLOCK,
    "test_later_expiration_keeps_it": LONG,
    "test_later_ttl_does_nothing_after_the_start": CLOCK,
    "test_the_copy_in_the_bucket_knows_nothing_of_it": CLOCK,
    "test_a_hold_is_lost_with_the_object_and_the_data_goes_with_it": LONG,
    "test_kept_where_it_may_not_be_deleted": LONG,
    "test_looks_once_a_minute_counted_from_the_start": CLOCK,
    "test_run_is_made_from_the_template": CLOCK,
    "test_labels_of_the_schedule_where_the_template_has_none": CLOCK,
    "test_an_edit_that_makes_it_overdue_fires_in_the_same_second": CLOCK,
    "test_skip_immediately_in_the_same_patch_does_not": CLOCK,
    "test_a_change_of_the_template_alone_wakes_it": CLOCK,
    "test_a_status_patch_wakes_nobody": CLOCK,
    "test_zone_of_its_own": CLOCK,
    "test_three_at_once": CLOCK,
    "test_owner_reference_and_background_deletion": CLOCK,
    "test_manual_runs_change_nothing": CLOCK,
    "test_due_while_the_location_is_away_is_lost": CLOCK,
    "test_paused_is_not_looked_at_and_unpausing_fires_what_fell_due": CLOCK,
    "test_horizon_skips_exactly_the_runs_up_to_it": CLOCK,
    "test_horizon_at_any_instant": CLOCK,
    "test_resume_with_a_horizon_in_one_patch_fires_nothing_overdue": CLOCK,
    "test_edit_with_a_horizon_in_one_patch_fires_nothing_overdue": CLOCK,
    "test_taking_a_skip_back_fires_at_the_next_tick": CLOCK,
    "test_impossible_date_fires_every_minute": LONG,
    "test_after_a_long_pause_one_late_run_and_no_more": LONG,
    "test_every_drifts_with_the_ticks": LONG,
}


def reason_to_stay(item: pytest.Function) -> str:
    """Empty where the test runs on a real Velero too."""
    if SCRIPTED & set(item.fixturenames):
        return "tells the emulator what to do"
    return STAY.get(item.originalname, "")
