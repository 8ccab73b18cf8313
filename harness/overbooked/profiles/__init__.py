"""Profiles: which means a run asks for, and with what budgets."""

from overbooked.profiles.budget import Budget, BudgetTable
from overbooked.profiles.profile import BUNDLED, Profile, ProfileTable, load_profile

__all__ = ["BUNDLED", "Budget", "BudgetTable", "Profile", "ProfileTable", "load_profile"]
