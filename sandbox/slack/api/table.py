"""All methods by name."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.slack.api import apps, chat, conversations, files, users, views
from sandbox.slack.api.call import Method

METHODS: Mapping[str, Method] = {
    **apps.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **users.METHODS,
    **views.METHODS,
}
