"""Make a model from what a command line or a job says: the name of its weights, and a config."""

from mrcnn_explained.config import Config
from mrcnn_explained.model import MaskRCNN
from mrcnn_explained.presets import is_preset


def make_model(weights: str, config: Config) -> MaskRCNN:
    """Return a model with these weights and this config.

    weights    a preset, an .h5 file, or "random"

    Raises WeightFileError for weights that cannot be read or do not fit.
    """
    if is_preset(weights):
        model = MaskRCNN.from_preset(weights)
        return model.with_config(**config.differences(model.config))
    model = MaskRCNN(config)
    if weights != "random":
        model.load_weights(weights)
    return model
