"""The public names, and where each is defined: `from mrcnn_explained import …`.

Python reads this list to import a name when it is first used; type checkers and editors read it
to know the name's type.
"""

from .boxes import apply_box_deltas, box_refinement, clip_boxes, denorm_boxes, iou, norm_boxes
from .config import Config
from .data.annotations import load_sample
from .data.coco import CocoDataset
from .data.dataset import Dataset
from .data.labelme import LabelmeDataset
from .data.objects import extract_boxes, load_objects
from .data.open import open_dataset
from .data.pipeline import batches
from .data.records import DatasetError
from .data.report import dataset_report
from .data.shapes import ShapesDataset
from .data.statistics import dataset_statistics
from .data.via import ViaDataset
from .detector.model import MaskRCNN
from .detector.open import open_model
from .detector.schema import StageError, TraceFileError
from .detector.trace import Trace
from .detector.training_step import PARTS, TrainingTrace
from .errors import (
    AssumedConfigWarning,
    ConfigError,
    ImageWarning,
    InputError,
    RandomWeightsWarning,
    TrainingError,
)
from .evaluation.evaluate import Evaluation, evaluate, match
from .evaluation.oracle import oracle_report
from .explain.compare import compare
from .explain.diagnosis import Diagnosis, diagnose
from .explain.fates import FateKind, fates
from .explain.invariants import check
from .explain.lineage import lineage
from .explain.paper_variants import (
    aligned_crops,
    centred_anchors,
    paper_variant,
    paper_variants,
)
from .explain.receptive_field import receptive_fields
from .explain.why_missed import why_missed
from .explorers.anchors import AnchorsExplorer
from .explorers.box_head import BoxHeadExplorer
from .explorers.crops import CropsExplorer
from .explorers.dashboard import ObjectDashboard
from .explorers.deltas import DeltasExplorer
from .explorers.detections import DetectionsExplorer
from .explorers.detector_map import DetectorMap
from .explorers.explorer import Selection
from .explorers.iou import IouExplorer
from .explorers.levels import LevelsExplorer
from .explorers.mask_head import MaskExplorer
from .explorers.nms import NmsExplorer
from .explorers.pooling import PoolingExplorer
from .explorers.progress import TrainingProgress
from .explorers.proposals import ProposalsExplorer
from .explorers.reorder import ReorderExplorer
from .explorers.rpn import RpnExplorer
from .explorers.time_distributed import TimeDistributedExplorer
from .explorers.training import TrainingExplorer
from .explorers.what_if import WhatIfExplorer
from .lessons.case import Case, open_case
from .lessons.check import check_answer
from .lessons.here import you_are_here
from .lessons.notebook import describe, show
from .media.images import demo_image, load_image
from .media.pixels import as_image
from .media.splash import color_splash, splash_video
from .plots.anchors import plot_cell_anchors
from .plots.annotation_grid import plot_annotation_grid
from .plots.backbone import plot_backbone, plot_channels
from .plots.box_head import plot_all_probabilities, plot_probabilities
from .plots.crops import plot_crop_channels, plot_level_boxes, plot_sampling
from .plots.dataset import plot_dataset, plot_mini_masks, plot_objects, plot_top_masks
from .plots.detection_targets import plot_detection_targets, plot_mask_targets, plot_roi_overlaps
from .plots.detections import (
    plot_cascade,
    plot_class_refinement,
    plot_detections,
    plot_nms_by_class,
)
from .plots.evaluation import plot_differences, plot_overlaps, plot_precision_recall
from .plots.image import plot_molding
from .plots.instances import plot_color_splash, plot_instances, plot_mask_growth
from .plots.levels import plot_levels, plot_levels_on_image, plot_sizes
from .plots.losses import plot_history, plot_loss_terms
from .plots.mask_head import plot_class_masks, plot_masks
from .plots.palette import DASHED, GOOD, INK, LEVEL_COLORS, class_color
from .plots.pooling import plot_pooling
from .plots.proposals import plot_corners, plot_fates, plot_refinement, plot_suppression
from .plots.pyramid import plot_pyramid
from .plots.reorder import plot_reorder
from .plots.rpn import plot_delta_histograms, plot_score_histograms, plot_score_maps
from .plots.rpn_targets import plot_anchor_overlaps, plot_rpn_targets
from .plots.style import axes, draw_boxes, label_boxes, panels, show_image, show_map, to_pixels
from .plots.weights import plot_weight_histograms
from .report.write import write_report
from .stages.anchors import pyramid_anchors
from .stages.backbone import ResNet
from .stages.box_head import BoxHead
from .stages.crops import crop_levels, roi_align, roi_pool
from .stages.detection_targets import detection_targets
from .stages.detections import select_detections
from .stages.image import mold_image, scale_image, unmold_image
from .stages.image_meta import unpack_meta
from .stages.instances import full_mask, original_boxes, unmold
from .stages.levels import assign_levels, level_boundaries
from .stages.losses import smooth_l1
from .stages.mask_head import MaskHead
from .stages.molded_boxes import mold_boxes, mold_rois
from .stages.nms import nms_verdict
from .stages.proposals import given_rois, propose
from .stages.pyramid import FeaturePyramid, upsample
from .stages.pyramid_roi_align import pyramid_roi_align
from .stages.reorder import IMAGE_STEP, reorder
from .stages.rpn import RegionProposalNetwork
from .stages.rpn_targets import rpn_targets
from .system.devices import DeviceError, select_device
from .training.schedule import Plan
from .training.trainer import Trainer
from .weights.errors import WeightFileError
from .weights.load import WeightReport, save_weights
from .weights.presets import presets, save_preset

__version__: str
__all__ = [
    "DASHED",
    "GOOD",
    "IMAGE_STEP",
    "INK",
    "LEVEL_COLORS",
    "PARTS",
    "AnchorsExplorer",
    "AssumedConfigWarning",
    "BoxHead",
    "BoxHeadExplorer",
    "Case",
    "CocoDataset",
    "Config",
    "ConfigError",
    "CropsExplorer",
    "Dataset",
    "DatasetError",
    "DeltasExplorer",
    "DetectionsExplorer",
    "DetectorMap",
    "DeviceError",
    "Diagnosis",
    "Evaluation",
    "FateKind",
    "FeaturePyramid",
    "ImageWarning",
    "InputError",
    "IouExplorer",
    "LabelmeDataset",
    "LevelsExplorer",
    "MaskExplorer",
    "MaskHead",
    "MaskRCNN",
    "NmsExplorer",
    "ObjectDashboard",
    "Plan",
    "PoolingExplorer",
    "ProposalsExplorer",
    "RandomWeightsWarning",
    "RegionProposalNetwork",
    "ReorderExplorer",
    "ResNet",
    "RpnExplorer",
    "Selection",
    "ShapesDataset",
    "StageError",
    "TimeDistributedExplorer",
    "Trace",
    "TraceFileError",
    "Trainer",
    "TrainingError",
    "TrainingExplorer",
    "TrainingProgress",
    "TrainingTrace",
    "ViaDataset",
    "WeightFileError",
    "WeightReport",
    "WhatIfExplorer",
    "__version__",
    "aligned_crops",
    "apply_box_deltas",
    "as_image",
    "assign_levels",
    "axes",
    "batches",
    "box_refinement",
    "centred_anchors",
    "check",
    "check_answer",
    "class_color",
    "clip_boxes",
    "color_splash",
    "compare",
    "crop_levels",
    "dataset_report",
    "dataset_statistics",
    "demo_image",
    "denorm_boxes",
    "describe",
    "detection_targets",
    "diagnose",
    "draw_boxes",
    "evaluate",
    "extract_boxes",
    "fates",
    "full_mask",
    "given_rois",
    "iou",
    "label_boxes",
    "level_boundaries",
    "lineage",
    "load_image",
    "load_objects",
    "load_sample",
    "match",
    "mold_boxes",
    "mold_image",
    "mold_rois",
    "nms_verdict",
    "norm_boxes",
    "open_case",
    "open_dataset",
    "open_model",
    "oracle_report",
    "original_boxes",
    "panels",
    "paper_variant",
    "paper_variants",
    "plot_all_probabilities",
    "plot_anchor_overlaps",
    "plot_annotation_grid",
    "plot_backbone",
    "plot_cascade",
    "plot_cell_anchors",
    "plot_channels",
    "plot_class_masks",
    "plot_class_refinement",
    "plot_color_splash",
    "plot_corners",
    "plot_crop_channels",
    "plot_dataset",
    "plot_delta_histograms",
    "plot_detection_targets",
    "plot_detections",
    "plot_differences",
    "plot_fates",
    "plot_history",
    "plot_instances",
    "plot_level_boxes",
    "plot_levels",
    "plot_levels_on_image",
    "plot_loss_terms",
    "plot_mask_growth",
    "plot_mask_targets",
    "plot_masks",
    "plot_mini_masks",
    "plot_molding",
    "plot_nms_by_class",
    "plot_objects",
    "plot_overlaps",
    "plot_pooling",
    "plot_precision_recall",
    "plot_probabilities",
    "plot_pyramid",
    "plot_refinement",
    "plot_reorder",
    "plot_roi_overlaps",
    "plot_rpn_targets",
    "plot_sampling",
    "plot_score_histograms",
    "plot_score_maps",
    "plot_sizes",
    "plot_suppression",
    "plot_top_masks",
    "plot_weight_histograms",
    "presets",
    "propose",
    "pyramid_anchors",
    "pyramid_roi_align",
    "receptive_fields",
    "reorder",
    "roi_align",
    "roi_pool",
    "rpn_targets",
    "save_preset",
    "save_weights",
    "scale_image",
    "select_detections",
    "select_device",
    "show",
    "show_image",
    "show_map",
    "smooth_l1",
    "splash_video",
    "to_pixels",
    "unmold",
    "unmold_image",
    "unpack_meta",
    "upsample",
    "why_missed",
    "write_report",
    "you_are_here",
]
