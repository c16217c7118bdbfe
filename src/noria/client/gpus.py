"""What NVIDIA's GPUs do, asked of the driver's own library (NVML); no package is needed, and none is there without a driver.

Source of names and structures: NVIDIA's NVML API reference (nvmlDeviceGetUtilizationRates, nvmlDeviceGetMemoryInfo, nvmlDeviceGetPowerUsage).
"""

from __future__ import annotations

import ctypes
import logging
from typing import Any

LIBRARY = "libnvidia-ml.so.1"

log = logging.getLogger("noria.client")


class _Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Gpus:
    """All GPUs of the machine.

    Args:
        library: The loaded NVML; `found` loads it.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        count = ctypes.c_uint()
        if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            raise OSError("NVML does not start")
        self._devices: list[ctypes.c_void_p] = []
        for number in range(count.value):
            device = ctypes.c_void_p()
            if not library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(number), ctypes.byref(device)):
                self._devices.append(device)

    def read(self) -> dict[str, float]:
        """Utilisation, memory and power of each; what a GPU does not tell is left out."""
        found: dict[str, float] = {}
        for number, device in enumerate(self._devices):
            busy, memory, power_mw = _Utilization(), _Memory(), ctypes.c_uint()
            if not self._library.nvmlDeviceGetUtilizationRates(device, ctypes.byref(busy)):
                found[f"gpu_{number}_utilization_percentage"] = float(busy.gpu)
            if not self._library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) and memory.total:
                found[f"gpu_{number}_memory_usage_megabytes"] = memory.used / 1e6
                found[f"gpu_{number}_memory_usage_percentage"] = 100 * memory.used / memory.total
            if not self._library.nvmlDeviceGetPowerUsage(device, ctypes.byref(power_mw)):
                found[f"gpu_{number}_power_usage_watts"] = power_mw.value / 1000
        return found


def found() -> Gpus | None:
    """The machine's GPUs, or None where there are none that can be asked."""
    try:
        return Gpus(ctypes.CDLL(LIBRARY))
    except (OSError, AttributeError) as error:
        log.debug("no NVIDIA GPU can be asked: %s", error)
        return None
