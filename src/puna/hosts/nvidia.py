"""How busy NVIDIA's GPUs are, and what of them is free, where `nvidia-ml-py` is installed."""

import importlib
from dataclasses import dataclass
from types import ModuleType


@dataclass(frozen=True)
class Gauge:
    """A GPU just now: free bytes, and how busy it is, from 0 to 1."""

    free: int
    utilisation: float


def gauges() -> dict[str, Gauge]:
    """Each GPU by the id of its PCI bus; none where the driver or its Python package is missing."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return {}
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return {}
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        return dict(_gauge(nvml, handle) for handle in handles)
    except nvml.NVMLError:
        return {}
    finally:
        nvml.nvmlShutdown()


def _gauge(nvml: ModuleType, handle: object) -> tuple[str, Gauge]:
    id = nvml.nvmlDeviceGetPciInfo(handle).busId
    text = id.decode() if isinstance(id, bytes) else str(id)
    return pci_id(text), Gauge(
        free=int(nvml.nvmlDeviceGetMemoryInfo(handle).free),
        utilisation=nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
    )


def pci_id(text: str) -> str:
    """An id as the engine writes it: NVML's has more digits before the first colon."""
    domain, _, rest = text.strip("\0").lower().partition(":")
    return f"{domain[-4:]}:{rest}"
