"""From values to Slack's blocks: pure, one file per kind of message, every length bounded by `limits`.

Does not: deciding who is told, or sending.
"""
