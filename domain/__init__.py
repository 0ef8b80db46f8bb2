"""The shared types and their rules. Pure.

Belongs here: Actor, Action, Plan, Operation, Approval, Event, durations, the error tree: values and their rules.
Does not belong here: I/O, clocks, randomness, third-party libraries. Time and ids are arguments.
May import: the standard library without I/O.
"""
