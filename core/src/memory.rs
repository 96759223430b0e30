//! In-process implementations: the soft state of the embedded mode, tests, simulation.
