"""A peer: from the start of a process to the first token, with Hugging Face's transformers.

python benchmarks/hf_first_token.py FOLDER PROMPT
"""

import sys

from transformers import AutoTokenizer, GPT2LMHeadModel


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = GPT2LMHeadModel.from_pretrained(sys.argv[1])
    given = tokenizer(sys.argv[2], return_tensors="pt")
    ids = model.generate(
        **given, do_sample=False, max_new_tokens=1, pad_token_id=model.config.eos_token_id
    )
    sys.stdout.write(tokenizer.decode(ids[0, -1:]))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
