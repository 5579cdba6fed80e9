"""Values that no call takes, by argument."""

from __future__ import annotations

from typing import Any

import numpy as np

WRONG: dict[str, tuple[Any, ...]] = {
    "profile": (123, [], b"balanced", object(), 1.0, "none such"),
    "threshold": ("0.5", [], {}, b"1", 1j, float("nan"), -1, 2, 10**400, True, np.array([0.5, 0.6]), object()),
    "fallback": ("x", [], {}, 0, b"device", object()),
    "timeout": ("1", [], True, float("nan"), 1j, object()),
    "allow_cloud": ("false", "0", 0, None, [], np.array([True, True])),
}
