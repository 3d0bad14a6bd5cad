"""Make the small pictures of the index: ``python tutorials/site/pictures.py``.

A tutorial leaves runs/tutorials/NN_name/index.png where it is run; from the repository's root:

    python tutorials/01_a_layer_by_hand.py && python tutorials/site/pictures.py

Each such picture becomes tutorials/site/pictures/NN_name.png, with at most 40 kB.
"""

import io
from pathlib import Path

from PIL import Image  # matplotlib brings it

ROOT = Path(__file__).resolve().parents[2]
WIDTH, LARGEST = 480, 40_000  # pixels, bytes


def main() -> None:
    """Write the small picture of each tutorial that has been run."""
    for path in sorted(ROOT.glob("runs/tutorials/*/index.png")):
        small = ROOT / "tutorials" / "site" / "pictures" / f"{path.parent.name}.png"
        small.write_bytes(shrink(Image.open(path)))
        print(f"{small.relative_to(ROOT)}  {small.stat().st_size / 1000:.1f} kB")


def shrink(image: Image.Image) -> bytes:
    """Return the image as a PNG of at most 40 kB: less wide, and with as many colours as fit."""
    image = image.convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)))
    for colours in (256, 128, 64, 32, 16):
        buffer = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    raise ValueError(f"{image.size} pixels need more than {LARGEST} bytes; draw a simpler picture")


if __name__ == "__main__":
    main()
