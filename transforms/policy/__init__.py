"""The policy: everything that decides, from policy.toml or by default."""

from transforms.policy.keys import Policy, policy_template
from transforms.policy.reading import load_policy

__all__ = ["Policy", "load_policy", "policy_template"]
