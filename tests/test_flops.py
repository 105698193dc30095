"""Operations are counted as a reader would count them by hand."""

from tinygpt.config import ModelConfig
from tinygpt.flops import flops_per_token, forward_flops, multiplied_count

# wte 3 x 2 = 6, wpe 4 x 2 = 8 (looked up), LayerNorms 4 + 4 + 4, qkv 2 x 6 + 6 = 18,
# attention's proj 2 x 2 + 2 = 6, fc 2 x 8 + 8 = 24, the MLP's proj 8 x 2 + 2 = 18
TINY = ModelConfig(vocab_size=3, block_size=4, n_layer=1, n_head=1, n_embd=2)
BLOCK_AND_LNF = 12 + 18 + 6 + 24 + 18


def test_positions_are_not_multiplied():
    assert multiplied_count(TINY) == 6 + BLOCK_AND_LNF == 84


def test_learning_from_a_token_is_6_n_and_attention_over_the_window():
    # forward, for each of 4 positions: 2 channels times 2 in the score, as many in the sum: 32
    assert flops_per_token(TINY) == 6 * 84 + 3 * 32 == 600


def test_one_token_forward_is_2_n_and_attention_over_what_it_sees():
    assert forward_flops(TINY, 1, 4) == 2 * 84 + 32
    assert forward_flops(TINY, 1, 3) == 2 * 84 + 24


def test_of_a_prompt_only_the_last_token_meets_the_output_layer():
    assert forward_flops(TINY, 4, 4) == 4 * (2 * BLOCK_AND_LNF + 32) + 2 * 6 == 764


def test_attention_counts_once_a_layer():
    two = ModelConfig(vocab_size=3, block_size=4, n_layer=2, n_head=1, n_embd=2)
    block = BLOCK_AND_LNF - 4  # without lnf
    assert flops_per_token(two) - flops_per_token(TINY) == 6 * block + 96
    assert forward_flops(two, 1, 4) - forward_flops(TINY, 1, 4) == 2 * block + 32
