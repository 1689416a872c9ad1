"""ViT-B-32 with random weights, in OpenCLIP's own format: right for measuring time, and for nothing else."""

import json
from pathlib import Path

MODEL = "ViT-B-32"


def checkpoint(folder: Path) -> Path:
    """Write the weights and their configuration into `folder`; returns the file with the weights (350 MB)."""
    import open_clip  # noqa: PLC0415 (5 to 12 s, and what calls this may be all that needs it)
    import torch  # noqa: PLC0415 (as above)
    from safetensors.torch import save_file  # noqa: PLC0415 (as above)

    from embedding.tower import CONFIG  # noqa: PLC0415 (as above)

    torch.manual_seed(0)
    model = open_clip.create_model(MODEL, load_weights=False)
    weights = {name: value for name, value in model.state_dict().items() if name.startswith("visual.")}
    path = folder / "weights.safetensors"
    save_file(weights, path)
    published = {"model_cfg": open_clip.get_model_config(MODEL), "preprocess_cfg": {}}
    (folder / CONFIG).write_text(json.dumps(published), encoding="utf-8")
    return path
