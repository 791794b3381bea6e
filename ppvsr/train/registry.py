"""Every `name:` of a config → the class it means. A literal table each; nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ppvsr.archs.registry import ARCHS
from ppvsr.data import degrade, pipeline
from ppvsr.data.clips import MixedDataset, RepeatDataset
from ppvsr.data.folders import VSRFolderDataset, VSRREDSMultipleGTDataset, VSRVimeo90KDataset
from ppvsr.data.photos import KnownFlowDataset, MovingPhotosDataset
from ppvsr.data.videos import VideoFolderDataset
from ppvsr.evaluate.metrics import PSNR, SSIM, EndPointError
from ppvsr.train.losses import CharbonnierLoss, L1Loss, MSELoss, RootMeanSquareLoss
from ppvsr.train.optimizers import (
    CosineAnnealingRestartLR,
    LinearDecay,
    MultiStepDecay,
    adam,
    adamw,
    momentum,
    rmsprop,
    sgd,
)
from ppvsr.train.task import basic_vsr, flow_model, multi_stage_vsr

Table = dict[str, Callable[..., Any]]
TASKS: Table = {"MultiStageVSRModel": multi_stage_vsr, "BasicVSRModel": basic_vsr, "FlowModel": flow_model}
LOSSES: Table = {each.__name__: each for each in (CharbonnierLoss, L1Loss, MSELoss, RootMeanSquareLoss)}
METRICS: Table = {"PSNR": PSNR, "SSIM": SSIM, "EndPointError": EndPointError}
SCHEDULES: Table = {
    "CosineAnnealingRestartLR": CosineAnnealingRestartLR,
    "MultiStepDecay": MultiStepDecay,
    "LinearDecay": LinearDecay,
}
OPTIMIZERS: Table = {"Adam": adam, "AdamW": adamw, "SGD": sgd, "Momentum": momentum, "RMSProp": rmsprop}
DATASETS: Table = {
    "RepeatDataset": RepeatDataset,
    "VSRREDSMultipleGTDataset": VSRREDSMultipleGTDataset,
    "VSRVimeo90KDataset": VSRVimeo90KDataset,
    "VSRFolderDataset": VSRFolderDataset,
    "VideoFolderDataset": VideoFolderDataset,
    "MovingPhotosDataset": MovingPhotosDataset,
    "KnownFlowDataset": KnownFlowDataset,
    "MixedDataset": MixedDataset,
}
STEPS: Table = {
    each.__name__: each for each in (pipeline.GetNeighboringFramesIdx, pipeline.ReadImageSequence, pipeline.Transforms)
}
TRANSFORMS: Table = {
    each.__name__: each
    for each in (
        pipeline.SRPairedRandomCrop,
        pipeline.PairedRandomHorizontalFlip,
        pipeline.PairedRandomVerticalFlip,
        pipeline.PairedRandomTransposeHW,
        pipeline.TransposeSequence,
        pipeline.MirrorVideoSequence,
        pipeline.NormalizeSequence,
    )
}
DEGRADATIONS: Table = {
    each.__name__: each
    for each in (degrade.Blur, degrade.Resize, degrade.Noise, degrade.JPEG, degrade.H264, degrade.BI, degrade.BD)
}
NESTED: dict[str, Mapping[str, Callable[..., Any]]] = {  # the keys that hold a node, or a list of them, at any depth
    "generator": ARCHS,
    "pixel_criterion": LOSSES,
    "dataset": DATASETS,
    "datasets": DATASETS,
    "preprocess": STEPS,
    "pipeline": TRANSFORMS,
    "degradation": DEGRADATIONS,
}
