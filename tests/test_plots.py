"""Figures: what is drawn, and that both variants are deterministic and readable."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from genkeras import plots


@pytest.fixture
def curve():
    with plots.style():
        figure, axis = plt.subplots()
        axis.plot([0, 1, 4], label="squares")
        axis.plot([0, 2, 3], color="black", label="black ink")
        axis.set(xlabel="step", ylabel="nats", title="a title")
        axis.text(0, 1, "black text", color="black")
        axis.legend()
    yield figure
    plt.close(figure)


def _inks(svg):
    """Colours of every fill and stroke outside embedded pictures."""
    return set(re.findall(r"(?:fill|stroke)(?::\s*|=\")(#[0-9a-f]{6})", svg))


def _is_near_black(colour):
    return max(int(colour[i : i + 2], 16) for i in (1, 3, 5)) < 64


def test_the_same_figure_gives_the_same_bytes_twice(curve, tmp_path):
    first = [p.read_bytes() for p in plots.save_light_and_dark(curve, tmp_path / "a" / "curve")]
    second = [p.read_bytes() for p in plots.save_light_and_dark(curve, tmp_path / "b" / "curve")]
    assert first == second
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["curve.dark.svg", "curve.svg"]
    assert b"<dc:date>" not in first[0]


def test_the_dark_variant_has_no_ink_near_black_and_the_light_one_has(curve, tmp_path):
    light, dark = (p.read_text() for p in plots.save_light_and_dark(curve, tmp_path / "curve"))
    assert any(_is_near_black(colour) for colour in _inks(light))
    assert not [colour for colour in _inks(dark) if _is_near_black(colour)]
    # Text is as bright on dark paper as it is dark on white; axes are muted on both.
    assert dark.count("fill: #e6e6e6") >= light.count(f"fill: {plots.INK}") > 0
    # Matplotlib writes no colour at all for black fills, so the drawing needs a default.
    assert re.search(r"<svg fill=\"#e6e6e6\"", dark)


def test_data_colours_are_the_same_in_both_variants(curve, tmp_path):
    light, dark = (p.read_text() for p in plots.save_light_and_dark(curve, tmp_path / "curve"))
    assert plots.BLUE in _inks(light)
    assert plots.BLUE in _inks(dark)


def test_both_variants_are_transparent(curve, tmp_path):
    for path in plots.save_light_and_dark(curve, tmp_path / "curve"):
        assert "#ffffff" not in _inks(path.read_text())


def test_every_colour_of_the_palette_can_be_told_from_white_and_from_dark_paper():
    for colour in plots.PALETTE:
        for paper in ("#ffffff", "#1e2129"):
            assert _contrast(colour, paper) > 2.0, (colour, paper)


def test_pictures_are_embedded_pixel_for_pixel():
    images = np.random.default_rng(0).random((3, 20)) < 0.5
    with plots.style():
        figure = plots.image_grid(images, (4, 5), columns=2)
    svg = plots.to_svg(figure)
    plt.close(figure)
    embedded = [
        plt.imread(io.BytesIO(base64.b64decode(text)))[..., 0]
        for text in re.findall(r"base64,\s*([A-Za-z0-9+/=\s]+)\"", svg)
    ]
    assert len(embedded) == 3
    for image, shown in zip(images, embedded, strict=True):
        # The SVG places a picture upside down and flips it back.
        assert any(np.array_equal(1.0 - image.reshape(4, 5), s) for s in (shown, shown[::-1]))
    assert "image-rendering:pixelated" in svg.replace(" ", "")


def test_a_figure_grows_by_what_sticks_out_of_it_and_not_otherwise():
    def size(y, text):
        with plots.style():
            figure, axis = plt.subplots(figsize=(3, 2))
        axis.text(0.5, y, text, transform=axis.transAxes, va="top")
        found = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', plots.to_svg(figure))
        plt.close(figure)
        return [float(side) for side in found.groups()]  # points, 72 in an inch

    assert size(0.9, "inside") == [216, 144]
    wide, high = size(-0.3, "one\ntwo\nthree\nfour")
    assert wide == 216
    _, higher = size(-0.3, "one\ntwo\nthree\nfour\nfive\nsix")
    assert 144 < high < higher < 144 + 72


def test_a_grid_shows_each_picture_with_its_title():
    figure = plots.image_grid(np.eye(4).reshape(4, 4), (2, 2), columns=3, titles="abcd")
    shown = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title(loc="center") for axis in shown] == list("abcd")
    for index, axis in enumerate(shown):
        np.testing.assert_array_equal(axis.images[0].get_array().ravel(), np.eye(4)[index])
    plt.close(figure)


def test_kept_pixels_stay_grey_and_filled_ones_are_tinted():
    kept = np.array([True, True, False, False])
    figure = plots.kept_overlay(np.zeros((2, 4)), kept, (2, 2), columns=2)
    picture = np.asarray(figure.axes[0].images[0].get_array())
    plt.close(figure)
    np.testing.assert_allclose(picture[0], 1.0)
    # 0.6 of white and 0.4 of the palette's orange.
    np.testing.assert_allclose(picture[1], [[0.6 + 0.4 * c / 255 for c in (230, 159, 0)]] * 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.image_grid(np.zeros((2, 5)), (2, 2), 2), "Expected images of shape"),
        (lambda: plots.image_grid(np.zeros((0, 4)), (2, 2), 2), "Expected images of shape"),
        (lambda: plots.image_grid(np.zeros((2, 4)), (2, 2), 0), "at least one column"),
        (lambda: plots.image_grid(np.zeros((2, 4)), (2, 2), 2, "abc"), "one title per image"),
        (
            lambda: plots.kept_overlay(np.zeros((3, 4)), np.ones((2, 4)), (2, 2), 2),
            "Expected one mask, or one per image",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def _contrast(first, second):
    """Contrast ratio as WCAG 2 defines it."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
