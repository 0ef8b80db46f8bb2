"""What the bot costs: each row beside a floor that was measured in the same run.

Belongs here: one file a row, and the load that rows share. Does not: anything the bot needs to run.
"""
