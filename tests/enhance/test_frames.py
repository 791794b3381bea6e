"""Pictures in, larger pictures out: what is asked for arrives where it is used."""

import pytest

import ppvsr
from ppvsr.enhance import network, video
from ppvsr.enhance.network import Cut


@pytest.mark.parametrize("streaming", [True, False])
def test_the_frames_are_cut_as_asked(streaming, monkeypatch):
    seen = []
    choose = network.choose_stages
    monkeypatch.setattr(video, "choose_stages", lambda *names: seen.append(names[-1]) or choose(*names))
    ppvsr.enhance_frames([], "Bicubic", num_frames=9, overlap=3, memory=2**30, streaming=streaming)
    assert seen == [Cut(9, 3, 2**30, streaming)]


def test_networks_stream_by_default(monkeypatch):
    seen = []
    choose = network.choose_stages
    monkeypatch.setattr(video, "choose_stages", lambda *names: seen.append(names[-1]) or choose(*names))
    ppvsr.enhance_frames([], "Bicubic")
    assert seen == [Cut()] and seen[0].streaming
