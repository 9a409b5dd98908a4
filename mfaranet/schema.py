"""Every setting's type and limits: the sections of params.yaml, and what one run gets of them."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mfaranet.sizes import InputSize, times

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Size = tuple[Positive, Positive]
"""Height and width in pixels."""
Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]
"""Red, green, blue."""
SizeOrLonger = Size | Positive
"""One number is the longer side of images that keep their shape, as those of a set have to that differ in size."""
Factors = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
"""Of height and width."""
ProtocolName = Literal[
    "full_image",
    "single_scale",
    "single_scale_flip",
    "multi_scale_flip",
    "single_scale_plain",
    "single_scale_flip_plain",
    "multi_scale_flip_plain",
]
Device = Literal["auto", "cpu", "cuda", "mps"]
"""auto: CUDA where there is a GPU, else the CPU (see mfaranet.measure.machine)."""
MemoryFormat = Literal["channels_first", "channels_last"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=100)]
"""A name that is a folder, a DVC stage and a Snakemake rule at once: no dots, dashes or capitals."""


class Strict(BaseModel):
    """Unknown keys are refused, what is no finite number too, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class AnyData(Strict):
    """What data sets of all forms have."""

    test_labels: ClassVar[bool]
    """Whether the test split has labels."""
    cache: bool = True
    """Whether its pixels are kept decoded too (see mfaranet.data.decoded)."""


class SampleData(AnyData):
    """Street scenes drawn by mfaranet.datasets.sample."""

    test_labels = False
    form: Literal["sample"]
    size: Size
    train: Positive
    val: Positive
    test: Positive
    seed: int


class CamVidData(AnyData):
    """CamVid in the SegNet form."""

    test_labels = True
    form: Literal["camvid"]
    source: Path | None
    """A folder, a zip or a tar; without it $MFARANET_CAMVID, without that the download from ``url``."""
    url: str
    sha256: str | None


class CamVidOriginalData(AnyData):
    """CamVid as its authors published it, in 32 classes."""

    test_labels = True
    form: Literal["camvid_original"]
    source: Path | None
    """A folder or archive; without it $MFARANET_CAMVID_ORIGINAL."""
    classes: Literal["grouped", "strict"]
    """How 32 become 11: each with those that belong to it, or alone and the other 21 void."""


class CityscapesData(AnyData):
    """Cityscapes, from the user's own copy."""

    test_labels = False
    form: Literal["cityscapes"]
    source: Path | None
    """A folder that holds leftImg8bit/ and gtFine/ or the official archives; without it $CITYSCAPES_DATASET."""


class PascalContextData(AnyData):
    """PASCAL-Context, from the user's own copy of VOC 2010 and of its labels."""

    test_labels = False
    form: Literal["pascal_context"]
    source: Path | None
    """A folder that holds both, extracted or as archives; without it $MFARANET_PASCAL_CONTEXT."""
    classes: Literal[59, 60]
    """60: with the background as a class, which is ignored otherwise."""


class ClassSettings(Strict):
    """A class of a data set of the user's own."""

    name: Annotated[str, Field(min_length=1)]
    id: Byte
    """In masks whose pixels are indices."""
    colour: Colour
    """In masks that are pictures, and in ours."""


class Ignored(Strict):
    """What stands for no class in masks: an index, a colour, or both."""

    id: Byte | None = None
    colour: Colour | None = None

    @model_validator(mode="after")
    def _something(self) -> "Ignored":
        if self.id is None and self.colour is None:
            raise ValueError("give an id, a colour, or both")
        return self


class Labels(Strict):
    """What masks hold."""

    classes: Annotated[list[ClassSettings], Field(min_length=2)]
    ignore: list[Ignored] = []

    @model_validator(mode="after")
    def _once(self) -> "Labels":
        every = [*self.classes, *self.ignore]
        for key in ("name", "id", "colour"):
            values = [value for each in every if (value := getattr(each, key, None)) is not None]
            if twice := [value for value in values if values.count(value) > 1]:
                raise ValueError(f"the {key} {twice[0]!r} stands there twice")
        return self


class FolderData(AnyData):
    """A data set of the user's own: images, and masks at the same relative paths."""

    test_labels = True
    form: Literal["folder"]
    source: Path
    images: str = "images"
    """The folder of the images in ``source``."""
    masks: str = "masks"
    labels: Labels | None = None
    """null: it stands in classes.csv or classes.yaml beside the two folders."""


DataSettings = Annotated[
    SampleData | CamVidData | CamVidOriginalData | CityscapesData | PascalContextData | FolderData,
    Field(discriminator="form"),
]


class WeightsFile(Strict):
    """A weight file of others: an ImageNet classifier, or a trained network of the authors."""

    url: str | None
    """null: there is no public link that could be checked, so only ``path`` will do."""
    sha256: str | None
    path: Path | None
    """A local file, used instead of the download."""


class ImageNetFile(WeightsFile):
    """An ImageNet classifier's file, for encoders."""

    networks: list[Name] = []
    """Of Table XI, whose encoders start from it; a MFARANet's starts from that which its option ``backbone`` names."""


class NetworkSettings(Strict):
    """Arguments of mfaranet.get_model."""

    name: str
    options: dict[str, Any]


class LossSettings(Strict):
    """The paper's joint loss (see mfaranet.training.losses). A network must have what its name and weights ask for."""

    name: Literal["joint_edge_ohem", "joint_edge", "cross_entropy", "ohem"]
    ohem_threshold: Fraction
    ohem_min_kept: Positive | Annotated[float, Field(gt=0, lt=1)]
    """Pixels, or a share of all of a batch on one device."""
    class_weights: Annotated[float, Field(gt=1)] | None
    """The offset of mfaranet.training.losses.class_weights, for ``cross_entropy``; null: all classes weigh the same."""
    boundary_weight: Annotated[float, Field(ge=0)]
    attention_weight: Annotated[float, Field(ge=0)]
    attention_threshold: float
    scales_weight: Annotated[float, Field(ge=0)]
    auxiliary_weight: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _weighted(self) -> "LossSettings":
        if self.class_weights is not None and self.name != "cross_entropy":
            raise ValueError("class_weights must be null but with cross_entropy")
        return self

    @property
    def joint(self) -> bool:
        """Whether it needs a score of every scale."""
        return self.name in ("joint_edge_ohem", "joint_edge")

    @property
    def of_boundaries(self) -> bool:
        """Whether the paper's boundary loss is a part of it."""
        return self.joint and self.scales_weight * self.boundary_weight > 0


class AugmentationSettings(Strict):
    """Random changes of a training image (see mfaranet.data.transforms)."""

    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    rotation: Annotated[float, Field(ge=0, le=180)]
    rotation_probability: Fraction
    flip_probability: Fraction

    @model_validator(mode="after")
    def _ordered(self) -> "AugmentationSettings":
        if self.scale[0] > self.scale[1]:
            raise ValueError("scale must be [smallest, largest]")
        return self


class OptimizationSettings(Strict):
    """How the weights are changed (see mfaranet.training.optimization)."""

    optimizer: Literal["sgd", "adam"]
    base_lr: Annotated[float, Field(gt=0)]
    decoder_lr_factor: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Of SGD; Adam's first beta."""
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["poly", "cosine", "step"]
    poly_power: Annotated[float, Field(gt=0)]
    step_parts: Positive
    step_factor: Annotated[float, Field(gt=0)]
    warmup: Annotated[float, Field(ge=0, lt=1)]
    """Share of the iterations."""


class TrainSettings(OptimizationSettings):
    """Everything that changes what a training run computes."""

    released: WeightsFile | None
    """A trained network of the authors, taken instead of training."""
    split: Literal["train", "trainval"]
    size: SizeOrLonger
    """Images are resized to this times ``input_factors``."""
    input_factors: Factors
    crop: Size | Literal["full"]
    """Times ``input_factors`` as well; ``full``: what holds every resized image."""
    crop_factors: Factors
    """Height and width of the crop, in those of ``crop``."""
    epochs: Positive
    batch_size: Annotated[int, Field(ge=2)]
    """Images of a step, over all devices together."""
    accumulate: Positive
    """Parts that each device takes its share of a batch in, one after the other (see mfaranet.training.loop.train)."""
    workers: Annotated[int, Field(ge=0)]
    seed: int
    validate_every: Positive
    device: Device
    precision: Literal["32-true", "16-mixed", "bf16-mixed"]
    tf32: bool
    """Whether a GPU may take TF32 for float32 in convolutions and matrix products."""
    memory_format: MemoryFormat
    """Of weights and features."""
    compile: bool
    """Whether the network goes through torch.compile."""
    augmentation: AugmentationSettings
    loss: LossSettings

    @property
    def input_size(self) -> InputSize:
        """What images are resized to."""
        return InputSize(self.size, self.input_factors)

    @property
    def crop_size(self) -> Size:
        """Height and width of what the network sees in training."""
        crop = self.input_size.largest if self.crop == "full" else times(self.crop, self.input_factors)
        return times(crop, self.crop_factors)


class EvaluateSettings(Strict):
    """How a trained network is measured."""

    split: Literal["val", "test"]
    protocols: Annotated[list[ProtocolName], Field(min_length=1)]
    size: SizeOrLonger
    """The network's input image is resized to this times ``input_factors``."""
    input_factors: Factors
    window: Size | Literal["full"]
    """Times ``input_factors`` as well; ``full``: what holds every resized image."""
    base_size: Positive
    """Longer side of the image at scale 1 in sliding-window protocols, whatever the input size."""
    checkpoint: Literal["best", "last"]
    pictures: Positive
    device: Device
    tf32: bool

    @property
    def input_size(self) -> InputSize:
        """What images are resized to."""
        return InputSize(self.size, self.input_factors)

    @property
    def window_size(self) -> Size:
        """Height and width of a sliding window."""
        return self.input_size.largest if self.window == "full" else times(self.window, self.input_factors)


class Profile(Strict):
    """What one data set changes."""

    data: DataSettings
    weights: Literal["none", "imagenet"]
    train: dict[str, Any]
    evaluate: dict[str, Any]
    measurements: dict[Name, dict[str, Any]]


class Difference(Strict):
    """What one experiment changes."""

    network: dict[str, Any] = {}
    """``name`` and options in one."""
    train: dict[str, Any] = {}
    evaluate: dict[str, Any] = {}


class Run(Strict):
    """What `dvc repro` makes."""

    datasets: Annotated[list[Name], Field(min_length=1)]
    experiments: Annotated[list[Name], Field(min_length=1)]
    pruned: list[Name]
    """Experiments of which one scale is kept."""
    submissions: list[Name]
    measurements: Annotated[list[Name], Field(min_length=1)]


class ComplexitySettings(Strict):
    """Sizes at which every experiment's network is counted, beside those of its own protocols."""

    sizes: Annotated[list[Size], Field(min_length=1)]


Form = Literal["unfolded", "folded", "deployed", "compiled", "cuda_graph"]
"""Of a network that is timed (see mfaranet.measure.forms)."""


class LatencySettings(Strict):
    """One measurement of speed (see mfaranet.measure.latency)."""

    protocol: Literal["paper", "strict"]
    device: Device
    precision: Literal["float32", "float16", "bfloat16"]
    tf32: bool
    memory_format: MemoryFormat
    forms: list[Literal["deployed", "compiled", "cuda_graph"]]
    """Besides the network as it is, and with its normalisation folded."""
    threads: Positive | None
    """Of a CPU; null: as many as torch takes by itself."""
    sizes: Annotated[list[Size], Field(min_length=1)]
    seconds: Annotated[float, Field(gt=0)]
    """Of timed passes, over all repeats; for ``strict`` alone, as ``repeats``."""
    repeats: Positive
    budget: Annotated[float, Field(gt=0)]
    """Seconds at most for one network in one form at one size, warm-up included; one pass is made in any case."""
    experiments: Annotated[list[Name], Field(min_length=1)]

    @property
    def all_forms(self) -> list[Form]:
        """With those that are timed always."""
        return ["unfolded", "folded", *self.forms]


class Settings(Strict):
    """The complete settings of one experiment on one data set."""

    data: DataSettings
    weights: Literal["none", "imagenet"]
    network: NetworkSettings
    train: TrainSettings
    evaluate: EvaluateSettings


def size_name(size: Size | str) -> str:
    """Height and width as in "512x1024"; words, as InputSize.shown has them, as they are."""
    return size if isinstance(size, str) else f"{size[0]}x{size[1]}"
