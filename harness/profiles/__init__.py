"""Profiles: which means a run asks for, and with what budgets."""

from harness.profiles.budget import Budget, BudgetTable
from harness.profiles.profile import BUNDLED, Profile, ProfileTable, load_profile

__all__ = ["BUNDLED", "Budget", "BudgetTable", "Profile", "ProfileTable", "load_profile"]
