"""Figures in one house style, each saved once for light pages and once for dark ones.

The palette is that of Okabe and Ito without its black and yellow: six colours that stay apart under
the common kinds of colour blindness and that can be read on white and on dark paper.

Reference: https://jfly.uni-koeln.de/color/
"""

import contextlib
import io
import os
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"
PURPLE, ORANGE, SKY = "#cc79a7", "#e69f00", "#56b4e9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)

INK = "#262626"
MUTED = "#6b6b6b"
GRID = "#dcdcdc"

_DARK_INK = "#e6e6e6"
_DARK_MUTED = "#a9a9a9"
_DARK_GRID = "#454a54"

_RC = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "figure.figsize": (6.4, 3.8),
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "image.cmap": "gray_r",
    "image.interpolation": "none",
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.markersize": 5,
    "savefig.facecolor": "none",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10,
}


@contextlib.contextmanager
def style():
    """The house style, for the length of a `with` block."""
    with mpl.rc_context(_RC):
        yield


def image_grid(images, shape, columns, titles=None, cmap="gray_r", limits=(0.0, 1.0)):
    """Pictures side by side, pixel for pixel.

    Args:
        images: array `(num_images, *event)`; each event is reshaped to `shape`.
        shape: `(height, width)` of one picture, or `(height, width, 3)` for colour.
        columns: pictures per row.
        titles: one short string per picture, or None.
        cmap: matplotlib colour map of grey pictures.
        limits: values drawn as the two ends of the colour map.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: if there is no picture, one does not fit `shape`, or titles are not one per
            picture.
    """
    images = _as_images(images, shape)
    if columns < 1:
        raise ValueError(f"Expected at least one column. Received: columns={columns}")
    if titles is not None and len(titles) != len(images):
        raise ValueError(
            f"Expected one title per image ({len(images)}). Received: {len(titles)} titles"
        )
    figure, axes = _picture_axes(len(images), columns, shape, titles is not None)
    for index, (axis, image) in enumerate(zip(axes, images, strict=False)):
        axis.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="none")
        if titles is not None:
            axis.set_title(str(titles[index]), fontsize=9, loc="center", pad=3)
    return figure


def kept_overlay(images, kept, shape, columns, titles=None, cmap="gray_r", limits=(0.0, 1.0)):
    """Completed pictures: pixels that were filled in are tinted, the given ones are not.

    Args:
        images: array `(num_images, *event)`, the completions.
        kept: boolean array of one event or of one per image; true where the pixel was given.
        shape: `(height, width)` of one picture.
        columns: pictures per row.
        titles: one short string per picture, or None.
        cmap: matplotlib colour map of the given pixels.
        limits: values drawn as the two ends of the colour map.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: if `kept` does not fit the images, or as in `image_grid`.
    """
    images = _as_images(images, shape)
    kept = np.asarray(kept, dtype=bool).reshape((-1, *shape))
    if len(kept) not in (1, len(images)):
        raise ValueError(
            f"Expected one mask, or one per image ({len(images)}). Received: {len(kept)} masks"
        )
    kept = np.broadcast_to(kept, images.shape)
    grey = mpl.colormaps[cmap](mpl.colors.Normalize(*limits)(images))[..., :3]
    tint = np.array(mpl.colors.to_rgb(ORANGE))
    tinted = np.where(kept[..., None], grey, 0.6 * grey + 0.4 * tint)
    return image_grid(tinted, (*shape, 3), columns, titles)


def save_light_and_dark(figure, path_stem):
    """Saves NAME.svg for light pages and NAME.dark.svg for dark ones: same data, other ink.

    The same figure gives the same bytes on every run. Text, axes and grid change colour; the data
    does not.

    Args:
        figure: matplotlib figure.
        path_stem: path without suffix; its directory is made if missing.

    Returns:
        The two paths, light first.
    """
    stem = Path(path_stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    light = to_svg(figure)
    paths = []
    for suffix, text in ((".svg", light), (".dark.svg", to_dark(light))):
        path = stem.with_name(stem.name + suffix)
        partial = path.with_name(path.name + ".part")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
        paths.append(path)
    return tuple(paths)


def to_svg(figure):
    """The figure as SVG text: transparent, without a date, identifiers fixed by its content."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "genkeras", "svg.fonttype": "path"}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            bbox_inches=whole_box(figure),
            metadata={"Date": None, "Creator": None},
        )
    text = buffer.getvalue().decode("utf-8")
    return re.sub(r"(?m)[ \t]+$", "", text)


def whole_box(figure):
    """The figure's box in inches, with what sticks out of it; None if nothing does."""
    figure.draw_without_rendering()
    drawn, box = figure.get_tightbbox(), figure.bbox_inches
    whole = mpl.transforms.Bbox.union([box, drawn])
    return None if np.allclose(whole.extents, box.extents, atol=0.01) else whole


def to_dark(svg):
    """The SVG text with its neutral inks exchanged for ones that read on dark paper."""
    svg = re.sub(
        r"((?:fill|stroke)(?::\s*|=\"))(#[0-9a-fA-F]{6})\b",
        lambda match: match[1] + _dark_colour(match[2]),
        svg,
    )
    # Matplotlib leaves pure black out of the file, so a default for the whole drawing goes in.
    return svg.replace("<svg ", f'<svg fill="{_DARK_INK}" ', 1)


def _dark_colour(colour):
    """A neutral ink's counterpart on dark paper; every other colour as it is."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    low, high = min(channels), max(channels)
    if high - low > 16 or low > 240:
        return colour
    if high < 90:
        return _DARK_INK
    return _DARK_MUTED if high < 180 else _DARK_GRID


def _as_images(images, shape):
    images = np.asarray(images)
    if images.size == 0 or images.size != len(images) * int(np.prod(shape)):
        raise ValueError(f"Expected images of shape {tuple(shape)}. Received: {images.shape}")
    return images.reshape((len(images), *shape))


def _picture_axes(count, columns, shape, titled):
    """One frame per picture; the places left over in the last row stay empty."""
    columns = min(columns, count)
    rows = -(-count // columns)
    width = min(7.2, 1.15 * columns)
    height = rows * (width / columns * shape[0] / shape[1] + (0.25 if titled else 0.04))
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    for axis in axes.flat[:count]:
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        for spine in axis.spines.values():
            spine.set(visible=True, color="#b0b0b0", linewidth=0.5)
    for axis in axes.flat[count:]:
        axis.set_axis_off()
    return figure, axes.flat
