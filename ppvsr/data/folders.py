"""The data sets of PaddleGAN's configs: REDS, Vimeo90K, and any folder of clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ppvsr.data.frames import Report
from ppvsr.data.listing import Folders, Listing, annotated, subfolders, unique
from ppvsr.data.paired import PairedFolders
from ppvsr.data.steps import Step
from ppvsr.errors import DataError

VALIDATION = {
    "REDS4": frozenset({"000", "011", "015", "020"}),
    "official": frozenset(f"{number:03d}" for number in range(240, 270)),
}
# The second document puts LQ and lists beside `vimeo_septuplet` in its tree, and inside it in its command.
SEPTUPLET = "vimeo_septuplet"


class VSRREDSMultipleGTDataset(PairedFolders):
    """REDS: clips `000` to `269`, of which `val_partition` names those for validation.

    lq_folder, gt_folder: hold one folder per clip.  ann_file: lines like `000/00000000.png (720, 1280, 3)`.
    test_mode: take the clips of the partition, and nothing random; else all others.
    """

    advice = "tools/prepare_reds.py makes these folders and the list"

    def __init__(
        self,
        *,
        lq_folder: str,
        gt_folder: str,
        ann_file: str,
        num_frames: int,
        preprocess: Sequence[Step],
        val_partition: Literal["REDS4", "official"] = "REDS4",
        test_mode: bool = False,
        pack: str | None = None,
    ):
        super().__init__(
            lq_folder=lq_folder,
            gt_folder=gt_folder,
            preprocess=preprocess,
            num_frames=num_frames,
            test_mode=test_mode,
            pack=pack,
        )
        self._ann_file = Path(ann_file)
        self._partition = val_partition
        self._pictures: Counter[str] = Counter()  # that the list names, by clip

    def _keys(self, report: Report) -> list[str]:
        ann_file = self._found(self._ann_file, "ann_file", report)
        validation = VALIDATION[self._partition]
        words = annotated(ann_file)
        self._pictures = Counter(word.split("/")[0] for word in words if "/" in word)
        listed = unique([word.split("/")[0] for word in words])
        keys = sorted(key for key in listed if (key in validation) == self._test_mode)
        if not keys:
            which, use = ("none is", "test") if self._test_mode else ("all are", "train")
            raise DataError(
                f"{ann_file}: of its {len(listed)} clips {which} in val_partition {self._partition} "
                f"({min(validation)} ... {max(validation)}), so there is nothing to {use}"
            )
        return keys

    def _list(self, key: str, folders: Folders) -> Listing | str:
        """A clip's listing, or what is wrong with it; a clip that lacks pictures of the list would jump."""
        listing = super()._list(key, folders)
        listed = self._pictures[key]
        if isinstance(listing, Listing) and len(listing.gt) < listed:
            return f"{key}: has {len(listing.gt)} of the {listed} pictures that {self._ann_file} lists"
        return listing


class VSRVimeo90KDataset(PairedFolders):
    """Vimeo90K: septuplets `00001/0001` of seven pictures each.

    lq_folder, gt_folder: hold `00001/0001/im1.png` and so on.  ann_file: lines like `00001/0001`, or
    `00001/0001 7 (256, 448, 3)`.  test_mode: nothing random.  What is not where the config says is looked for inside
    `vimeo_septuplet`, or beside it.
    """

    advice = "tools/vimeo_preprocess.py makes BIx4 and the lists; docs/datasets.md tells about BD"
    shortest = 7

    def __init__(
        self,
        *,
        lq_folder: str,
        gt_folder: str,
        ann_file: str,
        preprocess: Sequence[Step],
        test_mode: bool = False,
        pack: str | None = None,
    ):
        super().__init__(
            lq_folder=lq_folder, gt_folder=gt_folder, preprocess=preprocess, test_mode=test_mode, pack=pack
        )
        self._ann_file = Path(ann_file)

    def _keys(self, report: Report) -> list[str]:
        return sorted(unique(annotated(self._found(self._ann_file, "ann_file", report))))

    def _places(self, path: Path) -> list[Path]:
        return [path, path.parent / SEPTUPLET / path.name, *_beside(path)]


class VSRFolderDataset(PairedFolders):
    """Every sub-folder of `gt_folder` and `lq_folder` is a clip; Vid4, UDM10 or your own.

    num_frames: the first frames of each clip; None is all.
    """

    def __init__(
        self,
        *,
        lq_folder: str,
        gt_folder: str,
        preprocess: Sequence[Step],
        num_frames: int | None = None,
        times: Literal[1] = 1,
        test_mode: bool = False,
        pack: str | None = None,
    ):
        super().__init__(
            lq_folder=lq_folder,
            gt_folder=gt_folder,
            preprocess=preprocess,
            num_frames=num_frames,
            test_mode=test_mode,
            pack=pack,
        )

    def _keys(self, report: Report) -> list[str]:
        keys = {key for root in self._folders.values() for key in subfolders(root)}
        if not keys:
            places = " and ".join(str(root) for root in self._folders.values())
            raise DataError(f"{places}: hold no clips; every clip is a sub-folder of pictures")
        return sorted(keys)


def _beside(path: Path) -> list[Path]:
    """The same outside of `vimeo_septuplet`."""
    return [path.parents[1] / path.name] if path.parent.name == SEPTUPLET else []
