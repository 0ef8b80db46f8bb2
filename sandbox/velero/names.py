"""Names that Velero derives from other names."""

import hashlib
from datetime import datetime


def valid_label(text: str) -> str:
    """Return a label value; one that is too long is cut and hashed."""
    return text if len(text) <= 63 else text[:57] + hashlib.sha256(text.encode()).hexdigest()[:6]


def timestamped(schedule: str, local: datetime) -> str:
    return f"{schedule}-{local:%Y%m%d%H%M%S}"
