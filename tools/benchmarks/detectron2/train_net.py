"""Train and test a detector of detectron2 from converted weights.

Example: python tools/benchmarks/detectron2/train_net.py --config-file coco_R_50_C4_2x_moco.yaml
    --num-gpus 8 MODEL.WEIGHTS backbone.pkl OUTPUT_DIR out
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # so that a clone needs no install

from mmselfsup.utils.errors import UserError, run_cli


def load(name: str) -> Any:
    """Return a module of detectron2, which is no dependency of this package.

    Raises:
        UserError: It is not installed.
    """
    try:
        return import_module(f"detectron2.{name}")
    except ImportError as error:
        raise UserError(
            f"{error}: this script needs detectron2, see its installation page"
        ) from error


def register_heads() -> None:
    """Register the heads of the configs with C4 features.

    ``Res5ROIHeadsExtraNorm`` normalises the output of the last stage once more, as the detection
    benchmark of MoCo does (He et al. 2020, section 4.2).
    """
    heads, layers = load("modeling.roi_heads"), load("layers")

    class Res5ROIHeadsExtraNorm(heads.Res5ROIHeads):  # type: ignore[name-defined,misc]
        """The last stage as the head of C4 features, followed by a normalisation."""

        @classmethod
        def _build_res5_block(cls, cfg: Any) -> Any:
            stage, channels = super()._build_res5_block(cfg)
            stage.add_module("norm", layers.get_norm(cfg.MODEL.RESNETS.NORM, channels))
            return stage, channels

    heads.ROI_HEADS_REGISTRY.register(Res5ROIHeadsExtraNorm)


def make_trainer() -> Any:
    """Return a trainer class that evaluates by the type of the data set."""
    engine, evaluation, data = load("engine"), load("evaluation"), load("data")

    class Trainer(engine.DefaultTrainer):  # type: ignore[name-defined,misc]
        """The default training, with the evaluation of VOC, Cityscapes or COCO."""

        @classmethod
        def build_evaluator(cls, cfg: Any, dataset_name: str, output_folder: str = "") -> Any:
            kind = data.MetadataCatalog.get(dataset_name).evaluator_type
            if kind == "pascal_voc":
                return evaluation.PascalVOCDetectionEvaluator(dataset_name)
            if kind == "cityscapes_instance":
                return evaluation.CityscapesInstanceEvaluator(dataset_name)
            folder = output_folder or str(Path(cfg.OUTPUT_DIR, "inference"))
            return evaluation.COCOEvaluator(dataset_name, output_dir=folder)

    return Trainer


def work(args: Any) -> Any:
    """Train, or with ``--eval-only`` test, in one process."""
    register_heads()
    cfg = load("config").get_cfg()
    cfg.merge_from_file(args.config_file)
    cfg.merge_from_list(args.opts)
    cfg.freeze()
    engine, trainer = load("engine"), make_trainer()
    engine.default_setup(cfg, args)
    if args.eval_only:
        model = trainer.build_model(cfg)
        checkpointer = load("checkpoint").DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
        checkpointer.resume_or_load(cfg.MODEL.WEIGHTS, resume=args.resume)
        return trainer.test(cfg, model)
    run = trainer(cfg)
    run.resume_or_load(resume=args.resume)
    return run.train()


def main() -> None:
    """Start a process for each GPU."""
    engine = load("engine")
    args = engine.default_argument_parser().parse_args()
    engine.launch(
        work,
        args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        args=(args,),
    )


if __name__ == "__main__":
    run_cli(main)
