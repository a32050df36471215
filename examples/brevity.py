"""A reward: the shorter the response beside what the user wrote, the better.

penname train quickstart --run runs/brief --set 'reward.mixture={rouge1: 1, examples.brevity:brevity: 1}'
"""

from penname import RewardInput


def brevity(item: RewardInput) -> float:
    """1 for a response no longer than what the user wrote, less for a longer one."""
    return min(1.0, len(item.expected_output) / max(1, len(item.response)))
