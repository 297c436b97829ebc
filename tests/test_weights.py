"""Other libraries' checkpoints in our network: equal outputs, and a sentence for what does not fit."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

from mobilenet_edu import weights
from mobilenet_edu.weights import SameConv2d, download, from_checkpoint, our_names, pictures, prepare

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def lively(network, seed=0):
    """Random weights and running statistics of a size that keeps the signal alive through 27 layers."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    return network.eval()


@pytest.fixture(scope="module")
def theirs():
    return lively(MobileNetV1ForImageClassification(MobileNetV1Config(depth_multiplier=0.25, num_labels=1001)))


@pytest.mark.parametrize("resolution", [128, 160, 192, 224, 225])
def test_outputs_equal_those_of_transformers(theirs, resolution):
    images = torch.randn(2, 3, resolution, resolution)
    with torch.no_grad():
        logits = theirs(images).logits
        torch.testing.assert_close(from_checkpoint(theirs.state_dict())(images), logits, rtol=0, atol=1e-4)
    assert logits.std() > 0.01  # and they are no constant, which anything could equal


def test_the_full_width_has_equal_outputs_too():
    theirs = lively(MobileNetV1ForImageClassification(MobileNetV1Config(num_labels=1001)))
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(
            from_checkpoint(theirs.state_dict())(images), theirs(images).logits, rtol=0, atol=1e-4
        )


def test_each_habit_of_tensorflow_matters(theirs):
    images = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        expected = theirs(images).logits
        for undo in ("padding", "epsilon", "activation"):
            ours = from_checkpoint(theirs.state_dict())
            for module in ours.modules():
                if undo == "epsilon" and isinstance(module, nn.BatchNorm2d):
                    module.eps = 0.1
                if undo == "activation" and hasattr(module, "activation"):
                    module.activation = nn.ReLU()
                if undo == "padding" and isinstance(getattr(module, "conv", None), SameConv2d):
                    module.conv = _padded_by_half(module.conv)
            assert (ours(images) - expected).abs().max() > 1e-3, undo


def _padded_by_half(same):
    conv = nn.Conv2d(
        same.in_channels, same.out_channels, same.kernel_size, same.stride, 1, groups=same.groups, bias=False
    )
    conv.load_state_dict(same.state_dict())
    return conv


def test_same_padding_is_half_the_kernel_at_stride_one_and_on_odd_maps():
    for stride, size in ((1, 8), (1, 9), (2, 9), (2, 7)):
        same = SameConv2d(2, 3, 3, stride)
        images = torch.randn(1, 2, size, size)
        torch.testing.assert_close(same(images), _biased_like(same)(images))


def _biased_like(same):
    conv = nn.Conv2d(same.in_channels, same.out_channels, same.kernel_size, same.stride, 1)
    conv.load_state_dict(same.state_dict())
    return conv


def test_same_padding_adds_below_and_on_the_right_when_the_map_is_even():
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    same = SameConv2d(1, 1, 3, 2, bias=False)
    nn.init.zeros_(same.weight)
    same.weight.data[0, 0, 0, 0] = 1  # reads the pixel at the kernel's upper left
    assert same(images).flatten().tolist() == [0, 2, 8, 10]


def test_same_padding_takes_rectangles():
    assert SameConv2d(1, 1, (3, 5), (2, 1))(torch.zeros(1, 1, 7, 6)).shape == (1, 1, 4, 6)


def timm_checkpoint():
    manifest = json.loads((EXPERIMENTS / "results" / "timm_mobilenetv1_100.json").read_text(encoding="utf-8"))
    return {name: torch.zeros(shape) for name, shape in manifest.items()}


def test_every_tensor_of_timm_has_its_place_and_shape():
    checkpoint = timm_checkpoint()
    assert len(checkpoint) == 164
    assert sorted(our_names(checkpoint).values()) == sorted(checkpoint)
    network = from_checkpoint(checkpoint)
    assert network.classifier.out_features == 1000
    assert {type(module) for module in network.modules() if isinstance(module, nn.Conv2d)} == {nn.Conv2d}


def test_every_tensor_of_transformers_has_its_place(theirs):
    assert sorted(our_names(theirs.state_dict()).values()) == sorted(theirs.state_dict())


def test_a_truncated_checkpoint_names_the_first_tensor_that_is_missing(theirs):
    checkpoint = dict(list(theirs.state_dict().items())[:20]) | {
        name: tensor for name, tensor in theirs.state_dict().items() if name.startswith("classifier")
    }
    with pytest.raises(ValueError, match=r"no tensor mobilenet_v1\.layer\.2\.normalization\.bias"):
        from_checkpoint(checkpoint)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(theirs):
    checkpoint = dict(theirs.state_dict())
    checkpoint["mobilenet_v1.layer.3.convolution.weight"] = torch.zeros(5, 5, 1, 1)
    with pytest.raises(
        ValueError, match=r"layer\.3\.convolution\.weight has shape \(5, 5, 1, 1\) and must have \(32, 16"
    ):
        from_checkpoint(checkpoint)


@pytest.mark.parametrize("checkpoint", [{}, {"layer1.0.conv1.weight": torch.zeros(1)}])
def test_a_checkpoint_of_another_network_is_refused(checkpoint):
    with pytest.raises(ValueError, match="must be those of timm or transformers"):
        from_checkpoint(checkpoint)


def test_a_picture_is_cropped_to_its_middle_and_scaled():
    picture = torch.zeros(40, 60, 3)
    picture[:, 10:50] = 255  # the middle square is white
    prepared = prepare(picture, 20)
    assert prepared.shape == (1, 3, 20, 20)
    torch.testing.assert_close(prepared, torch.ones(1, 3, 20, 20))
    assert prepare(torch.zeros(8, 8, 3, dtype=torch.uint8), 8).unique().tolist() == [-1]
    with pytest.raises(ValueError, match=r"shape \(3, 8, 8\) and must have \(height, width, 3\)"):
        prepare(torch.zeros(3, 8, 8))


def drawn(folder, classes=("red", "blue"), count=3):
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(count):
            Image.new("RGB", (30 + index, 20), name).save(folder / name / f"{index}.png")
    return folder


def test_a_folder_of_pictures_becomes_images_labels_and_names(tmp_path):
    images, labels, names = pictures(drawn(tmp_path / "set"), 16)
    assert names == ["blue", "red"]
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.shape == (6, 3, 16, 16)
    assert images[0, :, 0, 0].tolist() == pytest.approx([-1, -1, 1])
    assert images[3, :, 0, 0].tolist() == pytest.approx([1, -1, -1])


def test_a_folder_that_is_no_set_of_pictures_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="must have one folder for each class"):
        pictures(tmp_path)
    (tmp_path / "cats").mkdir()
    with pytest.raises(ValueError, match="cats must have at least one picture"):
        pictures(tmp_path)
    (tmp_path / "cats" / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"notes\.txt must be a picture"):
        pictures(tmp_path)


def test_hidden_files_and_grey_or_transparent_pictures_are_no_trouble(tmp_path):
    folder = drawn(tmp_path / "set", classes=("black",), count=1)
    (folder / "black" / ".DS_Store").write_bytes(b"x")
    Image.new("L", (9, 9), 0).save(folder / "black" / "grey.png")
    Image.new("RGBA", (9, 9), (0, 0, 0, 255)).save(folder / "black" / "see-through.png")
    assert pictures(folder, 8)[0].unique().tolist() == [-1]


def test_downloading_is_one_explicit_call(theirs, tmp_path, monkeypatch):
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"id2label": {"0": "background", "1": "tench"}}')
    asked = []

    def fetch(repository, file):
        asked.append((repository, file))
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    tensors, labels = download("google-1.0-224")
    assert {repository for repository, _ in asked} == {weights.CHECKPOINTS["google-1.0-224"]}
    assert labels == {0: "background", 1: "tench"}
    assert from_checkpoint(tensors).classifier.out_features == 1001
    with pytest.raises(ValueError, match=r"name='resnet' must be one of google-1\.0-224"):
        download("resnet")


@pytest.mark.slow
def test_outputs_equal_those_of_timm():
    specification = importlib.util.spec_from_file_location("timm_manifest", EXPERIMENTS / "timm_manifest.py")
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    theirs = lively(script.timm_mobilenet())
    assert {name: list(tensor.shape) for name, tensor in theirs.state_dict().items()} == json.loads(
        script.RESULTS.read_text(encoding="utf-8")
    )
    ours = from_checkpoint(theirs.state_dict())
    for resolution in (128, 224, 225):
        images = torch.randn(1, 3, resolution, resolution)
        with torch.no_grad():
            torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-4)
