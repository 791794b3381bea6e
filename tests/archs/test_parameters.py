import json

import pytest

from ppvsr.weights.names import to_paddlegan
from tests.archs.nets import CLASSES
from tests.archs.parity import DATA

LARGE = {
    "mid_channels": 64,
    "num_init_blocks": 5,
    "num_blocks": 7,
    "num_reconstruction_blocks": 5,
    "only_last": False,
    "use_tiny_spynet": False,
    "deform_groups": 8,
    "stage1_groups": 8,
    "aux_reconstruction_blocks": 2,
}
EDVR_L = {"nf": 128, "back_RBs": 40}
DEBLUR = {**EDVR_L, "scale_factor": 1, "predeblur": True, "HR_in": True}
VARIANTS = {  # the names in keys.json: options, published number of parameters
    "MSVSR (msvsr_reds / msvsr_vimeo90k_BD)": ({}, 1_453_607),
    "MSVSR-L (msvsr_l_reds)": (LARGE, 7_417_197),
    "BasicVSRNet (basicvsr_reds)": ({}, 6_291_311),
    "IconVSR (iconvsr_reds, padding=2)": ({}, 8_694_991),
    "IconVSR (padding=3)": ({"padding": 3}, None),
    "BasicVSRPlusPlus (basicvsr++_reds)": ({}, 7_322_927),
    "BasicVSRPlusPlus (is_low_res_input=False)": ({"is_low_res_input": False}, 7_396_783),
    "EDVRNet M w TSA (edvr_m_w_tsa)": ({}, 3_300_131),
    "EDVRNet M wo TSA (edvr_m_wo_tsa)": ({"w_TSA": False}, 2_996_259),
    "EDVRNet L w TSA (edvr_l_w_tsa)": (EDVR_L, 20_633_827),
    "EDVRNet L wo TSA (edvr_l_wo_tsa)": ({**EDVR_L, "w_TSA": False}, 19_419_875),
    "EDVRNet L deblur w TSA (edvr_l_blur_w_tsa)": (DEBLUR, 23_602_019),
    "EDVRNet L deblur wo TSA (edvr_l_blur_wo_tsa)": ({**DEBLUR, "w_TSA": False}, 22_388_067),
}
KEYS = json.loads((DATA / "keys.json").read_text())


def test_all_variants_are_here():
    assert set(VARIANTS) == set(KEYS)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_are_those_of_paddlegan(variant):
    options, count = VARIANTS[variant]
    name = variant.split()[0].removesuffix("-L")
    net = CLASSES[name](**options)
    assert {to_paddlegan(key): list(value.shape) for key, value in net.state_dict().items()} == KEYS[variant]
    assert count is None or sum(p.size for p in net.parameters()) == count
