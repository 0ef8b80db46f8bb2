"""Measures the bot's costs: each row is compared with a floor from the same run.

Belongs here: one file a row, and the load that rows share. Does not: anything the bot needs to run.
"""
