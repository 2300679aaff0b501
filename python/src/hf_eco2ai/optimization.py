"""What to change, in the names of HF Eco2AI; comes with a later part: each raises eco2.NotBuilt when it is used."""

from . import not_built
from .scheduling import plan_optimal_training

CarbonOptimizationEngine = getattr(not_built, "CarbonOptimizationEngine")
CarbonOptimizer = getattr(not_built, "CarbonOptimizer")
SustainabilityOptimizer = getattr(not_built, "SustainabilityOptimizer")
generate_recommendations = getattr(not_built, "generate_recommendations")
suggest_optimizations = getattr(not_built, "suggest_optimizations")

__all__ = ["CarbonOptimizationEngine", "CarbonOptimizer", "SustainabilityOptimizer", "generate_recommendations",
           "plan_optimal_training", "suggest_optimizations"]
