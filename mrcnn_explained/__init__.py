"""A real Mask R-CNN, taken apart: every stage returns everything it computed.

Names are imported when they are used: `import mrcnn_explained` does not pay for TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrcnn_explained.config import Config
    from mrcnn_explained.detector.model import MaskRCNN
    from mrcnn_explained.detector.open import open_model
    from mrcnn_explained.detector.trace import Trace
    from mrcnn_explained.media.images import load_image

__version__ = "0.1.0"
__all__ = ["Config", "MaskRCNN", "Trace", "load_image", "open_model"]

_HOME = {
    "Config": "config",
    "MaskRCNN": "detector.model",
    "Trace": "detector.trace",
    "load_image": "media.images",
    "open_model": "detector.open",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"mrcnn_explained has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"mrcnn_explained.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
