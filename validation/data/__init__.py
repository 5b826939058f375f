"""The registry of data sets. To add one, write a class that extends `Dataset` in a file here, and add a line below."""

from validation.data.arrays import Arrays
from validation.data.cifar10 import CIFAR10
from validation.data.cifar100 import CIFAR100
from validation.data.corpora import IMDB, MNLI, QQP, AGNews
from validation.data.dataset import Dataset
from validation.data.digits import Digits
from validation.data.fashion_mnist import FashionMNIST
from validation.data.image_folder import ImageFolder
from validation.data.imagenet import ImageNet
from validation.data.mnist import MNIST
from validation.data.table import Table
from validation.data.texts import OwnTexts
from validation.data.tiny_imagenet import TinyImageNet
from validation.data.views import VIEWS, Images, Rows, Tokens, View
from validation.data.wordnet import WordNet

DATASETS = {dataset.__dataclass_fields__["name"].default: dataset for dataset in (
    MNIST,
    FashionMNIST,
    Digits,
    CIFAR10,
    CIFAR100,
    TinyImageNet,
    ImageNet,
    ImageFolder,
    Arrays,
    Table,
    MNLI,
    QQP,
    IMDB,
    AGNews,
    WordNet,
    OwnTexts,
)}

__all__ = ["CIFAR10", "CIFAR100", "DATASETS", "IMDB", "MNIST", "MNLI", "QQP", "VIEWS", "AGNews", "Arrays", "Dataset",
           "Digits", "FashionMNIST", "ImageFolder", "ImageNet", "Images", "OwnTexts", "Rows", "Table", "TinyImageNet",
           "Tokens", "View", "WordNet"]
