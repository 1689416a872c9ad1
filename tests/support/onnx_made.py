"""ONNX files of small networks, for tests. The exporter that is used needs no package besides torch."""

import json
import warnings

import timm
import torch
from safetensors.torch import save_file
from torch import nn

CNN = "test_resnet"  # timm's own small model for tests: takes 160 x 160
SIDE = 160
DESCRIBED = {
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "resize": "shorter",
    "resize_to": 168,
    "interpolation": "bilinear",
}
PLAIN = {"mean": [0, 0, 0], "std": [1, 1, 1], "resize": "squash"}


class Pooled(nn.Module):
    """Mean and deviation of each channel in the four quarters of a picture (n, 3, h, w): (n, 24)."""

    def forward(self, pictures):
        quarters = pictures.unflatten(3, (2, -1)).unflatten(2, (2, -1)).float()
        return torch.cat([quarters.mean((3, 5)).flatten(1), quarters.std((3, 5)).flatten(1)], dim=1)


def exported(network, path, *, taken=None, dynamic=True, inputs=("image",), outputs=("vector",)):  # noqa: PLR0913 (most are left out)
    """Write a network to `path`; `taken`: an example of its input."""
    example = torch.rand(2, 3, SIDE, SIDE) if taken is None else taken
    examples = example if isinstance(example, tuple) else (example,)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this exporter deprecated, and other things of it
        torch.onnx.export(
            network.eval(),
            examples,
            path,
            dynamo=False,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: {0: "n"} for name in (*inputs, *outputs)} if dynamic else None,
        )
    return path


def cnn(checkpoint, seed=20_30):
    """timm's small network with random weights that tell pictures apart; they are saved to `checkpoint` too."""
    torch.manual_seed(seed)
    print(f"seed {seed}")  # noqa: T201 (a failed test shows it)
    network = timm.create_model(CNN, pretrained=False, num_classes=0)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.add_(torch.rand_like(value) if name.endswith("running_var") else torch.randn_like(value) * 0.1)
    save_file(network.state_dict(), checkpoint)
    return network.eval()


def write(folder):
    """The same network as a checkpoint of timm, and as an ONNX file with its description."""
    exported(cnn(folder / "cnn.safetensors"), folder / "cnn.onnx")
    (folder / "cnn.json").write_text(json.dumps(DESCRIBED))
    return folder
