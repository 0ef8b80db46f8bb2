"""Measures the bot's costs: each row is compared with a floor from the same run.

Belongs here: one file per row, and the load that rows share. Does not belong here: anything the bot needs to run.
"""
