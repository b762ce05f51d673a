"""New plugin packages from templates."""

LICENCES = ("MIT", "BSD-3-Clause", "Apache-2.0", "none")
