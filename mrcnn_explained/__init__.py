"""A real Mask R-CNN, taken apart: every stage returns everything it computed.

`__init__.pyi` lists the public names. Each is imported when it is first used, so that
`import mrcnn_explained` does not import TensorFlow, which takes seconds.
"""

import lazy_loader

from mrcnn_explained.system.tensorflow_log import silence

silence()
__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
