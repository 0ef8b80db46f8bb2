"""Text, options, confirmations and the elements that people use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.slack.blockkit.shapes import (
    Check,
    Problem,
    also,
    anything,
    array,
    at_least_one,
    boolean,
    choice,
    integer,
    pattern,
    shape,
    string,
    typed,
    url,
)

ID = string(255)


def plain(longest: int) -> Check:
    return typed({"plain_text": shape({"text": string(longest)}, {"emoji": boolean})})


def any_text(longest: int) -> Check:
    marked = shape({"text": string(longest)}, {"verbatim": boolean})
    return typed({"plain_text": shape({"text": string(longest)}, {"emoji": boolean}), "mrkdwn": marked})


CONFIRM = shape(
    {"title": plain(100), "text": any_text(300)},
    {"confirm": plain(30), "deny": plain(30), "style": choice("primary", "danger")},
)
OPTION = shape({"text": plain(75), "value": string(150)}, {"description": plain(75), "url": url()})
RICH_OPTION = shape({"text": any_text(75), "value": string(150)}, {"description": any_text(75)})
GROUP = shape({"label": plain(75), "options": array(OPTION, 1, 100)})
OPTIONS = array(OPTION, 1, 100)
GROUPS = array(GROUP, 1, 100)
COMMON: Mapping[str, Check] = {"action_id": ID, "confirm": CONFIRM, "focus_on_load": boolean}
SELECT: Mapping[str, Check] = {**COMMON, "placeholder": plain(150)}
INPUT: Mapping[str, Check] = {
    "action_id": ID,
    "placeholder": plain(150),
    "focus_on_load": boolean,
    "dispatch_action_config": anything,
}
IDS = array(ID, 1, 100)
DATE = pattern(r"\d{4}-\d{2}-\d{2}", "must be a valid date")
TIME = pattern(r"\d{2}:\d{2}", "must be a valid time")
FILTER = shape({}, {"include": anything, "exclude_external_shared_channels": boolean, "exclude_bot_users": boolean})


def _distinct_options(element: Any, at: str) -> Iterator[Problem]:
    options = element.get("options")
    values = [o.get("value") for o in options if isinstance(o, dict)] if isinstance(options, list) else []
    if len(values) != len(set(map(str, values))):
        yield Problem("duplicate_value", "option values must be unique", f"{at}/options")


def _initial_is_an_option(element: Any, at: str) -> Iterator[Problem]:
    offered = list(element.get("options") or [])
    for group in element.get("option_groups") or []:
        offered += group.get("options") or [] if isinstance(group, dict) else []
    single = element.get("initial_option")
    for chosen in element.get("initial_options") or ([single] if single else []):
        if chosen not in offered:
            yield Problem("invalid_value", "initial option must match one of the options", at)


def _of_options(fields: Mapping[str, Check]) -> Check:
    given = shape({}, {"options": OPTIONS, "option_groups": GROUPS, **fields})
    present = also(given, at_least_one("options", "option_groups"))
    return also(also(present, _distinct_options), _initial_is_an_option)


def _boxes(initial: Mapping[str, Check]) -> Check:
    boxes = shape({"options": array(RICH_OPTION, 1, 10)}, {**COMMON, **initial})
    return also(also(boxes, _distinct_options), _initial_is_an_option)


MAXIMUM: Mapping[str, Check] = {"max_selected_items": integer(1, 100)}
IMAGE_ELEMENT = also(
    shape({"alt_text": string(2000)}, {"image_url": url(), "slack_file": anything}),
    at_least_one("image_url", "slack_file"),
)
BUTTON = shape(
    {"text": plain(75)},
    {
        "action_id": ID,
        "url": url(),
        "value": string(2000),
        "style": choice("primary", "danger"),
        "confirm": CONFIRM,
        "accessibility_label": string(75),
    },
)
OVERFLOW = also(shape({"options": array(OPTION, 1, 5)}, {"action_id": ID, "confirm": CONFIRM}), _distinct_options)
PICKERS: Mapping[str, Check] = {
    "static_select": _of_options({**SELECT, "initial_option": OPTION}),
    "external_select": shape({}, {**SELECT, "initial_option": OPTION, "min_query_length": integer(0, 100)}),
    "users_select": shape({}, {**SELECT, "initial_user": ID}),
    "conversations_select": shape(
        {},
        {
            **SELECT,
            "initial_conversation": ID,
            "default_to_current_conversation": boolean,
            "response_url_enabled": boolean,
            "filter": FILTER,
        },
    ),
    "channels_select": shape({}, {**SELECT, "initial_channel": ID, "response_url_enabled": boolean}),
    "multi_static_select": _of_options({**SELECT, **MAXIMUM, "initial_options": array(OPTION, 1, 100)}),
    "multi_external_select": shape(
        {}, {**SELECT, **MAXIMUM, "initial_options": array(OPTION, 1, 100), "min_query_length": integer(0, 100)}
    ),
    "multi_users_select": shape({}, {**SELECT, **MAXIMUM, "initial_users": IDS}),
    "multi_conversations_select": shape({}, {**SELECT, **MAXIMUM, "initial_conversations": IDS, "filter": FILTER}),
    "multi_channels_select": shape({}, {**SELECT, **MAXIMUM, "initial_channels": IDS}),
    "checkboxes": _boxes({"initial_options": array(RICH_OPTION, 1, 10)}),
    "radio_buttons": _boxes({"initial_option": RICH_OPTION}),
    "datepicker": shape({}, {**SELECT, "initial_date": DATE}),
    "timepicker": shape({}, {**SELECT, "initial_time": TIME, "timezone": string(100)}),
    "datetimepicker": shape({}, {**COMMON, "initial_date_time": integer(1_000_000_000, 9_999_999_999)}),
}
LENGTHS: Mapping[str, Check] = {"min_length": integer(0, 3000), "max_length": integer(1, 3000)}
TYPED: Mapping[str, Check] = {
    "plain_text_input": shape({}, {**INPUT, **LENGTHS, "initial_value": string(3000, 0), "multiline": boolean}),
    "number_input": shape(
        {"is_decimal_allowed": boolean},
        {**INPUT, "initial_value": string(100), "min_value": string(100), "max_value": string(100)},
    ),
    "email_text_input": shape({}, {**INPUT, "initial_value": string(3000)}),
    "url_text_input": shape({}, {**INPUT, "initial_value": string(3000)}),
    "rich_text_input": shape({}, {**INPUT, "initial_value": anything}),
    "file_input": shape({}, {"action_id": ID, "filetypes": array(ID, 1, 50), "max_files": integer(1, 10)}),
}
