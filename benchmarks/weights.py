"""A network with random weights in its library's own format: right for measuring time, and for nothing else."""

import json
from argparse import _ActionsContainer
from pathlib import Path

MODEL = "ViT-B-32"
_FILE = "weights.safetensors"
_TIMM = "timm:"


def add_option(parser: _ActionsContainer) -> None:
    """The option --network, for `checkpoint`; of a parser, or of a group of its options."""
    what = "a model of OpenCLIP's by its name there, or timm:NAME; its weights are random (%(default)s)"
    parser.add_argument("--network", default=MODEL, metavar="NAME", help=what)


def checkpoint(folder: Path, network: str = MODEL) -> Path:
    """Write the weights, and what OpenCLIP needs beside them, into `folder`; returns their file (ViT-B-32: 350 MB).

    Args:
        folder: which exists.
        network: a model of OpenCLIP's by its name there, or "timm:" and timm's name of a model.

    Raises:
        SystemExit: there is no such model.
    """
    import torch  # noqa: PLC0415 (5 to 12 s with what is below, and what calls this may be all that needs it)
    from safetensors.torch import save_file  # noqa: PLC0415 (as above)

    torch.manual_seed(0)
    path = folder / _FILE
    if network.startswith(_TIMM):
        import timm  # noqa: PLC0415 (as above)

        name = network.removeprefix(_TIMM)
        if not timm.is_model(name):
            raise SystemExit(f"timm has no model {name!r}: --network takes timm: and one of timm.list_models()")
        save_file(timm.create_model(name, num_classes=0).state_dict(), path)
        return path
    import open_clip  # noqa: PLC0415 (as above)

    from embedding.network.openclip_tower import CONFIG  # noqa: PLC0415 (as above)

    if network not in open_clip.list_models():
        raise SystemExit(f"OpenCLIP has no model {network!r}: --network takes one of open_clip.list_models()")
    weights = open_clip.create_model(network, load_weights=False).state_dict()
    save_file({name: value for name, value in weights.items() if name.startswith("visual.")}, path)
    published = {"model_cfg": open_clip.get_model_config(network), "preprocess_cfg": {}}
    (folder / CONFIG).write_text(json.dumps(published), encoding="utf-8")
    return path


def settings(folder: Path, network: str) -> dict[str, object]:
    """The settings' table `encoder` for what `checkpoint` wrote into the folder."""
    named = {"name": network} if network.startswith(_TIMM) else {"name": "openclip", "model": network}
    return {**named, "checkpoint": str(folder / _FILE)}
