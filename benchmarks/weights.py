"""Random weights on disk, the same that ours begins with, for the peers.

    python benchmarks/weights.py a|b|c|gpt2 FOLDER

Writes FOLDER/model.safetensors, as Hugging Face's transformers name and lay out a GPT-2's arrays.
For gpt2 the folder is complete, with a made-up vocabulary (bytes, then pairs of bytes), and beside
it are FOLDER.h5, the same as a checkpoint of ours, and FOLDER-int8.h5.
"""

import sys
from pathlib import Path

from shapes import GPT2, TRAINING

from tinygpt.checkpoint import save_checkpoint
from tinygpt.config import ModelConfig
from tinygpt.convert import to_gpt2
from tinygpt.convert.weights import write_weights
from tinygpt.model import GPT
from tinygpt.tokenizers import BPETokenizer


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    if name == "gpt2":
        config = ModelConfig(**GPT2.config())
        pairs = [divmod(i, 256) for i in range(config.vocab_size - 257)]
        checkpoint = folder.with_suffix(".h5")
        flat, tokenizer = GPT(config).flat, BPETokenizer(pairs)
        for path, dtype in (
            (checkpoint, None),
            (checkpoint.with_stem(f"{folder.name}-int8"), "int8"),
        ):
            save_checkpoint(
                path, config=config, flat=flat, tokenizer=tokenizer, state={}, dtype=dtype
            )
        to_gpt2(checkpoint, folder)
    else:
        config = ModelConfig(**TRAINING[name].config())
        folder.mkdir(parents=True)
        write_weights(folder, GPT(config).flat, config)


if __name__ == "__main__":
    main()
