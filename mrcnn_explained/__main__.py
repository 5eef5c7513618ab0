"""`python -m mrcnn_explained` is `mrcnn-explained`."""

from mrcnn_explained.cli.app import main

main()
