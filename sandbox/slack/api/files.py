"""files.*: an upload in three steps."""

from __future__ import annotations

import secrets

from domain.json_types import Json
from sandbox.slack.api.call import ApiError, Call, Method
from sandbox.slack.records import Channel, File
from sandbox.slack.shown import file_json


def get_upload_url(call: Call) -> Json:
    name = str(call.need("filename"))
    try:
        length = int(call.need("length"))
    except ValueError:
        raise ApiError("invalid_arguments") from None
    if length <= 0:
        raise ApiError("missing_argument")
    file = File(call.workspace.new_id("F"), name, length, call.workspace.bot.id)
    call.workspace.files[file.id] = file
    token = secrets.token_urlsafe(16)
    call.site.uploads[token] = file.id
    return {"ok": True, "upload_url": f"{call.site.base_url}/upload/v1/{token}", "file_id": file.id}


def complete_upload(call: Call) -> Json:
    given = call.need("files")
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ApiError("invalid_arguments")
    files = [_uploaded(call, one) for one in given]
    channel = _destination(call)
    for file in files:
        file.completed = True
    if channel is not None:
        _share(call, channel, files)
    return {"ok": True, "files": [{"id": file.id, "title": file.title or file.name} for file in files]}


def _uploaded(call: Call, given: Json) -> File:
    file = call.workspace.files.get(str(given.get("id")))
    if file is None or file.content is None:
        raise ApiError("file_not_found")
    file.title = str(given.get("title") or "")
    return file


def _destination(call: Call) -> Channel | None:
    if not call.get("channel_id"):
        return None
    channel = call.channel("channel_id")
    if channel.is_archived:
        raise ApiError("is_archived")
    if call.workspace.bot.id not in channel.members:
        raise ApiError("not_in_channel")
    return channel


def _share(call: Call, channel: Channel, files: list[File]) -> None:
    message = call.workspace.post(
        channel.id,
        call.workspace.bot.id,
        str(call.get("initial_comment", "")),
        files=tuple(file.id for file in files),
        thread_ts=call.get("thread_ts"),
        by_bot=True,
    )
    for file in files:
        file.shares.append((channel.id, message.ts))


def info(call: Call) -> Json:
    file = call.workspace.files.get(call.need("file", "file_not_found"))
    if file is None or not file.completed:
        raise ApiError("file_not_found")
    return {"ok": True, "file": file_json(file)}


METHODS = {
    "files.getUploadURLExternal": Method(get_upload_url, "files:write", 100),
    "files.completeUploadExternal": Method(complete_upload, "files:write", 100),
    "files.info": Method(info, "files:read", 100),
}
