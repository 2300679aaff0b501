"""When to train, in the names of HF Eco2AI; comes with a later part: each raises eco2.NotBuilt when it is used."""

from . import not_built

CarbonAwareScheduler = getattr(not_built, "CarbonAwareScheduler")
LowCarbonScheduler = getattr(not_built, "LowCarbonScheduler")
find_low_carbon_window = getattr(not_built, "find_low_carbon_window")
find_optimal_training_window = getattr(not_built, "find_optimal_training_window")

__all__ = ["CarbonAwareScheduler", "LowCarbonScheduler", "find_low_carbon_window", "find_optimal_training_window"]
