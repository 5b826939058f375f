"""The registry of networks. To add one, write a class that extends `Network` in a file here, and add a line below."""

from validation.models.cnn import CNN
from validation.models.encoder import Encoder
from validation.models.mlp import MLP
from validation.models.network import Network
from validation.models.random_features import RandomFeatures
from validation.models.resnet import ResNet
from validation.models.tangent_mlp import TangentMLP
from validation.models.torchvision_networks import MobileNetV2, TorchvisionResNet18

MODELS = {model.__dataclass_fields__["name"].default: model for model in (
    RandomFeatures,
    MLP,
    CNN,
    ResNet,
    MobileNetV2,
    TorchvisionResNet18,
    TangentMLP,
    Encoder,
)}

__all__ = ["CNN", "MLP", "MODELS", "Encoder", "MobileNetV2", "Network", "RandomFeatures", "ResNet", "TangentMLP",
           "TorchvisionResNet18"]
