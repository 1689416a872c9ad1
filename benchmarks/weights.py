"""A network with random weights in its library's format, only for measuring time."""

import json
from argparse import _ActionsContainer
from pathlib import Path

MODEL = "ViT-B-32"
_FILE = "weights.safetensors"
_TIMM = "timm:"


def add_option(parser: _ActionsContainer) -> None:
    """Add the option --network, for `checkpoint`, to a parser or to a group of its options."""
    what = "a model by its name in OpenCLIP, or timm:NAME; its weights are random (%(default)s)"
    parser.add_argument("--network", default=MODEL, metavar="NAME", help=what)


def checkpoint(folder: Path, network: str = MODEL) -> Path:
    """Write the weights, and the configuration that OpenCLIP needs, into `folder`; returns their file (350 MB).

    Args:
        folder: an existing one.
        network: a model by its name in OpenCLIP, or "timm:" and its name in timm.

    Raises:
        SystemExit: there is no such model.
    """
    import torch  # noqa: PLC0415 (takes 5 to 12 s with the imports below; some commands do not need them)
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
    """The table of an encoder in the settings, for the files that `checkpoint` wrote into `folder`."""
    kind = "timm" if network.startswith(_TIMM) else "openclip"
    return {"kind": kind, "model": network.removeprefix(_TIMM), "checkpoint": str(folder / _FILE)}
