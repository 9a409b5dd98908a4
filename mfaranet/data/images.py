"""The one reader of the pictures that users bring: each is made upright 8-bit RGB, or refused with a sentence.

Colours are taken as sRGB; embedded colour profiles are not applied.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from mfaranet.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

# Others would run programs (EPS), or hold several pictures (ICO, PSD).
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "JPEG2000", "BMP", "GIF", "PPM")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_GREY_16 = ("I;16", "I;16L", "I;16B")
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0


def read_image(path: Path) -> "Tensor":
    """A picture as its viewer sees it: (3, H, W), uint8, RGB.

    It is turned upright by its EXIF orientation. Of 16 bits the upper 8 count, in grey as in colour. What is
    transparent lies over white. Grey becomes three equal channels. Of a MPO, which cameras write, the first picture
    is the photograph.

    Raises:
        InputError: the file is missing, corrupt or no picture; it has more pixels than Pillow trusts; it is animated
            or has several pages; its pixels are floats or wide integers, of which nobody knows what is white.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as file:
                fault = _fault(file)
                pixels = None if fault else _rgb(ImageOps.exif_transpose(file), *_grey_coding(file))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"{path} has more than {Image.MAX_IMAGE_PIXELS} pixels, or says so: make it smaller, if it is a photograph"
        ) from None
    except UnidentifiedImageError:
        raise InputError(f"{path} is no readable image; these kinds are read: {', '.join(_FORMATS)}") from None
    except Exception as error:  # Pillow raises half a dozen kinds on corrupt files
        raise InputError(f"{path} is no readable image, perhaps cut short ({error})") from None
    if pixels is None:
        raise InputError(f"{path} {fault}")
    import torch  # which takes seconds, and most data sets are prepared without it

    return torch.from_numpy(pixels).permute(2, 0, 1)


def _fault(file: Image.Image) -> str | None:
    """Why an opened file, whose pixels are not decoded yet, cannot be taken for one picture."""
    frames = getattr(file, "n_frames", 1)
    if frames > 1 and file.format != "MPO":
        return f"is animated or has pages, {frames} in all; save the one that you mean as a picture of its own"
    if "transparency" in file.info and any(";16" in str(tile[3]) for tile in getattr(file, "tile", ())):
        return "has 16 bits and a transparent colour; save it with 8 bits, or with an alpha channel"
    if file.mode in (*_MODES, *_GREY_16) or (file.mode == "I" and file.format == "PPM"):
        return None
    return f"has pixels of the kind {file.mode}, of which it is not known what is white; save it with 8 or 16 bits"


def _grey_coding(file: Image.Image) -> tuple[int, bool]:
    """Bits of a grey pixel that has more than 8, and whether 0 is white, which Pillow leaves so with 16 bits."""
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        return file.tag_v2.get(_BITS_PER_SAMPLE, (1,))[0], file.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    return 16, False


def _rgb(image: Image.Image, bits: int, white_is_zero: bool) -> NDArray[np.uint8]:
    """Pixels (H, W, 3)."""
    if image.mode in ("I", *_GREY_16):
        grey = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
        image = Image.fromarray(255 - grey if white_is_zero else grey)
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return np.array(image.convert("RGB"))
