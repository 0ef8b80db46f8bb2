"""Terminal commands without a cluster must not wait for the import of the Kubernetes client."""

import subprocess
import sys

QUESTION = (
    "import sys, velero.cluster, velero.artifacts; print(*sorted(m for m in sys.modules if m.startswith('kubernetes')))"
)


def test_the_client_is_imported_when_a_cluster_is_used():
    answer = subprocess.run([sys.executable, "-c", QUESTION], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
