"""An emulated Slack, Kubernetes and Velero in one process.

Belongs here: the Slack emulator, the Kubernetes emulator, the Velero emulator with its object store, the demo and its page.
Does not belong here: anything that the product needs at run time; only tests, benchmarks and the demo import it.
May import: anything. An emulator that is more lenient than the real service is a defect.
"""
