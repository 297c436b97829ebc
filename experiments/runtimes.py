"""One network as a file for each of today's runtimes, each made and run as its makers describe it.

    python experiments/runtimes.py                       what there is to choose from
    python experiments/runtimes.py "ExecuTorch" files    the digit reader as a file in files/, checked on its 360 digits

A way has two halves. The first turns a PyTorch network into a file and may need much; the second runs the file, and
needs the runtime alone. Each runtime's packages lie in a folder of their own below _build/runtimes, installed by
name and version when they are first needed, without what they depend on: PyTorch and NumPy are the project's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parents[1] / "_build" / "runtimes"

# What pip installs into one folder. Checked together with torch 2.13.0 and NumPy 2.4.
PACKAGES = {
    "PyTorch": (),
    "onnxruntime": (),  # the project's own
    "OpenVINO": ("openvino==2026.4.1", "nncf==3.4.0", "openvino-telemetry==2025.2.0"),
    "ncnn": ("ncnn==1.0.20261020", "pnnx==20261020"),
    "ExecuTorch": ("executorch==1.5.1", "torchao==0.18.0", "ruamel.yaml==0.19.1"),
    "LiteRT": (
        *("litert-torch==0.10.0", "ai-edge-litert==2.3.0", "ai-edge-quantizer==0.10.0", "litert-converter==0.5.0"),
        *("torchao==0.18.0", "xdsl==0.28.0", "backports.strenum==1.2.8", "jax==0.10.2", "jaxlib==0.10.2"),
        *("opt_einsum==3.4.0", "jaxtyping==0.3.11", "wadler-lindig==0.1.8", "absl-py==2.5.1"),
        *("multipledispatch==1.0.0", "immutabledict==4.2.1"),
    ),
}

Run = Callable[[np.ndarray], np.ndarray]  # images (N, C, H, W) to logits (N, classes), N as the file was made for


class Given(NamedTuple):
    """What a file is made from: a network in evaluation mode, as many images as it shall take at a time, and images
    to calibrate integers with."""

    network: object  # nn.Module
    images: object  # torch.Tensor
    calibration: object  # torch.Tensor


class Way(NamedTuple):
    """How to make a file, and how to run it on so many threads. ``bits`` is the width of the file's numbers; the
    ``variables`` are set in the environment before anything is imported."""

    runtime: str
    bits: int
    build: Callable[[Given, Path], None]
    load: Callable[[Path, int], Run]
    variables: Mapping[str, str] = {}
    suffix: str = ""  # of the file, where it is not that of the runtime's others


def install(runtime: str, folder: Path = FOLDER) -> Path:
    """The folder of a runtime's packages, made if it is not there."""
    place = folder / "packages" / runtime.lower()
    if PACKAGES[runtime] and not (place / ".done").exists():
        print(f"installing {runtime} into {place}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(place)]
        subprocess.run([*command, *PACKAGES[runtime]], check=True, stdout=sys.stderr)
        (place / ".done").touch()
    return place


# --- PyTorch itself: the file is an exported program ---------------------------------------------------------------


def save_program(given: Given, path: Path) -> None:
    import torch

    torch.export.save(torch.export.export(given.network, (given.images,)), path)


def save_folded(given: Given, path: Path) -> None:
    from mobilenet_edu import deploy

    folded = deploy.fold_batch_norms(given.network)
    save_program(given._replace(network=folded), path)


def run_program(path: Path, threads: int) -> Run:
    return _in_torch(_program(path), threads)


def run_channels_last(path: Path, threads: int) -> Run:
    import torch

    return _in_torch(_program(path).to(memory_format=torch.channels_last), threads, torch.channels_last)


def run_bfloat16(path: Path, threads: int) -> Run:
    import torch

    module = _program(path).to(torch.bfloat16, memory_format=torch.channels_last)
    return _in_torch(lambda x: module(x.to(torch.bfloat16)).float(), threads, torch.channels_last)


def run_compiled(path: Path, threads: int) -> Run:
    import torch
    import torch._inductor.config

    torch._inductor.config.freezing = True  # weights are constants: batch norms fold, layouts are chosen
    module = torch.compile(_program(path), dynamic=False)
    return _in_torch(module, threads, grad=torch.no_grad)  # freezing looks for no_grad


def _program(path: Path):
    import torch

    return torch.export.load(path).module()


def _in_torch(module: Callable, threads: int, memory_format=None, grad=None) -> Run:
    import torch

    torch.set_num_threads(threads)

    def run(images: np.ndarray) -> np.ndarray:
        with (grad or torch.inference_mode)():
            tensor = torch.from_numpy(images)
            return module(tensor.to(memory_format=memory_format) if memory_format else tensor).numpy()

    return run


def save_pt2e_x86(given: Given, path: Path) -> None:
    """8-bit integers by torchao's quantiser for PyTorch's own compiler."""
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    _save_pt2e(given, quantizer, path)


def run_compiled_integers(path: Path, threads: int) -> Run:
    import torchao.quantization.pt2e  # noqa: F401  knows the operations of the file

    return run_compiled(path, threads)


def _save_pt2e(given: Given, quantizer, path: Path) -> None:
    import torch

    torch.export.save(torch.export.export(_pt2e(given, quantizer), (given.images,)), path)


def _pt2e(given: Given, quantizer):
    """The exported network with observers, which see the calibration images, and then with integers."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    observed = prepare_pt2e(torch.export.export(given.network, (given.images,)).module(), quantizer)
    for images in _in_batches(given):
        observed(images)
    return convert_pt2e(observed)


def _in_batches(given: Given):
    """The calibration images, as many at a time as the file takes."""
    batches = given.calibration.split(len(given.images))
    return [batch for batch in batches if len(batch) == len(given.images)]


# --- onnxruntime ----------------------------------------------------------------------------------------------------


def save_onnx(given: Given, path: Path) -> None:
    from mobilenet_edu import deploy

    deploy.export_onnx(given.network, path, tuple(given.images.shape[1:]))


def save_onnx_int8(given: Given, path: Path, float_layers: int = 0) -> None:
    from mobilenet_edu import deploy

    exported = path.with_suffix(".float.onnx")
    save_onnx(given, exported)
    setting = {"per_channel": True, "batch_size": 8, "float_layers": float_layers}
    deploy.quantize_onnx(exported, path, given.calibration, **setting)
    exported.unlink()


def run_onnx(path: Path, threads: int, level: str = "ORT_ENABLE_ALL", profile: str = "", without: tuple = ()) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, profile
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(path), options, providers, disabled_optimizers=list(without))

    def run(images: np.ndarray) -> np.ndarray:
        return session.run(None, {"images": images})[0]

    run.session = session
    return run


# --- OpenVINO ---------------------------------------------------------------------------------------------------------


def save_openvino(given: Given, path: Path) -> None:
    import openvino

    openvino.save_model(_openvino(given), path, compress_to_fp16=False)


def save_openvino_half(given: Given, path: Path) -> None:
    import openvino

    openvino.save_model(_openvino(given), path)  # its default rounds the weights to 16 bits


def save_openvino_int8(given: Given, path: Path, float_layers: int = 0) -> None:
    import nncf
    import openvino

    model = _openvino(given)
    convolutions = [op for op in model.get_ordered_ops() if op.get_type_name().endswith("Convolution")]
    kept = nncf.IgnoredScope(names=[op.get_friendly_name() for op in convolutions[:float_layers]])
    images = nncf.Dataset([batch.numpy() for batch in _in_batches(given)])
    integers = nncf.quantize(model, images, subset_size=len(given.calibration), ignored_scope=kept)
    openvino.save_model(integers, path, compress_to_fp16=False)


def _openvino(given: Given):
    import openvino

    return openvino.convert_model(given.network, example_input=given.images, input=list(given.images.shape))


def run_openvino_default(path: Path, threads: int) -> Run:
    return run_openvino(path, threads, INFERENCE_PRECISION_HINT=None)


def run_openvino(path: Path, threads: int, **settings) -> Run:
    import openvino

    asked = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1} | settings
    asked = {name: value for name, value in asked.items() if value is not None}
    compiled = openvino.Core().compile_model(str(path), "CPU", asked)
    request = compiled.create_infer_request()

    def run(images: np.ndarray) -> np.ndarray:
        return request.infer(images, share_inputs=True)[compiled.output(0)]

    run.request, run.compiled = request, compiled
    return run


# --- ncnn: two files, one image at a time ----------------------------------------------------------------------------


def save_ncnn(given: Given, path: Path) -> None:
    _save_ncnn(given, path, half=False)


def save_ncnn_half(given: Given, path: Path) -> None:
    _save_ncnn(given, path, half=True)  # its default


def _save_ncnn(given: Given, path: Path, half: bool) -> None:
    import pnnx

    with tempfile.TemporaryDirectory() as folder:  # it writes many files beside its first
        pnnx.export(given.network, f"{folder}/network.pt", (given.images[:1],), fp16=half)
        shutil.move(f"{folder}/network.ncnn.bin", path.with_suffix(".bin"))
        shutil.move(f"{folder}/network.ncnn.param", path)


def run_ncnn_default(path: Path, threads: int) -> Run:
    return run_ncnn(path, threads, half=True)


def run_ncnn(path: Path, threads: int, half: bool = False) -> Run:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_storage = half
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".bin")))

    def one(image: np.ndarray) -> np.ndarray:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(image))
        return np.array(extractor.extract("out0")[1])

    return lambda images: np.stack([one(image) for image in images])


# --- ExecuTorch -------------------------------------------------------------------------------------------------------


def save_executorch(given: Given, path: Path) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    _save_executorch(given.network, given, path, [XnnpackPartitioner()])


def save_executorch_alone(given: Given, path: Path) -> None:
    _save_executorch(given.network, given, path, None)  # nothing is handed to XNNPACK, and nothing says so


def save_executorch_int8(given: Given, path: Path, float_layers: int = 0) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack

    setting = xnnpack.get_symmetric_quantization_config(is_per_channel=True)
    quantizer = xnnpack.XNNPACKQuantizer().set_global(setting)
    if float_layers:
        quantizer.set_filter_function(lambda node: not _is_before(node, float_layers))
    integers = _pt2e(given, quantizer)
    _save_executorch(integers, given, path, [XnnpackPartitioner()])


def _is_before(node, convolution: int) -> bool:
    """Whether a node of an exported program is a step before the convolution of that number, counted from 0."""
    convolutions = [step for step in node.graph.nodes if str(step.target).startswith("aten.conv2d")]
    return node.op == "call_function" and node < convolutions[convolution]


def _save_executorch(network, given: Given, path: Path, partitioner) -> None:
    import torch
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(network, (given.images,))
    path.write_bytes(to_edge_transform_and_lower(program, partitioner=partitioner).to_executorch().buffer)


def run_executorch(path: Path, threads: int) -> Run:
    import torch
    from executorch.runtime import Runtime

    torch.set_num_threads(threads)
    program = Runtime.get().load_program(str(path))
    method = program.load_method("forward")

    def run(images: np.ndarray) -> np.ndarray:
        return method.execute([torch.from_numpy(images)])[0].numpy()

    run.program = program  # it must outlive its method
    return run


# --- LiteRT -----------------------------------------------------------------------------------------------------------


def save_litert(given: Given, path: Path) -> None:
    import litert_torch

    litert_torch.convert(given.network, (given.images,)).export(str(path))


def save_litert_int8(given: Given, path: Path, float_layers: Sequence[str] = ()) -> None:
    from ai_edge_quantizer import recipe

    _save_litert_integers(given, path, [*recipe.static_wi8_ai8(), *map(_stays_float, float_layers)])


def _stays_float(layer: str) -> dict[str, object]:
    """A rule of a recipe: steps keep float32 if what they write is named first after this layer."""
    return {"regex": f"^[^;]*{layer}", "operation": "*", "algorithm_key": "no_quantize", "op_config": {}}


def save_litert_weights(given: Given, path: Path) -> None:
    from ai_edge_quantizer import recipe

    _save_litert_integers(given, path, recipe.dynamic_wi8_afp32())


def _save_litert_integers(given: Given, path: Path, recipe) -> None:
    from ai_edge_quantizer import quantizer

    exported = path.with_suffix(".float.tflite")
    save_litert(given, exported)
    integers = quantizer.Quantizer(str(exported))
    integers.load_quantization_recipe(recipe)
    seen = None
    if integers.need_calibration:
        seen = integers.calibrate({"serving_default": [{"args_0": batch.numpy()} for batch in _in_batches(given)]})
    path.unlink(missing_ok=True)
    integers.quantize(seen).export_model(str(path))
    exported.unlink()


def run_litert_alone(path: Path, threads: int) -> Run:
    return run_litert(path, threads, delegate=False)


def run_litert(path: Path, threads: int, delegate: bool = True) -> Run:
    from ai_edge_litert import interpreter as litert

    kind = litert.OpResolverType.BUILTIN if delegate else litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = litert.Interpreter(str(path), num_threads=threads, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], _onto_grid(images, taken))
        interpreter.invoke()
        return _off_grid(interpreter.get_tensor(given["index"]), given)

    return run


def _onto_grid(images: np.ndarray, taken: dict) -> np.ndarray:
    """What a file takes whose inputs are integers: this is left to the caller."""
    if taken["dtype"] == np.float32:
        return images
    scale, zero = taken["quantization"]
    limits = np.iinfo(taken["dtype"])
    return np.clip(np.round(images / scale) + zero, limits.min, limits.max).astype(taken["dtype"])


def _off_grid(numbers: np.ndarray, given: dict) -> np.ndarray:
    if given["dtype"] == np.float32:
        return numbers
    scale, zero = given["quantization"]
    return (numbers.astype(np.float32) - zero) * scale


# --- weights on the grid before any tool looks at them -------------------------------------------------------------


# Integers cost the first two convolutions the most, and save them no time: they stay in float32.
FLOAT_LAYERS = 2
FLOAT_NAMES = ("_stem/", "Sequential_0/[^;]*_depthwise/")  # the same two, as LiteRT's converter names them


def _fitted(given: Given, path: Path) -> Given:
    """The network as `fit_rounding` rounds it, kept beside the files: every tool gets the same."""
    import torch
    from fit_rounding import fitted

    place = path.parents[1]  # of this network's files for so many images at a time
    kept = place.with_name(f"{place.name.rpartition('-')[0]}-fitted.pt")
    if not kept.exists():
        torch.save(fitted(given.network, given.calibration, FLOAT_LAYERS), path.with_suffix(".pt"))
        path.with_suffix(".pt").replace(kept)
    return given._replace(network=torch.load(kept, weights_only=False))  # our own file


def save_onnx_fitted(given: Given, path: Path) -> None:
    save_onnx_int8(_fitted(given, path), path, FLOAT_LAYERS)


def save_openvino_fitted(given: Given, path: Path) -> None:
    save_openvino_int8(_fitted(given, path), path, FLOAT_LAYERS)


def save_executorch_fitted(given: Given, path: Path) -> None:
    save_executorch_int8(_fitted(given, path), path, FLOAT_LAYERS)


def save_litert_fitted(given: Given, path: Path) -> None:
    save_litert_int8(_fitted(given, path), path, FLOAT_NAMES)


_OLD = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}  # of torch's two ways to compute, and OpenVINO's
_NO_VNNI = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}

WAYS = {
    "plain PyTorch": Way("PyTorch", 32, save_program, run_program),
    "folded, channels-last": Way("PyTorch", 32, save_folded, run_channels_last),
    "torch.compile": Way("PyTorch", 32, save_program, run_compiled),
    "onnxruntime": Way("onnxruntime", 32, save_onnx, run_onnx),
    "OpenVINO": Way("OpenVINO", 32, save_openvino, run_openvino),
    "ncnn": Way("ncnn", 32, save_ncnn, run_ncnn),
    "ExecuTorch": Way("ExecuTorch", 32, save_executorch, run_executorch),
    "LiteRT": Way("LiteRT", 32, save_litert, run_litert),
    "torch.compile int8": Way("ExecuTorch", 8, save_pt2e_x86, run_compiled_integers, suffix="pt2"),
    "onnxruntime int8": Way("onnxruntime", 8, save_onnx_int8, run_onnx),
    "OpenVINO int8": Way("OpenVINO", 8, save_openvino_int8, run_openvino),
    "ExecuTorch int8": Way("ExecuTorch", 8, save_executorch_int8, run_executorch),
    "LiteRT int8": Way("LiteRT", 8, save_litert_int8, run_litert),
    # Weights rounded with the images in view, and then the same tools
    "onnxruntime int8, fitted": Way("onnxruntime", 8, save_onnx_fitted, run_onnx),
    "OpenVINO int8, fitted": Way("OpenVINO", 8, save_openvino_fitted, run_openvino),
    "ExecuTorch int8, fitted": Way("ExecuTorch", 8, save_executorch_fitted, run_executorch),
    "LiteRT int8, fitted": Way("LiteRT", 8, save_litert_fitted, run_litert),
    # What comes unasked, and fewer bits by choice
    "OpenVINO as it comes": Way("OpenVINO", 32, save_openvino, run_openvino_default),
    "OpenVINO, 16-bit file": Way("OpenVINO", 16, save_openvino_half, run_openvino),
    "ncnn as it comes": Way("ncnn", 32, save_ncnn, run_ncnn_default),
    "ncnn, 16-bit file": Way("ncnn", 16, save_ncnn_half, run_ncnn_default),
    "PyTorch bfloat16": Way("PyTorch", 16, save_folded, run_bfloat16),
    "LiteRT int8 weights": Way("LiteRT", 8, save_litert_weights, run_litert),
    # One thing switched off
    "ExecuTorch, no delegate": Way("ExecuTorch", 32, save_executorch_alone, run_executorch),
    "LiteRT, no delegate": Way("LiteRT", 32, save_litert, run_litert_alone),
    "LiteRT int8, no delegate": Way("LiteRT", 8, save_litert_int8, run_litert_alone),
    "onnxruntime, nothing joined": Way("onnxruntime", 32, save_onnx, partial(run_onnx, level="ORT_ENABLE_BASIC")),
    "onnxruntime, own layout off": Way("onnxruntime", 32, save_onnx, partial(run_onnx, level="ORT_ENABLE_EXTENDED")),
    "plain PyTorch, AVX2": Way("PyTorch", 32, save_program, run_program, _OLD),
    "OpenVINO, AVX2": Way("OpenVINO", 32, save_openvino, run_openvino, _OLD),
    "OpenVINO int8, no VNNI": Way("OpenVINO", 8, save_openvino_int8, run_openvino, _NO_VNNI),
}
FIRST = tuple(WAYS)[: list(WAYS).index("OpenVINO as it comes")]
SHORT = tuple(WAYS)[: list(WAYS).index("ExecuTorch, no delegate")]  # without those that switch one thing off
SUFFIXES = {
    "PyTorch": "pt2",
    "onnxruntime": "onnx",
    "OpenVINO": "xml",
    "ncnn": "param",
    "ExecuTorch": "pte",
    "LiteRT": "tflite",
}


# --- the networks, and a process for each way ---------------------------------------------------------------------


class Pictures(NamedTuple):
    """What a network is asked, what is on these images (-1 if nobody says), and what integers are calibrated with."""

    network: object  # nn.Module
    asked: object  # torch.Tensor
    labels: object  # torch.Tensor
    calibration: object  # torch.Tensor


def digit_reader() -> Pictures:
    """The book's own network with its 360 test digits, calibrated on 100 validation digits."""
    from mobilenet_edu import training

    data = training.digits()
    return Pictures(training.load_digit_reader(), data.test.images, data.test.labels, data.validation.images[:100])


def released() -> Pictures:
    """Google's MobileNet V1 1.0-224. It is asked three squares of each of 38 pictures, and calibrated on ten others.

    The squares are the middle and two corners, so those of one picture are much alike. Ten of the 38 are photographs of
    ImageNet, whose classes are known; Google's network counts from 1, with 0 for none of them.
    """
    import torch
    from released import google, photographs, things

    from mobilenet_edu.weights import from_checkpoint

    kept = FOLDER / "squares.pt"
    if not kept.exists():
        pictures, classes = zip(*photographs(), strict=True)
        chosen = {"asked": [*things().values(), *pictures[::2]], "calibration": pictures[1::2]}
        found = {name: torch.cat([squares(each) for each in some]) for name, some in chosen.items()}
        found["labels"] = torch.tensor([-1] * len(things()) + [1 + each for each in classes[::2]]).repeat_interleave(3)
        FOLDER.mkdir(parents=True, exist_ok=True)
        torch.save(found, kept)
    return Pictures(from_checkpoint(google()), **torch.load(kept))


def squares(picture):
    """(H, W, 3) to (3, 3, 224, 224): the middle, and two corners of three quarters of the shorter side."""
    import torch

    from mobilenet_edu.weights import prepare

    side = min(picture.shape[:2]) * 3 // 4
    return torch.cat([prepare(each) for each in (picture, picture[:side, :side], picture[-side:, -side:])])


NETWORKS = {"digit reader": digit_reader, "released checkpoint": released}


def build(name: str, network: str, batch_size: int = 1, folder: Path = FOLDER) -> Path:
    """The file of a way, made in a process of its own if it is not there yet."""
    way = WAYS[name]
    place = folder / "files" / f"{network.replace(' ', '-')}-{batch_size}"
    path = place / f"{way.build.__name__.removeprefix('save_')}.{way.suffix or SUFFIXES[way.runtime]}"
    if not path.exists():
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as new:
            command = _command("--build", name, network, str(batch_size), str(Path(new) / path.name))
            done = subprocess.run(command, env=_variables(name, folder, 2), cwd=new, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{name} could not make a file of the {network}:\n{done.stderr[-2000:]}")
            for made in sorted(Path(new).glob(f"{path.stem}.*"), key=lambda made: made == Path(new) / path.name):
                made.replace(place / made.name)  # the one that is looked for comes last
    return path


def size(path: Path) -> int:
    """Bytes of a file and of those that belong to it, the weights of OpenVINO and ncnn."""
    return path.stat().st_size + (path.with_suffix(".bin").stat().st_size if path.suffix in (".xml", ".param") else 0)


class Process:
    """A way at work in a process of its own, on the last ``threads`` cores; it is idle until it is asked."""

    def __init__(self, name: str, path: Path, threads: int = 1, folder: Path = FOLDER) -> None:
        self.name, self.path = name, path
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        command = _command("--serve", name, str(path), str(threads))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, env=_variables(name, folder, threads), text=True, **pipes)

    def answers(self, images: np.ndarray, batch_size: int = 1) -> np.ndarray:
        """The logits of all images, asked so many at a time; the last batch is filled up."""
        missing = -len(images) % batch_size
        filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)])
        return self._ask(filled, batch_size)[1][: len(images)]

    def seconds(self, images: np.ndarray, calls: int) -> dict[str, list[float]]:
        """For each call with all of the images, the CPU seconds of the process ("cpu") and those of the clock."""
        return self._ask(images, len(images), calls)[0]

    def _ask(self, images: np.ndarray, batch_size: int, calls: int = 1) -> tuple[dict[str, list[float]], np.ndarray]:
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder) / "asked.npy", Path(folder) / "answered.npy"
            np.save(asked, images)
            line = json.dumps({"asked": str(asked), "answered": str(answered), "size": batch_size, "calls": calls})
            print(line, file=self.process.stdin, flush=True)
            if not (line := self.process.stdout.readline()):
                self.errors.seek(0)
                raise RuntimeError(f"{self.name} stopped:\n{self.errors.read()[-2000:]}")
            return json.loads(line), np.load(answered)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, __file__, *arguments]


def _variables(name: str, folder: Path, threads: int) -> dict[str, str]:
    way = WAYS[name]
    paths = [str(install(way.runtime, folder)), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "OMP_NUM_THREADS": str(threads),
        **way.variables,
    }


def _build(name: str, network: str, batch_size: str, path: str) -> None:
    pictures = NETWORKS[network]()
    images = pictures.asked[: int(batch_size)].clone()  # an exported program keeps all that its example is a part of
    given = Given(pictures.network, images, pictures.calibration)
    WAYS[name].build(given, Path(path))


def _serve(name: str, path: str, threads: str) -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a runtime prints is no reply
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(threads) :])
    run = WAYS[name].load(Path(path), int(threads))
    for line in sys.stdin:
        print(json.dumps(_answer(run, **json.loads(line))), file=replies, flush=True)


def _answer(run: Run, asked: str, answered: str, size: int, calls: int) -> dict[str, list[float]]:
    images = np.load(asked)
    batches = [images[start : start + size] for start in range(0, len(images), size)]
    seconds: dict[str, list[float]] = {"cpu": [], "clock": []}
    for _ in range(calls):
        cpu, clock = time.process_time(), time.perf_counter()
        found = [run(batch) for batch in batches]
        seconds["cpu"].append(time.process_time() - cpu)
        seconds["clock"].append(time.perf_counter() - clock)
    np.save(answered, np.concatenate(found))
    return seconds


def main(arguments: list[str]) -> None:
    match arguments:
        case ["--build", name, network, batch_size, path]:
            _build(name, network, batch_size, path)
        case ["--serve", name, path, threads]:
            _serve(name, path, threads)
        case [name, target] if name in WAYS:
            hand_over(name, Path(target))
        case _:
            print(__doc__)
            print("\n".join(f"{way.runtime:12} {way.bits:2} bits  {name}" for name, way in WAYS.items()))


def hand_over(name: str, target: Path, folder: Path = FOLDER) -> None:
    """The digit reader's file for a runtime, copied into ``target`` and run there on every test digit."""
    path = build(name, "digit reader", folder=folder)
    target.mkdir(parents=True, exist_ok=True)
    for made in path.parent.glob(f"{path.stem}.*"):
        shutil.copy(made, target / f"digit_reader_{made.name}")  # two runtimes have a .bin of their own
    copied = target / f"digit_reader_{path.name}"
    pictures = digit_reader()
    import torch

    with torch.inference_mode():
        expected = pictures.network(pictures.asked).numpy()
    process = Process(name, copied, folder=folder)
    found = process.answers(pictures.asked.numpy())
    process.close()
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    print(f"{copied}: {size(copied):,} bytes, {same} of {len(expected)} answers as PyTorch's")


if __name__ == "__main__":
    main(sys.argv[1:])
