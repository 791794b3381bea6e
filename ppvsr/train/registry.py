"""Every `name:` of a config → the class it means. A literal table each; nothing registers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paddle.nn import Layer

from ppvsr.archs.basicvsr import BasicVSR
from ppvsr.archs.basicvsr_pp import BasicVSRPlusPlus
from ppvsr.archs.edvr import EDVRNet
from ppvsr.archs.iconvsr import IconVSR
from ppvsr.archs.msvsr import MSVSR
from ppvsr.archs.spynet import SPyNet
from ppvsr.data import degrade, steps, transforms
from ppvsr.data.flows import KnownFlowDataset
from ppvsr.data.folders import VSRFolderDataset, VSRREDSMultipleGTDataset, VSRVimeo90KDataset
from ppvsr.data.mixed import MixedDataset
from ppvsr.data.photos import MovingPhotosDataset
from ppvsr.data.repeat import RepeatDataset
from ppvsr.data.videos import VideoFolderDataset
from ppvsr.losses import CharbonnierLoss, L1Loss, MSELoss, RootMeanSquareLoss
from ppvsr.metrics import PSNR, SSIM, EndPointError
from ppvsr.schedules import CosineAnnealingRestartLR, LinearDecay, MultiStepDecay
from ppvsr.train.flow import flow_model
from ppvsr.train.optimizers import adam, adamw, momentum, rmsprop, sgd
from ppvsr.train.task import basic_vsr, multi_stage_vsr

Table = dict[str, Callable[..., Any]]

ARCHS: dict[str, type[Layer]] = {
    "MSVSR": MSVSR,
    "BasicVSRNet": BasicVSR,
    "IconVSR": IconVSR,
    "BasicVSRPlusPlus": BasicVSRPlusPlus,
    "EDVRNet": EDVRNet,
    "SPyNet": SPyNet,
}
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
    each.__name__: each for each in (steps.GetNeighboringFramesIdx, steps.ReadImageSequence, steps.Transforms)
}
TRANSFORMS: Table = {
    each.__name__: each
    for each in (
        transforms.SRPairedRandomCrop,
        transforms.PairedRandomHorizontalFlip,
        transforms.PairedRandomVerticalFlip,
        transforms.PairedRandomTransposeHW,
        transforms.TransposeSequence,
        transforms.MirrorVideoSequence,
        transforms.NormalizeSequence,
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
