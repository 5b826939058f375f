"""Figures and tables of the paper and of the theory, drawn from run folders alone.

To add one, write a function of `sources.Found` and add an `Entry` below. What stands in for the paper's settings is
decided here. Which settings Figs. 10 to 14, 25 and 26 show is inferred from the paper's text.
"""

from functools import partial

from paper_figures import (
    exaggeration,
    gains,
    intervention,
    losses,
    mislabelled,
    narrative,
    noisy,
    page,
    phase,
    recipes,
    risk,
    scatter,
    schedules,
    snapshots,
    switching,
    tables,
    theory,
    tokens,
    trajectories,
    views,
)
from paper_figures.entry import Entry
from paper_figures.sources import beside, changed, same_network, settings, snapshotted, study, texts
from paper_figures.trajectories import Slices, grid
from validation.settings import SETTINGS

CIFAR100 = settings("resnet_cifar100", "resnet56_resnet20_cifar100", "resnet56_mobilenet_cifar100",
                    "mobilenet_cifar100")
CIFAR10 = settings("resnet_cifar10", "resnet56_resnet20_cifar10", "resnet56_mobilenet_cifar10", "mobilenet_cifar10")
TINY = settings("resnet_tiny_imagenet", "resnet50_mobilenet_tiny_imagenet", "mobilenet_tiny_imagenet",
                "resnet50_resnet18_tiny_imagenet")
FASHION = settings("resnet20_fashion_mnist_short", "resnet20_resnet8_fashion_mnist_short")
FASHION_NOISY = settings("resnet20_fashion_mnist_noisy", "resnet20_resnet8_fashion_mnist_noisy")
DIGITS = settings("resnet8_mnist", "resnet8_digits", "resnet20_digits", "resnet56_digits")
WORDNET, WORDNET_ACROSS = (texts(alone, begins="wordnet") for alone in (True, False))
CNN = "cnn_fashion_mnist_noisy"
CLOSED_FORM = beside(study("closed_form"))
TEACHER_FIT = study("teacher_fit") + CLOSED_FORM
LABELS = study("label_class", lambda rate: float(rate) != 0.1)


def _confidence(name, shows, needs, stand_in=(), aliases=(), filled=False, **options):
    """The `Entry` of scatters of confidence."""
    return Entry(name, shows, partial(scatter.draw, **options), needs, stand_in, filled, "outputs.npz", aliases)


def _paths(name, shows, setting, rows, stand_in=(), aliases=()):
    """The `Entry` of trajectories."""
    return Entry(name, shows, partial(trajectories.draw, rows=rows), settings(setting), settings(*stand_in),
                 file="trajectory.npz", aliases=aliases)


_FIGURES = (
    _confidence("fig1a", "confidence of student and teacher, training points, self-distillation",
                settings("resnet_cifar100") + texts(True, "mnli"), DIGITS[:1] + changed(CNN, {"data.label_noise": 0.0}),
                splits=("train",)),
    _paths("fig1b", "two of the MLP's trajectories", "mlp_mnist", (Slices("linear1", end=2),),
           aliases=("mlp_mnist_two",)),
    _confidence("fig2a", "the same on test points", settings("resnet_cifar100") + texts(True, "mnli"),
                DIGITS[:1] + changed(CNN, {"data.label_noise": 0.0}), splits=("test",)),
    _confidence("fig2b", "the same across architectures, training points",
                settings("resnet56_resnet20_cifar100") + texts(False, "mnli"),
                FASHION[1:] + settings("wordnet_minilm_upper", "wordnet_minilm_upper_small"),
                splits=("train",)),
    Entry("fig3", "how the paper's argument hangs together", narrative.draw),
    Entry("fig4a", "mislabelled points in the scatter, and the student's gain, by the share of flipped labels",
          noisy.draw, settings("resnet_cifar100_noisy"), study("noisy_labels", lambda rate: float(rate) > 0)
          + beside(study("noisy_labels", lambda rate: float(rate) == 0)), file="outputs.npz",
          aliases=("noisy_labels",)),
    Entry("fig4b", "loss switched during training, under a teacher that interpolates and one that does not",
          switching.over_time, losses.FIG4B, losses.INSTEAD4B, file=switching.FILE),
    _confidence("fig5", "confidence, CIFAR-100", CIFAR100, FASHION, aliases=("confidence_cifar100",)),
    _confidence("fig6", "confidence, CIFAR-100 with noisy labels and by the second recipe",
                settings("resnet_cifar100_noisy", "resnet56_resnet20_cifar100_noisy", "resnet_cifar100_v2"),
                FASHION_NOISY + settings(CNN), aliases=("confidence_cifar100",)),
    _confidence("fig7", "confidence, ImageNet", settings("resnet_imagenet", "resnet_imagenet_late",
                "resnet_imagenet_early"), aliases=("confidence_imagenet",)),
    _confidence("fig8", "confidence, Tiny-ImageNet", TINY, aliases=("confidence_tiny_imagenet",)),
    _confidence("fig9", "confidence, CIFAR-10", CIFAR10, DIGITS, aliases=("confidence_cifar10",)),
    _confidence("fig10", "confidence, self-distillation on MNLI and across architectures on AGNews",
                texts(True, "mnli") + texts(False, "ag_news"), WORDNET + WORDNET_ACROSS,
                sides=("low", "high")),
    _confidence("fig11", "confidence, self-distillation on QQP, IMDB and AGNews", texts(True, "qqp", "imdb", "ag_news"),
                WORDNET, sides=("low", "high")),
    _confidence("fig12", "confidence, across architectures on MNLI, IMDB and QQP", texts(False, "mnli", "imdb", "qqp"),
                WORDNET_ACROSS, sides=("low", "high")),
    _confidence("fig13", "confidence on the class of the label, test points", CIFAR100 + TINY + CIFAR10,
                LABELS, splits=("test",), reference="label"),
    _confidence("fig14", "who is right on underfit test points", CIFAR100, LABELS, splits=("test",),
                marks=scatter.four_groups, says=scatter.who_is_wrong),
    _confidence("fig15", "ablations: longer training, small batches", settings("resnet_cifar100_long")
                + changed("resnet_tiny_imagenet", {"student.epochs": 384, "student.decay_epochs": (144, 259)},
                          "", "Tiny-ImageNet, 300k steps") + settings("resnet_cifar100_small_batch"),
                study("ablations", lambda rate, what: rate == "0" and ("120 epochs" in what or "batches" in what)),
                splits=("train",)),
    Entry("fig16", "confidence, probability, entropy and divergence", views.draw, settings("resnet_cifar100"),
          DIGITS[:1], file="outputs.npz"),
    Entry("fig17", "which directions fit mislabelled examples, random features", mislabelled.draw,
          settings("rf_noisy_mnist"), file="mislabelled.npz", aliases=("mislabelled",)),
    _confidence("fig18", "confidence of random features, MLP and CNN, training points",
                settings("rf_noisy_mnist", "mlp_mnist", "cnn_cifar10"), settings("cnn_fashion_mnist"), filled=True,
                splits=("train",), marks=scatter.mislabelled, shared=False, aliases=("confidence",)),
    _paths("fig19", "fifteen trajectories, random features on noisy MNIST", "rf_noisy_mnist", grid("head"),
           aliases=("rf_noisy_mnist",)),
    _paths("fig20", "fifteen trajectories, MLP on MNIST", "mlp_mnist", grid("linear1"), aliases=("mlp_mnist",)),
    _paths("fig21", "trajectories of the CNN's first layer", "cnn_cifar10", grid("conv1"), ("cnn_fashion_mnist",),
           ("cnn_cifar10", "cnn_fashion_mnist")),
    _paths("fig22", "trajectories of the MLP's second layer, in weights and in displacement", "mlp_mnist",
           (Slices("linear2"), Slices("linear2", "displacement")), aliases=("mlp_mnist_deeper",)),
    _paths("fig23", "trajectories of the CNN's deeper layers", "cnn_cifar10", (Slices("conv2"), Slices("linear")),
           ("cnn_fashion_mnist",), ("cnn_cifar10_deeper", "cnn_fashion_mnist")),
    Entry("fig24", "loss switched during training: CIFAR-100 and Tiny-ImageNet", switching.over_time,
          losses.FIG24, losses.INSTEAD24, file=switching.FILE),
    Entry("fig25", "confidence over time by the student's loss, Tiny-ImageNet", snapshots.draw,
          snapshotted(losses.TINY, (50, 100, 128, 150, 200)), losses.halfway("half the data"),
          file=snapshots.FILE),
    Entry("fig26", "confidence over time by the student's loss, CIFAR-100", snapshots.draw,
          snapshotted(losses.CIFAR100, (100, 200, 312, 400, 450)), losses.halfway("interpolating"),
          file=snapshots.FILE),
    # Past the paper
    Entry("theory", "gains matched at a pivot, their gap and its certified bound (Theorem 4.1)", theory.draw),
    Entry("schedules", "gains of generations, loss switches and other schedules", schedules.draw,
          aliases=("generations",)),
    Entry("risk", "risk of the best student over that of the best teacher, by label noise", risk.draw),
    Entry("phase", "gain by label noise and the teacher's fit, measured and in closed form (Sec. 5.2)", phase.draw,
          TEACHER_FIT, page=page.page),
    Entry("loss_switching", "gain by when the loss is switched, measured and in closed form", switching.by_share,
          losses.ALL + CLOSED_FORM),
    Entry("tokens", "confidence of small language models, distilled and quantised, token by token", tokens.draw,
          study("language_models"), file=tokens.FILE),
    Entry("exaggeration", "exaggeration of all recorded layers, by the paper's definition and the theorem's",
          exaggeration.draw, settings(*exaggeration.wanted())),
    Entry("gains", "predicted against measured gains of networks, by width", gains.draw, gains.WIDTHS,
          file="gains.npz"),
    Entry("gains_over_time", "predicted and measured gains during training", gains.over_time, gains.WIDTHS,
          file="gains.npz"),
    Entry("gains_away", "predicted against measured gains outside the theorem's assumptions", gains.away, gains.OUTSIDE,
          file="gains.npz"),
    *(_confidence(f"confidence_{dataset}", f"confidence, all settings on {dataset}",
                  settings(*scatter.of_data(dataset))) for dataset in scatter.DATASETS
      if not any(SETTINGS[name].published for name in scatter.of_data(dataset))),
)

def _compared(some=lambda name: True):
    """`Wanted` of the settings that Tables 2 to 6 compare: the paper's own, and those on other data."""
    names = [name for name in tables.compared() if some(name)]
    return tuple(settings(*(name for name in names if tables.is_papers(name) == papers)) for papers in (True, False))


def _slopes(name, shows, alone, side):
    """The `Entry` of a table of slopes; alone: of self-distillation."""
    own, others = _compared(lambda name: same_network(SETTINGS[name]) == alone
                            and tables.of_text(name) == (side == "high"))
    return Entry(name, f"{shows}, {'self-distillation' if alone else 'across architectures'}",
                 partial(tables.slopes, side=side), own, others, filled=True)


_TABLES = (
    Entry("table1", "training of the image settings, the paper's and ours", partial(
        recipes.table, recipes.IMAGES, recipes.TABLE1)),
    Entry("table2", "accuracies, the paper's and ours", tables.accuracies, *_compared(), filled=True),
    _slopes("table3", "slopes over the least confident points, images", True, "low"),
    _slopes("table4", "slopes over the least confident points, images", False, "low"),
    _slopes("table5", "slopes over the most confident points, text", True, "high"),
    _slopes("table6", "slopes over the most confident points, text", False, "high"),
    Entry("table7", "training of the eigenspace settings, the paper's and ours", partial(
        recipes.table, recipes.EIGENSPACE, recipes.TABLE7)),
    Entry("table_eigenspace", "exaggerated pairs of all recorded layers, two definitions, sign tests",
          exaggeration.table, settings(*exaggeration.wanted())),
    Entry("table_phase", "the figure phase as numbers", phase.table, TEACHER_FIT),
    Entry("table_tokens", "small language models, distilled and quantised, against their teacher", tokens.table,
          study("language_models")),
    Entry("table_switching", "students whose loss is switched, against those without a switch, paired by seed",
          switching.table, losses.EVERY + CLOSED_FORM),
    Entry("table_intervention", "examples treated by the teacher's confidence, strengths chosen apart (Sec. 7)",
          intervention.table, study("intervention")),
    Entry("table_gains", "drift of networks from the closed form: widths, steps, optimisers, losses", gains.table,
          gains.WIDTHS + gains.OTHERS),
)

FIGURES, TABLES = ({entry.name: entry for entry in entries} for entries in (_FIGURES, _TABLES))
NAMES = tuple(dict.fromkeys(name for entry in (FIGURES | TABLES).values() for name in (entry.name, *entry.aliases)))


def named(name):
    """The entries of a name or an alias in capital or small letters, none for an unknown one."""
    name, entries = name.lower(), {**FIGURES, **TABLES}
    return [entries[name]] if name in entries else [entry for entry in entries.values() if name in entry.aliases]
