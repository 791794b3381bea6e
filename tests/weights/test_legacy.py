import numpy as np
import pytest

from ppvsr.errors import WeightsError
from ppvsr.weights.names import from_paddlegan, recognise, to_ours, to_paddlegan

BRANCHES = ("backward_1", "forward_1", "backward_2", "forward_2")


def conv(name, cin, cout, kernel=3):
    return {f"{name}.weight": [cout, cin, kernel, kernel], f"{name}.bias": [cout]}


def mmagic_spynet(prefix="spynet."):
    channels = (8, 32, 64, 32, 16, 2)
    found = {f"{prefix}mean": [1, 3, 1, 1], f"{prefix}std": [1, 3, 1, 1]}
    for level in range(6):
        for i in range(5):
            found |= conv(f"{prefix}basic_module.{level}.basic_module.{i}.conv", channels[i], channels[i + 1], 7)
    return found


def mmagic_trunk(name, cin, blocks):
    found = conv(f"{name}.main.0", cin, 64)
    for i in range(blocks):
        found |= conv(f"{name}.main.2.{i}.conv1", 64, 64) | conv(f"{name}.main.2.{i}.conv2", 64, 64)
    return found


def mmagic_tail():
    up = conv("upsample1.upsample_conv", 64, 256) | conv("upsample2.upsample_conv", 64, 256)
    return up | conv("conv_hr", 64, 64) | conv("conv_last", 64, 3)


def mmagic_basicvsr():
    trunks = mmagic_trunk("backward_resblocks", 67, 30) | mmagic_trunk("forward_resblocks", 67, 30)
    return mmagic_spynet() | trunks | conv("fusion", 128, 64, 1) | mmagic_tail()


def mmagic_pcd(name):
    found = {}
    for level in (3, 2, 1):
        found |= conv(f"{name}.offset_conv1.l{level}.conv", 128, 64)
        found |= conv(f"{name}.offset_conv2.l{level}.conv", 64 if level == 3 else 128, 64)
        found |= conv(f"{name}.dcn_pack.l{level}", 64, 64) | conv(f"{name}.dcn_pack.l{level}.conv_offset", 64, 216)
        if level < 3:
            found |= conv(f"{name}.offset_conv3.l{level}.conv", 64, 64) | conv(
                f"{name}.feat_conv.l{level}.conv", 128, 64
            )
    found |= conv(f"{name}.cas_offset_conv1.conv", 128, 64) | conv(f"{name}.cas_offset_conv2.conv", 64, 64)
    return found | conv(f"{name}.cas_dcnpack", 64, 64) | conv(f"{name}.cas_dcnpack.conv_offset", 64, 216)


def mmagic_tsa(name, frames):
    sizes = {
        "temporal_attn1": (64, 3), "temporal_attn2": (64, 3), "feat_fusion.conv": (64 * frames, 1),
        "spatial_attn1.conv": (64 * frames, 1), "spatial_attn2.conv": (128, 1), "spatial_attn3.conv": (64, 3),
        "spatial_attn4.conv": (64, 1), "spatial_attn5": (64, 3), "spatial_attn_l1.conv": (64, 1),
        "spatial_attn_l2.conv": (128, 3), "spatial_attn_l3.conv": (64, 3), "spatial_attn_add1.conv": (64, 1),
        "spatial_attn_add2": (64, 1),
    }  # fmt: skip
    found = {}
    for layer, (cin, kernel) in sizes.items():
        found |= conv(f"{name}.{layer}", cin, 64, kernel)
    return found


def mmagic_edvr(frames, prefix="edvr."):
    found = conv(f"{prefix}conv_first", 3, 64)
    for i in range(5):
        found |= conv(f"{prefix}feature_extraction.{i}.conv1", 64, 64)
        found |= conv(f"{prefix}feature_extraction.{i}.conv2", 64, 64)
    for layer in ("feat_l2_conv1", "feat_l2_conv2", "feat_l3_conv1", "feat_l3_conv2"):
        found |= conv(f"{prefix}{layer}.conv", 64, 64)
    return found | mmagic_pcd(f"{prefix}pcd_alignment") | mmagic_tsa(f"{prefix}fusion", frames)


def mmagic_iconvsr(padding):
    trunks = mmagic_trunk("backward_resblocks", 67, 30) | mmagic_trunk("forward_resblocks", 131, 30)
    refill = conv("backward_fusion", 128, 64) | conv("forward_fusion", 128, 64)
    return mmagic_spynet() | mmagic_edvr(2 * padding + 1) | refill | trunks | mmagic_tail()


def mmagic_plus_plus(low_res):
    if low_res:
        found = mmagic_trunk("feat_extract", 3, 5)
    else:
        found = conv("feat_extract.0", 3, 64) | conv("feat_extract.2", 64, 64) | mmagic_trunk("feat_extract.4", 64, 5)
    for i, branch in enumerate(BRANCHES):
        align = f"deform_align.{branch}"
        found |= conv(align, 128, 64) | conv(f"{align}.conv_offset.0", 196, 64)
        found |= conv(f"{align}.conv_offset.2", 64, 64) | conv(f"{align}.conv_offset.4", 64, 64)
        found |= conv(f"{align}.conv_offset.6", 64, 27 * 16) | mmagic_trunk(f"backbone.{branch}", 64 * (2 + i), 7)
    return mmagic_spynet() | found | mmagic_trunk("reconstruction", 320, 5) | mmagic_tail()


MMAGIC = {
    "BasicVSRNet (basicvsr_reds)": mmagic_basicvsr(),
    "IconVSR (iconvsr_reds, padding=2)": mmagic_iconvsr(2),
    "IconVSR (padding=3)": mmagic_iconvsr(3),
    "BasicVSRPlusPlus (basicvsr++_reds)": mmagic_plus_plus(low_res=True),
    "BasicVSRPlusPlus (is_low_res_input=False)": mmagic_plus_plus(low_res=False),
}


def basicsr(found):
    """BasicSR's spelling of the same layers: what its modules call themselves, spelt out one by one."""
    spelt = {}
    for name, shape in found.items():
        parts = name.split(".")
        if "basic_module" in parts and parts[-2] == "conv":  # convolutions stand between activations
            parts[-3:-1] = [str(2 * int(parts[-3]))]
        if parts[-2:-1] == ["conv"]:  # no module of convolution and activation
            del parts[-2]
        if parts[0].startswith("upsample"):
            parts[:2] = [parts[0].replace("upsample", "upconv")]
        first = {"backward_resblocks": "backward_trunk", "forward_resblocks": "forward_trunk"}
        inner = {f"feat_l{i}_conv{j}": f"conv_l{i}_{j}" for i in (2, 3) for j in (1, 2)}
        spelt[".".join(({"pcd_alignment": "pcd_align"} | first | inner).get(part, part) for part in parts)] = shape
    return spelt


def shapes(arrays):
    return {name: list(array.shape) for name, array in arrays.items()}


def blank(found):
    return {name: np.broadcast_to(np.float32(0), shape) for name, shape in found.items()}


def test_paddlegan_names_and_ours_are_one_to_one(keys):
    assert sum(map(len, keys.values())) == 3750
    for network in keys.values():
        ours = [from_paddlegan(key) for key in network]
        assert len(set(ours)) == len(network)
        assert [to_paddlegan(key) for key in ours] == list(network)
        assert [from_paddlegan(key) for key in ours] == ours
        assert not any(odd in key for key in ours for odd in ("covn", "ResidualBlocks", "basic_module"))


@pytest.mark.parametrize("theirs, ours", [
    ("feat_extract.covn1.weight", "feat_extract.conv_in.weight"),
    ("backbone.stage2_forward.ResidualBlocks.block12.conv2.bias", "backbone.stage2_forward.blocks.12.conv2.bias"),
    ("spynet.basic_module0.conv5.weight", "spynet.levels.0.conv5.weight"),
    ("basic_module0.conv5.weight", "levels.0.conv5.weight"),  # a flow network on its own
    ("spynet.basic_module.1.basic_module.11.conv.bias", "spynet.levels.1.11.conv.bias"),
    ("feature_extractor.block0.conv1.weight", "feature_extractor.block0.conv1.weight"),
])  # fmt: skip
def test_rows_of_paddlegan(theirs, ours):
    assert (from_paddlegan(theirs), to_paddlegan(ours)) == (ours, theirs)


def test_namings_are_recognised(keys):
    for name, network in keys.items():
        same_names = name.startswith("EDVR")
        assert recognise(network) == ("ours" if same_names else "paddlegan")
        assert recognise(map(from_paddlegan, network)) == "ours"
    for network in MMAGIC.values():
        assert recognise(network) == "mmagic"
        assert recognise(basicsr(network)) == "basicsr"


@pytest.mark.parametrize("network", MMAGIC)
@pytest.mark.parametrize("spelling", [dict, basicsr])
def test_torch_names_give_all_of_a_network(keys, network, spelling):
    wanted = {from_paddlegan(name): shape for name, shape in keys[network].items()}
    assert shapes(to_ours(blank(spelling(MMAGIC[network])))) == wanted


@pytest.mark.parametrize("spelling", [dict, basicsr])
@pytest.mark.parametrize("found, prefix", [(mmagic_spynet(""), "spynet."), (mmagic_edvr(5, ""), "edvr.")])
def test_parts_saved_on_their_own(keys, spelling, found, prefix):
    wanted = {
        from_paddlegan(name).removeprefix(prefix): shape
        for name, shape in keys["IconVSR (iconvsr_reds, padding=2)"].items()
        if name.startswith(prefix)
    }
    assert shapes(to_ours(blank(spelling(found)))) == wanted


def test_flow_network_of_msvsr_on_its_own(keys):
    network = keys["MSVSR (msvsr_reds / msvsr_vimeo90k_BD)"]
    alone = {k.removeprefix("spynet."): shape for k, shape in network.items() if k.startswith("spynet.")}
    assert recognise(alone) == "paddlegan"
    assert "levels.2.11.conv.bias" in to_ours(blank(alone))


@pytest.mark.parametrize("mark", ["pcd_alignment.offset_conv1.l1.conv.bias", "pcd_align.offset_conv1.l1.bias"])
def test_the_two_temporal_attentions_are_swapped(mark):
    arrays = {
        "edvr.fusion.temporal_attn1.weight": np.array([1.0]),
        "edvr.fusion.temporal_attn2.weight": np.array([2.0]),
        f"edvr.{mark}": np.array([0.0]),
    }
    ours = to_ours(arrays)
    assert ours["edvr.fusion.tAtt_2.weight"] == 1 and ours["edvr.fusion.tAtt_1.weight"] == 2


def test_mixed_namings_are_refused():
    with pytest.raises(WeightsError, match="two of 2 parameters have the same name"):
        to_ours(blank({"a.covn1.weight": [1], "a.conv_in.weight": [1]}))
