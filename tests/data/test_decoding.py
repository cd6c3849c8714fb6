"""THE way pixels enter, with real files of every odd kind."""

from __future__ import annotations

import base64
import csv
import importlib.util
import io
import json
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ExifTags, Image

from striate.data.decoding import get_image_limits
from striate.data.preprocessing import Preprocessing, decode_image
from striate.errors import ConfigError, DataError, ImageDecodeError

pytestmark = pytest.mark.fast

HEIC_GREY = (
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAXxtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJp"
    "bG9jAAAAAERAAAEAAQAAAAABoAABAAAAAAAAADoAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAAB"
    "AAAA/GlwcnAAAADcaXBjbwAAAHVodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEA"
    "AQApQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqrprm4CGgwIAAAAyAAAADAIRiAAEABkQBwXPBiQAAABNjb2xybmNseAABAA0ABoAAAAAU"
    "aXNwZQAAAAAAAABAAAAAQAAAAChjbGFwAAAAGAAAAAEAAAAQAAAAAf///9gAAAAC////0AAAAAIAAAAQcGl4aQAAAAADCAgIAAAAGGlw"
    "bWEAAAAAAAAAAQABBYECAwWEAAAAQm1kYXQAAAA2KAGvCchdGLAkFRt/7x7/4vdOnaKNOAvlJhL+shu4nh9p4oDzMy3s7jgg6SCoKB5K"
    "43hnN5tg"
)
"""A HEIC file of 24×16 pixels: dark grayscale on the left, light grayscale on the right."""

TURNS = {  # EXIF orientation → what a camera held that way stores of an upright image
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene(width: int = 48, height: int = 32) -> Image.Image:
    """An image that is another one however it is turned or mirrored: red grows right, green down, a blue corner."""
    y, x = np.mgrid[:height, :width]
    blue = np.where((x < width // 4) & (y < height // 4), 255, 0)
    pixels = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), blue], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(image: Image.Image, orientation: int, kind: str, **options) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turn = TURNS[orientation]
    return encoded(image if turn is None else image.transpose(turn), kind, exif=exif, **options)


def difference(one, two) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(two, float)).mean())


# What an image becomes


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_gives_the_upright_image_exactly(orientation: int, kind: str):
    options = {"lossless": True} if kind == "WEBP" else {}
    found = decode_image(oriented(scene(), orientation, kind, **options))
    np.testing.assert_array_equal(found, np.asarray(scene()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_of_a_jpeg_gives_the_upright_image(orientation: int):
    found = decode_image(oriented(scene(), orientation, "JPEG", quality=95, subsampling=0))
    assert found.shape == (32, 48, 3)
    assert difference(found, scene()) < 4


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks; outside tests pixels.py silences them
def test_a_damaged_exif_block_turns_nothing_and_loses_nothing():
    data = encoded(scene(), "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    assert difference(decode_image(data), scene()) < 4


def test_cmyk_becomes_rgb(tmp_path: Path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=95)
    assert difference(decode_image(tmp_path / "red.jpg"), np.full((8, 8, 3), (255, 0, 0))) < 8


def test_lab_becomes_rgb(tmp_path: Path):
    Image.new("LAB", (4, 4), (255, 128, 128)).save(tmp_path / "white.tif")
    assert decode_image(tmp_path / "white.tif").min() >= 254


def test_sixteen_bit_grey_is_divided_by_257(tmp_path: Path):
    wide = np.array([[0, 257, 256, 32896, 65535]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "deep.png")
    found = decode_image(tmp_path / "deep.png")
    assert found.shape == (1, 5, 1)
    assert found.ravel().tolist() == [0, 1, 0, 128, 255]


def test_deep_grey_agrees_with_another_decoder(test_data: Path):
    for name in ("L_16__128x128.png", "L_16__29x100.png"):
        path = test_data / "odd_images" / "valid" / "png_16bit" / name
        deep = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert deep.dtype == np.uint16
        np.testing.assert_array_equal(decode_image(path)[:, :, 0], deep // 257)


def test_sixteen_bit_tiff_of_either_byte_order_is_read(tmp_path: Path):
    wide = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    little = Image.fromarray(wide)
    little.save(tmp_path / "little.tif")
    Image.frombytes("I;16B", (16, 16), wide.astype(">u2").tobytes()).save(tmp_path / "big.tif")
    for name in ("little.tif", "big.tif"):
        np.testing.assert_array_equal(decode_image(tmp_path / name)[:, :, 0], np.arange(256).reshape(16, 16))


def test_floating_point_pixels_in_0_to_1_are_stretched_and_others_refused(tmp_path: Path):
    Image.fromarray(np.array([[0, 0.5, 1]], np.float32)).save(tmp_path / "unit.tif")
    assert decode_image(tmp_path / "unit.tif").ravel().tolist() == [0, 128, 255]
    Image.fromarray(np.array([[0, 0.5, 700]], np.float32)).save(tmp_path / "height.tif")
    with pytest.raises(ImageDecodeError, match="no agreed grayscale scale"):
        decode_image(tmp_path / "height.tif")


def test_a_palette_with_transparency_shows_the_background_where_it_is_clear(tmp_path: Path):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (2, 0, 4, 4))
    image.save(tmp_path / "p.png", transparency=1)
    found = decode_image(tmp_path / "p.png", background=40)
    assert (found[:, :2] == (255, 0, 0)).all()
    assert (found[:, 2:] == 40).all()


def test_half_transparent_color_is_mixed_with_the_background():
    data = encoded(Image.new("RGBA", (4, 4), (200, 0, 0, 128)), "PNG")
    assert difference(decode_image(data, background=255), np.full((4, 4, 3), (227, 127, 127))) <= 1
    assert difference(decode_image(data, background=0), np.full((4, 4, 3), (100, 0, 0))) <= 1


def test_grey_with_transparency_stays_grey_over_the_background():
    image = Image.new("LA", (4, 2), (10, 255))
    image.putpixel((0, 0), (10, 0))
    found = decode_image(encoded(image, "PNG"), background=77)
    assert found.shape == (2, 4, 1)
    assert found[0, 0, 0] == 77
    assert (found.ravel()[1:] == 10).all()


@pytest.mark.parametrize(("mode", "clear", "solid"), [("1", 0, 255), ("L", 9, 200), ("I;16", 9 * 257, 200 * 257)])
def test_a_grey_level_declared_transparent_shows_the_background(mode: str, clear: int, solid: int):
    image = Image.new(mode, (4, 4), solid)
    image.putpixel((1, 0), clear)
    found = decode_image(encoded(image, "PNG", transparency=clear), background=120)
    assert found.shape == (4, 4, 1)
    assert found[0, 1, 0] == 120
    assert set(np.delete(found.ravel(), 1)) == {255 if mode == "1" else 200}


def test_one_bit_images_become_black_and_white():
    image = Image.new("1", (9, 1), 0)
    image.putpixel((4, 0), 1)
    assert decode_image(encoded(image, "PNG")).ravel().tolist() == [0] * 4 + [255] + [0] * 4


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path):
    frames = [Image.new("RGB", (6, 6), color) for color in ("red", "lime", "blue")]
    for name in ("a.gif", "a.png", "a.webp"):
        frames[0].save(
            tmp_path / name, save_all=True, append_images=frames[1:], **({"lossless": True} if "w" in name else {})
        )
        assert (decode_image(tmp_path / name) == (255, 0, 0)).all(), name


@pytest.mark.parametrize("name", ["picture.png", "picture", "picture.txt", "Bild äöü 猫.JPG"])
def test_the_format_is_told_by_content_not_by_name(tmp_path: Path, name: str):
    data = encoded(scene(), "JPEG")
    (tmp_path / name).write_bytes(data)
    np.testing.assert_array_equal(decode_image(tmp_path / name), decode_image(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "PPM", "ICO", "JPEG2000"])
def test_each_promised_format_is_read(kind: str):
    if kind.lower() not in {name.lower() for name in Image.SAVE}:
        pytest.skip(f"this Pillow cannot write {kind}")
    image = scene(32, 32)  # an icon's size
    assert difference(decode_image(encoded(image, kind)), image) < 20  # GIF has 256 colors, JPEG and AVIF lose some


def test_formats_that_start_other_programs_are_not_known():
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    with pytest.raises(ImageDecodeError, match="not an image in any known format"):
        decode_image(script)


# One image, three ways in


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, min_side=3, max_side=3) | st.just((5, 7, 3))))
@settings(deadline=None, max_examples=30)
def test_path_bytes_and_array_give_identical_pixels(tmp_path_factory: pytest.TempPathFactory, pixels):
    data = encoded(Image.fromarray(pixels), "PNG")
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(data)
    for form in (Preprocessing(4, 6, 3), Preprocessing(9, 9, 1, fit="pad"), Preprocessing(5, 7, 3)):
        np.testing.assert_array_equal(form(path), form(data))
        np.testing.assert_array_equal(form(pixels), form(data))


def test_grey_arrays_with_and_without_a_channel_are_the_same():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7), dtype=np.uint8)
    form = Preprocessing(12, 12, 3)
    np.testing.assert_array_equal(form(pixels), form(pixels[:, :, None]))
    np.testing.assert_array_equal(form(pixels), form(np.repeat(pixels[:, :, None], 3, axis=2)))


def test_an_array_with_alpha_is_laid_over_the_background():
    pixels = np.zeros((4, 4, 4), np.uint8)
    assert (Preprocessing(4, 4, 3, background=90)(pixels) == 90).all()


def test_arrays_that_are_views_in_another_order_are_read_by_their_indices():
    pixels = np.asarray(scene())
    np.testing.assert_array_equal(decode_image(pixels[::-1, ::2]), pixels[::-1, ::2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint16, bool])
def test_arrays_that_are_not_8_bit_are_refused_with_the_cure(dtype):
    with pytest.raises(DataError, match=r"8-bit.*Try: \(x \* 255\)\.round\(\)\.astype\(\"uint8\"\)") as caught:
        Preprocessing(8, 8, 1)(np.zeros((8, 8), dtype))
    assert not isinstance(caught.value, ImageDecodeError)  # not one bad file among many: all of them would be wrong


@pytest.mark.parametrize("shape", [(8,), (8, 8, 2), (8, 8, 5), (2, 8, 8, 3), (0, 8), (8, 0, 3), ()])
def test_arrays_of_no_image_shape_are_refused(shape):
    with pytest.raises(DataError, match="Not the shape of one image"):
        Preprocessing(8, 8, 3)(np.zeros(shape, np.uint8))


# Size and fit


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(("stretch", "crop", "pad")),
    st.sampled_from((1, 3)),
    st.sampled_from(("PNG", "JPEG")),
)
@settings(deadline=None)
def test_the_result_always_has_the_promised_shape(width, height, to_width, to_height, fit, channels, kind):
    form = Preprocessing(to_height, to_width, channels, fit=fit)
    found = form(encoded(Image.new("RGB", (width, height), (250, 3, 90)), kind))
    assert found.shape == form.shape
    assert found.dtype == np.uint8


@pytest.mark.parametrize("size", [(5000, 1), (1, 5000), (3, 4000)])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_images_a_pixel_thin_can_be_brought_to_any_size(size, fit, kind):
    assert Preprocessing(10, 12, 3, fit=fit)(encoded(Image.new("RGB", size), kind)).shape == (10, 12, 3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
def test_a_fine_checkerboard_shrinks_to_grey_not_to_black_and_white(interpolation: str):
    board = ((np.indices((240, 240)).sum(axis=0) % 2) * 255).astype(np.uint8)
    found = Preprocessing(24, 24, 1, interpolation=interpolation)(board)
    assert (np.abs(found.astype(int) - 127) <= 3).all()


def test_nearest_keeps_pixels_as_they_are():
    board = ((np.indices((4, 4)).sum(axis=0) % 2) * 255).astype(np.uint8)
    found = Preprocessing(16, 16, 1, interpolation="nearest")(board)[:, :, 0]
    np.testing.assert_array_equal(found, board.repeat(4, axis=0).repeat(4, axis=1))


def stripes() -> np.ndarray:
    """30 wide, 10 high: a red, a green and a blue square."""
    return np.repeat(np.eye(3, dtype=np.uint8)[None] * 255, 10, axis=0).repeat(10, axis=1)


def test_crop_keeps_the_middle_and_only_the_middle():
    found = Preprocessing(10, 10, 3, fit="crop")(stripes())
    np.testing.assert_array_equal(found, np.full((10, 10, 3), (0, 255, 0)))


def test_pad_keeps_everything_and_fills_both_sides_with_the_background():
    found = Preprocessing(30, 30, 3, fit="pad", background=17)(stripes())
    np.testing.assert_array_equal(found[10:20], stripes())
    assert (found[:10] == 17).all()
    assert (found[20:] == 17).all()


def test_pad_fills_grey_images_too():
    found = Preprocessing(30, 30, 1, fit="pad", background=17)(np.zeros((10, 30), np.uint8))
    assert (found[:10] == 17).all()
    assert (found[10:20] == 0).all()


def test_stretch_keeps_everything_and_fills_all():
    found = Preprocessing(30, 30, 3, interpolation="nearest")(stripes())
    np.testing.assert_array_equal(found, stripes().repeat(3, axis=0))


def test_an_image_of_the_right_size_is_not_touched():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Preprocessing(16, 16, 3)(encoded(Image.fromarray(pixels), "PNG")), pixels)


def test_grey_is_the_luma_of_itu_r_601():
    assert Preprocessing(1, 1, 1)(np.array([[[255, 0, 0]]], np.uint8)).item() == 76
    assert Preprocessing(1, 1, 1)(np.array([[[0, 255, 0]]], np.uint8)).item() in (149, 150)
    assert Preprocessing(1, 1, 1)(np.array([[[0, 0, 255]]], np.uint8)).item() == 29


# The JPEG decoder's own reduction


def photograph(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_reduced_while_decoding_is_close_to_one_reduced_afterwards(fit: str, orientation: int):
    image = photograph(640, 400)
    data = oriented(image, orientation, "JPEG", quality=95)
    form = Preprocessing(60, 60, 3, fit=fit)
    assert difference(form(data), form(decode_image(data))) < 2


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 80), st.integers(1, 80), st.sampled_from((1, 3, 6, 8)))
@settings(deadline=None, max_examples=60)
def test_a_jpeg_is_never_reduced_below_the_size_that_is_needed(width, height, to_width, to_height, orientation):
    """Seen from outside: an image with detail at the needed size keeps its contrast."""
    from striate.data.preprocessing import _load_image

    data = oriented(Image.new("RGB", (width, height)), orientation, "JPEG")
    for fit in ("stretch", "crop", "pad"):
        reduced = _load_image(data, Preprocessing(to_height, to_width, 3, fit=fit))
        enough = [
            now >= min(wanted, full)
            for now, wanted, full in zip(reduced.size, (to_width, to_height), (width, height), strict=True)
        ]
        assert any(enough) if fit == "pad" else all(enough)


def test_a_large_jpeg_really_is_reduced_while_it_is_decoded():
    from striate.data.preprocessing import _load_image

    data = oriented(photograph(800, 1600), 6, "JPEG")
    assert _load_image(data, Preprocessing(100, 100, 3)).size == (100, 200)


# What cannot be decoded


def png_with_a_wrong_checksum() -> bytes:
    data = bytearray(encoded(scene(), "PNG"))
    place = data.index(b"IDAT")
    length = struct.unpack(">I", data[place - 4 : place])[0]
    checksum = struct.unpack(">I", data[place + 4 + length : place + 8 + length])[0]
    assert checksum == zlib.crc32(data[place : place + 4 + length])
    data[place + 4 + length] ^= 0xFF
    return bytes(data)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

BAD = {
    "empty": (b"", "empty file (0 bytes)"),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page saved under an image's name"),
    "bare web page": (b"<html><body>404</body></html>", "a web page saved under an image's name"),
    "lfs": (LFS, "a Git LFS pointer, not the image itself (git lfs pull fetches it)"),
    "zeros": (bytes(16384), "nothing but zero bytes"),
    "text": (b"hello, world", "not an image in any known format"),
    "half a jpeg": (encoded(photograph(64, 64), "JPEG")[:-300], "broken: image file is truncated"),
    "half a png": (encoded(photograph(64, 64), "PNG")[:-300], "broken: "),
    "checksum": (png_with_a_wrong_checksum(), "broken: broken PNG file (bad header checksum in b'IDAT')"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("form", [None, Preprocessing(8, 8, 3)])
def test_what_is_no_image_is_refused_with_the_reason(tmp_path: Path, kind: str, form):
    data, reason = BAD[kind]
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    for image in (data, path):
        with pytest.raises(ImageDecodeError) as caught:
            (form or decode_image)(image)
        assert caught.value.problem.startswith(reason)


def test_a_missing_file_and_a_folder_are_image_errors(tmp_path: Path):
    with pytest.raises(ImageDecodeError, match="no such file or directory"):
        decode_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageDecodeError, match="is a directory"):
        decode_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
def test_a_pipe_and_a_device_are_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero")):
        with pytest.raises(ImageDecodeError, match="no regular file, but a pipe or a device"):
            decode_image(path)


def test_limits_are_named_in_the_refusal_and_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = encoded(Image.new("RGB", (100, 50)), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    for variable, most, reason in (
        ("STRIATE_MAX_PIXELS", 4999, r"100×50 pixels, more than 4,999, .*STRIATE_MAX_PIXELS raises it"),
        ("STRIATE_MAX_BYTES", len(data) - 1, r"bytes, more than the limit of .*STRIATE_MAX_BYTES raises it"),
    ):
        for image in (data, tmp_path / "a.png"):
            with monkeypatch.context() as patch:
                patch.setenv(variable, str(most))
                with pytest.raises(ImageDecodeError, match=reason):
                    decode_image(image)
                patch.setenv(variable, str(most + 1))
                assert decode_image(image).shape == (50, 100, 3)
    monkeypatch.setenv("STRIATE_MAX_PIXELS", "many")
    with pytest.raises(ConfigError, match="STRIATE_MAX_PIXELS is no limit"):
        get_image_limits()


def test_a_raised_limit_lets_more_through_than_pillow_would(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    data = encoded(Image.new("L", (60, 60)), "PNG")
    monkeypatch.setenv("STRIATE_MAX_PIXELS", "1999")
    with pytest.raises(ImageDecodeError, match="STRIATE_MAX_PIXELS raises it"):
        decode_image(data)
    monkeypatch.setenv("STRIATE_MAX_PIXELS", "4000")
    assert decode_image(data).shape == (60, 60, 1)


def test_a_heic_photograph_is_read_or_says_which_extra_reads_it():
    if importlib.util.find_spec("pi_heif"):
        pixels = decode_image(base64.b64decode(HEIC_GREY))
        assert pixels.shape[:2] == (16, 24)
        np.testing.assert_allclose(pixels[:, :12].mean(), 60, atol=6)
        np.testing.assert_allclose(pixels[:, 12:].mean(), 190, atol=6)
    else:
        with pytest.raises(ImageDecodeError, match=r"a HEIC photograph, which needs an extra.*striate\[heic\]"):
            decode_image(base64.b64decode(HEIC_GREY))


def test_a_decompression_bomb_is_refused_before_it_is_unpacked():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # noqa: E731
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
    with pytest.raises(ImageDecodeError, match="the limit against decompression bombs"):
        decode_image(data)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: encoded(scene(), "PNG")[:50] + tail))
@settings(deadline=None)
def test_arbitrary_bytes_are_decoded_or_refused_with_a_reason(data: bytes):
    try:
        pixels = decode_image(data)
    except ImageDecodeError as error:
        assert error.problem
    else:
        assert pixels.ndim == 3


@given(st.integers(0, 700), st.integers(0, 255), st.sampled_from(("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")))
@settings(deadline=None, max_examples=150)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's remarks; outside tests pixels.py silences them
def test_an_image_with_one_changed_byte_is_decoded_or_refused_with_a_reason(place: int, value: int, kind: str):
    data = bytearray(encoded(scene(16, 16), kind))
    data[place % len(data)] = value
    try:
        assert decode_image(bytes(data)).ndim == 3
    except ImageDecodeError as error:
        assert error.problem


# 313 files collected by others


UNREADABLE = {"valid/apng/chunk_no_fctl.png", "valid/apng/syntax_num_frames_zero.png"}
ODD = Path(os.environ.get("STRIATE_TEST_DATA") or ".") / "odd_images"


def manifest() -> dict[str, str]:
    """Path → what Pillow said, or one stand-in that makes the tests below skip."""
    if not (ODD / "MANIFEST.tsv").is_file():
        return {"valid/-": "", "bad/-": ""}
    with (ODD / "MANIFEST.tsv").open(newline="", encoding="utf-8") as file:
        return {
            row["path"]: row["pillow_13.0_result"]
            for row in csv.DictReader(file, delimiter="\t", quotechar=None, quoting=csv.QUOTE_NONE)
        }


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [name for name in manifest() if name.startswith("valid/")])
def test_every_valid_odd_image_is_decoded(test_data: Path, name: str):
    path = test_data / "odd_images" / name
    if name in UNREADABLE:
        with pytest.raises(ImageDecodeError, match="broken: "):
            decode_image(path)
        return
    pixels = decode_image(path)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] in (1, 3)
    assert min(pixels.shape) > 0


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [name for name in manifest() if name.startswith("bad/")])
def test_every_bad_odd_image_is_refused_with_a_reason_unless_pillow_can_read_it(test_data: Path, name: str):
    path = test_data / "odd_images" / name
    if "heif" in name and importlib.util.find_spec("pi_heif"):
        return  # Pillow alone knew nothing of them; the golden list says what their own decoder makes of them
    if manifest()[name] == "ok" and not name.endswith("xcsn0g01.png"):
        assert decode_image(path).dtype == np.uint8
        return
    with pytest.raises(ImageDecodeError) as caught:
        decode_image(path)
    assert caught.value.problem


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_odd_image_is_accepted_or_refused_as_in_the_golden_list(test_data: Path):
    """odd_images.json holds, for each file, its decoded shape and the BLAKE2 of its pixels, or why it is refused. It
    was made by golden.py beside it, and the pixels were compared with other decoders (below).
    """
    place = Path(__file__).with_name("golden.py")
    spec = importlib.util.spec_from_file_location("golden", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    golden = json.loads(place.with_name("odd_images.json").read_text(encoding="utf-8"))
    assert set(golden) == set(manifest())
    if not importlib.util.find_spec("pi_heif"):
        golden = {name: expected for name, expected in golden.items() if "heif" not in name}
    found = {name: module.outcome(test_data / "odd_images" / name) for name in golden}
    wrong = {name: (found[name], expected) for name, expected in golden.items() if found[name] != expected}
    assert not wrong


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_another_decoder_sees_the_same_pixels(test_data: Path):
    """OpenCV has decoders of its own for BMP, PNG, TIFF and WebP, and another color conversion for JPEG. Where both
    read a plain RGB or grayscale image, they agree: to the bit where nothing is lossy, within 4 levels elsewhere.
    """
    compared = 0
    for name, said in manifest().items():
        path = test_data / "odd_images" / name
        if said != "ok" or not name.startswith("valid/") or "orientation" in name:
            continue
        with Image.open(path) as image:
            plain = image.mode in ("L", "RGB") and "transparency" not in image.info
            lossy, kind = image.format in ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF"), image.format
        other = cv2.imread(str(path), cv2.IMREAD_COLOR) if plain and kind != "GIF" else None
        if other is None:
            continue
        pixels = decode_image(path)
        own = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        if own.shape == other.shape:
            compared += 1
            away = np.abs(own.astype(int) - other[:, :, ::-1])
            assert away.max() <= (4 if lossy else 0), (name, away.max())
    assert compared > 50


def test_the_list_of_odd_images_is_the_folder_and_names_the_two_that_pillow_refuses(test_data: Path):
    root = test_data / "odd_images"
    found = {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()} - {"MANIFEST.tsv"}
    assert found == set(manifest())
    assert {name for name, said in manifest().items() if name.startswith("valid/") and said != "ok"} == UNREADABLE


def test_the_nine_ways_of_holding_a_camera_show_one_scene(test_data: Path):
    folder = test_data / "odd_images" / "valid" / "exif-orientation"
    for kind in ("Landscape", "Portrait"):
        upright = decode_image(folder / f"{kind}_1.jpg")
        for number in range(9):
            other = decode_image(folder / f"{kind}_{number}.jpg")
            assert other.shape == upright.shape
            assert difference(other, upright) < 12, number
