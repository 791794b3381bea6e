"""Small trees of pictures in the shape of REDS and Vimeo90K, and the pipelines of their configs."""

import cv2
import numpy as np

from ppvsr.data import pipeline
from ppvsr.data.pipeline import GetNeighboringFramesIdx, ReadImageSequence, Transforms

SIZE = (24, 32)  # of LQ; GT is four times as large


def picture(path, seed, height, width):
    """Write a PNG of noise and return it, RGB."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return image


def write_clip(folder, key, names, size=SIZE, scale=4):
    """Write `folder`/lq/`key` and `folder`/gt/`key`; LQ is every `scale`-th pixel of GT."""
    height, width = size
    for number, name in enumerate(names):
        image = picture(folder / "gt" / key / name, seed_of(key) + number, height * scale, width * scale)
        path = folder / "lq" / key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image[::scale, ::scale, ::-1])


def seed_of(key):
    return sum(ord(letter) * 7**place for place, letter in enumerate(key))


def reds(folder, keys=("000", "001", "002"), frames=6, size=SIZE):
    """A tree like REDS; returns the options of the data set."""
    names = [f"{number:08d}.png" for number in range(frames)]
    for key in keys:
        write_clip(folder, key, names, size)
    lines = [f"{key}/{name} (96, 128, 3)" for key in keys for name in names]
    (folder / "meta.txt").write_text("\n".join(lines), encoding="utf-8")
    return {"lq_folder": f"{folder}/lq", "gt_folder": f"{folder}/gt", "ann_file": f"{folder}/meta.txt"}


def vimeo(folder, keys=("00001/0001", "00002/0003")):
    """A tree like Vimeo90K; returns the options of the data set."""
    for key in keys:
        write_clip(folder, key, [f"im{number}.png" for number in range(1, 8)])
    (folder / "list.txt").write_text("\n".join(keys), encoding="utf-8")
    return {"lq_folder": f"{folder}/lq", "gt_folder": f"{folder}/gt", "ann_file": f"{folder}/list.txt"}


def transform(*names):
    """The pipeline of these transforms; "crop" stands for a 4x crop of 32 pixels."""
    crop = pipeline.SRPairedRandomCrop(scale=4, gt_patch_size=32)
    return Transforms(pipeline=[crop if name == "crop" else getattr(pipeline, name)() for name in names])


READ = [ReadImageSequence(key="lq"), ReadImageSequence(key="gt")]
CHOOSE = GetNeighboringFramesIdx(interval_list=[1])
TRAIN = [
    CHOOSE,
    *READ,
    transform(
        "crop",
        "PairedRandomHorizontalFlip",
        "PairedRandomVerticalFlip",
        "PairedRandomTransposeHW",
        "TransposeSequence",
        "NormalizeSequence",
    ),
]
TEST = [CHOOSE, *READ, transform("TransposeSequence", "NormalizeSequence")]


def generator(*numbers):
    return np.random.default_rng(numbers or 0)


def silent(line):
    pass
