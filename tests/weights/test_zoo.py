import hashlib
import subprocess
import sys
from dataclasses import FrozenInstanceError
from math import prod

import numpy as np
import pytest
from safetensors import safe_open

from ppvsr.errors import UsageError
from ppvsr.weights.download import fetch
from ppvsr.weights.names import recognise
from ppvsr.weights.zoo import VARIANTS, describe, find_variant

from .conftest import DATA

NETWORKS = [variant for variant in VARIANTS.values() if variant.arch]
ROWS = [(variant, row) for variant in NETWORKS for row in variant.weights]


def row_id(value):
    return getattr(value, "name", None)


def test_all_variants_are_there():
    assert list(VARIANTS) == [
        "PPMSVSR", "PPMSVSRLarge", "PPMSVSRSmall", "BasicVSR", "IconVSR", "BasicVSRPlusPlus", "Bicubic",
    ]  # fmt: skip
    assert find_variant("BasiVSRPlusPlus") is VARIANTS["BasicVSRPlusPlus"]
    assert all(name == variant.name and variant.scale == 4 for name, variant in VARIANTS.items())
    with pytest.raises(FrozenInstanceError):
        VARIANTS["PPMSVSR"].scale = 2


@pytest.mark.parametrize("name, message", [
    ("PPMSVRS", r"there is no network 'PPMSVRS'; did you mean PPMSVSR\? There are: PPMSVSR, .*, Bicubic"),
    ("GAN", r"there is no network 'GAN'\. There are: PPMSVSR, "),
])  # fmt: skip
def test_unknown_variants(name, message):
    with pytest.raises(UsageError, match=message):
        find_variant(name)


def test_the_first_row_is_the_default():
    variant = find_variant("PPMSVSR")
    assert variant.pick() is variant.pick("real") is variant.weights[0]
    assert variant.pick("official").url.endswith("/PP-MSVSR_reds_x4.pdparams")
    with pytest.raises(UsageError, match="PPMSVSR has no weights 'oficial'; did you mean official"):
        variant.pick("oficial")
    with pytest.raises(UsageError, match=r"IconVSR has no weights 'x'\. It has: official; a file works too"):
        find_variant("IconVSR").pick("x")
    with pytest.raises(UsageError, match="Bicubic has no weights; leave --weights out"):
        find_variant("Bicubic").pick()


@pytest.mark.parametrize("variant, row", ROWS, ids=row_id)
def test_rows_say_all_that_people_need(variant, row):
    assert (row.file is None) != (row.url is None)
    assert row.trained_on and row.quality and row.licence
    assert row.url is None or row.url.startswith("https://")
    line = describe(variant, row)
    assert row.name in line and row.quality in line and "\n" not in line


def test_the_line_about_bundled_weights_says_how_to_get_the_official_ones():
    variant = find_variant("PPMSVSR")
    line, row = describe(variant, variant.pick()), variant.pick()
    assert line.startswith(f"PPMSVSR: weights '{row.name}', trained on")
    assert row.quality in line and line.endswith("--weights official or --PPMSVSR_weight FILE.")
    small = find_variant("PPMSVSRSmall")
    assert "--weights official" not in describe(small, small.pick())
    assert "--PPMSVSR_weight" not in describe(variant, variant.pick("official"))


def test_parameters_are_those_of_paddlegan(keys):
    counts = {
        sum(prod(shape) for name, shape in network.items() if name not in ("spynet.mean", "spynet.std"))
        for network in keys.values()
    }
    for variant in NETWORKS:
        assert variant.parameters in counts or variant.name == "PPMSVSRSmall"


@pytest.mark.parametrize("variant", NETWORKS, ids=row_id)
def test_variants_can_be_built(variant):
    from ppvsr.archs.registry import ARCHS

    net = ARCHS[variant.arch](**variant.options)
    assert sum(prod(parameter.shape) for parameter in net.parameters()) == variant.parameters
    assert net.scale == variant.scale


@pytest.mark.parametrize("variant, row", [pair for pair in ROWS if pair[1].file], ids=row_id)
def test_bundled_files_are_what_their_rows_say(variant, row):
    path = fetch(row)
    assert path.stat().st_size == row.size
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
    with safe_open(path, "np") as file:
        assert recognise(file.keys()) == "ours"


@pytest.mark.slow
@pytest.mark.parametrize("variant, row", [pair for pair in ROWS if pair[1].file], ids=row_id)
def test_bundled_weights_compute_what_they_were_trained_to(variant, row):
    """The reference was computed by another implementation, from the file that the bundled one was converted from."""
    import paddle

    from ppvsr.archs.registry import ARCHS
    from ppvsr.weights.networks import load_weights

    net = ARCHS[variant.arch](**variant.options)
    net.eval()
    load_weights(net, fetch(row))
    check = np.load(DATA / row.file.replace(".safetensors", ".check.npz"))
    lq = paddle.to_tensor(check["lq"].astype(np.float32) / 255).transpose([0, 3, 1, 2])
    with paddle.no_grad():
        out = net(lq.unsqueeze(0))[-1][0].numpy()
    assert out.shape == (5, 3, 256, 320)
    np.testing.assert_allclose(out[..., ::4, ::4], check["out_sub4"], atol=1e-4, rtol=0)


def test_the_room_does_without_paddle():
    code = "import ppvsr.cli.weights, ppvsr.weights.networks, ppvsr.weights.download, sys"
    code += "; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
