"""A world on a laptop.

Belongs here: the Slack emulator, the Kubernetes emulator, the Velero emulator with its object store, the demo and its page.
Does not: anything the product needs at run time; nobody imports this package but tests.
May import: anything. An emulator that is kinder than the real thing is a defect of the emulator.
"""
