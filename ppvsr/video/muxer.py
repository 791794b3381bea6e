"""Which container holds which streams: asked of FFmpeg, not of a table of codecs."""

from __future__ import annotations

import io
from itertools import islice

import av

from ppvsr.video.encoder import MUXERS
from ppvsr.video.film import demux, open_film
from ppvsr.video.frames import StreamInfo, VideoInfo

# Streams that decide about the container; data tracks (camera metadata) come along where they fit.
DECIDE = {"audio", "subtitle", "attachment", "video"}
CHAPTER_TRACK = "bin_data"
# How far to look for a packet of every stream.
PROBED_PACKETS = 1000


def choose_container(info: VideoInfo, wanted: str = "auto") -> tuple[str, str | None]:
    """The container for the result, and a line for the user when it is not the expected one.

    wanted: "mp4", "mkv", "mov", "webm" or "png" (a folder of pictures) are taken as they are; "auto" is mp4 (mov for a
    mov) when every sound, subtitle and attachment of the source fits into it, else the one of mkv, mov that keeps most.
    """
    if wanted != "auto":
        return wanted, None
    if info.container == "images":
        return "mp4", None
    first = "mov" if info.path.suffix.lower() in (".mov", ".qt") else "mp4"
    kept = {name: [each for each in split(info, name)[0] if each.kind in DECIDE] for name in (first, "mkv", "mov")}
    best = max(kept, key=lambda name: len(kept[name]))
    rescued = [str(each) for each in kept[best] if each not in kept[first]]
    return best, f"written as {best}, because {first} cannot hold {', '.join(rescued)}" if rescued else None


def split(info: VideoInfo, container: str) -> tuple[list[StreamInfo], list[StreamInfo]]:
    """The film's other streams: those that a container can hold, and those it cannot."""
    others = [each for each in info.streams if each.index != info.stream]
    if not others:
        return [], []
    with open_film(info.path) as film:
        if film.chapters():  # they are carried as such, not as the track in which mp4 keeps them
            others = [each for each in others if each.codec != CHAPTER_TRACK]
        packets = first_packets(film, {each.index for each in others})
        held = [each for each in others if fits(film.streams[each.index], packets.get(each.index), MUXERS[container])]
    return held, [each for each in others if each not in held]


def first_packets(film: av.container.InputContainer, streams: set[int]) -> dict[int, av.Packet]:
    """The first packet of each stream that has one near the beginning of the film."""
    found: dict[int, av.Packet] = {}
    for packet in islice(demux(film), PROBED_PACKETS):
        if packet.size and packet.stream_index in streams:
            found.setdefault(packet.stream_index, packet)
        if len(found) == len(streams):
            break
    return found


def fits(stream: av.stream.Stream, packet: av.Packet | None, muxer: str) -> bool:
    """Whether a muxer writes a header with a copy of this stream, and takes its first packet."""
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as output:
            copy = output.add_stream_from_template(stream, opaque=True)
            output.start_encoding()
            if packet is not None:
                packet.stream = copy
                output.mux(packet)
    except (av.FFmpegError, ValueError):
        return False
    return True
