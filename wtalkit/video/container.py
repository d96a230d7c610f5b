"""The border to FFmpeg: open a local file as a video, or say in one sentence why it is none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from wtalkit.errors import InputError
from wtalkit.video.info import Limits

# Demuxers of single media files. What is left out can make FFmpeg open other files or the network (hls, dash, concat,
# imf, sdp, rtsp, lavfi), or reads pictures and text as video (image2, tty). The audio formats are here only so
# that a song is called a file without video instead of no media file at all.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h261,h263,h264,hevc,vvc,av1,obu,ivf,flv,live_flv,asf,"
    "ogg,mxf,gxf,nut,rm,wtv,dv,gif,apng,yuv4mpegpipe,mjpeg,vc1,dirac,cavsvideo,nsv,swf,bink,smk,flic,roq,film_cpk,amv,"
    "3dostr,r3d,wsvqa,mp3,flac,wav,aac,ac3,aiff,caf,wv,tta,ape"
)
# Decoders of what cameras, phones, the web, broadcast and old collections hold. Each is a parser of foreign bytes, so
# the rest of FFmpeg's five hundred stays shut; sound and subtitles are never decoded.
_CODECS = (
    "h264,hevc,vvc,av1,libdav1d,vp8,vp9,mpeg1video,mpeg2video,mpeg4,mjpeg,h261,h263,h263i,flv,msmpeg4v1,msmpeg4v2,"
    "msmpeg4,wmv1,wmv2,wmv3,vc1,theora,vp3,vp6,vp6a,vp6f,rv10,rv20,rv30,rv40,svq1,svq3,cinepak,indeo2,indeo3,"
    "indeo4,indeo5,msvideo1,msrle,rpza,qtrle,cavs,dvvideo,prores,dnxhd,cfhd,ffv1,huffyuv,ffvhuff,utvideo,rawvideo,"
    "v210,png,jpeg2000,gif,apng"
)
CODECS = frozenset(_CODECS.split(","))
"""What may be decoded, by FFmpeg's name of the decoder."""
# They write down when each frame is shown. Where FFmpeg finds no rate in that, its guess may be a tick of some clock.
_TIMES_WRITTEN = ("asf", "flv", "matroska,webm", "mpegts", "mpeg", "mov,mp4,m4a,3gp,3g2,mj2")
_PLAUSIBLE_FPS = 300
_PLAYLISTS = (
    b"#extm3u",
    b"ffconcat",
    b"[playlist]",
    b"<mpd",
    b"<asx",
    b"<smil",
    b"v=0\r",
    b"v=0\n",
    b"[reference]",
)
_MAGICS = (
    b"\x1a\x45\xdf\xa3",  # Matroska
    b"RIFF",
    b"OggS",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    b"\x06\x0e\x2b\x34",  # MXF
    b"nut/multimedia container",
    b"\0\0\x01\xba",  # MPEG program stream
    b"\0\0\x01\xb3",  # MPEG-1 and -2
    b".RMF",
    b"DKIF",
    b"YUV4MPEG2 ",
)
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx", b"uuid"})


def open_video(path: str | os.PathLike[str], limits: Limits) -> tuple[InputContainer, VideoStream]:
    """Open ``path`` and choose its first video stream that is no cover picture.

    Only this one local file is read, whatever its content asks for.

    Raises:
        InputError: there is no such file, it is no video, or it claims more than ``limits`` allow.
    """
    file = Path(path)
    head = _read_head(file)
    try:
        container = _open(file)
    except MemoryError:
        raise
    except (FFmpegError, ValueError) as error:
        raise _explain(file, head, error) from error
    try:
        _check_container(container, file, limits)
        stream = _first_video_stream(container, file)
        _check_stream(container, stream, file, limits)
    except BaseException:
        container.close()
        raise
    return container, stream


def _read_head(file: Path) -> bytes:
    """First bytes of a regular file that is neither empty nor a playlist."""
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError("a folder, not a video", file=file)
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file", file=file)
        if status.st_size == 0:
            raise InputError("empty file", file=file)
        with file.open("rb") as opened:
            head = opened.read(4096)
    except FileNotFoundError as error:
        raise InputError("no such file", file=file) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file) from error
    if any(mark in head[:256].lower() for mark in _PLAYLISTS) and b"\0" not in head[:256]:
        raise InputError("playlist not accepted", file=file, remedy="Give the video file itself")
    return head


def _open(file: Path) -> InputContainer:
    options = {
        "format_whitelist": _FORMATS,
        "codec_whitelist": ",".join(sorted(CODECS)),
        "protocol_whitelist": "file",
        "enable_drefs": "0",
    }
    # metadata_errors: a title in Latin-1 is no reason to refuse the pictures
    return av.open(file.absolute(), "r", options=options, metadata_errors="replace")


def _explain(file: Path, head: bytes, error: Exception) -> InputError:
    """The sentence for a file that FFmpeg could not open."""
    if head[4:8] in _BOXES and b"moov" not in set(_top_boxes(file)):
        return InputError("index (moov) missing, download incomplete?", file=file)
    if head[4:8] in _BOXES or head.startswith(_MAGICS):
        reason = getattr(error, "strerror", None) or str(error)
        return InputError(f"not a video that can be read ({reason})", file=file)
    return InputError("not a video", file=file)


def _top_boxes(file: Path) -> Iterator[bytes]:
    """Names of the top-level boxes of an MP4 file that lie in it whole (ISO/IEC 14496-12, 4.2)."""
    end = file.stat().st_size
    position = 0
    with file.open("rb") as opened:
        while position + 8 <= end:
            opened.seek(position)
            header = opened.read(16)
            size = int.from_bytes(header[:4], "big")
            if size == 1:
                size = int.from_bytes(header[8:16], "big")
            if size == 0:  # up to the end of the file
                size = end - position
            if size < 8 or position + size > end:
                return
            yield header[4:8]
            position += size


def _first_video_stream(container: InputContainer, file: Path) -> VideoStream:
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue  # the cover of a song
        if stream.codec_context is None:
            raise InputError("video codec unknown to this build of PyAV", file=file)
        if stream.codec_context.name not in CODECS:
            cause = f"video codec {stream.codec_context.name} is not accepted"
            raise InputError(cause, file=file, remedy="Re-encode it, for example: ffmpeg -i FILE -c:v libx264 new.mp4")
        return stream
    raise InputError("no video stream", file=file)


def _check_container(container: InputContainer, file: Path, limits: Limits) -> None:
    if len(container.streams) > limits.streams:
        raise over_limit(file, f"{len(container.streams)} streams", f"{limits.streams}", "streams")
    if container.duration is not None and container.duration / 1e6 > limits.hours * 3600:
        raise over_limit(file, f"{container.duration / 3.6e9:.6g} hours", f"{limits.hours:g}", "hours")


def _check_stream(container: InputContainer, stream: VideoStream, file: Path, limits: Limits) -> None:
    context = stream.codec_context
    width, height = max(context.width, context.coded_width), max(context.height, context.coded_height)
    if width * height == 0:  # FFmpeg strikes out sizes beyond 2^28 pixels
        raise InputError("over limit: the picture size is missing or larger than FFmpeg accepts", file=file)
    if width * height > limits.pixels:
        raise over_limit(file, f"pictures of {width}x{height}", f"{limits.pixels} pixels", "pixels")
    rate = nominal_rate(container, stream)
    if rate and rate > limits.fps:
        raise over_limit(file, f"{float(rate):.0f} frames per second", f"{limits.fps:g}", "fps")


def nominal_rate(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Frames per second by the container; None where it does not say."""
    if stream.average_rate:
        return stream.average_rate
    guessed = stream.guessed_rate
    if guessed and guessed > _PLAUSIBLE_FPS and container.format.name in _TIMES_WRITTEN:
        return None
    return guessed or None


def over_limit(file: Path, claimed: str, allowed: str, name: str) -> InputError:
    """The refusal of a file that claims more than a limit; ``name`` is the field of :class:`Limits`."""
    cause = f"over limit: {claimed}, at most {allowed} accepted"
    return InputError(cause, file=file, remedy=f"Raise it with --max-{name}")
