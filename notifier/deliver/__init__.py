"""How a notice reaches a receiver: once in Slack, at least once by webhook.

Does not: words and layout (render), who is told (route).
"""
