"""Stage prune: from a trained MFARANet to the network of one of its scales, without training."""

import typer

from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.models import get_model
from mfaranet.models.mfaranet import MFARANet
from mfaranet.models.pruned import prune
from mfaranet.params import pruned_name
from mfaranet.weights.checkpoints import load_trained, save
from workflow.common import Paths, read_json, start, write_run
from workflow.planned import Planned


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml, whose name with _pruned is one as well"),
) -> None:
    """Write the pruned network as a checkpoint, and a description of it, as training would."""
    name = pruned_name(experiment)
    planned = Planned.read("prune", dataset, experiment)
    source, target = Paths(dataset, experiment), Paths(dataset, name)
    record = DatasetRecord.load(source.data)
    file = f"{planned.settings['checkpoint']}.safetensors"
    trained, facts = load_trained(source.checkpoints / file)
    if not isinstance(trained, MFARANet):
        raise InputError(f"params.yaml: run.pruned: {experiment} is no MFARANet, and nothing else can be pruned")
    network, options = planned.settings["network"]["name"], planned.settings["network"]["options"]
    model = get_model(network, len(record.classes), **options)
    try:
        model.load_state_dict(prune(trained, options.get("scale", 2)).state_dict())
    except RuntimeError as error:
        raise InputError(
            f"params.yaml: experiments.{name}.network is not what pruning leaves of {experiment}: {error}"
        ) from None
    facts = {**facts, "network": network, "options": options}
    save(model, target.checkpoints / file, facts)
    training = read_json(source.checkpoints / "run.json")
    write_run(
        target.checkpoints,
        planned,
        record,
        weights=facts["weights"],
        split=training["split"],
        training=training,
    )


if __name__ == "__main__":
    start(main)
