"""`python -m mrcnn_explained` is `mrcnn-explained`."""

from mrcnn_explained.cli import main

main()
